// The server's time: Unix milliseconds that never go back. Follows the wall clock forward and, when that is set back,
// runs on by the monotonic clock until the wall has caught up.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace folkmoot {

class Clock {
 public:
  std::int64_t now() {
    using namespace std::chrono;
    const auto steady = duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
    const auto wall = duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
    now_ = now_ == 0 ? wall : std::max(wall, now_ + (steady - steady_));
    steady_ = steady;
    return now_;
  }

 private:
  std::int64_t now_ = 0;
  std::int64_t steady_ = 0;
};

}  // namespace folkmoot
