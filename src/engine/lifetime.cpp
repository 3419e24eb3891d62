#include "engine/lifetime.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/duration.hpp"

namespace folkmoot {
namespace {

Instant accepted_at(const IncomingMessage& message, Instant now) {
  return message.forwarded ? Instant{message.routing.timestamp} : now;
}

Instant due_of(const IncomingMessage& message, Instant now) {
  const auto& routing = message.routing;
  if (routing.delay_ms == 0) return Instant{routing.deliver_at};
  return accepted_at(message, now) + Duration{routing.delay_ms};
}

}  // namespace

Lifetime lifetime_of(const IncomingMessage& message, Duration default_ttl_ms, Instant now) {
  const auto& routing = message.routing;
  const auto due = due_of(message, now);
  const auto ttl = routing.ttl_ms ? Duration{*routing.ttl_ms} : default_ttl_ms;
  const auto accepted = routing.ttl_ms ? accepted_at(message, now) : now;
  return {.not_before = due > now ? due : Instant{},
          .expires_at = routing.expires_at != 0 ? Instant{routing.expires_at}
                        : ttl != 0              ? std::max(accepted, due) + ttl
                                                : Instant{}};
}

Result<void> check_lifetime(const IncomingMessage& message, Instant now) {
  const Instant ends{message.routing.expires_at}, due = std::max(now, due_of(message, now));
  if (ends == 0 || message.forwarded || ends > due) return {};
  return failure(ErrorCode::out_of_range,
                 fmt::format("`expires_at` is {}; it may be a time after {}, when the message is due",
                             format_time_ms(ends.ms), format_time_ms(due.ms)));
}

}  // namespace folkmoot
