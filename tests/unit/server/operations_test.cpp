// The operations of a whole server, of one shard and of three: what each answers, and what it changes for the others.
// What is asked and answered stands in transcripts/ (transcript.hpp). With FOLKMOOT_WRITE_TRANSCRIPTS=1 in the
// environment, answers that are different now are written there: look at what git says has changed.
#include <gtest/gtest.h>

#include <fstream>

#include "transcript.hpp"

namespace folkmoot::test {
namespace {

std::string contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator(file), {}};
}

class OperationsTest : public testing::TestWithParam<std::uint32_t> {
 protected:
  void hears(const std::string& name) {
    const auto path = std::string(FOLKMOOT_TRANSCRIPTS) + "/" + name + ".txt";
    const auto said = contents(path);
    ASSERT_NE(said, "") << path;
    const auto heard = TranscriptServer(GetParam()).ask(said);
    if (std::getenv("FOLKMOOT_WRITE_TRANSCRIPTS") != nullptr) std::ofstream(path) << heard;
    EXPECT_EQ(heard, said);
  }
};

INSTANTIATE_TEST_SUITE_P(Shards, OperationsTest, testing::Values(1, 3),
                         [](const auto& shards) { return "of_" + std::to_string(shards.param); });

TEST_P(OperationsTest, mailboxes_are_made_shown_and_deleted) { hears("mailboxes"); }
TEST_P(OperationsTest, X5_a_message_is_looked_at_taken_back_and_settled_by_its_id) { hears("messages"); }
TEST_P(OperationsTest, A11_dead_letters_are_listed_sent_again_and_removed) { hears("dead_letters"); }
TEST_P(OperationsTest, X5_schedules_and_routes) { hears("schedules_and_routes"); }
TEST_P(OperationsTest, U14_streams_keep_what_they_are_told_to) { hears("streams"); }
TEST_P(OperationsTest, U14_consumers_of_a_stream_go_on_where_they_were) { hears("consumers"); }
TEST_P(OperationsTest, X11_wakes_are_set_taken_and_done) { hears("wakes"); }
TEST_P(OperationsTest, X11_webhooks_are_set_disabled_and_removed) { hears("webhooks"); }
TEST_P(OperationsTest, A22_agents_register_are_found_and_watched) { hears("agents"); }
TEST_P(OperationsTest, A18_accounts_roles_and_rules) { hears("accounts"); }
TEST_P(OperationsTest, X15_the_tap_tells_each_thing_once) { hears("tap"); }
TEST_P(OperationsTest, what_the_server_says_of_itself) { hears("server"); }

}  // namespace
}  // namespace folkmoot::test
