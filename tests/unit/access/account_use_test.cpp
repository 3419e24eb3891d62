#include "access/account_use.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace folkmoot::access {
namespace {

TEST(AccountUseTest, U13_connections_are_counted_while_they_are_there) {
  const auto use = std::make_shared<AccountUse>();
  auto one = ConnectionSlot::take(use, 2), two = ConnectionSlot::take(use, 2);
  EXPECT_TRUE(one.is_held() && two.is_held());
  EXPECT_FALSE(ConnectionSlot::take(use, 2).is_held());
  EXPECT_EQ(use->connections, 2u);
  EXPECT_TRUE(ConnectionSlot::take(use, 0).is_held()) << "no bound";
  EXPECT_EQ(use->connections, 2u) << "that one has gone";
  auto moved = std::move(two);
  EXPECT_EQ(use->connections, 2u);
  one = ConnectionSlot();
  EXPECT_EQ(use->connections, 1u);
  moved = ConnectionSlot::take(use, 2);
  EXPECT_EQ(use->connections, 1u);
  EXPECT_FALSE(ConnectionSlot::take(use, 1).is_held()) << "fewer may be there than before";
}

TEST(AccountUseTest, U13_shards_that_take_at_a_time_never_take_too_many) {
  const auto use = std::make_shared<AccountUse>();
  std::vector<std::thread> shards;
  std::atomic<std::uint32_t> most = 0;
  for (int shard = 0; shard < 4; ++shard) {
    shards.emplace_back([&] {
      for (int i = 0; i < 10'000; ++i) {
        const auto slot = ConnectionSlot::take(use, 3);
        const auto now = use->connections.load();
        for (auto seen = most.load(); now > seen && !most.compare_exchange_weak(seen, now);) {
        }
      }
    });
  }
  for (auto& shard : shards) shard.join();
  EXPECT_LE(most, 3u);
  EXPECT_EQ(use->connections, 0u);
}

}  // namespace
}  // namespace folkmoot::access
