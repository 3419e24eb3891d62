#include "message/frame.hpp"

#include <gtest/gtest.h>

#include "message/limits.hpp"
#include "unit/message/vectors.hpp"

namespace folkmoot {
namespace {

using testing::read_vectors;
using testing::text_of;
using testing::unhex;

TEST(Frame, IsCutFromTheVectorsWhole) {
  const auto vectors = read_vectors("frames.json");
  ASSERT_GT(vectors.at("frames").as_array().size(), 30u);
  for (const auto& row : vectors.at("frames").as_array()) {
    const auto text = unhex(text_of(row, "hex"));
    auto bytes = as_bytes(text);
    const auto frame = cut_frame(bytes, kFrameBytesDefault);
    ASSERT_TRUE(frame && *frame) << text_of(row, "name");
    EXPECT_TRUE(bytes.empty());
    EXPECT_EQ((*frame)->header.request, row.at("json").at("request").as_int64());
    EXPECT_EQ((*frame)->body.size() + kFrameHeaderBytes, text.size());
    std::string again;
    append_frame(again, (*frame)->header.opcode, (*frame)->header.flags, (*frame)->header.request,
                 as_text((*frame)->body));
    EXPECT_EQ(again, text);
  }
}

TEST(Frame, RefusesWhatTheVectorsRefuse) {
  const auto vectors = read_vectors("frames.json");
  for (const auto& row : vectors.at("bad").as_array()) {
    const auto text = unhex(text_of(row, "hex"));
    auto bytes = as_bytes(text);
    const auto frame = cut_frame(bytes, kFrameBytesDefault);
    ASSERT_FALSE(frame) << text_of(row, "name");
    EXPECT_EQ(name(frame.error().code), text_of(row, "error"));
  }
}

TEST(Frame, WaitsForItsLastByte) {
  std::string text;
  append_frame(text, Opcode::ping, 0, 7, "four");
  append_frame(text, Opcode::ack, kFlagQuiet, 8, "");
  for (std::size_t size = 0; size < text.size(); ++size) {
    const auto part = text.substr(0, size);
    auto bytes = as_bytes(part);
    int whole = 0;
    for (;;) {
      const auto frame = cut_frame(bytes, kFrameBytesDefault);
      ASSERT_TRUE(frame);
      if (!*frame) break;
      ++whole;
    }
    EXPECT_EQ(whole, size >= 16 ? 1 : 0) << size;
  }
}

TEST(Frame, MayBeExactlyAsLongAsTheLimit) {
  std::string text;
  append_frame(text, Opcode::ping, 0, 1, std::string(88, 'x'));
  auto bytes = as_bytes(text);
  EXPECT_TRUE(cut_frame(bytes, 100));
  bytes = as_bytes(text);
  const auto refused = cut_frame(bytes, 99);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::frame_too_large);
  EXPECT_NE(refused.error().text.find("100"), std::string::npos);
}

TEST(Frame, OfMaximalLengthDoesNotOverflow) {
  const std::string text("\xff\xff\xff\xff\x01\x00\x00\x00\x00\x00\x00\x00", 12);
  auto bytes = as_bytes(text);
  EXPECT_FALSE(cut_frame(bytes, kFrameBytesDefault));
}

TEST(ErrorFrame, BringsCodeAndTextBack) {
  std::string text;
  append_error(text, Opcode::goodbye, 0, {ErrorCode::slow_consumer, "too slow", "be quick", 7});
  auto bytes = as_bytes(text);
  const auto frame = cut_frame(bytes, kFrameBytesDefault);
  const auto error = read_error(**frame);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::slow_consumer);
  EXPECT_EQ(error->text, "too slow");
  EXPECT_EQ(error->advice, "be quick");
  EXPECT_EQ(error->retry_after_s, 7);
  EXPECT_FALSE(read_error(Bytes()));
  EXPECT_FALSE(read_error(as_bytes("x")));
}

TEST(FrameWords, AreThoseOfThePage) {
  EXPECT_EQ(name(ReceiptState::acknowledged), "acknowledged");
  EXPECT_EQ(name(static_cast<ReceiptState>(99)), "unknown");
  EXPECT_EQ(name(PublishOutcome::sent), "sent");
  EXPECT_EQ(name(static_cast<PublishOutcome>(99)), "queued");
}

}  // namespace
}  // namespace folkmoot
