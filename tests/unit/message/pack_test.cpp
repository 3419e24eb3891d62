// MessagePack as it is read: each format of each type, as other libraries may choose them, and nothing beyond the end.
#include "message/pack.hpp"

#include <gtest/gtest.h>

#include "unit/message/vectors.hpp"

namespace folkmoot {
namespace {

using testing::unhex;

// What `read` makes of the value; nothing if the reader refuses it, or does not end behind it.
template <class Read>
auto value_of(const std::string& bytes, Read read) {
  PackReader reader(as_bytes(bytes));
  const auto value = read(reader);
  return reader.ok() && reader.at_end() ? std::optional(value) : std::nullopt;
}

std::optional<std::uint64_t> number_in(const std::string& bytes) {
  return value_of(bytes, [](PackReader& reader) { return reader.uint(); });
}
std::optional<std::string> text_in(const std::string& bytes) {
  return value_of(bytes, [](PackReader& reader) { return std::string(reader.str()); });
}
std::optional<std::string> binary_in(const std::string& bytes) {
  return value_of(bytes, [](PackReader& reader) { return std::string(reader.bin()); });
}
std::optional<double> real_in(const std::string& bytes) {
  return value_of(bytes, [](PackReader& reader) { return reader.real(); });
}

// Each cut of it in an allocation of its own: the sanitizer sees a read beyond.
template <class Read>
void refuse_every_cut(const std::string& whole, Read read) {
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(read(whole.substr(0, size))) << testing::hex(whole) << " at " << size;
}

TEST(PackReader, U3_reads_a_number_in_every_format) {
  for (const auto& [bytes, value] : std::initializer_list<std::pair<std::string_view, std::uint64_t>>{
           {"00", 0},
           {"7f", 127},
           {"ccff", 255},
           {"cd0102", 0x0102},
           {"cdffff", 65'535},
           {"ce01020304", 0x01020304},
           {"cf0102030405060708", 0x0102030405060708},
           {"cfffffffffffffffff", UINT64_MAX},
           {"d000", 0},
           {"d07f", 127},
           {"d10102", 0x0102},
           {"d17fff", 32'767},
           {"d201020304", 0x01020304},
           {"d30102030405060708", 0x0102030405060708},
           {"d37fffffffffffffff", INT64_MAX},
       }) {
    EXPECT_EQ(number_in(unhex(bytes)), value) << bytes;
    refuse_every_cut(unhex(bytes), number_in);
  }
}

TEST(PackReader, U3_refuses_what_is_no_number_or_below_0) {
  for (const auto* const bytes : {"ff", "e0", "d0ff", "d180ff", "d2ffffffff", "d38000000000000000", "a105", "c0", "c3",
                                  "90", "80", "ca3f800000", "cb3ff0000000000000"})
    EXPECT_FALSE(number_in(unhex(bytes))) << bytes;
}

TEST(PackReader, U3_reads_texts_and_bytes_in_every_format) {
  for (const auto* const head : {"a3", "d903", "da0003", "db00000003"}) {
    EXPECT_EQ(text_in(unhex(head) + "abc"), "abc") << head;
    EXPECT_FALSE(binary_in(unhex(head) + "abc")) << head;
    refuse_every_cut(unhex(head) + "abc", text_in);
  }
  for (const auto* const head : {"c403", "c50003", "c600000003"}) {
    EXPECT_EQ(binary_in(unhex(head) + "abc"), "abc") << head;
    EXPECT_FALSE(text_in(unhex(head) + "abc")) << head;
    refuse_every_cut(unhex(head) + "abc", binary_in);
  }
  for (const std::size_t size : {0, 31, 32, 255, 256, 258, 65'535, 65'536, 66'051}) {
    const std::string text(size, 'x');
    std::string as_text, as_binary;
    PackWriter(as_text).str(text);
    PackWriter(as_binary).bin(text);
    EXPECT_EQ(text_in(as_text), text) << size;
    EXPECT_EQ(binary_in(as_binary), text) << size;
  }
}

TEST(PackReader, U3_takes_nothing_but_a_double_for_one) {
  EXPECT_EQ(real_in(unhex("cb3ff8000000000000")), 1.5);
  refuse_every_cut(unhex("cb3ff8000000000000"), real_in);
  for (const auto* const other :
       {"cf3ff8000000000000", "d33ff8000000000000", "ca3fc00000", "a83ff8000000000000", "c0"}) {
    EXPECT_FALSE(real_in(unhex(other))) << other;
  }
  // With more behind it, too.
  PackReader reader(as_bytes(std::string_view("\xca\x3f\xc0\0\0\0\0\0\0\0\0", 11)));
  (void)reader.real();
  EXPECT_FALSE(reader.ok());
}

TEST(PackReader, U3_takes_nothing_but_true_and_false_for_an_answer) {
  const auto answer_in = [](const std::string& bytes) {
    return value_of(bytes, [](PackReader& reader) { return reader.boolean(); });
  };
  EXPECT_EQ(answer_in("\xc3"), true);
  EXPECT_EQ(answer_in("\xc2"), false);
  for (const auto* const other : {"", "00", "01", "c0", "c1", "c4", "a0"})
    EXPECT_FALSE(answer_in(unhex(other))) << other;
}

// How many pairs or elements a head says, of one behind which there is room enough.
TEST(PackReader, U3_enters_maps_and_lists_in_every_format) {
  const std::string room(70'000, '\xc0');
  const auto pairs_of = [&](std::string_view head) {
    const auto bytes = unhex(head) + room;
    PackReader reader(as_bytes(bytes));
    const auto count = reader.map();
    return reader.ok() && reader.offset() == head.size() / 2 ? std::optional(count) : std::nullopt;
  };
  const auto elements_of = [&](std::string_view head) {
    const auto bytes = unhex(head) + room;
    PackReader reader(as_bytes(bytes));
    const auto count = reader.array();
    return reader.ok() && reader.offset() == head.size() / 2 ? std::optional(count) : std::nullopt;
  };
  EXPECT_EQ(pairs_of("80"), 0u);
  EXPECT_EQ(pairs_of("8f"), 15u);
  EXPECT_EQ(pairs_of("de0102"), 0x0102u);
  EXPECT_EQ(pairs_of("df00010203"), 0x010203u);
  EXPECT_EQ(elements_of("90"), 0u);
  EXPECT_EQ(elements_of("9f"), 15u);
  EXPECT_EQ(elements_of("dc0102"), 0x0102u);
  EXPECT_EQ(elements_of("dd00010203"), 0x010203u);
  for (const auto* const no_map : {"90", "dc0102", "dd00010203", "a0", "05"}) EXPECT_FALSE(pairs_of(no_map)) << no_map;
  for (const auto* const no_list : {"80", "de0102", "df00010203", "a0", "05"})
    EXPECT_FALSE(elements_of(no_list)) << no_list;
  for (const auto* const lie : {"df00020000", "dfffffffff"}) EXPECT_FALSE(pairs_of(lie)) << lie;
  for (const auto* const lie : {"dd00020000", "ddffffffff"}) EXPECT_FALSE(elements_of(lie)) << lie;
}

TEST(PackReader, U3_gives_nothing_more_after_a_failure) {
  const auto bytes = unhex("c005a161");
  PackReader reader(as_bytes(bytes));
  EXPECT_EQ(reader.uint(), 0u);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.uint(), 0u);
  EXPECT_EQ(reader.str(), "");
  EXPECT_FALSE(reader.skip());
  EXPECT_TRUE(reader.raw().empty());
  EXPECT_FALSE(reader.ok());
}

}  // namespace
}  // namespace folkmoot
