// How long a message that failed waits before its next attempt.
#pragma once

#include <cstdint>

#include "folkmoot/message.hpp"

namespace folkmoot {

/// Milliseconds to wait after the `failed`th attempt (from 1 on). `chance`: any number, for the jitter:
/// exponential_jitter waits between half and all of what exponential waits. Never above `max_ms` (if there is one) or
/// ten years.
std::int64_t retry_delay_ms(const RetryPolicy& policy, std::uint32_t failed, std::uint64_t chance);

/// The policy of a message over that of its mailbox: `attempts` 0 is the mailbox's.
RetryPolicy over(const RetryPolicy& message, const RetryPolicy& mailbox);

}  // namespace folkmoot
