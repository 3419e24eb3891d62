// How often an endpoint is posted to.
#include "webhook/pace.hpp"

#include <gtest/gtest.h>

namespace folkmoot::test {
namespace {

TEST(PostPace, B7_without_a_rate_there_is_no_bound) {
  PostPace pace;
  for (int i = 0; i < 1'000; ++i) {
    EXPECT_EQ(pace.next_at(0, 1, 5), 0);
    pace.take(0, 5);
  }
}

TEST(PostPace, B7_so_many_a_minute_and_a_few_at_once) {
  for (const std::uint32_t at_once : {1u, 4u}) {
    PostPace pace;
    int gone = 0;
    for (std::int64_t now = 1'000; now < 61'000; ++now) {
      while (pace.next_at(600, at_once, now) == 0) {
        pace.take(600, now);
        ++gone;
      }
      if (now == 1'000) {
        EXPECT_EQ(gone, static_cast<int>(at_once));
      }
    }
    EXPECT_EQ(gone, 600 + static_cast<int>(at_once) - 1);
  }
}

TEST(PostPace, B7_it_says_when_the_next_one_may_go) {
  PostPace pace;
  EXPECT_EQ(pace.next_at(60, 1, 500), 0);
  pace.take(60, 500);
  EXPECT_EQ(pace.next_at(60, 1, 500), 1'500);
  EXPECT_EQ(pace.next_at(60, 1, 1'499), 1'500);
  EXPECT_EQ(pace.next_at(60, 1, 1'500), 0);
}

}  // namespace
}  // namespace folkmoot::test
