// The history's tables: what is written comes out by every question, by the index that is meant for it.
#include "archive/history_store.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "archive/sqlite.hpp"
#include "base/sha256.hpp"
#include "unit/journal/temporary_folder.hpp"

namespace folkmoot {
namespace {

constexpr ShardNumber kShard{1};
constexpr std::int64_t kDay = 86'400'000;
constexpr std::int64_t kBegan = 1'790'000'000'000;

class HistoryStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }

  void open() {
    store_.reset();
    auto opened = HistoryStore::open(place());
    ASSERT_TRUE(opened) << opened.error().describe();
    store_ = std::move(*opened);
  }
  HistoryPlace place() const { return {.file = path(), .postgres = {}}; }
  std::string path() const { return folder_.path() + "/history.sqlite"; }
  std::unique_ptr<HistoryReader> reader() {
    auto opened = HistoryReader::open(place());
    EXPECT_TRUE(opened);
    return std::move(*opened);
  }

  // The message number `i`, accepted i milliseconds after the beginning.
  AcceptedMessage message(std::uint32_t i) {
    AcceptedMessage accepted{.key = make_key(Instant{kBegan + i}, i), .mode = DeliveryMode::at_least_once};
    auto& its = accepted.message;
    its.id = make_uuid({.key = accepted.key, .mailbox = NameId{1}, .node = 1});
    its.from = i % 2 == 0 ? "ann" : "ben";
    its.to = i % 3 == 0 ? "cleo" : "dora";
    its.type = i % 5 == 0 ? "task" : "status";
    its.priority = static_cast<Priority>(1 + i % 10);
    its.conversation = i % 4 == 0 ? "talk-" + std::to_string(i / 100) : "";
    its.content = "word" + std::to_string(i) + " common";
    its.content_type = "text/plain";
    return accepted;
  }
  Result<void> commit(std::uint64_t position) { return store_->commit(kShard, Lsn{position}, "this journal"); }
  void accept(std::uint32_t from, std::uint32_t to) {
    ASSERT_TRUE(store_->begin());
    for (auto i = from; i < to; ++i) ASSERT_TRUE(store_->accepted(kShard, message(i)));
    ASSERT_TRUE(commit(to));
  }
  std::vector<std::string> contents(FindHistory wanted) {
    wanted.content = true;
    auto page = reader()->find(wanted);
    EXPECT_TRUE(page) << page.error().describe();
    std::vector<std::string> out;
    for (const auto& each : page->messages) out.push_back(each.content.text);
    return out;
  }

  test::TemporaryFolder folder_;
  std::unique_ptr<HistoryStore> store_;
};

TEST_F(HistoryStoreTest, B1_a_position_is_kept_with_what_was_read_up_to_it) {
  accept(0, 10);
  ASSERT_TRUE(store_->begin());
  ASSERT_TRUE(store_->accepted(kShard, message(10)));
  store_->roll_back();
  open();
  EXPECT_EQ(store_->position(kShard)->lsn, Lsn{std::uint64_t{10}});
  EXPECT_EQ(store_->position(kShard)->journal, "this journal");
  EXPECT_EQ(store_->position(ShardNumber{7})->lsn, Lsn{0});
  EXPECT_EQ(reader()->status()->messages, 10u);
}

TEST_F(HistoryStoreTest, B1_a_copy_changes_nothing) {
  accept(0, 3);
  ASSERT_TRUE(store_->begin());
  ASSERT_TRUE(store_->settled(kShard, message(1).key, Instant{kBegan + 50}));
  ASSERT_TRUE(commit(4));
  accept(0, 3);
  const auto record = reader()->show(message(1).message.id);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->message.state, HistoryState::processed);
  EXPECT_EQ(record->message.ended_at, kBegan + 50);
  EXPECT_EQ(reader()->status()->messages, 3u);
  EXPECT_EQ(contents({.text = "word1"}).size(), 1u);
}

TEST_F(HistoryStoreTest, B1_a_sealed_content_is_kept_as_hash_and_size) {
  auto sealed = message(1);
  sealed.message.content = R"({"ciphertext":"word1"})";
  sealed.message.content_type = "application/jose+json";
  ASSERT_TRUE(store_->begin());
  ASSERT_TRUE(store_->accepted(kShard, sealed));
  ASSERT_TRUE(commit(2));
  const auto record = reader()->show(sealed.message.id);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->message.content.text, "null");
  EXPECT_EQ(record->message.content_bytes, sealed.message.content.size());
  EXPECT_EQ(record->message.content_hash, Sha256::of(as_bytes(sealed.message.content)).text());
  EXPECT_TRUE(contents({.text = "word1"}).empty());
}

