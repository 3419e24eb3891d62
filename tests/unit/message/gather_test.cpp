#include "message/gather.hpp"

#include <gtest/gtest.h>

#include "message/compression.hpp"
#include "message/packed_content.hpp"

namespace folkmoot {
namespace {

Message of(std::string type) { return {.type = std::move(type)}; }

TEST(Gather, A4_IsOverWithAsManyAnswersAsAreNeeded) {
  Gather gather(3, 2);
  gather.answered(of("response"));
  EXPECT_FALSE(gather.is_over());
  gather.answered(of("response"));
  EXPECT_TRUE(gather.is_over());
  EXPECT_TRUE(gather.has_enough());
}

TEST(Gather, A4_AnErrorIsAnAnswerThatDoesNotCount) {
  Gather gather(2, 1);
  gather.answered(of("error"));
  EXPECT_FALSE(gather.is_over());
  gather.failed();
  EXPECT_TRUE(gather.is_over());
  EXPECT_FALSE(gather.has_enough());
}

TEST(Gather, A4_WithoutANeedEachIsWaitedFor) {
  Gather gather(2, 0);
  gather.answered(of("response"));
  EXPECT_FALSE(gather.is_over());
  gather.answered(of("response"));
  EXPECT_TRUE(gather.has_enough());
}

TEST(Gather, A4_ItsBoundsAreChecked) {
  EXPECT_TRUE(check_gather(1, 0));
  EXPECT_TRUE(check_gather(kGatherMax, kGatherMax));
  EXPECT_EQ(check_gather(0, 0).error().code, ErrorCode::out_of_range);
  EXPECT_EQ(check_gather(kGatherMax + 1, 0).error().code, ErrorCode::out_of_range);
  EXPECT_EQ(check_gather(2, 3).error().code, ErrorCode::out_of_range);
  EXPECT_EQ(check_gather(kGatherMax + 1, 0).error().text, "1001 requests at once; 1 to 1000 may be");
  EXPECT_EQ(check_gather(2, 3).error().text, "3 answers are needed of 2 requests");
}

TEST(Gather, A4_ReadsHowManyAreNeeded) {
  EXPECT_EQ(parse_need("all"), 0u);
  EXPECT_EQ(parse_need("first"), 1u);
  EXPECT_EQ(parse_need("3"), 3u);
  for (const auto* wrong : {"", "0", "-1", "3x", "most"}) EXPECT_FALSE(parse_need(wrong)) << wrong;
}

TEST(PackedContent, A15_IsWhatItWasAfterwards) {
  Message message{.content = std::string(10'000, 'x')};
  pack_content(message, kZstd);
  EXPECT_EQ(message.encoding, "zstd");
  EXPECT_LT(message.content.size(), 1'000u);
  const auto packed = message.content;
  pack_content(message, kGzip);
  EXPECT_EQ(message.content, packed);
  EXPECT_EQ(unpack_content(message, 9'999).error().code, ErrorCode::content_too_large);
  EXPECT_EQ(message.content, packed);
  ASSERT_TRUE(unpack_content(message, 10'000));
  EXPECT_EQ(message.content, std::string(10'000, 'x'));
  EXPECT_TRUE(message.encoding.empty());
}

TEST(PackedContent, A15_StaysAsItIsWhereThatWouldNotMakeItSmaller) {
  Message message{.content = "abc"};
  pack_content(message, kGzip);
  EXPECT_EQ(message.content, "abc");
  EXPECT_TRUE(message.encoding.empty());
}

}  // namespace
}  // namespace folkmoot
