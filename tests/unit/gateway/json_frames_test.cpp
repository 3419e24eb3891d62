#include "gateway/json_frames.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "message/envelope.hpp"
#include "message/limits.hpp"
#include "message/operations.hpp"

namespace folkmoot {
namespace {

class TextSessionTest : public ::testing::Test {
 protected:
  // Sends text that is taken; returns the frame it became.
  Frame ask(std::string_view text) {
    asked_ = session_.ask(text);
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
    asked_ = session_.ask(text);
    EXPECT_EQ(asked_.frames, "") << text;
    if (asked_.answer.empty()) return {};
    return boost::json::parse(asked_.answer).as_object();
  }

  std::string tell(Opcode opcode, std::uint32_t request, std::string_view body = {}) {
    const auto told = session_.tell(
        {{.length = static_cast<std::uint32_t>(8 + body.size()), .opcode = opcode, .flags = 0, .request = request},
         as_bytes(body)});
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
  EXPECT_EQ(refused(R"({"op":"consume","mailbox":"a","credit":65536})").at("error"),
            "`credit` is 65536; it may be 0 to 65535");
  EXPECT_EQ(refused(R"({"op":"consume","mailbx":"a"})").at("error"),
            "`mailbx` is none of: mailbox credit; did you mean `mailbox`?");
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
  EXPECT_NE(tell(Opcode::settled, own, std::string_view("\0\0\0\0\1\0\0\0\5\0\0\0\0\0\0\0", 16)).find("\"5\""),
            std::string::npos);
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
  const auto told =
      session_.tell({{.length = 8, .opcode = Opcode::deliver, .flags = kFlagLeased, .request = own}, as_bytes(body)});
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
  for (std::size_t i = 0; i < kTextInFlightMax; ++i) session_.ask(R"({"op":"ping"})");
  EXPECT_EQ(session_.in_flight(), kTextInFlightMax);
  EXPECT_EQ(refused(R"({"op":"ping"})").at("code"), "limit_reached");
  tell(Opcode::ok, kTextRequestMin + 1);
  ask(R"({"op":"ping"})");
}

// A streamed request stays open through the status messages, and ends with whatever comes after.
TEST_F(TextSessionTest, LeavesAStreamedRequestOpenUntilItsResponse) {
  const auto asked = ask(R"({"op":"request","request":3,"stream":true,"message":{"to":"a"}})");
  EXPECT_EQ(asked.header.flags, kFlagStream);
  const auto answer = [](std::string_view type) {
    Message message;
    message.to = "@x";
    message.type = type;
    std::string body;
    EXPECT_TRUE(encode_envelope(message, body));
    return body;
  };
  EXPECT_NE(tell(Opcode::deliver, asked.header.request, answer("status")).find(R"("request":3)"), std::string::npos);
  EXPECT_EQ(session_.in_flight(), 1u);
  EXPECT_NE(tell(Opcode::deliver, asked.header.request, answer("response")).find(R"("request":3)"), std::string::npos);
  EXPECT_EQ(session_.in_flight(), 0u);
}

// WITHDRAWN has no request number: it goes to the side that took messages.
TEST_F(TextSessionTest, HearsOfWithdrawalsOnceItTookAMessage) {
  std::string words(24, '\0');
  words[0] = 7;
  const Frame withdrawn{{.length = 32, .opcode = Opcode::withdrawn}, as_bytes(words)};
  EXPECT_FALSE(session_.tell(withdrawn).is_mine);
  const auto consumer = ask(R"({"op":"consume","request":1,"mailbox":"a"})").header.request;
  Message message;
  message.to = "a";
  std::string body(12, '\0');
  body[0] = 7;
  ASSERT_TRUE(encode_envelope(message, body));
  session_.tell({{.length = static_cast<std::uint32_t>(8 + body.size()),
                  .opcode = Opcode::deliver,
                  .flags = kFlagLeased,
                  .request = consumer},
                 as_bytes(body)});
  const auto told = session_.tell(withdrawn);
  EXPECT_TRUE(told.is_mine);
  EXPECT_EQ(told.text, R"({"op":"withdrawn","id":"00000000-0000-0000-0000-000000000000","lease":"7"})");
  words[0] = 0;
  EXPECT_EQ(session_.tell(withdrawn).text, R"({"op":"withdrawn","id":"00000000-0000-0000-0000-000000000000"})");
}

// A request to many has a row for each that is asked, and one for the whole.
TEST_F(TextSessionTest, AsksManyAndCancelsThoseThatAreNotNeeded) {
  const auto first =
      ask(R"({"op":"request_many","request":7,"to":["a","b","c"],"need":1,"message":{"content":"?"}})").header.request;
  EXPECT_EQ(session_.in_flight(), 4u);
  Message message;
  message.to = "me";
  std::string body;
  ASSERT_TRUE(encode_envelope(message, body));
  const auto heard = [&](Opcode opcode, std::uint32_t index, std::string_view of) {
    return session_.tell(
        {{.length = static_cast<std::uint32_t>(8 + of.size()), .opcode = opcode, .flags = 0, .request = first + index},
         as_bytes(of)});
  };
  const std::string refused("\x0f\0nobody", 8);  // no_consumer
  EXPECT_EQ(heard(Opcode::error, 2, refused).text, "");
  const auto told = heard(Opcode::deliver, 1, body);
  EXPECT_NE(told.text.find(R"("op":"deliver","request":7,"index":1,"recipient":"b")"), std::string::npos) << told.text;
  const auto over = boost::json::parse(told.more).as_object();
  EXPECT_EQ(over.at("op"), "gathered");
  EXPECT_EQ(over.at("enough"), true);
  EXPECT_EQ(over.at("missing").as_array().size(), 2u);
  auto cancels = as_bytes(told.frames);
  const auto cancel = cut_frame(cancels, kFrameBytesDefault);
  ASSERT_TRUE(cancel && *cancel);
  EXPECT_EQ((*cancel)->header.opcode, Opcode::cancel);
  EXPECT_EQ(load<std::uint32_t>((*cancel)->body.data()), first);
  EXPECT_TRUE(cancels.empty());
  // Its last word is nobody's any more, and its row goes with it.
  EXPECT_EQ(session_.in_flight(), 1u);
  EXPECT_EQ(heard(Opcode::error, 0, refused).text, "");
  EXPECT_EQ(session_.in_flight(), 0u);
}

TEST_F(TextSessionTest, AnswersCallsByTheirName) {
  const auto numbers = [](std::uint32_t a, std::uint32_t b) {
    const std::uint32_t both[] = {a, b};
    return std::string(as_text(bytes_of(both)));
  };
  auto call = ask(R"({"op":"call","request":1,"name":"dead.redrive","arguments":{"mailbox":"a"}})").header.request;
  EXPECT_EQ(tell(Opcode::ok, call, numbers(3, 1)), R"({"op":"ok","request":1,"result":{"sent":3,"refused":1}})");
  call = ask(R"({"op":"call","request":2,"name":"dead.redrive","arguments":{"dry_run":true}})").header.request;
  EXPECT_EQ(tell(Opcode::ok, call, R"({"count":0,"ids":[]})"),
            R"({"op":"ok","request":2,"result":{"count":0,"ids":[]}})");
  call = ask(R"({"op":"call","request":3,"name":"schedule.remove","arguments":{"name":"x"}})").header.request;
  EXPECT_EQ(tell(Opcode::ok, call), R"({"op":"ok","request":3,"result":{}})");
  EXPECT_EQ(refused(R"({"op":"call","name":"dead.list","arguments":[1]})").at("code"), "invalid_field");
  EXPECT_EQ(refused(R"({"op":"complete","lease":"x"})").at("code"), "invalid_field");
  EXPECT_EQ(refused(R"({"op":"complete","lease":"7","outputs":[{"to":5}]})").at("code"), "invalid_field");
}

}  // namespace
}  // namespace folkmoot
