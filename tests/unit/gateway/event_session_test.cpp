#include "gateway/event_session.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <set>

#include "gateway/websocket/event_channel.hpp"
#include "message/envelope.hpp"
#include "message/limits.hpp"
#include "message/operations.hpp"

namespace folkmoot {
namespace {

constexpr std::string_view kEvent = R"({"specversion":"1.0","id":"1","source":"/s","type":"a.b","data":{"n":1}})";

std::vector<Frame> frames_of(const std::string& bytes) {
  std::vector<Frame> frames;
  auto rest = as_bytes(bytes);
  while (!rest.empty()) {
    const auto frame = cut_frame(rest, kFrameBytesDefault);
    if (!frame || !*frame) {
      ADD_FAILURE() << "a frame breaks off";
      break;
    }
    frames.push_back(**frame);
  }
  return frames;
}

Frame frame_of(Opcode opcode, std::uint32_t request, std::string_view body) {
  return {{.length = static_cast<std::uint32_t>(8 + body.size()), .opcode = opcode, .flags = 0, .request = request},
          as_bytes(body)};
}

std::string error_body(ErrorCode code, std::string text) {
  std::string out;
  append_error(out, Opcode::error, 1, Error{code, std::move(text)});
  return out.substr(12);
}

TEST(EventSession, X7_EventsThatAreSentArePublishedAndOnlyRefusalsAreAnswered) {
  EventSession session({.to = "bob"}, "s");
  EXPECT_EQ(session.begin(), "");
  const auto asked = session.ask(kEvent);
  EXPECT_EQ(asked.answer, "");
  const auto frames = frames_of(asked.frames);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].header.opcode, Opcode::publish);
  const auto message = decode_message(frames[0].body);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->to, "bob");
  EXPECT_EQ(message->content, R"({"n":1})");
  EXPECT_TRUE(session.owes_answers());
  EXPECT_EQ(session.tell(frame_of(Opcode::confirm, frames[0].header.request, as_text(bytes_of(Confirm{})))).text, "");
  EXPECT_FALSE(session.owes_answers());

  const auto next = frames_of(session.ask(kEvent).frames);
  const auto body = error_body(ErrorCode::mailbox_full, "full");
  const auto told = session.tell(frame_of(Opcode::error, next.at(0).header.request, body));
  EXPECT_FALSE(told.end);
  const auto refused = boost::json::parse(told.text).as_object();
  EXPECT_EQ(refused.at("type"), "folkmoot.refused");
  EXPECT_EQ(refused.at("subject"), "1");
  EXPECT_EQ(refused.at("data").at("code"), "mailbox_full");
  EXPECT_FALSE(session.owes_answers());
}

TEST(EventSession, X7_WhatIsNoEventIsRefusedByAnEvent) {
  EventSession session({}, "s");
  std::set<std::string> ids;
  for (const auto* text : {"", "{", "[]", "{}", R"({"specversion":"0.3"})", R"({"op":"ping"})"}) {
    const auto asked = session.ask(text);
    EXPECT_EQ(asked.frames, "") << text;
    const auto refused = boost::json::parse(asked.answer).as_object();
    EXPECT_EQ(refused.at("type"), "folkmoot.refused");
    ids.insert(std::string(refused.at("id").as_string()));
    JsonDocument document;
    const auto event = document.parse(asked.answer, Vocabulary::cloud_events);
    EXPECT_TRUE(event && message_from_event(*event)) << asked.answer;
  }
  EXPECT_EQ(ids.size(), 6u);
}

TEST(EventSession, X7_BatchesArePublishedOneByOneOrRefusedWhole) {
  EventSession session({.is_batched = true, .topic = "t", .confirm = true}, "s");
  const auto two = frames_of(session.ask(fmt::format("[{0},{0}]", kEvent)).frames);
  ASSERT_EQ(two.size(), 2u);
  EXPECT_NE(two[0].header.request, two[1].header.request);
  const auto confirmed = boost::json::parse(
      session.tell(frame_of(Opcode::confirm, two[0].header.request, as_text(bytes_of(Confirm{})))).text);
  EXPECT_EQ(confirmed.at(0).at("type"), "folkmoot.confirmed");
  EXPECT_EQ(confirmed.at(0).at("subject"), "1");
  const auto wrong = session.ask(fmt::format("[{},{{}}]", kEvent));
  EXPECT_EQ(wrong.frames, "");
  const auto refused = boost::json::parse(wrong.answer);
  EXPECT_NE(refused.at(0).at("data").at("error").as_string().find("event 1 of the batch: `specversion` is missing"),
            std::string::npos);
  EXPECT_EQ(session.ask("[]").frames, "");
  EXPECT_EQ(session.ask("[]").answer, "");
}

