// How often something took how long, in powers of two of milliseconds: a few instructions each time.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/time.hpp"

namespace folkmoot {

struct TimeCounts {
  static constexpr std::size_t kPlaces = 32;

  std::array<std::uint64_t, kPlaces> counts{};  // place k: below 2^k ms, and not below half of that; the last: the rest
  std::uint64_t sum_ms = 0;

  static constexpr std::size_t place(std::uint64_t ms) {
    return std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(ms)), kPlaces - 1);
  }
  /// Keys of messages may run ahead of the clock: then it took no time.
  static constexpr std::uint64_t ms_of(Duration took) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(took.ms, 0));
  }
  void add(Duration took) {
    const auto ms = ms_of(took);
    ++counts[place(ms)];
    sum_ms += ms;
  }
};

}  // namespace folkmoot