TEST_F(HistoryStoreTest, B1_contents_of_types_that_a_policy_names_are_kept_as_hash_and_size) {
  ASSERT_TRUE(store_->begin());
  for (std::uint32_t i = 0; i < 6; ++i) {
    auto accepted = message(i);
    accepted.message.type = i % 2 == 0 ? "medical.finding" : "note";
    accepted.message.content_type = i < 3 ? "Image/PNG; depth=8" : "text/plain";
    store_->obey(i == 5 ? HistoryPolicy{} : HistoryPolicy{.not_kept = {"medical.*", "image/*"}});
    ASSERT_TRUE(store_->accepted(kShard, accepted));
  }
  ASSERT_TRUE(commit(6));
  for (std::uint32_t i = 0; i < 6; ++i) {
    const auto record = reader()->show(message(i).message.id);
    ASSERT_TRUE(record);
    const bool is_kept = i == 3 || i == 5;
    const auto& its = message(i).message.content;
    EXPECT_EQ(record->message.content.text == "null", !is_kept) << i << record->message.content.text;
    EXPECT_EQ(record->message.content_hash, is_kept ? "" : Sha256::of(as_bytes(its)).text());
    EXPECT_EQ(record->message.content_bytes, its.size());
  }
  EXPECT_EQ(contents({.text = "common"}).size(), 2u);
}

TEST(HistoryPolicyTest, B1_a_pattern_fits_types_of_messages_as_written_and_of_contents_in_any_letters) {
  const auto keeps = [](const char* pattern, const char* type, const char* content_type) {
    Message message;
    message.type = type;
    message.content_type = content_type;
    return HistoryPolicy{.not_kept = {pattern}}.keeps_content(message);
  };
  EXPECT_FALSE(keeps("*", "", ""));
  EXPECT_FALSE(keeps("payment", "payment", ""));
  EXPECT_TRUE(keeps("payment", "payments", ""));
  EXPECT_TRUE(keeps("payment", "Payment", ""));
  EXPECT_FALSE(keeps("TEXT/*", "", "text/html;charset=utf-8"));
  EXPECT_FALSE(keeps("application/octet-stream", "", ""));
  EXPECT_TRUE(keeps("text/plain; charset=utf-8", "", "text/plain; charset=utf-8"));
  EXPECT_TRUE(HistoryPolicy{}.keeps_content({}));
  EXPECT_TRUE(check_type_pattern("*"));
  EXPECT_FALSE(check_type_pattern(""));
  EXPECT_FALSE(check_type_pattern("\xff"));
  EXPECT_FALSE(check_type_pattern(std::string(kHistoryPatternBytesMax + 1, 'a')));
}

TEST_F(HistoryStoreTest, B1_an_event_is_one_row_however_many_streams_have_it) {
  ASSERT_TRUE(store_->begin());
  const auto happens = [&](std::uint32_t stream, std::uint64_t sequence, std::uint32_t i, const char* topic) {
    auto event = message(i);
    event.message.to.clear();
    event.message.topic = topic;
    EXPECT_TRUE(store_->happened(
        {.stream = StreamNumber{stream}, .sequence = Sequence{sequence}, .at = Instant{kBegan + i}}, event));
  };
  happens(1, 1, 0, "orders.new");
  happens(2, 1, 0, "orders.new");  // another stream has it too
  happens(1, 2, 1, "orders.eu.new");
  happens(1, 2, 1, "orders.eu.new");  // a copy
  happens(1, 3, 2, "ordersx.new");
  happens(3, 1, 3, "a|b.(c)");
  auto subscribed = message(4);
  subscribed.message.event_topic = "orders.new";
  ASSERT_TRUE(store_->accepted(kShard, subscribed));
  ASSERT_TRUE(commit(5));
  const auto words = [&](const char* topic) { return contents({.topic = topic}).size(); };
  EXPECT_EQ(contents({.state = HistoryState::event}).size(), 4u);
  EXPECT_EQ(words("orders.new"), 2u);
  EXPECT_EQ(words("orders.*"), 2u);
  EXPECT_EQ(words("orders.>"), 3u);
  EXPECT_EQ(words("*.eu.>"), 1u);
  EXPECT_EQ(words(">"), 5u);
  EXPECT_EQ(words("*.*"), 4u);
  EXPECT_EQ(words("a|b.*"), 1u);
  EXPECT_EQ(words("orders"), 0u);
  EXPECT_EQ(contents({.agent = "ann", .state = HistoryState::event}).size(), 2u);
  EXPECT_EQ(contents({.text = "word2"}).size(), 1u);
  EXPECT_FALSE(reader()->find({.topic = "orders..new"}));
  const auto record = reader()->show(message(1).message.id);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->message.state, HistoryState::event);
  EXPECT_EQ(record->message.topic, "orders.eu.new");
  EXPECT_EQ(record->message.to, "");
  EXPECT_EQ(record->message.accepted_at, kBegan + 1);
  EXPECT_EQ(store_->forget(Instant{kBegan + 2}, 100).value(), 2);
  ASSERT_TRUE(store_->begin());
  happens(1, 2, 1, "orders.eu.new");  // a copy that the journal has made of it meanwhile
  ASSERT_TRUE(commit(6));
  EXPECT_EQ(contents({.state = HistoryState::event}).size(), 2u);
}

