// A run of events for the same subscribers (server/fan_out.hpp).
#include "server/fan_out.hpp"

#include <gtest/gtest.h>

namespace folkmoot {
namespace {

// The frames, as request number and body.
std::vector<std::pair<std::uint32_t, std::string>> frames(Bytes bytes) {
  std::vector<std::pair<std::uint32_t, std::string>> all;
  for (;;) {
    const auto frame = cut_frame(bytes, 1 << 20);
    EXPECT_TRUE(frame);
    if (!frame || !*frame) break;
    EXPECT_EQ((*frame)->header.opcode, Opcode::deliver);
    EXPECT_EQ((*frame)->header.flags, 0);
    all.emplace_back((*frame)->header.request, as_text((*frame)->body));
  }
  EXPECT_TRUE(bytes.empty());
  return all;
}

using Frames = std::vector<std::pair<std::uint32_t, std::string>>;
using Targets = std::vector<EventTarget>;
EventTarget target(std::uint64_t session, std::uint32_t request) {
  return {SessionId{session}, RequestNumber{request}};
}

TEST(FanOut, A2_each_subscriber_gets_all_events_under_the_number_of_its_subscription) {
  BufferPool pool;
  FanOut out;
  const Targets targets{target(1, 10), target(2, 10), target(3, 77)};
  EXPECT_TRUE(out.empty());
  EXPECT_FALSE(out.is_for(targets));
  out.begin(targets);
  out.add(pool, {as_bytes("head"), as_bytes("+rest")});
  out.add(pool, {as_bytes("alone"), {}});
  EXPECT_EQ(out.bytes(), 2 * kFrameHeaderBytes + 9 + 5);
  EXPECT_EQ(frames(out.frames_for(RequestNumber{10})), (Frames{{10, "head+rest"}, {10, "alone"}}));
  EXPECT_EQ(frames(out.frames_for(RequestNumber{77})), (Frames{{77, "head+rest"}, {77, "alone"}}));
  EXPECT_EQ(frames(out.frames_for(RequestNumber{10})), (Frames{{10, "head+rest"}, {10, "alone"}}));
}

TEST(FanOut, A2_is_for_the_same_subscriptions_in_the_same_order_alone) {
  BufferPool pool;
  FanOut out;
  out.begin(Targets{target(1, 10), target(2, 10)});
  EXPECT_FALSE(out.is_for(Targets{target(1, 10), target(2, 10)})) << "nothing was added";
  out.add(pool, {as_bytes("x"), {}});
  EXPECT_TRUE(out.is_for(Targets{target(1, 10), target(2, 10)}));
  EXPECT_FALSE(out.is_for(Targets{target(1, 10)}));
  EXPECT_FALSE(out.is_for(Targets{target(2, 10), target(1, 10)}));
  EXPECT_FALSE(out.is_for(Targets{target(1, 10), target(2, 11)}));
  EXPECT_FALSE(out.is_for(Targets{target(1, 10), target(2, 10), target(3, 10)}));
}

TEST(FanOut, A2_begins_anew_after_it_was_cleared) {
  BufferPool pool;
  FanOut out;
  out.begin(Targets{target(1, 10), target(2, 20)});
  out.add(pool, {as_bytes("x"), {}});
  (void)out.frames_for(RequestNumber{20});
  out.clear(pool);
  EXPECT_TRUE(out.empty());
  EXPECT_TRUE(out.targets().empty());
  EXPECT_FALSE(pool.empty()) << "memory goes back";
  out.begin(Targets{target(5, 30), target(6, 20)});
  out.add(pool, {as_bytes("y"), {}});
  EXPECT_EQ(frames(out.frames_for(RequestNumber{20})), (Frames{{20, "y"}}));
  EXPECT_EQ(frames(out.frames_for(RequestNumber{30})), (Frames{{30, "y"}}));
}

}  // namespace
}  // namespace folkmoot
