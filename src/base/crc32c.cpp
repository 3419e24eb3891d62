#include "base/crc32c.hpp"

#include <array>

namespace folkmoot {
namespace {

constexpr auto kTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0x82f63b78u : 0);
    table[i] = value;
  }
  return table;
}();

[[maybe_unused]] std::uint32_t portable(std::uint32_t crc, const std::uint8_t* at, std::size_t size) {
  while (size--) crc = crc >> 8 ^ kTable[(crc ^ *at++) & 0xff];
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::uint32_t crc, const std::uint8_t* at,
                                                               std::size_t size) {
  std::uint64_t wide = crc;
  for (; size >= 8; at += 8, size -= 8) wide = __builtin_ia32_crc32di(wide, load<std::uint64_t>(at));
  auto narrow = static_cast<std::uint32_t>(wide);
  while (size--) narrow = __builtin_ia32_crc32qi(narrow, *at++);
  return narrow;
}

const bool kHasInstruction = __builtin_cpu_supports("sse4.2");
#endif

}  // namespace

std::uint32_t crc32c(std::uint32_t crc, Bytes bytes) {
  crc = ~crc;
#if defined(__x86_64__)
  crc = kHasInstruction ? by_instruction(crc, bytes.data(), bytes.size()) : portable(crc, bytes.data(), bytes.size());
#else
  crc = portable(crc, bytes.data(), bytes.size());
#endif
  return ~crc;
}

}  // namespace folkmoot
