// Numbers of 64 bits as 16 hexadecimal digits, lower-case ones: ids and addresses, of which every message has several.
// Eight digits at a time, each a byte of a word.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.hpp"

namespace folkmoot {

namespace detail {

constexpr std::uint64_t kEachByte = 0x0101010101010101u;

/// The 32 bits as eight characters, the first of them in the lowest byte.
inline std::uint64_t hex_of(std::uint32_t value) {
  std::uint64_t digits = value;
  digits = (digits << 16 | digits) & 0x0000ffff0000ffffu;
  digits = (digits << 8 | digits) & 0x00ff00ff00ff00ffu;
  digits = (digits << 4 | digits) & 0x0f0f0f0f0f0f0f0fu;
  const auto is_letter = (digits + 6 * kEachByte) >> 4 & kEachByte;
  return __builtin_bswap64(digits + '0' * kEachByte + is_letter * ('a' - '0' - 10));
}

/// Eight characters as 32 bits; `wrong` gets a bit if one of them is no digit.
inline std::uint32_t from_hex(std::uint64_t text, std::uint64_t& wrong) {
  constexpr auto kHigh = 0x80 * kEachByte;
  // The high bit of a byte says that it is `least` or more; none is 0x80 or more, as `wrong` has that.
  const auto from = [text](std::uint64_t least) { return (text & ~kHigh) + (0x80 - least) * kEachByte; };
  const auto is_digit = from('0') & ~from('9' + 1);
  const auto is_letter = from('a') & ~from('f' + 1) & kHigh;
  wrong |= (text | ~(is_digit | is_letter)) & kHigh;
  auto value = (text & 0x0f * kEachByte) + 9 * (is_letter >> 7);
  value = (value << 4 | value >> 8) & 0x00ff00ff00ff00ffu;
  value = (value | value >> 8) & 0x0000ffff0000ffffu;
  return __builtin_bswap32(static_cast<std::uint32_t>(value | value >> 16));
}

}  // namespace detail

/// 16 digits at `out`.
inline void write_hex(std::uint64_t value, char* out) {
  const std::uint64_t digits[] = {detail::hex_of(static_cast<std::uint32_t>(value >> 32)),
                                  detail::hex_of(static_cast<std::uint32_t>(value))};
  __builtin_memcpy(out, digits, sizeof digits);
}

/// Of the 16 characters at `text`; nothing if one of them is no lower-case digit.
inline std::optional<std::uint64_t> read_hex(const char* text) {
  std::uint64_t wrong = 0;
  const std::uint64_t upper = detail::from_hex(load<std::uint64_t>(text), wrong);
  const auto value = upper << 32 | detail::from_hex(load<std::uint64_t>(text + 8), wrong);
  return wrong == 0 ? std::optional(value) : std::nullopt;
}

}  // namespace folkmoot
