// When the server raises an alarm by itself (alerts.hpp).
#pragma once

#include <cstdint>

namespace folkmoot {

/// 0: not for this.
struct AlertOptions {
  std::int64_t every_ms = 10'000;  // between looks; 0: none at all
  std::uint64_t queue_depth = 1'000;
  std::uint64_t dead_per_minute = 10;
  std::uint64_t failed_per_minute = 100;
  std::uint64_t history_behind_bytes = std::uint64_t{256} << 20;
  std::uint32_t disk_free_percent = 10;
  bool heartbeat = true;
};

}  // namespace folkmoot
