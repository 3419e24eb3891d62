// A time zone as POSIX writes one: what the clock on the wall shows, from a rule alone, so that what was decided by it
// can be decided again anywhere. No file is read and no clock.
//
//   zone    name offset [ name [ offset ] "," rule "," rule ]     "CET-1CEST,M3.5.0,M10.5.0/3"
//   name    three letters or more | "<" letters, digits, + and - ">"
//   offset  [ + | - ] hours [ ":" minutes [ ":" seconds ] ]        west of Greenwich is positive; 0 to 24 hours
//   rule    date [ "/" time ]                                      when the other offset begins; time: 02:00:00
//   date    "M" month "." week "." day | "J" 1 to 365, without the 29th of February | 0 to 365
//   time    as offset, -167 to 167 hours (RFC 9636, section 3.3.1)
//
// A zone that has summer time and no rules for it says nothing that could be counted with, and is refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "base/time.hpp"

namespace folkmoot {

inline constexpr std::size_t kPosixTzBytesMax = 255;

/// What a clock on the wall shows.
struct LocalTime {
  std::int64_t day = 0;     // since the first of January 1970
  std::int32_t second = 0;  // of the day

  bool operator==(const LocalTime&) const = default;
};

class PosixTz {
 public:
  /// UTC.
  PosixTz() = default;
  /// Errors: invalid_field, naming what was met and where.
  static Result<PosixTz> parse(std::string_view text);

  /// What is added to UTC, in seconds.
  std::int32_t offset_at(Instant at) const;
  LocalTime local(Instant at) const;
  /// The first time after `after` at which the clock shows that second of a day, or leaps over it.
  /// Requires: 0 <= second < 86400.
  Instant next(std::int32_t second, Instant after) const;

  bool operator==(const PosixTz&) const = default;

 private:
  struct Rule {
    enum class Kind : std::uint8_t { month, without_leap_day, day };
    Kind kind{};
    std::uint8_t month = 0, week = 0;
    std::uint16_t day = 0;  // of the week, or of the year
    std::int32_t time = 0;  // seconds after the day begins

    bool operator==(const Rule&) const = default;
  };
  struct Summer {
    std::int32_t offset = 0;
    Rule begins{}, ends{};

    bool operator==(const Summer&) const = default;
  };
  class Parser;

  static std::int64_t second_of(const Rule& rule, int year);
  bool is_summer(std::int64_t second) const;
  std::int32_t offset(std::int64_t second) const { return is_summer(second) ? summer_->offset : offset_; }
  // Of a time on the wall. Seconds since 1970.
  std::int64_t when(std::int64_t local, std::int64_t after) const;

  std::int32_t offset_ = 0;
  std::optional<Summer> summer_;
};

}  // namespace folkmoot
