#include "base/utf8.hpp"

#include <gtest/gtest.h>

#include <string>

namespace folkmoot {
namespace {

// The plain definition: decode one code point at a time and look at its value.
bool reference(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t size = lead < 0x80             ? 1
                             : (lead & 0xe0) == 0xc0 ? 2
                             : (lead & 0xf0) == 0xe0 ? 3
                             : (lead & 0xf8) == 0xf0 ? 4
                                                     : 0;
    if (size == 0 || i + size > text.size()) return false;
    std::uint32_t point = size == 1 ? lead : lead & (0x7f >> size);
    for (std::size_t k = 1; k < size; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      point = point << 6 | (next & 0x3f);
    }
    constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < kLeast[size] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return false;
    i += size;
  }
  return true;
}

TEST(Utf8, AgreesWithTheDefinitionForAllShortStrings) {
  // Every byte at the places where a rule changes, in all combinations of three, after prefixes that move the fast
  // path.
  constexpr unsigned char kEdges[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1,
                                      0xc2, 0xdf, 0xe0, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff};
  for (const std::string prefix : {"", "1234567", "12345678"}) {
    for (const auto a : kEdges) {
      for (const auto b : kEdges) {
        for (const auto c : kEdges) {
          for (const std::string suffix : {"", "\x80", "z"}) {
            const std::string text =
                prefix + static_cast<char>(a) + static_cast<char>(b) + static_cast<char>(c) + suffix;
            ASSERT_EQ(is_utf8(text), reference(text)) << int(a) << " " << int(b) << " " << int(c);
          }
        }
      }
    }
  }
}

TEST(Utf8, TakesTheLongestAndRefusesWhatLiesBeyond) {
  EXPECT_TRUE(is_utf8("\xf4\x8f\xbf\xbf"));
  EXPECT_FALSE(is_utf8("\xf4\x90\x80\x80"));
  EXPECT_FALSE(is_utf8("\xed\xa0\x80"));
  EXPECT_FALSE(is_utf8("\xe2\x82"));
}

TEST(Name, Is1To255BytesWithoutControlCharacters) {
  EXPECT_TRUE(is_name("a"));
  EXPECT_TRUE(is_name("grün und blau"));
  EXPECT_TRUE(is_name(std::string(255, 'x')));
  EXPECT_FALSE(is_name(""));
  EXPECT_FALSE(is_name(std::string(256, 'x')));
  EXPECT_FALSE(is_name("a\tb"));
  EXPECT_FALSE(is_name("a\x7f"));
  EXPECT_FALSE(is_name(std::string_view("a\0b", 3)));
  EXPECT_FALSE(is_name("\xff"));
}

}  // namespace
}  // namespace folkmoot
