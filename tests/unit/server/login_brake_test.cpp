// Who shows wrong credentials is slowed down, and nobody beside (server/login_brake.hpp).
#include "server/login_brake.hpp"

#include <gtest/gtest.h>

namespace folkmoot {
namespace {

constexpr PeerAddress kHome{2, 1}, kElsewhere{2, 2};
constexpr std::uint32_t kPerMinute = 6;
constexpr std::int64_t kStart = 1'700'000'000'000, kCostMs = 10'000;

class LoginBrakeTest : public testing::Test {
 protected:
  void fail(const LoginBrake::Attempt& attempt, int times) {
    for (int i = 0; i < times; ++i) brake_.note_failure(attempt, kPerMinute, now_);
  }
  std::int64_t wait_ms(const LoginBrake::Attempt& attempt) const { return brake_.wait_ms(attempt, kPerMinute, now_); }

  LoginBrake brake_;
  std::int64_t now_ = kStart;
};

TEST_F(LoginBrakeTest, a_minutes_worth_is_looked_at_at_once_and_then_one_each_time_it_is_due) {
  const LoginBrake::Attempt guess{kHome, "ann", "guess"};
  for (std::uint32_t i = 0; i < kPerMinute; ++i) {
    EXPECT_EQ(wait_ms(guess), 0) << i;
    fail(guess, 1);
  }
  EXPECT_EQ(wait_ms(guess), kCostMs);
  now_ += kCostMs - 1;
  EXPECT_EQ(wait_ms(guess), 1);
  now_ += 1;
  EXPECT_EQ(wait_ms(guess), 0);
  fail(guess, 1);
  EXPECT_EQ(wait_ms(guess), kCostMs);
  now_ += 60'000 + kCostMs;
  EXPECT_EQ(wait_ms(guess), 0);
}

TEST_F(LoginBrakeTest, one_a_minute_may_try_again_in_a_minute) {
  const LoginBrake::Attempt guess{kHome, "ann", "guess"};
  brake_.note_failure(guess, 1, now_);
  EXPECT_EQ(brake_.wait_ms(guess, 1, now_), 60'000);
  EXPECT_EQ(brake_.wait_ms(guess, 1, now_ + 60'000), 0);
}

TEST_F(LoginBrakeTest, other_accounts_and_other_addresses_do_not_share_in_it) {
  fail({kHome, "", "guess"}, 6);
  fail({kHome, "ann", "guess"}, 6);
  EXPECT_GT(wait_ms({kHome, "", "another"}), 0);
  EXPECT_GT(wait_ms({kHome, "ann", "another"}), 0);
  EXPECT_EQ(wait_ms({kHome, "bob", "key of bob"}), 0);
  EXPECT_EQ(wait_ms({kElsewhere, "ann", "key of ann"}), 0);
  EXPECT_EQ(wait_ms({kElsewhere, "", "guess"}), 0);
}

TEST_F(LoginBrakeTest, an_account_has_ten_times_as_many_from_everywhere) {
  for (std::uint64_t at = 0; at < 10; ++at) {
    EXPECT_EQ(wait_ms({kElsewhere, "ann", "key of ann"}), 0);
    fail({{2, 100 + at}, "ann", "guess"}, 6);
  }
  EXPECT_EQ(wait_ms({kElsewhere, "ann", "key of ann"}), kCostMs / 10);
  EXPECT_EQ(wait_ms({kElsewhere, "bob", "key of bob"}), 0);
}

TEST_F(LoginBrakeTest, who_was_in_from_there_is_not_hindered_from_elsewhere_and_with_the_same_by_nobody) {
  brake_.note_success({kHome, "ann", "key of ann"}, now_);
  for (std::uint64_t at = 0; at < 20; ++at) fail({{2, 100 + at}, "ann", "guess"}, 6);
  EXPECT_GT(wait_ms({kElsewhere, "ann", "key of ann"}), 0);
  EXPECT_EQ(wait_ms({kHome, "ann", "another key of ann"}), 0);
  fail({kHome, "ann", "guess"}, 6);
  EXPECT_GT(wait_ms({kHome, "ann", "another key of ann"}), 0);
  EXPECT_EQ(wait_ms({kHome, "ann", "key of ann"}), 0);
  // Of a day ago it is forgotten.
  now_ += LoginBrake::kGoodForMs;
  fail({kHome, "ann", "guess"}, 6);
  EXPECT_GT(wait_ms({kHome, "ann", "key of ann"}), 0);
}

TEST_F(LoginBrakeTest, a_clock_that_was_put_back_shuts_nobody_out_for_long) {
  fail({kHome, "ann", "guess"}, 60);
  now_ -= 3'600'000;
  EXPECT_LE(wait_ms({kHome, "ann", "guess"}), 2 * kCostMs);
}

TEST(RecentTimesTest, there_are_at_most_so_many_and_the_one_that_was_set_longest_ago_goes) {
  RecentTimes<std::string> times(3);
  times.set("a", 1);
  times.set("b", 2);
  times.set("c", 3);
  times.set("a", 4);
  times.set("d", 5);
  EXPECT_EQ(times.size(), 3u);
  EXPECT_EQ(times.of("a"), 4);
  EXPECT_EQ(times.of("b"), 0);
  EXPECT_EQ(times.of("c"), 3);
  EXPECT_EQ(times.of("d"), 5);
}

}  // namespace
}  // namespace folkmoot
