// How often an endpoint is posted to: so many a minute, evenly, with a few at once when nothing was for long enough
// (generic cell rate algorithm).
#pragma once

#include <algorithm>
#include <cstdint>

namespace folkmoot {

class PostPace {
 public:
  /// When the next one may go; 0: at once. `at_once`: so many together.
  std::int64_t next_at(std::uint32_t per_minute, std::uint32_t at_once, std::int64_t now) const {
    if (per_minute == 0) return 0;
    const auto early = cost(per_minute) * (std::max(at_once, 1u) - 1);
    const auto at_us = paid_until_us_ - early;
    return at_us <= now * 1'000 ? 0 : (at_us + 999) / 1'000;
  }
  /// One goes. Requires: next_at() said that it may.
  void take(std::uint32_t per_minute, std::int64_t now) {
    if (per_minute != 0) paid_until_us_ = std::max(paid_until_us_, now * 1'000) + cost(per_minute);
  }

 private:
  static std::int64_t cost(std::uint32_t per_minute) { return 60'000'000 / std::int64_t{per_minute}; }

  std::int64_t paid_until_us_ = 0;
};

}  // namespace folkmoot
