#include "base/crc32c.hpp"

#include <gtest/gtest.h>

#include <string>

namespace folkmoot {
namespace {

// A second way to say the same: bit by bit, straight from the polynomial.
std::uint32_t bitwise(std::string_view text) {
  std::uint32_t crc = ~0u;
  for (const char c : text) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

TEST(Crc32c, GivesTheVectorsOfRfc3720) {
  EXPECT_EQ(crc32c(0, as_bytes("123456789")), 0xe3069283u);
  EXPECT_EQ(crc32c(0, as_bytes(std::string(32, '\0'))), 0x8a9136aau);
  EXPECT_EQ(crc32c(0, as_bytes(std::string(32, '\xff'))), 0x62a8ab43u);
  EXPECT_EQ(crc32c(0, {}), 0u);
}

TEST(Crc32c, AgreesWithTheBitwiseFormAtEveryLengthAndAlignment) {
  std::string text;
  for (int i = 0; i < 300; ++i) text.push_back(static_cast<char>(i * 31 + 7));
  for (std::size_t from = 0; from < 9; ++from) {
    for (std::size_t size = 0; from + size <= text.size(); size += 1 + size / 16) {
      const auto part = std::string_view(text).substr(from, size);
      EXPECT_EQ(crc32c(0, as_bytes(part)), bitwise(part));
    }
  }
}

TEST(Crc32c, GoesOnWhereItStopped) {
  const std::string_view text = "The quick brown fox jumps over the lazy dog";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(crc32c(crc32c(0, as_bytes(text.substr(0, cut))), as_bytes(text.substr(cut))), crc32c(0, as_bytes(text)));
  }
}

}  // namespace
}  // namespace folkmoot
