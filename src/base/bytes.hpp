// Views of bytes and little-endian numbers in them, as the native protocol and the journal use them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace folkmoot {

static_assert(std::endian::native == std::endian::little,
              "folkmoot stores and sends numbers as the machine holds them");

using Bytes = std::span<const std::uint8_t>;

template <class T>
  requires std::is_trivially_copyable_v<T>
T load(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class T>
  requires std::is_trivially_copyable_v<T>
void store(void* to, const T& value) {
  std::memcpy(to, &value, sizeof value);
}

inline std::string_view as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

template <class T>
  requires std::is_trivially_copyable_v<T>
Bytes bytes_of(const T& value) {
  return {reinterpret_cast<const std::uint8_t*>(&value), sizeof value};
}

constexpr std::size_t round_up(std::size_t value, std::size_t unit) { return (value + unit - 1) / unit * unit; }

}  // namespace folkmoot
