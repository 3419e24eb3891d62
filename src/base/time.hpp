// Times and lengths of time, in milliseconds. They are types of their own, so that a deadline is not taken for a
// time-out, nor either for a count: two instants have a duration between them, an instant and a duration make an
// instant, and nothing else is added. Made of a number explicitly, and read as one by `ms`; the literal 0, which most
// of them have for `none`, is the only number that becomes one by itself.
#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace folkmoot {

template <class Number>
concept FitsMilliseconds =
    std::signed_integral<Number> || (std::unsigned_integral<Number> && sizeof(Number) < sizeof(std::int64_t));

template <class Tag>
struct StrongTime {
  std::int64_t ms = 0;

  constexpr StrongTime() = default;
  template <FitsMilliseconds Number>
  explicit constexpr StrongTime(Number count) : ms(count) {}
  template <class Number>
    requires(std::is_arithmetic_v<Number> && !FitsMilliseconds<Number>)
  explicit StrongTime(Number) = delete;  // it would be cut
  explicit constexpr StrongTime(int count) : ms(count) {}
  template <std::same_as<int> Literal>
  consteval StrongTime(Literal zero) {  // NOLINT(google-explicit-constructor)
    if (zero != 0) throw "only 0 becomes one by itself";
  }

  friend constexpr bool operator==(StrongTime, StrongTime) = default;
  friend constexpr std::strong_ordering operator<=>(StrongTime, StrongTime) = default;
};

/// A length of time.
struct Duration : StrongTime<struct DurationTag> {
  using StrongTime::StrongTime;

  friend constexpr Duration operator+(Duration a, Duration b) { return Duration{a.ms + b.ms}; }
  friend constexpr Duration operator-(Duration a, Duration b) { return Duration{a.ms - b.ms}; }
  friend constexpr Duration operator*(Duration length, std::int64_t times) { return Duration{length.ms * times}; }
  friend constexpr Duration operator/(Duration length, std::int64_t parts) { return Duration{length.ms / parts}; }
  /// How often `part` fits into `whole`.
  friend constexpr std::int64_t operator/(Duration whole, Duration part) { return whole.ms / part.ms; }
};

/// A time: so long after the beginning of 1970, as the wall clock says.
struct Instant : StrongTime<struct InstantTag> {
  using StrongTime::StrongTime;

  friend constexpr Instant operator+(Instant from, Duration length) { return Instant{from.ms + length.ms}; }
  friend constexpr Instant operator-(Instant to, Duration length) { return Instant{to.ms - length.ms}; }
  friend constexpr Duration operator-(Instant to, Instant from) { return Duration{to.ms - from.ms}; }
};

/// No time, where 0 is one: nothing is due, it never was.
constexpr Instant kNoTime{-1};

}  // namespace folkmoot
