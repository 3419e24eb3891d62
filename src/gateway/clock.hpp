// The wall clock, as what clients say about times is measured against it.
#pragma once

#include <chrono>
#include <cstdint>

namespace folkmoot {

inline std::int64_t unix_ms_now() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace folkmoot
