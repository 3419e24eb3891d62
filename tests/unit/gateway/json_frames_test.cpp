#include "gateway/json_frames.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "message/limits.hpp"
#include "message/operations.hpp"

namespace folkmoot {
namespace {

class TextSessionTest : public ::testing::Test {
 protected:
  // Sends text that is taken; returns the frame it became.
  Frame ask(std::string_view text) {
    asked_ = session_.ask(text, 0);
    EXPECT_EQ(asked_.answer, "") << text;
    auto bytes = as_bytes(asked_.frames);
    const auto frame = cut_frame(bytes, kFrameBytesDefault);
    if (!frame || !*frame) {
      ADD_FAILURE() << "no frame for " << text;
      return {};
    }
    return **frame;
  }

  boost::json::object refused(std::string_view text) {
    asked_ = session_.ask(text, 0);
    EXPECT_EQ(asked_.frames, "") << text;
    if (asked_.answer.empty()) return {};
    return boost::json::parse(asked_.answer).as_object();
  }

  std::string tell(Opcode opcode, std::uint32_t request, std::string_view body = {}) {
    const auto told = session_.tell({{.length = static_cast<std::uint32_t>(8 + body.size()), .opcode = opcode, .flags = 0, .request = request}, as_bytes(body)});
    EXPECT_TRUE(told.is_mine);
    return told.text;
  }

  std::string confirm() { return std::string(as_text(bytes_of(Confirm{}))); }

