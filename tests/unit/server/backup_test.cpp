// The backup that is being taken, as the shards of a server have it in common (server/backup.hpp).
#include "server/backup.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace folkmoot {
namespace {

using Phase = Backup::Phase;

class BackupTest : public testing::Test {
 protected:
  /// All shards come to rest, stand, and are durable.
  std::uint64_t open() {
    const auto number = backup_.begin();
    EXPECT_TRUE(number);
    for (ShardNumber shard = 0; shard < ShardNumber{2}; ++shard) backup_.quiet(shard);
    std::thread other([this] { EXPECT_TRUE(backup_.meet(ShardNumber{1}, Lsn{2'000}, Lsn{5'000}, 1'000)); });
    EXPECT_TRUE(backup_.meet(0, Lsn{1'000}, Lsn{3'500}, 1'000));
    other.join();
    for (ShardNumber shard = 0; shard < ShardNumber{2}; ++shard) backup_.durable(shard);
    return number.value_or(0);
  }

  std::atomic<int> woken_ = 0;
  Backup backup_{2, [this] { ++woken_; }};
};

TEST_F(BackupTest, X20_it_goes_on_when_all_shards_have_come_as_far) {
  EXPECT_EQ(backup_.phase(), Phase::none);
  ASSERT_TRUE(backup_.begin());
  EXPECT_EQ(backup_.phase(), Phase::quieting);
  backup_.quiet(ShardNumber{1});
  EXPECT_EQ(backup_.phase(), Phase::quieting);
  backup_.quiet(0);
  EXPECT_EQ(backup_.phase(), Phase::standing);
  std::thread other([this] { EXPECT_TRUE(backup_.meet(ShardNumber{1}, Lsn{1}, Lsn{2}, 1'000)); });
  EXPECT_TRUE(backup_.meet(0, Lsn{3}, Lsn{4}, 1'000));
  other.join();
  EXPECT_EQ(backup_.phase(), Phase::settling);
  backup_.durable(0);
  EXPECT_EQ(backup_.phase(), Phase::settling);
  backup_.durable(ShardNumber{1});
  EXPECT_EQ(backup_.phase(), Phase::open);
  EXPECT_EQ(backup_.journals()[1].end, Lsn{2});
  EXPECT_GE(woken_, 4);
}

TEST_F(BackupTest, X20_no_shard_stands_still_for_ever_for_one_that_does_not_come) {
  const auto number = backup_.begin();
  ASSERT_TRUE(number);
  backup_.quiet(0);
  backup_.quiet(ShardNumber{1});
  EXPECT_FALSE(backup_.meet(0, Lsn{1}, Lsn{2}, 1'000));
  EXPECT_EQ(backup_.phase(), Phase::none);
  EXPECT_EQ(backup_.check(*number).error().code, ErrorCode::busy);
  EXPECT_FALSE(backup_.meet(ShardNumber{1}, Lsn{1}, Lsn{2}, 1'000)) << "one that comes too late goes on at once";
}

TEST_F(BackupTest, X20_one_at_a_time_and_each_has_a_number_of_its_own) {
  const auto number = open();
  EXPECT_EQ(backup_.begin().error().code, ErrorCode::busy);
  EXPECT_TRUE(backup_.check(number));
  EXPECT_EQ(backup_.check(number + 1).error().code, ErrorCode::not_found);
  backup_.end();
  EXPECT_EQ(backup_.check(number).error().code, ErrorCode::not_found);
  EXPECT_NE(open(), number);
}

TEST_F(BackupTest, X20_what_was_read_is_let_go_of_shard_by_shard) {
  open();
  EXPECT_EQ(backup_.copied(0), Lsn{1'000});
  EXPECT_EQ(backup_.copied(ShardNumber{1}), Lsn{2'000});
  backup_.let_go(0, Lsn{3'000});
  EXPECT_EQ(backup_.copied(0), Lsn{3'000});
  backup_.let_go(0, Lsn{2'000});
  EXPECT_EQ(backup_.copied(0), Lsn{3'000}) << "never back";
  backup_.let_go(ShardNumber{1}, Lsn{2'000});
  EXPECT_EQ(backup_.copied(0), Lsn{3'500}) << "all of the one before";
  backup_.let_go(ShardNumber{1}, Lsn{9'000});
  EXPECT_EQ(backup_.copied(ShardNumber{1}), Lsn{5'000});
}

TEST_F(BackupTest, X20_who_asks_for_one_that_was_given_up_is_told_why) {
  const auto number = open();
  backup_.give_up({ErrorCode::limit_reached, "the journal grew"});
  backup_.give_up({ErrorCode::disk_full, "too late to be the reason"});
  EXPECT_EQ(backup_.phase(), Phase::none);
  EXPECT_EQ(backup_.check(number).error().text, "the journal grew");
}

}  // namespace
}  // namespace folkmoot
