#include "base/hex.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

namespace folkmoot {
namespace {

std::string written(std::uint64_t value) {
  std::string text(16, '?');
  write_hex(value, text.data());
  return text;
}

TEST(Hex, U3_IsWhatFmtWritesAndComesBack) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 10'000; ++i) {
    const auto value = random() >> random() % 64;
    EXPECT_EQ(written(value), fmt::format("{:016x}", value));
    EXPECT_EQ(read_hex(written(value).data()), value);
  }
}

TEST(Hex, U3_EveryOtherByteIsRefusedWhereverItStands) {
  const std::string good = "0123456789abcdef";
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      auto text = good;
      text[at] = static_cast<char>(byte);
      const bool is_digit = good.contains(static_cast<char>(byte));
      EXPECT_EQ(read_hex(text.data()).has_value(), is_digit) << "byte " << byte << " at " << at;
    }
  }
}

}  // namespace
}  // namespace folkmoot