  TextSession session_{"upgrade-agent", "upgrade-token"};
  TextSession::Asked asked_;
};

TEST_F(TextSessionTest, RefusesWhatIsNoOperationWithItsRequestNumber) {
  EXPECT_EQ(refused("").at("code"), "malformed");
  EXPECT_EQ(refused("[1]").at("code"), "malformed");
  EXPECT_EQ(refused("{}").at("error"), "`op` is missing");
  const auto unknown = refused(R"({"op":"fly","request":9})");
  EXPECT_EQ(unknown.at("code"), "unknown_opcode");
  EXPECT_EQ(unknown.at("request"), 9);
  EXPECT_EQ(refused(R"({"op":"publish","request":-1})").at("code"), "invalid_field");
  EXPECT_EQ(refused(R"({"op":"publish","request":4294967296})").at("code"), "out_of_range");
  EXPECT_EQ(refused(R"({"op":"publish"})").at("error"), "`message` is missing");
  EXPECT_EQ(refused(R"({"op":"publish","message":{"to":"a\nb"}})").at("code"), "invalid_name");
  EXPECT_EQ(refused(R"({"op":"publish_batch","messages":[]})").at("code"), "out_of_range");
  EXPECT_EQ(refused(R"({"op":"publish_batch","messages":{}})").at("code"), "invalid_field");
  EXPECT_EQ(refused(R"({"op":"subscribe"})").at("error"), "`pattern` is missing");
  EXPECT_EQ(refused(R"({"op":"consume","mailbox":"a","credit":0})").at("error"), "`credit` is 0; it may be 1 to 65535");
  EXPECT_EQ(refused(R"({"op":"receive","mailbox":"a","max":1001})").at("code"), "out_of_range");
  EXPECT_EQ(refused(R"({"op":"receive","mailbox":"a","wait_ms":"soon"})").at("code"), "invalid_field");
  EXPECT_EQ(refused(R"({"op":"ack","leases":[]})").at("code"), "invalid_field");
  EXPECT_EQ(refused(R"({"op":"ack","leases":["x"]})").at("code"), "invalid_field");
  EXPECT_EQ(refused(R"({"op":"ack","leases":[-1]})").at("code"), "invalid_field");
  EXPECT_EQ(refused(R"({"op":"receipt","ids":["x"]})").at("code"), "invalid_field");
  EXPECT_EQ(refused(R"({"op":"mailbox","name":"a","overflow":"burst"})").at("code"), "invalid_field");
  EXPECT_EQ(session_.in_flight(), 0u) << "nothing refused is remembered";
}

TEST_F(TextSessionTest, AnswersByTheClientsNumberAndForgets) {
  const auto first = ask(R"({"op":"publish","request":7,"message":{"to":"a"}})").header.request;
  const auto second = ask(R"({"op":"publish","request":7,"message":{"to":"a"}})").header.request;
  EXPECT_NE(first, second);
  EXPECT_GE(first, kTextRequestMin);
  EXPECT_EQ(session_.in_flight(), 2u);
  EXPECT_EQ(boost::json::parse(tell(Opcode::confirm, second, confirm())).at("request"), 7);
  EXPECT_EQ(boost::json::parse(tell(Opcode::confirm, first, confirm())).at("request"), 7);
  EXPECT_EQ(session_.in_flight(), 0u);
  EXPECT_EQ(tell(Opcode::confirm, first, confirm()), "");
}

TEST_F(TextSessionTest, LeavesAnswersToBinaryMessagesAlone) {
  EXPECT_FALSE(session_.tell({{.length = 8, .opcode = Opcode::ok, .flags = 0, .request = 7}, {}}).is_mine);
}

TEST_F(TextSessionTest, KeepsASubscriptionUntilItIsCancelled) {
  const auto own = ask(R"({"op":"subscribe","request":5,"pattern":"a.>"})").header.request;
  EXPECT_NE(tell(Opcode::ok, own), "");
  EXPECT_EQ(refused(R"({"op":"consume","request":5,"mailbox":"m"})").at("code"), "already_exists");
  const auto publish = ask(R"({"op":"publish","request":5,"message":{"to":"a"}})").header.request;
  tell(Opcode::confirm, publish, confirm());
  EXPECT_NE(tell(Opcode::lagged, own, std::string_view("\x03\0\0\0", 4)).find("\"count\":3"), std::string::npos);

  auto frame = ask(R"({"op":"credit","target":5,"amount":9})");
  EXPECT_EQ(load<std::uint32_t>(frame.body.data()), own);
  EXPECT_EQ(load<std::uint32_t>(frame.body.data() + 4), 9u);
  frame = ask(R"({"op":"cancel","request":6,"target":5})");
  EXPECT_EQ(load<std::uint32_t>(frame.body.data()), own);
  EXPECT_NE(tell(Opcode::ok, frame.header.request), "");
  EXPECT_EQ(session_.in_flight(), 0u);
  EXPECT_NE(ask(R"({"op":"subscribe","request":5,"pattern":"b"})").header.request, own);
}

TEST_F(TextSessionTest, ForgetsASubscriptionThatWasRefused) {
  const auto own = ask(R"({"op":"subscribe","request":5,"pattern":"a.>"})").header.request;
  EXPECT_NE(tell(Opcode::error, own, std::string_view("\x0a\0bad", 5)).find("invalid_topic"), std::string::npos);
  EXPECT_EQ(session_.in_flight(), 0u);
}

TEST_F(TextSessionTest, IsQuietUnlessSomethingIsRefused) {
  auto own = ask(R"({"op":"publish","quiet":true,"message":{"to":"a"}})").header.request;
  EXPECT_EQ(tell(Opcode::confirm, own, confirm()), "");
  own = ask(R"({"op":"publish","quiet":true,"request":3,"message":{"to":"a"}})").header.request;
  EXPECT_NE(tell(Opcode::error, own, std::string_view("\x0d\0full", 6)), "");
  own = ask(R"({"op":"ack","quiet":true,"leases":["1"]})").header.request;
  EXPECT_EQ(tell(Opcode::settled, own, std::string_view("\1\0\0\0\0\0\0\0", 8)), "");
  own = ask(R"({"op":"ack","quiet":true,"leases":["1"]})").header.request;
  EXPECT_NE(tell(Opcode::settled, own, std::string_view("\0\0\0\0\1\0\0\0\5\0\0\0\0\0\0\0", 16)).find("\"5\""), std::string::npos);
  EXPECT_EQ(session_.in_flight(), 0u);
}

TEST_F(TextSessionTest, FillsInWhatTheUpgradeSaid) {
  ask(R"({"op":"hello"})");
  EXPECT_TRUE(asked_.is_hello);
  EXPECT_NE(asked_.frames.find("upgrade-agent"), std::string::npos);
  EXPECT_NE(asked_.frames.find("upgrade-token"), std::string::npos);
  ask(R"({"op":"hello","agent":"mine","token":"other"})");
  EXPECT_EQ(asked_.frames.find("upgrade"), std::string::npos);
}

TEST_F(TextSessionTest, ShowsTheLeaseOfADeliveryThatCannotBeShown) {
  const auto own = ask(R"({"op":"consume","mailbox":"m"})").header.request;
  const std::string body = std::string("\x07\0\0\0\0\0\0\0\1\0\0\0", 12) + "no envelope";
  const auto told = session_.tell({{.length = 8, .opcode = Opcode::deliver, .flags = kFlagLeased, .request = own}, as_bytes(body)});
  const auto said = boost::json::parse(told.text);
  EXPECT_EQ(said.at("lease"), "7");
  EXPECT_EQ(said.at("code"), "malformed");
}

TEST_F(TextSessionTest, AnswersThatBreakOffBecomeErrors) {
  const auto own = ask(R"({"op":"publish","request":2,"message":{"to":"a"}})").header.request;
  const auto said = boost::json::parse(tell(Opcode::confirm, own, "short"));
  EXPECT_EQ(said.at("op"), "error");
  EXPECT_EQ(said.at("request"), 2);
}

TEST_F(TextSessionTest, HoldsABoundedNumberOfOperations) {
  for (std::size_t i = 0; i < kTextInFlightMax; ++i) session_.ask(R"({"op":"ping"})", 0);
  EXPECT_EQ(session_.in_flight(), kTextInFlightMax);
  EXPECT_EQ(refused(R"({"op":"ping"})").at("code"), "limit_reached");
  tell(Opcode::ok, kTextRequestMin + 1);
  ask(R"({"op":"ping"})");
}

}  // namespace
}  // namespace folkmoot
