#include "engine/lifetime.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/duration.hpp"

namespace folkmoot {
namespace {

std::int64_t due_of(const IncomingMessage& message, std::int64_t now) {
  const auto& routing = message.routing;
  if (routing.delay_ms == 0) return routing.deliver_at;
  return (message.forwarded ? routing.timestamp : now) + routing.delay_ms;
}

}  // namespace

Lifetime lifetime_of(const IncomingMessage& message, std::int64_t default_ttl_ms, std::int64_t now) {
  const auto& routing = message.routing;
  const auto due = due_of(message, now);
  const auto ttl = routing.ttl_ms.value_or(default_ttl_ms);
  const auto accepted = message.forwarded && routing.ttl_ms ? routing.timestamp : now;
  return {.not_before = due > now ? due : 0,
          .expires_at = routing.expires_at != 0 ? routing.expires_at
                        : ttl != 0              ? std::max(accepted, due) + ttl
                                                : 0};
}

Result<void> check_lifetime(const IncomingMessage& message, std::int64_t now) {
  const auto ends = message.routing.expires_at, due = std::max(now, due_of(message, now));
  if (ends == 0 || message.forwarded || ends > due) return {};
  return failure(ErrorCode::out_of_range,
                 fmt::format("`expires_at` is {}; it may be a time after {}, when the message is due",
                             format_time_ms(ends), format_time_ms(due)));
}

}  // namespace folkmoot
