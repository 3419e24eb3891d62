#include "reliability/pool.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

namespace folkmoot {
namespace {

// Stands for a connection: it has a number, cannot be copied, and is closed by its destructor.
struct Connection {
  explicit Connection(int n, std::vector<int>* closed_in) : number(n), closed(closed_in, Close{n}) {}

  struct Close {
    int number;
    void operator()(std::vector<int>* list) const { list->push_back(number); }
  };
  int number;
  std::unique_ptr<std::vector<int>, Close> closed;
};

class PoolTest : public ::testing::Test {
 protected:
  Connection open(int number) { return Connection(number, &closed_); }
  // Acquires at `now_ms`, and opens number `number` if there is none idle.
  Connection acquire(std::int64_t now_ms, int number) {
    auto grant = pool_.acquire(now_ms);
    EXPECT_TRUE(grant);
    return grant && *grant ? std::move(**grant) : open(number);
  }

  std::vector<int> closed_;
  Pool<Connection> pool_{{.items_max = 3, .idle_ms = 100}};
};

TEST_F(PoolTest, A14_asks_for_a_new_one_when_none_is_idle_and_gives_it_again_later) {
  auto first = pool_.acquire(0);
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->has_value());
  EXPECT_EQ(pool_.in_use(), 1u);
  pool_.release(open(1), 10);
  EXPECT_EQ(pool_.in_use(), 0u);
  EXPECT_EQ(pool_.idle(), 1u);
  EXPECT_EQ(acquire(20, 2).number, 1);
  EXPECT_EQ(pool_.idle(), 0u);
}

TEST_F(PoolTest, A14_refuses_more_than_its_maximum) {
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(pool_.acquire(0));
  const auto refused = pool_.acquire(0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::limit_reached);
  EXPECT_NE(refused.error().text.find("all 3 "), std::string::npos) << refused.error().text;
  EXPECT_EQ(pool_.in_use(), 3u);
  pool_.forget();  // one broke
  EXPECT_TRUE(pool_.acquire(0));
  EXPECT_FALSE(pool_.acquire(0));
}

TEST_F(PoolTest, A14_gives_the_one_released_last_so_that_the_others_can_go) {
  std::vector<Connection> used;
  for (int number = 1; number <= 3; ++number) used.push_back(acquire(0, number));
  for (int i = 0; i < 3; ++i) pool_.release(std::move(used[static_cast<std::size_t>(i)]), i);
  for (int now = 50; now < 400; now += 50) {
    auto busy = acquire(now, 9);
    EXPECT_EQ(busy.number, 3);
    pool_.release(std::move(busy), now);
  }
  EXPECT_EQ(closed_, (std::vector{1, 2}));
  EXPECT_EQ(pool_.idle(), 1u);
}

TEST_F(PoolTest, A14_closes_what_was_idle_for_long_when_told_the_time) {
  std::vector<Connection> used;
  for (int number = 1; number <= 3; ++number) used.push_back(acquire(0, number));
  EXPECT_EQ(pool_.next_close_ms(), std::nullopt);
  pool_.release(std::move(used[1]), 10);
  pool_.release(std::move(used[0]), 20);
  EXPECT_EQ(pool_.next_close_ms(), 110);
  EXPECT_EQ(pool_.close_idle(109), 0u);
  EXPECT_EQ(pool_.close_idle(110), 1u);
  EXPECT_EQ(closed_, std::vector{2});
  EXPECT_EQ(pool_.next_close_ms(), 120);
  EXPECT_EQ(pool_.in_use(), 1u);  // what is in use is never closed
}

TEST_F(PoolTest, A14_never_gives_what_was_idle_for_too_long) {
  pool_.release(acquire(0, 1), 0);
  auto fresh = acquire(100, 2);
  EXPECT_EQ(closed_, std::vector{1});
  EXPECT_EQ(fresh.number, 2);
}

TEST_F(PoolTest, A14_keeps_its_bound_whatever_is_asked_of_it) {
  std::mt19937 random(1);
  std::vector<Connection> used;
  int opened = 0;
  for (std::int64_t now = 0; now < 20'000; now += random() % 60) {
    const bool room = used.size() < 3;
    switch (random() % 4) {
      case 0:
      case 1:
        if (room) {
          used.push_back(acquire(now, opened));
          opened += used.back().number == opened;
        } else {
          EXPECT_FALSE(pool_.acquire(now));
        }
        break;
      case 2:
        if (used.empty()) break;
        pool_.release(std::move(used.back()), now);
        used.pop_back();
        break;
      default:
        pool_.close_idle(now);
    }
    ASSERT_EQ(pool_.in_use(), used.size());
    ASSERT_LE(pool_.in_use() + pool_.idle(), 3u);
    ASSERT_EQ(static_cast<std::size_t>(opened), closed_.size() + pool_.in_use() + pool_.idle());
  }
  EXPECT_GT(closed_.size(), 10u);
}

TEST(Pool, A14_refuses_options_out_of_range_and_names_them) {
  EXPECT_TRUE(check(PoolOptions{}));
  const std::pair<PoolOptions, std::string_view> kWrong[] = {
      {{.items_max = 0}, "items_max is 0; it may be 1 to 65536"},
      {{.items_max = kPoolItemsMax + 1}, "items_max is 65537"},
      {{.idle_ms = 0}, "idle_ms is 0; it may be 1 to 86400000"},
      {{.idle_ms = kPoolIdleMsMax + 1}, "idle_ms is 86400001"},
  };
  for (const auto& [options, said] : kWrong) {
    const auto checked = check(options);
    ASSERT_FALSE(checked) << said;
    EXPECT_EQ(checked.error().code, ErrorCode::out_of_range);
    EXPECT_NE(checked.error().text.find(said), std::string::npos) << checked.error().text;
  }
}

}  // namespace
}  // namespace folkmoot
