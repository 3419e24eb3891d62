#include "base/byte_count.hpp"

#include <gtest/gtest.h>

namespace folkmoot {
namespace {

TEST(ByteCountTest, is_read_with_its_unit) {
  EXPECT_EQ(parse_byte_count("512B"), 512u);
  EXPECT_EQ(parse_byte_count("64KiB"), 65'536u);
  EXPECT_EQ(parse_byte_count("50MiB"), 50u << 20);
  EXPECT_EQ(parse_byte_count("4GiB"), std::uint64_t{4} << 30);
  EXPECT_EQ(parse_byte_count("0"), 0u);
}

TEST(ByteCountTest, without_one_or_beyond_all_it_is_refused) {
  for (const auto* const text : {"", "5", "MiB", "5MB", "5 MiB", "-5MiB", "5MiBs", "99999999999GiB"}) {
    const auto read = parse_byte_count(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, ErrorCode::invalid_field);
    EXPECT_NE(read.error().text.find("is not a size with its unit"), std::string::npos);
  }
}

}  // namespace
}  // namespace folkmoot
