// How fast an account may go: so many a second on average, and a second's worth at once (generic cell rate algorithm).
// Any thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace folkmoot::access {

class Pace {
 public:
  /// Takes `count` at `now` (ms). 0: they were taken; else nothing was, and they may be tried again in so many ms. More
  /// than a second's worth is taken together when nothing was for long enough, and waited for afterwards.
  std::int64_t take(std::uint32_t per_second, std::uint32_t count, std::int64_t now) {
    constexpr std::int64_t kSecond = 1'000'000;
    const auto here = now * 1'000;
    const auto cost = static_cast<std::int64_t>(count) * kSecond / per_second;
    const auto at_once = kSecond - std::min(cost, kSecond);
    auto paid_until = paid_until_.load(std::memory_order_relaxed);
    for (;;) {
      const auto from = std::max(paid_until, here);
      if (from - here > at_once) return (from - here - at_once + 999) / 1'000;
      if (paid_until_.compare_exchange_weak(paid_until, from + cost, std::memory_order_relaxed)) return 0;
    }
  }

 private:
  std::atomic<std::int64_t> paid_until_ = 0;  // us
};

}  // namespace folkmoot::access
