#include "base/duration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <optional>

namespace folkmoot {
namespace {

struct Unit {
  std::string_view word;
  std::int64_t ms;
};
constexpr Unit kUnits[] = {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}};
constexpr double kMsMax = 10 * 366.0 * 86'400'000;

Error not_a_duration(std::string_view text) {
  return {ErrorCode::invalid_field, fmt::format("`{}` is not a duration; write 500ms, 30s, 5m, 2h or 7d", text)};
}

Error not_a_time(std::string_view text) {
  return {ErrorCode::invalid_field, fmt::format("`{}` is not a time; write it as 2026-11-21T10:00:00Z", text)};
}

// Reads exactly `digits` digits of `text` at `at`; -1 if they are not there.
int number_at(std::string_view text, std::size_t at, std::size_t digits) {
  if (at + digits > text.size()) return -1;
  int value = 0;
  for (auto c : text.substr(at, digits)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

// The date and the time of day that a text begins with, in milliseconds as if it were UTC; `at`: behind them.
std::optional<std::int64_t> local_ms(std::string_view text, std::size_t& at) {
  using namespace std::chrono;
  const int y = number_at(text, 0, 4), mo = number_at(text, 5, 2), d = number_at(text, 8, 2);
  const int h = number_at(text, 11, 2), mi = number_at(text, 14, 2), s = number_at(text, 17, 2);
  const year_month_day date{year{y}, month{static_cast<unsigned>(mo)}, day{static_cast<unsigned>(d)}};
  if (y < 1970 || mo < 0 || d < 0 || !date.ok() || h < 0 || h > 23 || mi < 0 || mi > 59 || s < 0 || s > 60)
    return std::nullopt;
  if (text[4] != '-' || text[7] != '-' || std::string_view("Tt ").find(text[10]) == std::string_view::npos ||
      text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  std::int64_t ms = sys_days{date}.time_since_epoch() / 1h * 3'600'000LL;
  ms += h * 3'600'000LL + mi * 60'000LL + s * 1'000LL;
  at = 19;
  if (at == text.size() || text[at] != '.') return ms;
  if (number_at(text, at + 1, 1) < 0) return std::nullopt;
  int scale = 100;
  for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, scale /= 10) ms += (text[at] - '0') * scale;
  return ms;
}

// How far a zone is ahead of UTC: "Z", or "+01:00". None is UTC, as clients mean that write it without.
std::optional<std::int64_t> offset_ms(std::string_view zone) {
  if (zone.empty() || zone == "Z" || zone == "z") return 0;
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':') return std::nullopt;
  const int h = number_at(zone, 1, 2), m = number_at(zone, 4, 2);
  if (h < 0 || h > 23 || m < 0 || m > 59) return std::nullopt;
  const auto offset = h * 3'600'000LL + m * 60'000LL;
  return zone[0] == '+' ? offset : -offset;
}

}  // namespace

Result<std::int64_t> parse_duration_ms(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc{} || !(value >= 0)) return std::unexpected(not_a_duration(text));
  const std::string_view unit{end, static_cast<std::size_t>(text.data() + text.size() - end)};
  if (unit.empty() && value != 0) {
    return failure(ErrorCode::invalid_field,
                   fmt::format("`{0}` has no unit; write a duration such as {0}ms, {0}s, {0}m, or 30s", text));
  }
  std::int64_t scale = unit.empty() ? 1 : 0;
  for (const auto& known : kUnits) {
    if (known.word == unit) scale = known.ms;
  }
  const double ms = value * static_cast<double>(scale);
  if (scale == 0 || ms > kMsMax) return std::unexpected(not_a_duration(text));
  return std::llround(ms);
}

std::string format_duration_ms(std::int64_t ms) {
  std::string out;
  int shown = 0;
  for (const auto& unit : kUnits) {
    const auto count = ms / unit.ms;
    if (count == 0) {
      if (shown) break;
      continue;
    }
    out += fmt::format("{}{}{}", shown ? " " : "", count, unit.word);
    ms -= count * unit.ms;
    if (++shown == 2 || unit.ms == 1000) break;
  }
  return shown ? out : "0ms";
}

Result<std::int64_t> parse_time_ms(std::string_view text) {
  std::size_t at = 0;
  const auto local = local_ms(text, at);
  const auto offset = local ? offset_ms(text.substr(at)) : std::nullopt;
  if (!offset || *local < *offset) return std::unexpected(not_a_time(text));
  return *local - *offset;
}

std::string format_time_ms(std::int64_t unix_ms) {
  using namespace std::chrono;
  constexpr std::int64_t kYear9999Ends = 253'402'300'799'999;  // a damaged time still shows as one
  unix_ms = std::clamp<std::int64_t>(unix_ms, 0, kYear9999Ends);
  const auto days = floor<std::chrono::days>(sys_time<milliseconds>{milliseconds{unix_ms}});
  const year_month_day date{days};
  const auto rest = unix_ms - days.time_since_epoch() / 1ms;
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), rest / 3'600'000,
                     rest / 60'000 % 60, rest / 1000 % 60, rest % 1000);
}

}  // namespace folkmoot
