// Message and agent ids: 128-bit UUIDs, version 7 when folkmoot makes them (RFC 9562, section 5.7).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace folkmoot {

struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  /// 36 characters, lower case.
  std::string text() const;
  /// Reads the 36-character form in either case; nothing if it is not one.
  static std::optional<Uuid> parse(std::string_view text);
  bool is_nil() const {
    std::uint64_t half[2];
    std::memcpy(half, bytes.data(), sizeof half);
    return (half[0] | half[1]) == 0;
  }

  auto operator<=>(const Uuid&) const = default;
};

}  // namespace folkmoot
