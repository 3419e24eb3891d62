#include "base/posix_tz.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>

namespace folkmoot {
namespace {

constexpr std::int64_t kDay = 86'400;   // seconds
constexpr std::int64_t kDaysApart = 4;  // more than two offsets can be

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

std::int64_t first_day_of(int year) {
  const std::chrono::sys_days first = std::chrono::year(year) / std::chrono::January / 1;
  return first.time_since_epoch().count();
}

int year_of(std::int64_t second) {
  const std::chrono::sys_days day{std::chrono::days(floor_div(second, kDay))};
  return int{std::chrono::year_month_day(day).year()};
}

}  // namespace

class PosixTz::Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  bool at_end() const { return at_ == text_.size(); }
  bool take(char wanted) {
    if (at_end() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  std::unexpected<Error> wrong(std::string_view wanted) const {
    return failure(ErrorCode::invalid_field,
                   fmt::format("the time zone rule breaks off at place {}: {} should stand there", at_ + 1, wanted),
                   "give a name such as Europe/Berlin, or a POSIX rule such as CET-1CEST,M3.5.0,M10.5.0/3");
  }
  bool name() {
    const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    const auto from = at_;
    if (take('<')) {
      while (!at_end() && (is_letter(text_[at_]) || is_digit(text_[at_]) || text_[at_] == '+' || text_[at_] == '-'))
        ++at_;
      return at_ > from + 1 && take('>');
    }
    while (!at_end() && is_letter(text_[at_])) ++at_;
    return at_ - from >= 3;
  }
  // At most so many digits.
  std::optional<int> number(int least, int most, int digits) {
    const auto from = at_;
    int value = 0;
    while (!at_end() && is_digit(text_[at_]) && at_ - from < static_cast<std::size_t>(digits))
      value = value * 10 + (text_[at_++] - '0');
    if (at_ == from || value < least || value > most) return std::nullopt;
    return value;
  }
  // In seconds, as it is written.
  std::optional<std::int32_t> time(int hours_most) {
    const bool is_negative = take('-');
    if (!is_negative) take('+');
    const auto hours = number(0, hours_most, 3);
    if (!hours) return std::nullopt;
    auto seconds = *hours * 3600;
    for (const int unit : {60, 1}) {
      if (!take(':')) break;
      const auto part = number(0, 59, 2);
      if (!part) return std::nullopt;
      seconds += *part * unit;
    }
    return is_negative ? -seconds : seconds;
  }
  std::optional<Rule> rule() {
    Rule rule{.time = 2 * 3600};
    std::optional<int> day;
    if (take('M')) {
      const auto month = number(1, 12, 2);
      const auto week = month && take('.') ? number(1, 5, 1) : std::nullopt;
      day = week && take('.') ? number(0, 6, 1) : std::nullopt;
      if (!day) return std::nullopt;
      rule.kind = Rule::Kind::month;
      rule.month = static_cast<std::uint8_t>(*month);
      rule.week = static_cast<std::uint8_t>(*week);
    } else if (take('J')) {
      rule.kind = Rule::Kind::without_leap_day;
      day = number(1, 365, 3);
    } else {
      rule.kind = Rule::Kind::day;
      day = number(0, 365, 3);
    }
    if (!day) return std::nullopt;
    rule.day = static_cast<std::uint16_t>(*day);
    if (take('/')) {
      const auto at = time(167);
      if (!at) return std::nullopt;
      rule.time = *at;
    }
    return rule;
  }

 private:
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  const std::string_view text_;
  std::size_t at_ = 0;
};

Result<PosixTz> PosixTz::parse(std::string_view text) {
  if (text.size() > kPosixTzBytesMax) {
    return failure(ErrorCode::invalid_field,
                   fmt::format("the time zone rule has {} bytes; {} are the most", text.size(), kPosixTzBytesMax));
  }
  Parser parser(text);
  PosixTz zone;
  if (!parser.name()) return parser.wrong("a name of three letters or more");
  const auto offset = parser.time(24);
  if (!offset) return parser.wrong("hours west of Greenwich");
  zone.offset_ = -*offset;
  if (parser.at_end()) return zone;
  Summer summer{.offset = zone.offset_ + 3600};
  if (!parser.name()) return parser.wrong("the name of summer time, or the end");
  if (!parser.take(',')) {
    const auto its_offset = parser.time(24);
    if (!its_offset) return parser.wrong("the rules for summer time");
    summer.offset = -*its_offset;
    if (!parser.take(',')) return parser.wrong("the rules for summer time");
  }
  const auto begins = parser.rule();
  if (!begins) return parser.wrong("a date, such as M3.5.0/2");
  if (!parser.take(',')) return parser.wrong("a second rule");
  const auto ends = parser.rule();
  if (!ends || !parser.at_end()) return parser.wrong("a date, such as M10.5.0/3, and then the end");
  summer.begins = *begins;
  summer.ends = *ends;
  zone.summer_ = summer;
  return zone;
}

// On the wall, without an offset.
std::int64_t PosixTz::second_of(const Rule& rule, int year) {
  using namespace std::chrono;
  std::int64_t day = 0;
  if (rule.kind == Rule::Kind::month) {
    const auto month = std::chrono::year(year) / std::chrono::month(rule.month);
    const weekday wanted(rule.day);
    const sys_days found = rule.week == 5 ? sys_days(month / wanted[last]) : sys_days(month / wanted[rule.week]);
    day = found.time_since_epoch().count();
  } else {
    day = first_day_of(year) + rule.day;
    if (rule.kind == Rule::Kind::without_leap_day) {
      const bool is_behind = std::chrono::year(year).is_leap() && rule.day >= 60;
      day += is_behind ? 0 : -1;
    }
  }
  return day * kDay + rule.time;
}

bool PosixTz::is_summer(std::int64_t second) const {
  if (!summer_) return false;
  // A rule may name a time up to a week away from its day: that of the years beside counts too.
  const auto year = year_of(second + offset_);
  std::int64_t last_begin = INT64_MIN, last_end = INT64_MIN;
  for (int each = year - 1; each <= year + 1; ++each) {
    const auto begin = second_of(summer_->begins, each) - offset_;
    const auto end = second_of(summer_->ends, each) - summer_->offset;
    if (begin <= second) last_begin = std::max(last_begin, begin);
    if (end <= second) last_end = std::max(last_end, end);
  }
  // Of both at one time the beginning counts: `0/0,J365/25` is summer time all the year.
  return last_begin >= last_end;
}

std::int32_t PosixTz::offset_at(Instant at) const { return offset(floor_div(at.ms, 1'000)); }

LocalTime PosixTz::local(Instant at) const {
  const auto second = floor_div(at.ms, 1'000);
  const auto local = second + offset(second);
  const auto day = floor_div(local, kDay);
  return {.day = day, .second = static_cast<std::int32_t>(local - day * kDay)};
}

std::int64_t PosixTz::when(std::int64_t local, std::int64_t after) const {
  if (!summer_) return local - offset_;
  const auto early = local - std::max(offset_, summer_->offset), late = local - std::min(offset_, summer_->offset);
  const bool early_is = early + offset(early) == local, late_is = late + offset(late) == local;
  if (early_is && (early > after || !late_is)) return early;
  if (late_is) return late;
  // The clock leaps over it, between the two: to the first time at which it has.
  auto before = early, behind = late;
  while (behind - before > 1) {
    const auto middle = before + (behind - before) / 2;
    (middle + offset(middle) < local ? before : behind) = middle;
  }
  return behind;
}

Instant PosixTz::next(std::int32_t second, Instant after) const {
  const auto from = floor_div(after.ms, 1'000);
  const auto today = local(after).day;
  // Clocks may go back over days, as rules can be written: the first in time is not always that of the first day.
  auto first = std::numeric_limits<std::int64_t>::max();
  for (auto day = today - kDaysApart; day <= today + kDaysApart; ++day) {
    const auto at = when(day * kDay + second, from);
    if (at > from) first = std::min(first, at);
  }
  return Instant{first * 1'000};
}

}  // namespace folkmoot