TEST_F(HistoryStoreTest, B1_the_life_of_a_message) {
  accept(0, 4);
  ASSERT_TRUE(store_->begin());
  ASSERT_TRUE(store_->name(kShard, NameId{9}, "worker"));
  const MessageRef ref(message(2).key, NameId{1}, NameId{2}, normal);
  ReturnedFact came_back{
      .message = ref, .at = Instant{kBegan + 70}, .holder = NameId{9}, .deliveries = 1, .end = AttemptEnd::nacked};
  ASSERT_TRUE(store_->attempt(kShard, came_back, "no time"));
  ASSERT_TRUE(store_->attempt(kShard, came_back, "no time"));  // a copy of it
  came_back.deliveries = 2;
  came_back.at = Instant{kBegan + 80};
  came_back.end = AttemptEnd::lease_expired;
  ASSERT_TRUE(store_->attempt(kShard, came_back, ""));
  ASSERT_TRUE(store_->ended(kShard, ref.key, HistoryState::failed, Instant{kBegan + 90}, "max_deliveries"));
  ASSERT_TRUE(store_->settled(kShard, ref.key, Instant{kBegan + 99}));  // it has ended before
  ASSERT_TRUE(commit(9));

  const auto record = reader()->show(message(2).message.id);
  ASSERT_TRUE(record);
  const auto& its = record->message;
  EXPECT_EQ(its.state, HistoryState::failed);
  EXPECT_EQ(its.reason, "max_deliveries");
  EXPECT_EQ(its.accepted_at, kBegan + 2);
  EXPECT_EQ(its.delivered_at, kBegan + 70);
  EXPECT_EQ(its.ended_at, kBegan + 90);
  EXPECT_EQ(its.attempts, 2u);
  ASSERT_EQ(record->attempts.size(), 2u);
  EXPECT_EQ(record->attempts[0].holder, "worker");
  EXPECT_EQ(record->attempts[0].end, "nacked");
  EXPECT_EQ(record->attempts[0].reason, "no time");
  EXPECT_EQ(record->attempts[1].end, "lease_expired");
  EXPECT_FALSE(reader()->show(Uuid{}));
}

