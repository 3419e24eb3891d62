// Contents compressed and back, and what is sent to do harm: bombs, lies about sizes, damage.
#include "message/compression.hpp"

#include <gtest/gtest.h>

namespace folkmoot {
namespace {

constexpr std::size_t kBound = 1 << 20;

class Compression : public ::testing::TestWithParam<std::string_view> {
 protected:
  std::string packed(std::string_view content) {
    auto out = compress(GetParam(), as_bytes(content));
    EXPECT_TRUE(out) << out.error().describe();
    return out ? *out : std::string();
  }
  Result<std::string> unpacked(std::string_view content, std::size_t bytes_max = kBound) {
    return decompress(GetParam(), as_bytes(content), bytes_max);
  }
};

std::string text_of(std::size_t bytes) {
  std::string out;
  for (unsigned i = 0; out.size() < bytes; ++i) out += std::to_string(i * 2654435761u) + " words ";
  out.resize(bytes);
  return out;
}

TEST_P(Compression, A15_what_is_compressed_comes_back_and_is_smaller) {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{100}, std::size_t{65'536}, std::size_t{1'000'000}}) {
    const auto content = text_of(bytes);
    const auto small = packed(content);
    EXPECT_EQ(unpacked(small), content);
    if (bytes > 100) {
      EXPECT_LT(small.size(), content.size());
    }
  }
  EXPECT_EQ(unpacked(packed("")), "");
}

TEST_P(Compression, A15_a_bomb_is_refused_at_the_bound) {
  const auto bomb = packed(std::string(64 << 20, '\0'));
  ASSERT_LT(bomb.size(), 100'000u);
  const auto refused = unpacked(bomb);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::content_too_large);
  EXPECT_NE(refused.error().text.find("1048576"), std::string::npos) << refused.error().text;
}

TEST_P(Compression, A15_the_bound_itself_is_allowed_and_one_byte_more_is_not) {
  const auto small = packed(std::string(1000, 'x'));
  EXPECT_TRUE(unpacked(small, 1000));
  EXPECT_EQ(unpacked(small, 999).error().code, ErrorCode::content_too_large);
  EXPECT_EQ(unpacked(small, 0).error().code, ErrorCode::content_too_large);
}

TEST_P(Compression, A15_many_small_bombs_after_each_other_are_one) {
  std::string train;
  const auto one = packed(std::string(100'000, 'x'));
  for (int i = 0; i < 20; ++i) train += one;
  EXPECT_EQ(unpacked(train).error().code, ErrorCode::content_too_large);
  EXPECT_EQ(unpacked(one + one)->size(), 200'000u);
}

TEST_P(Compression, A15_every_cut_is_malformed) {
  const auto small = packed(text_of(3000));
  for (std::size_t cut = 0; cut < small.size(); cut += 7) {
    const auto refused = unpacked(small.substr(0, cut));
    ASSERT_FALSE(refused) << cut;
    EXPECT_EQ(refused.error().code, ErrorCode::malformed) << cut;
  }
}

TEST(CompressionOfGzip, A15_what_was_cut_off_is_told_by_name) {
  const auto whole = *compress(kGzip, as_bytes(text_of(3000)));
  for (const std::size_t cut : {std::size_t{0}, whole.size() / 2, whole.size() - 1})
    EXPECT_EQ(decompress(kGzip, as_bytes(whole).first(cut), kBound).error().text,
              "the content is not gzip: it ends too soon");
}

TEST_P(Compression, A15_what_is_behind_the_end_is_malformed) {
  EXPECT_EQ(unpacked(packed("x") + "behind it").error().code, ErrorCode::malformed);
  EXPECT_EQ(unpacked("never compressed at all").error().code, ErrorCode::malformed);
}

INSTANTIATE_TEST_SUITE_P(Encodings, Compression, ::testing::Values(kGzip, kZstd),
                         [](const auto& of) { return std::string(of.param); });

// A frame of a few bytes that claims 2 GiB and a window of as much (RFC 8878, section 3.1.1): nothing of that is
// allocated.
TEST(CompressionOfZstd, A15_a_window_as_large_as_memory_is_refused) {
  const std::string claims("\x28\xb5\x2f\xfd\xa0\x00\x00\x00\x80\x01\x00\x00", 12);
  EXPECT_EQ(decompress(kZstd, as_bytes(claims), kBound).error().code, ErrorCode::malformed);
  const std::string window("\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", 9);
  EXPECT_EQ(decompress(kZstd, as_bytes(window), kBound).error().code, ErrorCode::malformed);
}

TEST(CompressionNames, A15_another_encoding_is_refused_by_name) {
  EXPECT_EQ(compress("br", {}).error().code, ErrorCode::invalid_field);
  const auto refused = decompress("br", {}, kBound);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("`br`"), std::string::npos);
}

}  // namespace
}  // namespace folkmoot