TEST(EventSession, X7_HearsWhatItHasSubscribedToAndEndsIfThatIsRefused) {
  EventSession session({.pattern = "a.>", .filter = "ce.n = 1"}, "s");
  const auto frames = frames_of(session.begin());
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].header.opcode, Opcode::subscribe);
  Message message{.from = "ann", .topic = "a.b", .content = "hello", .content_type = "text/plain"};
  std::string body;
  ASSERT_TRUE(encode_envelope(message, body));
  body.append(message.content);
  const auto heard = boost::json::parse(session.tell(frame_of(Opcode::deliver, frames[0].header.request, body)).text);
  EXPECT_EQ(heard.at("source"), "/agents/ann");
  EXPECT_EQ(heard.at("data"), "hello");
  const auto why = error_body(ErrorCode::invalid_filter, "no");
  const auto told = session.tell(frame_of(Opcode::error, frames[0].header.request, why));
  ASSERT_TRUE(told.end);
  EXPECT_EQ(told.end->code, ErrorCode::invalid_filter);
  EXPECT_EQ(boost::json::parse(session.goodbye(frame_of(Opcode::goodbye, 0, why))).at("type"), "folkmoot.goodbye");
}

TEST(EventSession, X7_HoldsABoundedNumberOfEventsThatAreNotAnswered) {
  EventSession session({.is_batched = true, .topic = "t"}, "s");
  std::string batch = "[";
  for (std::size_t i = 0; i < kBatchMessagesMax; ++i) batch.append(i == 0 ? "" : ",").append(kEvent);
  batch += "]";
  std::size_t taken = 0;
  while (session.ask(batch).answer.empty()) taken += kBatchMessagesMax;
  EXPECT_EQ(taken, kTextInFlightMax / kBatchMessagesMax * kBatchMessagesMax);
}

TEST(EventForms, X7_AreKnownByTheirMediaTypes) {
  EXPECT_EQ(event_form("application/cloudevents+json"), EventForm::structured);
  EXPECT_EQ(event_form("Application/CloudEvents+JSON ; charset=utf-8"), EventForm::structured);
  EXPECT_EQ(event_form("application/cloudevents-batch+json"), EventForm::batched);
  EXPECT_EQ(event_form("application/cloudevents"), EventForm::binary);
  for (const auto* other : {"", "application/json", "application/cloudevents+avro", "application/cloudevents+jsonx"})
    EXPECT_EQ(event_form(other), EventForm::none) << other;
  EXPECT_EQ(accepted_event_form("text/event-stream, application/cloudevents+json"), EventForm::structured);
  EXPECT_EQ(accepted_event_form("application/cloudevents+json;q=0, application/cloudevents-batch+json;q=0.5"),
            EventForm::batched);
  EXPECT_EQ(accepted_event_form("application/cloudevents ; a=b; q=0.000"), EventForm::none);
  EXPECT_EQ(accepted_event_form("*/*"), EventForm::none);
  EXPECT_EQ(accepted_event_form(",;,"), EventForm::none);
}

TEST(EventChannels, X7_AreChosenByTheSubProtocolAndSaidInTheQuery) {
  RequestHead head;
  EXPECT_EQ(chosen_protocol(head), "");
  head.fields = {{"sec-websocket-protocol", "mqtt, cloudevents.avro"}};
  EXPECT_EQ(chosen_protocol(head), "");
  head.fields.emplace_back("sec-websocket-protocol", " cloudevents.json.batch ,cloudevents.json");
  EXPECT_EQ(chosen_protocol(head), kEventBatchProtocol);
  const auto channel = [](std::string_view protocol, std::string_view query) {
    return event_channel(protocol, *parse_target(std::string("/ws?").append(query)));
  };
  EXPECT_FALSE(*channel("", "agent=ann"));
  EXPECT_FALSE(channel("", "pattern=a"));
  const auto all =
      channel(kEventProtocol, "agent=ann&pattern=a.*&filter=x%3D1&to=bob&mode=exactly_once&echo&confirm=false");
  ASSERT_TRUE(all && *all);
  EXPECT_FALSE((*all)->is_batched);
  EXPECT_EQ((*all)->pattern, "a.*");
  EXPECT_EQ((*all)->filter, "x=1");
  EXPECT_EQ((*all)->to, "bob");
  EXPECT_EQ((*all)->mode, DeliveryMode::exactly_once);
  EXPECT_TRUE((*all)->echo);
  EXPECT_FALSE((*all)->confirm);
  for (const auto* wrong : {"patern=a", "pattern=a..b", "filter=x%3D1", "mode=often", "topic=a..b", "topic=a&to=b",
                            "to=%07", "echo=maybe", "confirm=1"})
    EXPECT_FALSE(channel(kEventProtocol, wrong)) << wrong;
}

}  // namespace
}  // namespace folkmoot