TEST_F(HistoryStoreTest, B1_contents_are_json_whatever_they_were) {
  const std::pair<std::string, std::string> kinds[] = {{"application/json", R"({"a":[1,2.50]})"},
                                                       {"application/json", "{broken"},
                                                       {"text/plain", "say \"hi\"\n"},
                                                       {"application/octet-stream", std::string("\xff\x00\x01", 3)}};
  ASSERT_TRUE(store_->begin());
  for (std::uint32_t i = 0; i < std::size(kinds); ++i) {
    auto accepted = message(i);
    accepted.message.content_type = kinds[i].first;
    accepted.message.content = kinds[i].second;
    ASSERT_TRUE(store_->accepted(kShard, accepted));
  }
  ASSERT_TRUE(commit(1));
  EXPECT_EQ(contents({}),
            (std::vector<std::string>{R"("/wAB")", R"("say \"hi\"\n")", R"("{broken")", R"({"a":[1,2.50]})"}));
}

TEST_F(HistoryStoreTest, B1_each_question_finds_what_it_should_page_by_page) {
  accept(0, 600);
  const auto count = [&](const FindHistory& wanted) { return contents(wanted).size(); };
  const FindHistory all{.limit = 1000};
  EXPECT_EQ(count(all), 600u);
  auto by = all;
  by.agent = "ann";
  EXPECT_EQ(count(by), 300u);
  by = all, by.to = "cleo";
  EXPECT_EQ(count(by), 200u);
  by.from = "ben";
  EXPECT_EQ(count(by), 100u);
  by = all, by.type = "task", by.priority = 1;
  EXPECT_EQ(count(by), 60u);
  by = all, by.conversation = "talk-3";
  EXPECT_EQ(count(by), 25u);
  by = all, by.text = "word77 common";
  EXPECT_EQ(count(by), 1u);
  by.text = "common word77";  // not in this order
  EXPECT_EQ(count(by), 0u);
  by.text = "\" OR NEAR(";  // no word of a question is a command
  EXPECT_EQ(count(by), 0u);
  by = all, by.since_ms = kBegan + 100, by.until_ms = kBegan + 110;
  EXPECT_EQ(count(by), 10u);
  by = all, by.state = HistoryState::expired;
  EXPECT_EQ(count(by), 0u);

  FindHistory page{.to = "dora", .limit = 70};
  std::vector<Uuid> ids;
  do {
    const auto got = reader()->find(page);
    ASSERT_TRUE(got);
    for (const auto& each : got->messages) ids.push_back(each.id);
    page.after = got->next;
  } while (!page.after.empty());
  EXPECT_EQ(ids.size(), 400u);
  EXPECT_TRUE(std::ranges::is_sorted(ids, std::greater()));  // newest first, none twice
  EXPECT_EQ(std::ranges::adjacent_find(ids), ids.end());
  EXPECT_EQ(reader()->find({.after = "yesterday"}).error().code, ErrorCode::invalid_field);
}

TEST_F(HistoryStoreTest, B1_questions_go_by_an_index_and_sort_nothing) {
  accept(0, 2000);
  const std::pair<FindHistory, std::string> questions[] = {
      {{.to = "cleo", .state = HistoryState::pending}, "idx_agent_messages_to_agent "},
      {{.to = "cleo"}, "idx_agent_messages_to_agent_time "},
      {{.from = "ann"}, "idx_agent_messages_from_agent "},
      {{.agent = "ann", .state = HistoryState::pending}, "idx_agent_messages_from_agent "},
      {{.state = HistoryState::failed}, "idx_agent_messages_status "},
      {{.conversation = "talk-1"}, "idx_agent_messages_conversation "},
      {{.since_ms = kBegan + 10, .until_ms = kBegan + 20}, "idx_agent_messages_time "},
      {{.topic = "orders.new"}, "idx_agent_messages_topic "},
  };
  for (const auto& [wanted, index] : questions) {
    const auto plan = reader()->plan(wanted);
    ASSERT_TRUE(plan);
    EXPECT_NE(plan->find("INDEX " + index), std::string::npos) << *plan;
    EXPECT_EQ(plan->find("SCAN m"), std::string::npos) << *plan;
    if (wanted.agent.empty()) {  // else two halves are merged
      EXPECT_EQ(plan->find("TEMP B-TREE"), std::string::npos) << *plan;
    }
  }
  const auto words = reader()->plan({.text = "word7"});
  ASSERT_TRUE(words);
  EXPECT_NE(words->find("message_text VIRTUAL TABLE"), std::string::npos) << *words;
  EXPECT_NE(words->find("INTEGER PRIMARY KEY"), std::string::npos) << *words;
}

TEST_F(HistoryStoreTest, B8_what_has_ended_long_ago_is_forgotten_with_its_words) {
  accept(0, 10);
  ASSERT_TRUE(store_->begin());
  for (const std::uint32_t i : {1u, 2u, 3u})
    ASSERT_TRUE(store_->settled(kShard, message(i).key, Instant{kBegan + kDay * i}));
  ASSERT_TRUE(commit(11));
  EXPECT_EQ(store_->forget(Instant{kBegan + kDay * 5 / 2}, 1).value(), 1);  // in steps
  EXPECT_EQ(store_->forget(Instant{kBegan + kDay * 5 / 2}, 100).value(), 1);
  EXPECT_EQ(store_->forget(Instant{kBegan + kDay * 5 / 2}, 100).value(), 0);
  EXPECT_EQ(reader()->status()->messages, 8u);
  EXPECT_EQ(contents({.text = "word2"}).size(), 0u);
  EXPECT_EQ(contents({.text = "word3"}).size(), 1u);
}

TEST_F(HistoryStoreTest, B1_what_another_shard_has_taken_over_is_a_row_there) {
  accept(0, 3);
  ASSERT_TRUE(store_->begin());
  ASSERT_TRUE(store_->moved(message(1).message.id));
  ASSERT_TRUE(store_->moved(message(9).message.id));  // said by the other shard's journal, which is read earlier
  ASSERT_TRUE(commit(4));
  EXPECT_EQ(reader()->status()->messages, 2u);
  open();
  accept(8, 11);
  EXPECT_EQ(reader()->status()->messages, 4u);
  EXPECT_FALSE(reader()->show(message(9).message.id));
}

TEST_F(HistoryStoreTest, B1_agents_are_known_by_uuids) {
  EXPECT_EQ(agent_id("550e8400-e29b-41d4-a716-446655440000"), "550e8400-e29b-41d4-a716-446655440000");
  const auto made = agent_id("ann");
  EXPECT_EQ(made, agent_id("ann"));
  EXPECT_NE(made, agent_id("ben"));
  EXPECT_EQ(made[14], '8');  // RFC 9562: version 8, of the variant 10
  EXPECT_NE(std::string("89ab").find(made[19]), std::string::npos);
}

TEST_F(HistoryStoreTest, B8_a_file_of_others_is_refused) {
  store_.reset();
  const auto other = folder_.path() + "/other.sqlite";
  FILE* const file = std::fopen(other.c_str(), "w");
  ASSERT_NE(file, nullptr);
  std::fputs("this is no database, but a letter of some length that somebody has put into this place", file);
  std::fclose(file);
  const auto opened = HistoryStore::open({.file = other, .postgres = {}});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::damaged) << opened.error().describe();
  {
    auto newer = SqliteDatabase::open(path(), Database::Access::read_write);
    ASSERT_TRUE(newer);
    ASSERT_TRUE((*newer)->execute("UPDATE folkmoot_schema SET version = 99"));
  }
  EXPECT_EQ(HistoryStore::open(place()).error().code, ErrorCode::unsupported_version);
}

TEST_F(HistoryStoreTest, B1_tables_of_the_first_version_are_brought_up_to_date_with_what_is_in_them) {
  accept(0, 10);
  store_.reset();
  {
    auto older = SqliteDatabase::open(path(), Database::Access::read_write);
    ASSERT_TRUE(older);
    ASSERT_TRUE((*older)->execute(
        "ALTER TABLE folkmoot_position DROP COLUMN journal; ALTER TABLE agent_messages DROP COLUMN "
        "provenance; DROP INDEX idx_agent_messages_topic; ALTER TABLE agent_messages DROP COLUMN topic; "
        "UPDATE folkmoot_schema SET version = 1"));
  }
  open();
  EXPECT_EQ(store_->position(kShard)->lsn, Lsn{std::uint64_t{10}});
  EXPECT_EQ(store_->position(kShard)->journal, "");
  EXPECT_EQ(reader()->status()->messages, 10u);
  accept(10, 11);
  EXPECT_EQ(store_->position(kShard)->journal, "this journal");
}

// None of these reaches a server: that the secret is not told is what matters.
TEST_F(HistoryStoreTest, B1_what_is_said_about_a_database_never_has_its_password) {
  for (const std::string url : {"postgresql://folk:hunter2%zz@127.0.0.1:1/x", "postgresql://folk:hunter2@127.0.0.1:1/x",
                                "host=127.0.0.1 port=1 password=hunter2 nonsense", "hunter2"}) {
    const auto opened = HistoryStore::open({.file = {}, .postgres = url});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().describe().find("hunter2"), std::string::npos) << opened.error().describe();
  }
  EXPECT_EQ(HistoryStore::open({.file = {}, .postgres = "postgresql://folk@127.0.0.1:1/x"}).error().code,
            ErrorCode::connection_lost);
}

}  // namespace
}  // namespace folkmoot
