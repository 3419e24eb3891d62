// Cron expressions: when something is due again. Minute, hour, day of month, month and day of week are a bit mask each,
// so the next time is found by looking for bits, month by month, never minute by minute. Always UTC; no clock is read.
//
//   expression  macro, or five fields with blanks between: minute hour day-of-month month day-of-week
//   field       item {"," item}
//   item        "*" ["/" step] | value | value "-" value ["/" step]
//   value       one or two digits, or a name: JAN to DEC, SUN to SAT (any case)
//   macro       @hourly @daily @midnight @weekly @monthly @yearly @annually (any case)
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/error.hpp"

namespace folkmoot {

inline constexpr std::size_t kCronBytesMax = 255;

class Cron {
 public:
  /// Reads an expression. Ranges are inclusive: minute 0-59, hour 0-23, day of month 1-31, month 1-12, day of week 0-7,
  /// where 0 and 7 are Sunday (as the end of a range Sunday is always 7, so FRI-SUN is three days). A step counts from
  /// the start of its range.
  ///   errors  invalid_field, naming the field, its position from 1, what was met and what is allowed
  ///   source  POSIX crontab; crontab(5) for names, steps and macros
  static Result<Cron> parse(std::string_view text);

  /// The first matching minute strictly after `after_unix_ms`, as Unix milliseconds; nothing if there is none up to the
  /// end of the same month ten years later (30 February), or if `after_unix_ms` is past the year 9999. Times before
  /// 1970 count as the last one before it. Cost: at most 121 steps of a few instructions.
  ///
  /// The rule of days: if neither day field begins with `*`, a day matches by either of them; else it must match both.
  std::optional<std::int64_t> next(std::int64_t after_unix_ms) const;

  bool operator==(const Cron&) const = default;

 private:
  Cron() = default;
  std::uint32_t days_of(std::chrono::year_month month) const;
  std::optional<int> minute_from(int minute_of_day) const;

  // Bit n stands for the value n. Every mask has a bit set.
  std::uint64_t minutes_ = 0;
  std::uint32_t hours_ = 0;
  std::uint32_t days_ = 0;
  std::uint16_t months_ = 0;
  std::uint8_t weekdays_ = 0;  // Sunday is 0
  bool either_day_ = false;
};

}  // namespace folkmoot
