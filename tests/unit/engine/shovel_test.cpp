// What is on its way to another shard, as the shovel asks for it.
#include <gtest/gtest.h>

#include "engine/shovel.hpp"

namespace folkmoot {
namespace {

class ShovelTest : public ::testing::Test, public Shovel::Commands {
 protected:
  void consume(RequestNumber request, std::string_view, std::uint32_t) override { consumer = request; }
  void credit(RequestNumber, std::uint32_t) override {}
  void ack(RequestNumber, LeaseToken) override {}
  void nack(LeaseToken, Duration delay_ms, std::string_view) override { waits.push_back(delay_ms.ms); }
  void publish(ShardNumber, RequestNumber request, Bytes) override { published = request; }
  void lost(const Error&) override {}

  RequestNumber consumer = 0, published = 0;
  std::vector<std::int64_t> waits;
};

TEST_F(ShovelTest, X5_what_another_shard_refuses_is_tried_again_later_and_later_but_every_minute_or_so) {
  Shovel shovel(*this, 10);
  shovel.carry("box", ShardNumber{1});
  for (const std::uint32_t delivery : {1u, 2u, 3u, 7u, 8u, 60'000u}) {
    shovel.on_delivery(consumer, LeaseToken{1}, delivery, {});
    shovel.on_refused(published, {ErrorCode::mailbox_full, "full"});
  }
  EXPECT_EQ(waits, (std::vector<std::int64_t>{1'000, 2'000, 4'000, 64'000, 64'000, 64'000}));
}

}  // namespace
}  // namespace folkmoot
