#include "base/time.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <concepts>

#include "base/strong_format.hpp"
#include "base/uuid.hpp"

namespace folkmoot {
namespace {

template <class A, class B>
concept kTakenFor = std::convertible_to<A, B> || std::assignable_from<B&, A> || std::equality_comparable_with<A, B>;
template <class A, class B>
concept kAdds = requires(A a, B b) { a + b; };
template <class A, class B>
concept kSubtracts = requires(A a, B b) { a - b; };
template <class A, class B>
concept kMultiplies = requires(A a, B b) { a* b; };

static_assert(!kTakenFor<Instant, Duration> && !kTakenFor<Duration, Instant>);
static_assert(!std::constructible_from<Instant, Duration> && !std::constructible_from<Duration, Instant>);
static_assert(!kTakenFor<unsigned, Instant> && !kTakenFor<unsigned, Duration> && !kTakenFor<std::int64_t, Instant> &&
              !kTakenFor<std::int64_t, Duration> && !kTakenFor<std::uint64_t, Duration>);
static_assert(!kTakenFor<Instant, std::int64_t> && !kTakenFor<Duration, std::int64_t> && !kTakenFor<Instant, bool>);
static_assert(!kTakenFor<MessageKey, Instant> && !kTakenFor<Instant, MessageKey>);
static_assert(std::constructible_from<Instant, std::int64_t> && std::constructible_from<Duration, std::uint32_t>);
static_assert(!std::constructible_from<Instant, std::uint64_t>, "it may not fit");
static_assert(!std::constructible_from<Duration, double>, "it would be cut");

static_assert(std::same_as<decltype(Instant{} - Instant{}), Duration>);
static_assert(std::same_as<decltype(Instant{} + Duration{}), Instant>);
static_assert(std::same_as<decltype(Instant{} - Duration{}), Instant>);
static_assert(std::same_as<decltype(Duration{} + Duration{}), Duration>);
static_assert(std::same_as<decltype(Duration{} / Duration{1}), std::int64_t>);
static_assert(!kAdds<Instant, Instant> && !kAdds<Instant, std::int64_t> && !kAdds<Duration, std::int64_t> &&
              !kAdds<Duration, Instant>);
static_assert(!kSubtracts<Duration, Instant> && !kSubtracts<Instant, std::int64_t> &&
              !kMultiplies<Instant, std::int64_t>);

template <class T>
constexpr bool kCostsNothing = sizeof(T) == sizeof(std::int64_t) && alignof(T) == alignof(std::int64_t) &&
                               std::is_trivially_copyable_v<T> && std::is_standard_layout_v<T>;
static_assert(kCostsNothing<Instant> && kCostsNothing<Duration>);

TEST(Time, an_instant_and_a_length_make_an_instant) {
  constexpr Instant noon{1'800'000'000'000};
  constexpr Duration minute{60'000};
  EXPECT_EQ(noon + minute, Instant{1'800'000'060'000});
  EXPECT_EQ(noon - minute, Instant{1'799'999'940'000});
  EXPECT_EQ((noon + minute) - noon, minute);
  EXPECT_LT(noon, noon + minute);
  EXPECT_EQ(std::max(noon, noon - minute), noon);
}

TEST(Time, lengths_are_added_shared_and_counted) {
  constexpr Duration minute{60'000}, second{1'000};
  EXPECT_EQ(minute + second, Duration{61'000});
  EXPECT_EQ(second - minute, Duration{-59'000});
  EXPECT_EQ(second * 60, minute);
  EXPECT_EQ(minute / 60, second);
  EXPECT_EQ((minute + Duration{999}) / second, 60);
}

TEST(Time, the_literal_0_is_none_and_the_default_and_no_time_is_before_all) {
  struct Lease {
    Instant deadline = 0;
    Duration length = 0;
  };
  EXPECT_TRUE(Lease{}.deadline == 0 && Lease{}.length == 0);
  EXPECT_TRUE(Lease{}.deadline == Instant{} && Lease{}.length == Duration{});
  EXPECT_LT(kNoTime, Instant{});
}

TEST(Time, they_are_written_as_their_milliseconds) {
  EXPECT_EQ(fmt::format("{} {}", Instant{1'800'000'000'000}, Duration{-5}), "1800000000000 -5");
}

}  // namespace
}  // namespace folkmoot
