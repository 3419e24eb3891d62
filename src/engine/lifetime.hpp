// When a message is due, and when its life ends.
#pragma once

#include "engine/commands.hpp"

namespace folkmoot {

/// 0: at once, and never.
struct Lifetime {
  Instant not_before = 0, expires_at = 0;
};

/// A life that is a length begins when the message is due: a delay takes nothing of it. What another shard accepted
/// goes by that one's clock. `default_ttl_ms`: of its mailbox.
Lifetime lifetime_of(const IncomingMessage& message, Duration default_ttl_ms, Instant now);
/// Errors: out_of_range, if its life would be over before it is due.
Result<void> check_lifetime(const IncomingMessage& message, Instant now);

}  // namespace folkmoot
