#include "base/cron.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <span>

namespace folkmoot {
namespace {

constexpr std::string_view kMonths[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                        "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
constexpr std::string_view kWeekdays[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

struct CronField {
  std::string_view name;
  unsigned first, last;
  std::span<const std::string_view> names;  // of the values from `first` on
  std::string_view allowed;
};
constexpr std::size_t kFieldCount = 5, kDayOfMonth = 2, kDayOfWeek = 4;
constexpr unsigned kSundayAtEnd = 7;
constexpr CronField kCronFields[kFieldCount] = {
    {"minute", 0, 59, {}, "0 to 59"},
    {"hour", 0, 23, {}, "0 to 23"},
    {"day of month", 1, 31, {}, "1 to 31"},
    {"month", 1, 12, kMonths, "1 to 12, or JAN to DEC"},
    {"day of week", 0, kSundayAtEnd, kWeekdays, "0 to 7 where 0 and 7 are Sunday, or SUN to SAT"},
};

struct Macro {
  std::string_view word, fields;
};
constexpr Macro kMacros[] = {{"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
                             {"@weekly", "0 0 * * 0"},  {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
                             {"@annually", "0 0 1 1 *"}};

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

bool same_word(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return upper(x) == upper(y); });
}

std::unexpected<Error> refuse(std::size_t position, std::string_view why) {
  return failure(ErrorCode::invalid_field, fmt::format("cron field {} ({}): {}; allowed are {}", position + 1,
                                                       kCronFields[position].name, why, kCronFields[position].allowed));
}

std::optional<unsigned> digits(std::string_view text) {
  if (text.empty() || text.size() > 2) return std::nullopt;
  unsigned value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  return value;
}

Result<unsigned> value_of(std::size_t position, std::string_view text) {
  const CronField& field = kCronFields[position];
  if (const auto number = digits(text); number && *number >= field.first && *number <= field.last) return *number;
  for (std::size_t i = 0; i < field.names.size(); ++i) {
    if (same_word(text, field.names[i])) return field.first + static_cast<unsigned>(i);
  }
  return refuse(position, text.empty() ? "a value is missing" : fmt::format("`{}` is not one of its values", text));
}

Result<unsigned> step_of(std::size_t position, std::string_view text) {
  const auto step = digits(text);
  const unsigned last = kCronFields[position].last;
  if (step && *step >= 1 && *step <= last) return *step;
  return refuse(position, fmt::format("the step `{}` is not a number from 1 to {}", text, last));
}

struct Range {
  unsigned low, high;
};

Result<Range> range_of(std::size_t position, std::string_view text) {
  if (text == "*") return Range{kCronFields[position].first, kCronFields[position].last};
  const auto dash = text.find('-');
  const auto low = value_of(position, text.substr(0, dash));
  if (!low) return std::unexpected(low.error());
  if (dash == text.npos) return Range{*low, *low};
  auto high = value_of(position, text.substr(dash + 1));
  if (!high) return std::unexpected(high.error());
  if (position == kDayOfWeek && *high == 0 && *low > 0) high = kSundayAtEnd;
  if (*high < *low) return refuse(position, fmt::format("the range `{}` runs backwards", text));
  return Range{*low, *high};
}

Result<std::uint64_t> mask_of_item(std::size_t position, std::string_view item) {
  const auto slash = item.find('/');
  const auto text = item.substr(0, slash);
  const auto range = range_of(position, text);
  if (!range) return std::unexpected(range.error());
  unsigned step = 1;
  if (slash != item.npos) {
    // Other programs read 5/10 as 5, or as 5-59/10, or refuse it.
    if (text != "*" && text.find('-') == text.npos) {
      return refuse(position, fmt::format("the step of `{}` follows a single value, not `*` or a range", item));
    }
    const auto given = step_of(position, item.substr(slash + 1));
    if (!given) return std::unexpected(given.error());
    step = *given;
  }
  std::uint64_t mask = 0;
  for (unsigned value = range->low; value <= range->high; value += step) mask |= std::uint64_t{1} << value;
  return mask;
}

Result<std::uint64_t> mask_of_field(std::size_t position, std::string_view text) {
  std::uint64_t mask = 0;
  for (std::size_t start = 0; start <= text.size();) {
    const auto end = std::min(text.find(',', start), text.size());
    const auto item = mask_of_item(position, text.substr(start, end - start));
    if (!item) return std::unexpected(item.error());
    mask |= *item;
    start = end + 1;
  }
  return mask;
}

// Splits at blanks; returns how many fields there are, of which at most five are kept.
std::size_t split(std::string_view text, std::array<std::string_view, kFieldCount>& fields) {
  constexpr std::string_view kBlanks = " \t";
  std::size_t count = 0;
  for (auto at = text.find_first_not_of(kBlanks); at != text.npos; at = text.find_first_not_of(kBlanks, at)) {
    const auto end = std::min(text.find_first_of(kBlanks, at), text.size());
    if (count < fields.size()) fields[count] = text.substr(at, end - at);
    ++count;
    at = end;
  }
  return count;
}

}  // namespace

Result<Cron> Cron::parse(std::string_view text) {
  if (text.size() > kCronBytesMax) {
    return failure(ErrorCode::invalid_field,
                   fmt::format("a cron expression of {} bytes; at most {} are read", text.size(), kCronBytesMax));
  }
  std::array<std::string_view, kFieldCount> fields;
  auto count = split(text, fields);
  if (count == 1 && fields[0].starts_with('@')) {
    const auto macro = std::ranges::find_if(kMacros, [&](const Macro& m) { return same_word(m.word, fields[0]); });
    if (macro == std::end(kMacros)) {
      return failure(ErrorCode::invalid_field,
                     fmt::format("`{}` is no cron macro; there are @hourly, @daily, @midnight, @weekly, @monthly, "
                                 "@yearly and @annually",
                                 fields[0]));
    }
    count = split(macro->fields, fields);
  }
  if (count != kFieldCount) {
    return failure(ErrorCode::invalid_field,
                   fmt::format("`{}` has {} fields; a cron expression has five: minute hour day-of-month month "
                               "day-of-week, such as `30 4 * * MON-FRI`",
                               text, count));
  }
  std::array<std::uint64_t, kFieldCount> masks{};
  for (std::size_t position = 0; position < kFieldCount; ++position) {
    const auto mask = mask_of_field(position, fields[position]);
    if (!mask) return std::unexpected(mask.error());
    masks[position] = *mask;
  }
  Cron cron;
  cron.minutes_ = masks[0];
  cron.hours_ = static_cast<std::uint32_t>(masks[1]);
  cron.days_ = static_cast<std::uint32_t>(masks[2]);
  cron.months_ = static_cast<std::uint16_t>(masks[3]);
  cron.weekdays_ = static_cast<std::uint8_t>((masks[4] | masks[4] >> kSundayAtEnd) & 0x7f);
  cron.either_day_ = !fields[kDayOfMonth].starts_with('*') && !fields[kDayOfWeek].starts_with('*');
  return cron;
}

// The days of a month that match, bit n for the day n.
std::uint32_t Cron::days_of(std::chrono::year_month month) const {
  using namespace std::chrono;
  if (!(months_ >> static_cast<unsigned>(month.month()) & 1)) return 0;
  const auto length = static_cast<unsigned>((month / last).day());
  const auto of_this_month = static_cast<std::uint32_t>((std::uint64_t{2} << length) - 2);
  // The week, turned so that bit 0 is the weekday of the first, and repeated five times (a bit every seven).
  const unsigned first = weekday{sys_days{month / day{1}}}.c_encoding();
  const std::uint64_t week = (weekdays_ >> first | weekdays_ << (7 - first)) & 0x7f;
  const auto by_weekday = static_cast<std::uint32_t>(week * 0x1020'4081 << 1);
  return (either_day_ ? days_ | by_weekday : days_ & by_weekday) & of_this_month;
}

// The first matching minute of a day that is not before `minute_of_day`.
std::optional<int> Cron::minute_from(int minute_of_day) const {
  const int hour = minute_of_day / 60;
  if (hours_ >> hour & 1) {
    const auto rest = minutes_ & ~std::uint64_t{0} << minute_of_day % 60;
    if (rest) return hour * 60 + std::countr_zero(rest);
  }
  const auto later = hours_ & ~std::uint32_t{0} << (hour + 1);
  if (!later) return std::nullopt;
  return std::countr_zero(later) * 60 + std::countr_zero(minutes_);
}

std::optional<std::int64_t> Cron::next(std::int64_t after_unix_ms) const {
  using namespace std::chrono;
  constexpr std::int64_t kYear9999Ends = 253'402'300'799'999;
  if (after_unix_ms > kYear9999Ends) return std::nullopt;
  const sys_time<milliseconds> after{milliseconds{std::max<std::int64_t>(after_unix_ms, -1)}};
  const auto from = floor<minutes>(after) + minutes{1};
  const auto today = floor<days>(from);
  const year_month_day date{today};
  const auto at = [](sys_days midnight, int minute) {
    return milliseconds{midnight.time_since_epoch() + minutes{minute}}.count();
  };

  year_month month{date.year(), date.month()};
  const auto end = month + years{10};
  const auto day_today = static_cast<unsigned>(date.day());
  auto matching = days_of(month);
  if (matching >> day_today & 1) {
    if (const auto minute = minute_from(static_cast<int>((from - today).count()))) return at(today, *minute);
  }
  matching &= static_cast<std::uint32_t>(~std::uint64_t{0} << (day_today + 1));
  while (!matching) {
    if (month == end) return std::nullopt;
    month += months{1};
    matching = days_of(month);
  }
  const day first{static_cast<unsigned>(std::countr_zero(matching))};
  return at(sys_days{month / first}, *minute_from(0));
}

}  // namespace folkmoot
