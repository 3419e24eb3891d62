#include "access/pace.hpp"

#include <gtest/gtest.h>

namespace folkmoot::access {
namespace {

constexpr std::int64_t kStart = 1'800'000'000'000;

TEST(PaceTest, U11_a_seconds_worth_at_once_and_then_so_many_a_second) {
  Pace pace;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(pace.take(10, 1, kStart), 0) << i;
  EXPECT_EQ(pace.take(10, 1, kStart), 100);
  EXPECT_EQ(pace.take(10, 1, kStart + 99), 1);
  EXPECT_EQ(pace.take(10, 1, kStart + 100), 0);
  EXPECT_EQ(pace.take(10, 1, kStart + 100), 100);
  EXPECT_EQ(pace.take(10, 3, kStart + 100), 300);
  // Who has waited for long has a second's worth, and no more.
  for (int i = 0; i < 10; ++i) EXPECT_EQ(pace.take(10, 1, kStart + 100'000), 0) << i;
  EXPECT_NE(pace.take(10, 1, kStart + 100'000), 0);
}

TEST(PaceTest, U11_what_is_larger_than_a_seconds_worth_is_waited_for_afterwards) {
  Pace pace;
  EXPECT_EQ(pace.take(10, 50, kStart), 0);
  EXPECT_EQ(pace.take(10, 1, kStart), 4'100);
  EXPECT_EQ(pace.take(10, 50, kStart + 4'999), 1);
  EXPECT_EQ(pace.take(10, 50, kStart + 5'000), 0);
}

TEST(PaceTest, U11_over_long_it_is_what_was_said) {
  Pace pace;
  std::uint32_t taken = 0;
  for (std::int64_t at = 0; at < 60'000; at += 7) taken += pace.take(100, 1, kStart + at) == 0;
  EXPECT_GE(taken, 6'000u);
  EXPECT_LE(taken, 6'100u);
}

}  // namespace
}  // namespace folkmoot::access
