#include "reliability/circuit_breaker.hpp"

#include <gtest/gtest.h>

#include <string_view>
#include <utility>

namespace folkmoot {
namespace {

using State = CircuitBreaker::State;
constexpr std::int64_t kStart = 1'000, kOpenMs = 60'000;

void fail(CircuitBreaker& breaker, int times, std::int64_t now_ms) {
  for (int i = 0; i < times; ++i) {
    ASSERT_TRUE(breaker.allow(now_ms));
    breaker.failure(now_ms);
  }
}

CircuitBreaker opened_at_start(const BreakerOptions& options = {}) {
  CircuitBreaker breaker(options);
  fail(breaker, static_cast<int>(options.failures_to_open), kStart);
  return breaker;
}

TEST(CircuitBreaker, U8_lets_calls_pass_until_five_failures_in_a_row) {
  CircuitBreaker breaker;
  fail(breaker, 4, kStart);
  EXPECT_EQ(breaker.state(kStart), State::closed);
  EXPECT_EQ(breaker.failures(), 4u);
  EXPECT_EQ(breaker.opened_at_ms(), std::nullopt);
  fail(breaker, 1, kStart);
  EXPECT_EQ(breaker.state(kStart), State::open);
  EXPECT_EQ(breaker.failures(), 5u);
  EXPECT_EQ(breaker.opened_at_ms(), kStart);
  EXPECT_EQ(breaker.times_opened(), 1u);
}

TEST(CircuitBreaker, U8_forgets_failures_at_a_success) {
  CircuitBreaker breaker;
  for (int round = 0; round < 10; ++round) {
    fail(breaker, 4, kStart);
    breaker.success(kStart);
  }
  EXPECT_EQ(breaker.state(kStart), State::closed);
  EXPECT_EQ(breaker.failures(), 0u);
}

TEST(CircuitBreaker, U8_refuses_and_counts_for_sixty_seconds_once_open) {
  auto breaker = opened_at_start();
  EXPECT_FALSE(breaker.allow(kStart));
  EXPECT_FALSE(breaker.allow(kStart + kOpenMs - 1));
  EXPECT_EQ(breaker.rejected(), 2u);
  EXPECT_EQ(breaker.state(kStart + kOpenMs - 1), State::open);
  EXPECT_EQ(breaker.state(kStart + kOpenMs), State::half_open);
  EXPECT_EQ(breaker.last_state(), State::open);  // nobody has asked yet
  EXPECT_TRUE(breaker.allow(kStart + kOpenMs));
  EXPECT_EQ(breaker.last_state(), State::half_open);
}

TEST(CircuitBreaker, U8_lets_one_probe_through_and_closes_when_it_succeeds) {
  auto breaker = opened_at_start();
  const auto later = kStart + kOpenMs;
  EXPECT_TRUE(breaker.allow(later));
  EXPECT_FALSE(breaker.allow(later));
  breaker.success(later);
  EXPECT_EQ(breaker.state(later), State::closed);
  EXPECT_EQ(breaker.failures(), 0u);
  fail(breaker, 4, later);
  EXPECT_EQ(breaker.state(later), State::closed);  // counted from nothing again
}

TEST(CircuitBreaker, U8_opens_again_for_the_whole_time_when_the_probe_fails) {
  auto breaker = opened_at_start();
  const auto later = kStart + kOpenMs + 500;
  EXPECT_TRUE(breaker.allow(later));
  breaker.failure(later + 10);
  EXPECT_EQ(breaker.opened_at_ms(), later + 10);
  EXPECT_EQ(breaker.times_opened(), 2u);
  EXPECT_FALSE(breaker.allow(later + 10 + kOpenMs - 1));
  EXPECT_TRUE(breaker.allow(later + 10 + kOpenMs));
}

TEST(CircuitBreaker, U8_takes_as_many_probes_and_successes_as_it_is_told_to) {
  const BreakerOptions options{.open_ms = 100, .failures_to_open = 1, .probes_max = 2, .successes_to_close = 3};
  auto breaker = opened_at_start(options);
  const auto later = kStart + 100;
  EXPECT_TRUE(breaker.allow(later));
  EXPECT_TRUE(breaker.allow(later));
  EXPECT_FALSE(breaker.allow(later));
  breaker.success(later);
  EXPECT_TRUE(breaker.allow(later));  // the place of the one that came back
  EXPECT_FALSE(breaker.allow(later));
  breaker.success(later);
  EXPECT_EQ(breaker.state(later), State::half_open);
  breaker.success(later);
  EXPECT_EQ(breaker.state(later), State::closed);
}

TEST(CircuitBreaker, U8_counts_successes_anew_each_time_it_is_half_open) {
  const BreakerOptions options{.open_ms = 100, .failures_to_open = 1, .probes_max = 1, .successes_to_close = 2};
  auto breaker = opened_at_start(options);
  EXPECT_TRUE(breaker.allow(kStart + 100));
  breaker.success(kStart + 100);
  EXPECT_TRUE(breaker.allow(kStart + 100));
  breaker.failure(kStart + 100);
  EXPECT_TRUE(breaker.allow(kStart + 200));
  breaker.success(kStart + 200);
  EXPECT_EQ(breaker.state(kStart + 200), State::half_open);
}

TEST(CircuitBreaker, U8_does_not_heed_calls_that_began_before_it_opened) {
  auto breaker = opened_at_start();
  breaker.success(kStart + 1);
  breaker.failure(kStart + 2);
  EXPECT_EQ(breaker.state(kStart + 2), State::open);
  EXPECT_EQ(breaker.opened_at_ms(), kStart);  // late failures do not keep it open for longer
  breaker.success(kStart + kOpenMs);
  breaker.failure(kStart + kOpenMs);
  EXPECT_EQ(breaker.state(kStart + kOpenMs), State::half_open);
  EXPECT_TRUE(breaker.allow(kStart + kOpenMs));
}

TEST(CircuitBreaker, U8_gives_a_probe_up_of_which_nothing_was_heard) {
  auto breaker = opened_at_start();
  const auto probed = kStart + kOpenMs;
  EXPECT_TRUE(breaker.allow(probed));
  EXPECT_FALSE(breaker.allow(probed + kOpenMs - 1));
  EXPECT_TRUE(breaker.allow(probed + kOpenMs));
  EXPECT_FALSE(breaker.allow(probed + kOpenMs));
}

TEST(CircuitBreaker, U8_refuses_options_out_of_range_and_names_them) {
  EXPECT_TRUE(check(BreakerOptions{}));
  const std::pair<BreakerOptions, std::string_view> kWrong[] = {
      {{.open_ms = 0}, "open_ms is 0; it may be 1 to 86400000"},
      {{.open_ms = kBreakerOpenMsMax + 1}, "open_ms is 86400001"},
      {{.failures_to_open = 0}, "failures_to_open is 0; it may be 1 to 1000000"},
      {{.probes_max = 0}, "probes_max is 0"},
      {{.successes_to_close = kBreakerCountMax + 1}, "successes_to_close is 1000001"},
  };
  for (const auto& [options, said] : kWrong) {
    const auto checked = check(options);
    ASSERT_FALSE(checked) << said;
    EXPECT_EQ(checked.error().code, ErrorCode::out_of_range);
    EXPECT_NE(checked.error().text.find(said), std::string::npos) << checked.error().text;
  }
}

TEST(CircuitBreaker, U12_has_a_word_for_each_state) {
  EXPECT_EQ(name(State::closed), "closed");
  EXPECT_EQ(name(State::open), "open");
  EXPECT_EQ(name(State::half_open), "half_open");
}

TEST(CircuitBreaker, U8_stays_open_twice_as_long_each_time_that_its_probe_fails_if_told_so) {
  CircuitBreaker breaker({.open_ms = 1'000, .open_ms_max = 3'000, .failures_to_open = 1});
  std::int64_t now = kStart;
  for (const std::int64_t open_ms : {1'000, 2'000, 3'000, 3'000}) {
    ASSERT_TRUE(breaker.allow(now));
    breaker.failure(now);
    EXPECT_EQ(breaker.open_until_ms(), now + open_ms);
    EXPECT_EQ(breaker.state(now + open_ms - 1), State::open);
    now += open_ms;
    EXPECT_EQ(breaker.state(now), State::half_open);
  }
  ASSERT_TRUE(breaker.allow(now));
  breaker.success(now);
  EXPECT_EQ(breaker.open_until_ms(), std::nullopt);
  ASSERT_TRUE(breaker.allow(now));
  breaker.failure(now);
  EXPECT_EQ(breaker.open_until_ms(), now + 1'000) << "closed meanwhile, it begins anew";
}

}  // namespace
}  // namespace folkmoot
