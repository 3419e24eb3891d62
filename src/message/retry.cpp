#include "message/retry.hpp"

#include <algorithm>

#include "message/limits.hpp"

namespace folkmoot {

std::int64_t retry_delay_ms(const RetryPolicy& policy, std::uint32_t failed, std::uint64_t chance) {
  const auto most = policy.max_ms > 0 ? std::min(policy.max_ms, kDurationMsMax) : kDurationMsMax;
  auto delay = std::min(policy.initial_ms, most);
  switch (policy.backoff) {
    case Backoff::fixed:
      break;
    case Backoff::linear:
      delay = delay > most / std::max<std::int64_t>(failed, 1) ? most : delay * failed;
      break;
    case Backoff::exponential:
    case Backoff::exponential_jitter:
      // Whole numbers all the way: every machine comes to the same result.
      for (std::uint32_t i = 1; i < failed && delay < most && delay > 0 && policy.multiplier_permille > 1000; ++i) {
        delay = std::min<std::int64_t>(most, std::max(delay + 1, delay * policy.multiplier_permille / 1000));
      }
      break;
  }
  if (policy.backoff == Backoff::exponential_jitter && delay > 1) {
    const auto half = delay / 2;
    delay = half + static_cast<std::int64_t>(chance % static_cast<std::uint64_t>(delay - half + 1));
  }
  return delay;
}

RetryPolicy over(const RetryPolicy& message, const RetryPolicy& mailbox) {
  auto policy = message;
  if (policy.attempts == 0) policy.attempts = mailbox.attempts;
  return policy;
}

}  // namespace folkmoot
