#include "base/uuid.hpp"

#include <gtest/gtest.h>

namespace folkmoot {
namespace {

TEST(Uuid, IsVersion7AndKeepsItsAddress) {
  const MessageAddress kAddresses[] = {
      {.key = make_key(Instant{1'795'255'200'123}, 0), .mailbox = 0, .node = 0},
      {.key = make_key(Instant{1'795'255'200'123}, (1u << 20) - 1), .mailbox = NameId{UINT32_MAX}, .node = kNodeMask},
      {.key = make_key(Instant{(std::int64_t{1} << 44) - 1}, 0xabcde), .mailbox = NameId{7}, .node = 0x155555},
  };
  for (const auto& address : kAddresses) {
    const auto id = make_uuid(address);
    EXPECT_EQ(id.bytes[6] >> 4, 7);
    EXPECT_EQ(id.bytes[8] >> 6, 2);
    ASSERT_TRUE(message_address(id));
    EXPECT_EQ(*message_address(id), address);
  }
}

TEST(Uuid, BeginsWithItsTimeAndSortsByKey) {
  const auto id = make_uuid({.key = make_key(Instant{0x0193f2c4a1b2}, 1), .mailbox = NameId{1}, .node = 1});
  EXPECT_TRUE(id.text().starts_with("0193f2c4-a1b2-7"));
  const auto next = make_uuid({.key = make_key(Instant{0x0193f2c4a1b2}, 2), .mailbox = 0, .node = 0});
  const auto later = make_uuid({.key = make_key(Instant{0x0193f2c4a1b3}, 0), .mailbox = 0, .node = 0});
  EXPECT_LT(id, next);
  EXPECT_LT(next, later);
  EXPECT_EQ(key_time(make_key(Instant{1'795'255'200'123}, 5)), Instant{1'795'255'200'123});
}

TEST(Uuid, ReadsTheTextThatItWritesInEitherCase) {
  const std::string text = "0193f2c4-a1b2-7def-8123-456789abcdef";
  ASSERT_TRUE(Uuid::parse(text));
  EXPECT_EQ(Uuid::parse(text)->text(), text);
  EXPECT_EQ(Uuid::parse("0193F2C4-A1B2-7DEF-8123-456789ABCDEF"), Uuid::parse(text));
  EXPECT_TRUE(Uuid{}.is_nil());
  EXPECT_EQ(Uuid{}.text(), "00000000-0000-0000-0000-000000000000");
}

TEST(Uuid, RefusesOtherText) {
  for (const std::string_view text :
       {"", "0193f2c4", "0193f2c4a1b27def8123456789abcdef", "0193f2c4-a1b2-7def-8123-456789abcdeg",
        "0193f2c4-a1b2-7def-81234-56789abcdef", "{193f2c4-a1b2-7def-8123-456789abcde}",
        "0193f2c4-a1b2-7def-8123-456789abcdef "}) {
    EXPECT_FALSE(Uuid::parse(text)) << text;
  }
}

TEST(Uuid, OfAnotherVersionOrVariantHasNoAddress) {
  EXPECT_FALSE(message_address(Uuid{}));
  EXPECT_FALSE(message_address(*Uuid::parse("0193f2c4-a1b2-4def-8123-456789abcdef")));
  EXPECT_FALSE(message_address(*Uuid::parse("0193f2c4-a1b2-7def-c123-456789abcdef")));
  EXPECT_FALSE(message_address(*Uuid::parse("0193f2c4-a1b2-7def-0123-456789abcdef")));
}

}  // namespace
}  // namespace folkmoot
