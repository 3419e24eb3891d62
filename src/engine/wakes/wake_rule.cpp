#include "engine/wakes/wake_rule.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/duration.hpp"
#include "base/utf8.hpp"
#include "engine/endpoint.hpp"
#include "message/pack.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kParts = 20;

std::unexpected<Error> wrong(std::string text) { return failure(ErrorCode::invalid_field, std::move(text)); }

Result<void> check_range(std::string_view field, Duration value, Duration least, Duration most) {
  if (value >= least && value <= most) return {};
  return failure(ErrorCode::out_of_range,
                 fmt::format("`{}` is {}; {} to {} is possible", field, format_duration_ms(value.ms),
                             format_duration_ms(least.ms), format_duration_ms(most.ms)));
}

Result<void> check_how(const WakeRule& rule) {
  if (rule.how != WakeHow::webhook) {
    if (rule.url.empty() && rule.secret.empty()) return {};
    return wrong("`url` and `secret` are of webhooks");
  }
  if (auto good = check_endpoint_url(rule.url); !good) return good;
  return check_endpoint_secret(rule.secret);
}

}  // namespace

Result<void> check_wake(const WakeRule& rule) {
  if (!is_name(rule.agent) || rule.agent.front() == '@' || rule.agent.front() == '$') {
    return failure(ErrorCode::invalid_name, fmt::format("`{}` is not a mailbox name", printable(rule.agent)));
  }
  if (auto good = check_how(rule); !good) return good;
  if (rule.priority < kPriorityMin || rule.priority > kPriorityMax)
    return failure(ErrorCode::out_of_range,
                   fmt::format("`priority` is {}; {} to {} is possible", rule.priority, kPriorityMin, kPriorityMax));
  if (rule.batch == 0 || rule.batch > kWakeBatchMax)
    return failure(ErrorCode::out_of_range,
                   fmt::format("`batch` is {}; 1 to {} is possible", rule.batch, kWakeBatchMax));
  if (auto good = check_range("batch_wait", rule.batch_wait, 0, kWakeWaitMax); !good) return good;
  if ((rule.batch > 1) != (rule.batch_wait != 0))
    return wrong("`batch` and `batch_wait` go together: so many messages, or so long after the first");
  for (const auto minute : {rule.quiet_from, rule.quiet_to}) {
    if (minute < 0 || minute >= kMinutesADay) return wrong("`quiet` has a time that no clock shows");
  }
  if (rule.budget > kWakeBudgetMax)
    return failure(ErrorCode::out_of_range,
                   fmt::format("`budget` is {}; 0 to {} is possible", rule.budget, kWakeBudgetMax));
  if (rule.retry_ms != 0) {
    if (auto good = check_range("retry", rule.retry_ms, kWakeRetryMin, kWakeWaitMax); !good) return good;
  }
  if (auto good = check_range("retry_max", rule.retry_max_ms, kWakeRetryMin, kWakeWaitMax); !good) return good;
  if (rule.retry_ms > rule.retry_max_ms) return wrong("`retry` is longer than `retry_max`");
  auto zone = PosixTz::parse(rule.tz);
  if (!zone) return std::unexpected(std::move(zone.error()));
  return {};
}

std::string pack_wake(const WakeRule& rule, const WakeCount& count) {
  std::string out;
  PackWriter writer(out);
  writer.array(kParts).str(rule.agent).uint(static_cast<std::uint64_t>(rule.how)).str(rule.url).str(rule.secret);
  writer.uint(rule.priority).uint(rule.batch).integer(rule.batch_wait.ms);
  writer.uint(static_cast<std::uint64_t>(rule.quiet_from)).uint(static_cast<std::uint64_t>(rule.quiet_to));
  writer.str(rule.zone).str(rule.tz).uint(rule.budget).integer(rule.retry_ms.ms).integer(rule.retry_max_ms.ms);
  // Days before 1970 are none that a server meets.
  writer.uint(static_cast<std::uint64_t>(std::max<std::int64_t>(count.day, 0))).uint(count.woken).uint(count.tries);
  writer.integer(std::max<std::int64_t>(count.woken_at.ms, 0)).uint(count.first_try.value);
  writer.uint(0);  // for what a later version adds
  return out;
}

Result<void> unpack_wake(Bytes body, WakeRule& rule, WakeCount& count) {
  PackReader reader(body);
  const auto ms = [&] { return static_cast<std::int64_t>(reader.uint()); };
  const auto number = [&] { return static_cast<std::uint32_t>(reader.uint()); };
  const auto minute = [&] { return static_cast<std::int32_t>(reader.uint()); };
  if (reader.array() != kParts) reader.fail();
  rule.agent = reader.str();
  rule.how = static_cast<WakeHow>(std::min<std::uint64_t>(reader.uint(), std::size(kWakeHows) - 1));
  rule.url = reader.str();
  rule.secret = reader.str();
  rule.priority = static_cast<Priority>(reader.uint());
  rule.batch = number();
  rule.batch_wait = Duration{ms()};
  rule.quiet_from = minute();
  rule.quiet_to = minute();
  rule.zone = reader.str();
  rule.tz = reader.str();
  rule.budget = number();
  rule.retry_ms = Duration{ms()};
  rule.retry_max_ms = Duration{ms()};
  count.day = ms();
  count.woken = number();
  count.tries = number();
  count.woken_at = Instant{ms()};
  count.first_try = MessageKey{reader.uint()};
  reader.skip();
  if (!reader.ok()) return failure(ErrorCode::damaged, "a wake_set fact breaks off");
  if (auto good = check_wake(rule); !good) return failure(ErrorCode::damaged, good.error().text);
  return {};
}

}  // namespace folkmoot
