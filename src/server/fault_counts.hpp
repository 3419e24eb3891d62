// Errors that clients were told, or that ended their connections, by door and code.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "folkmoot/operation/stats.hpp"
#include "server/link.hpp"

namespace folkmoot {

class FaultCounts {
 public:
  void add(DoorKind door, ErrorCode code) {
    const auto place = static_cast<std::size_t>(code);
    if (place < kCodes) ++counts_[static_cast<std::size_t>(door)][place];
  }

  /// Those of clients that are not 0, as "door/code".
  std::vector<FaultRow> rows() const {
    std::vector<FaultRow> out;
    for (const auto door : {DoorKind::native, DoorKind::http, DoorKind::websocket}) {
      for (std::size_t code = 0; code < kCodes; ++code) {
        const auto count = counts_[static_cast<std::size_t>(door)][code];
        if (count == 0) continue;
        out.push_back({std::string(name(door)).append("/").append(name(static_cast<ErrorCode>(code))), count});
      }
    }
    return out;
  }

 private:
  static constexpr std::size_t kCodes = 64;

  std::array<std::array<std::uint64_t, kCodes>, kDoorKinds> counts_{};
};

}  // namespace folkmoot
