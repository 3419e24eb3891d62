// Small parts of a server, each by itself: its clock, who was there, what went wrong, what is asked of messages, and
// how many shards a data folder was made for.
#include <gtest/gtest.h>

#include <thread>

#include "../journal/memory_disk.hpp"
#include "../journal/temporary_folder.hpp"
#include "access/demands.hpp"
#include "message/operations.hpp"
#include "server/clock.hpp"
#include "server/data_folder.hpp"
#include "server/demanded_frames.hpp"
#include "server/fault_counts.hpp"
#include "server/seen_agents.hpp"

namespace folkmoot {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;

TEST(ClockTest, finds_to_a_wall_clock_that_has_jumped_by_a_twentieth_of_what_passes) {
  Clock clock;
  constexpr std::int64_t kBegin = 1'700'000'000 * kSecondNs;
  ASSERT_EQ(clock.at(0, kBegin), kBegin / 1'000'000);
  EXPECT_EQ(clock.at(20 * kSecondNs, kBegin + 3'600 * kSecondNs), kBegin / 1'000'000 + 21'000);
  EXPECT_EQ(clock.at(40 * kSecondNs, kBegin), kBegin / 1'000'000 + 40'000) << "and back";
}

TEST(ClockTest, goes_on_as_time_does) {
  Clock clock;
  const auto before = clock.now();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_GE(clock.now() - before, 15);
}

TEST(SeenAgentsTest, what_is_told_late_does_not_put_the_time_back) {
  SeenAgents agents;
  agents.saw("ann", DoorKind::http, 100);
  agents.saw("ann", DoorKind::http, 50);
  agents.saw("ann", DoorKind::native, 70);
  std::size_t count = 0;
  agents.each([&](const std::string& name, const SeenAgents::LastSeen& seen) {
    ++count;
    EXPECT_EQ(name, "ann");
    EXPECT_EQ(seen, (SeenAgents::LastSeen{70, 100, 0}));
  });
  EXPECT_EQ(count, 1u);
}

TEST(FaultCountsTest, what_went_wrong_is_told_by_door_and_code_and_nothing_else) {
  FaultCounts counts;
  counts.add(DoorKind::native, ErrorCode::unauthorized);
  counts.add(DoorKind::native, ErrorCode::unauthorized);
  counts.add(DoorKind::http, ErrorCode{});
  counts.add(DoorKind::remote, ErrorCode::unauthorized);
  const auto rows = counts.rows();
  ASSERT_EQ(rows.size(), 2u) << "each once, and none of what shards say to each other";
  EXPECT_EQ(rows[0].name, "native/unauthorized");
  EXPECT_EQ(rows[0].count, 2u);
  EXPECT_EQ(rows[1].count, 1u);
}

// -- what is asked of messages (server/demanded_frames.hpp)

class DemandedFramesTest : public testing::Test {
 protected:
  static Message readable() {
    Message message;
    message.to = "work";
    message.content = "that anybody can read";
    return message;
  }
  Result<void> check(const std::string& frames) const {
    auto bytes = as_bytes(frames);
    const auto frame = cut_frame(bytes, 1 << 20);
    return check_demands(demands_, **frame, "ann", 0);
  }

  const access::Demands demands_ =
      access::Demands(*KnownKeys::open(""), {.sealed = true}, std::make_shared<access::Nonces>(0));
};

TEST_F(DemandedFramesTest, U13_the_first_of_a_batch_is_looked_at_like_the_others) {
  std::string frames;
  ASSERT_TRUE(append_publish_batch(frames, 1, std::vector{readable()}, 0));
  const auto done = check(frames);
  ASSERT_FALSE(done);
  EXPECT_TRUE(done.error().text.starts_with("message 0: ")) << done.error().text;
}

TEST_F(DemandedFramesTest, U13_so_is_what_comes_of_a_message_whether_its_id_is_named_or_not) {
  std::string frames;
  append_complete(frames, 1, 5, std::vector{readable()});
  EXPECT_FALSE(check(frames));
  limit_to_message(frames, Uuid{});
  EXPECT_FALSE(check(frames));
}

// -- how many shards a data folder was made for (server/data_folder.hpp)

class ShardsOfFolderTest : public testing::Test {
 protected:
  ServerOptions options(std::uint32_t shards) const {
    ServerOptions out;
    out.data = folder_.path();
    out.shards = shards;
    return out;
  }

  const test::TemporaryFolder folder_;
  test::MemoryDisk disk_;
};

TEST_F(ShardsOfFolderTest, before_their_number_is_written_all_but_the_first_have_a_journal) {
  ASSERT_TRUE(check_shards(disk_, options(3)));
  EXPECT_EQ(shards_of(disk_), 3u);
  EXPECT_TRUE(check_journals(folder_.path(), 3));
}

TEST_F(ShardsOfFolderTest, a_disk_that_does_not_take_their_number_is_told_of) {
  disk_.failing_writes = 1;
  EXPECT_FALSE(check_shards(disk_, options(2)));
}

}  // namespace
}  // namespace folkmoot
