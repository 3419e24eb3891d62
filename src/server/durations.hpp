// Durations as operations and frames have them, and as the engine does.
#pragma once

#include <chrono>

#include "base/time.hpp"

namespace folkmoot {

inline Duration in_ms(std::chrono::milliseconds duration) { return Duration{duration.count()}; }
inline std::chrono::milliseconds in_ms(Duration duration) { return std::chrono::milliseconds(duration.ms); }

}  // namespace folkmoot
