#include "reliability/breakers.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace folkmoot {
namespace {

using State = CircuitBreaker::State;
const BreakerName kAnalyst{"tcp", "analyst"}, kAnalystByHttp{"http", "analyst"}, kWriter{"tcp", "writer"};

BreakersOptions options(std::uint32_t failures_to_open, std::size_t breakers_max = 10) {
  return {.breaker = {.open_ms = 100, .failures_to_open = failures_to_open}, .breakers_max = breakers_max};
}

TEST(Breakers, U8_guard_each_transport_and_destination_by_itself) {
  Breakers breakers(options(1));
  breakers.failure(kAnalyst, 0);
  EXPECT_FALSE(breakers.allow(kAnalyst, 1));
  EXPECT_TRUE(breakers.allow(kAnalystByHttp, 1));
  EXPECT_TRUE(breakers.allow(kWriter, 1));
  EXPECT_EQ(breakers.state(kAnalyst, 1), State::open);
  EXPECT_EQ(breakers.state(kAnalyst, 100), State::half_open);
  EXPECT_EQ(breakers.state(kWriter, 1), State::closed);
}

TEST(Breakers, A12_cost_nothing_for_a_destination_that_never_failed) {
  Breakers breakers(options(1));
  for (int i = 0; i < 100; ++i) {
    const BreakerName name{"tcp", std::to_string(i)};
    EXPECT_TRUE(breakers.allow(name, i));
    breakers.success(name, i);
  }
  EXPECT_TRUE(breakers.snapshot(100).breakers.empty());
}

TEST(Breakers, M6_tell_of_each_change_of_state_once) {
  std::vector<std::string> told;
  Breakers breakers(options(2), [&](const BreakerChange& change) {
    const auto& [who, from, to, at_ms] = change;
    told.push_back(fmt::format("{} {} {} {}", who.destination, name(from), name(to), at_ms));
  });
  breakers.failure(kAnalyst, 0);
  breakers.failure(kAnalyst, 1);
  breakers.allow(kAnalyst, 2);    // refused: no change
  breakers.allow(kAnalyst, 101);  // a probe
  breakers.failure(kAnalyst, 102);
  breakers.allow(kAnalyst, 202);
  breakers.success(kAnalyst, 203);
  const std::vector<std::string> expected{"analyst closed open 1", "analyst open half_open 101",
                                          "analyst half_open open 102", "analyst open half_open 202",
                                          "analyst half_open closed 203"};
  EXPECT_EQ(told, expected);
}

TEST(Breakers, M6_may_be_asked_by_who_is_told_of_a_change) {
  std::size_t seen = 0;
  Breakers* asked = nullptr;
  const auto ask = [&](const BreakerChange& change) { seen = asked->snapshot(change.at_ms).breakers.size(); };
  Breakers breakers(options(1), ask);
  asked = &breakers;
  breakers.failure(kAnalyst, 0);
  EXPECT_EQ(seen, 1u);
}

TEST(Breakers, U12_show_themselves_for_metrics) {
  Breakers breakers(options(2));
  breakers.failure(kWriter, 5);
  breakers.failure(kAnalyst, 7);
  breakers.failure(kAnalyst, 8);
  breakers.allow(kAnalyst, 9);
  const auto all = breakers.snapshot(10);
  ASSERT_EQ(all.breakers.size(), 2u);
  const auto& analyst = all.breakers[0];
  EXPECT_EQ(analyst.name, kAnalyst);
  EXPECT_EQ(analyst.state, State::open);
  EXPECT_EQ(analyst.failures, 2u);
  EXPECT_EQ(analyst.opened_at_ms, 8);
  EXPECT_EQ(analyst.times_opened, 1u);
  EXPECT_EQ(analyst.rejected, 1u);
  const auto& writer = all.breakers[1];
  EXPECT_EQ(writer.name, kWriter);
  EXPECT_EQ(writer.state, State::closed);
  EXPECT_EQ(writer.failures, 1u);
  EXPECT_EQ(writer.opened_at_ms, std::nullopt);
  EXPECT_EQ(all.times_opened, 1u);
  EXPECT_EQ(all.rejected, 1u);
  EXPECT_EQ(breakers.snapshot(108).breakers[0].state, State::half_open);
}

TEST(Breakers, U8_let_the_least_recently_used_go_when_there_are_too_many) {
  Breakers breakers(options(1, 2));
  breakers.failure(kAnalyst, 0);
  breakers.failure(kWriter, 1);
  EXPECT_FALSE(breakers.allow(kAnalyst, 2));  // used, so the writer's is now the oldest
  breakers.failure(kAnalystByHttp, 3);
  EXPECT_TRUE(breakers.allow(kWriter, 4));
  EXPECT_FALSE(breakers.allow(kAnalyst, 4));
  EXPECT_FALSE(breakers.allow(kAnalystByHttp, 4));
  const auto all = breakers.snapshot(5);
  EXPECT_EQ(all.breakers.size(), 2u);
  EXPECT_EQ(all.evicted, 1u);
  EXPECT_EQ(all.times_opened, 3u);  // the one that is gone included
}

TEST(Breakers, U8_stay_bounded_and_in_order_of_use_over_many_destinations) {
  Breakers breakers(options(1, 10));
  for (int i = 0; i < 1'000; ++i) breakers.failure({"tcp", std::to_string(1'000 + i)}, i);
  const auto all = breakers.snapshot(1'000);
  ASSERT_EQ(all.breakers.size(), 10u);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(all.breakers[i].name.destination, std::to_string(1'990 + i));
  EXPECT_EQ(all.evicted, 990u);
}

TEST(Breakers, U8_count_right_when_many_threads_use_them) {
  constexpr int kThreads = 4, kRounds = 2'000;
  std::atomic<int> changes = 0;
  Breakers breakers(options(kThreads * kRounds), [&](const BreakerChange&) { ++changes; });
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&] {
        for (int i = 0; i < kRounds; ++i) breakers.failure(kAnalyst, 0);
      });
    }
  }
  EXPECT_EQ(changes, 1);
  EXPECT_EQ(breakers.state(kAnalyst, 0), State::open);
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&] {
        for (int i = 0; i < kRounds; ++i) breakers.allow(kAnalyst, 0);
      });
    }
  }
  EXPECT_EQ(breakers.snapshot(0).rejected, std::uint64_t{kThreads * kRounds});
}

TEST(Breakers, U8_refuse_options_out_of_range_and_name_them) {
  EXPECT_TRUE(check(BreakersOptions{}));
  const auto none = check(BreakersOptions{.breaker = {}, .breakers_max = 0});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::out_of_range);
  EXPECT_NE(none.error().text.find("breakers_max is 0; it may be 1 to 1000000"), std::string::npos)
      << none.error().text;
  EXPECT_FALSE(check(BreakersOptions{.breaker = {.probes_max = 0}, .breakers_max = 1}));
}

}  // namespace
}  // namespace folkmoot
