// What is posted for a message, and what its answer may say.
#include "webhook/post_body.hpp"

#include <gtest/gtest.h>

#include "base/base64.hpp"
#include "message/json_document.hpp"

namespace folkmoot::test {
namespace {

// The example of the Standard Webhooks libraries.
constexpr const char* kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr const char* kId = "msg_p5jXN8AQM9LWM0D4loKWxJek";
constexpr const char* kBody = R"({"test": 2432232314})";
constexpr const char* kSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
constexpr Instant kAt{1'614'265'330'000};

Message asked() {
  Message message;
  message.id = Uuid::parse("019ab3c0-4f1e-7d42-8a00-3c5d7e9f1a2b").value();
  message.from = "writer";
  message.to = "planner";
  message.conversation = "c";
  message.content = "x";
  return message;
}

Result<std::vector<Message>> read(std::string_view body, const Message& message = asked(),
                                  std::string_view type = "application/json; charset=utf-8") {
  return read_post_answer(body, type, message);
}

TEST(PostBody, B7_the_signature_is_that_of_standard_webhooks) {
  const WebhookKey keys[] = {{.secret = kSecret}};
  EXPECT_EQ(sign_post(keys, kId, kAt, kBody), kSignature);
}

TEST(PostBody, B7_each_secret_in_use_signs_the_newest_first) {
  const auto other = "whsec_" + encode_base64(std::string(32, 'k'));
  const WebhookKey keys[] = {
      {.secret = other}, {.secret = kSecret, .until = kAt + 1}, {.secret = kSecret, .until = kAt}};
  const auto both = sign_post(keys, kId, kAt, kBody);
  const auto space = both.find(' ');
  ASSERT_NE(space, both.npos);
  EXPECT_EQ(both.substr(space + 1), kSignature);
  EXPECT_TRUE(both.starts_with("v1,"));
  EXPECT_EQ(both.find(' ', space + 1), both.npos);
}

TEST(PostBody, B7_the_message_is_in_it_as_other_doors_show_it) {
  auto message = asked();
  message.content = R"({"a":[1,2]})";
  message.content_type = "application/json";
  JsonDocument document;
  const auto body = post_body({.agent = "planner", .attempt = 3, .redelivered = true, .now = kAt}, message);
  const auto told = document.parse(body);
  ASSERT_TRUE(told) << body;
  EXPECT_EQ(std::string_view(told->at_key("type")), "folkmoot.message");
  EXPECT_EQ(std::string_view(told->at_key("agent")), "planner");
  EXPECT_EQ(std::uint64_t(told->at_key("attempt")), 3u);
  EXPECT_TRUE(bool(told->at_key("redelivered")));
  EXPECT_EQ(std::string_view(told->at_pointer("/message/id")), message.id.text());
  EXPECT_NE(body.find(R"("content":{"a":[1,2]})"), body.npos) << body;
}

TEST(PostBody, B7_the_trace_goes_on_and_nothing_else_becomes_a_header) {
  const WebhookKey keys[] = {{.secret = kSecret}};
  auto message = asked();
  const auto has_trace = [&] {
    const auto lines = post_headers(keys, message, kAt, "{}", "folkmoot/1");
    return std::ranges::any_of(lines, [](const std::string& line) { return line.starts_with("traceparent:"); });
  };
  EXPECT_FALSE(has_trace());
  message.metadata["traceparent"] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  EXPECT_TRUE(has_trace());
  message.metadata["traceparent"] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0b\r\nX: y-1";
  EXPECT_FALSE(has_trace());
  message.metadata["traceparent"] = 12;
  EXPECT_FALSE(has_trace());
}

TEST(PostBody, B7_an_answer_that_says_nothing_has_no_outputs) {
  for (const auto* const body : {"", " \r\n", "null", "true", "\"ok\"", "[]", "{}", R"({"status":"ok"})", "12",
                                 R"({"reply":null,"complete":null})", R"({"complete":[]})"}) {
    const auto outputs = read(body);
    ASSERT_TRUE(outputs) << body << outputs.error().text;
    EXPECT_TRUE(outputs->empty()) << body;
  }
  EXPECT_TRUE(read(R"({"reply":"x"})", asked(), "text/html")->empty());
  EXPECT_TRUE(read(R"({"reply":"x"})", asked(), "")->empty());
}

TEST(PostBody, B7_a_reply_goes_to_whoever_is_to_have_it) {
  auto outputs = read(R"({"reply":{"content":{"sum":3},"to":"somebody else","type":"status"}})").value();
  ASSERT_EQ(outputs.size(), 1u);
  EXPECT_EQ(outputs[0].to, "writer");
  EXPECT_EQ(outputs[0].type, "status");
  EXPECT_EQ(outputs[0].content, R"({"sum":3})");
  EXPECT_EQ(outputs[0].conversation, "c");
  EXPECT_EQ(outputs[0].correlation, asked().id.text());
  EXPECT_EQ(outputs[0].cause, asked().id);
  auto request = asked();
  request.reply_to = "@0123456789abcdef0123456789abcdef";
  outputs = read(R"({"reply":"three"})", request).value();
  ASSERT_EQ(outputs.size(), 1u);
  EXPECT_EQ(outputs[0].to, request.reply_to);
  EXPECT_EQ(outputs[0].type, "response");
  EXPECT_EQ(outputs[0].content, "three");
}

TEST(PostBody, B7_messages_that_complete_follow_the_reply) {
  const auto outputs =
      read(R"({"complete":[{"to":"next","content":"a"},{"topic":"t","content":"b"}],"reply":"r"})").value();
  ASSERT_EQ(outputs.size(), 3u);
  EXPECT_EQ(outputs[0].content, "r");
  EXPECT_EQ(outputs[1].to, "next");
  EXPECT_EQ(outputs[2].topic, "t");
  for (const auto& output : outputs) EXPECT_EQ(output.cause, asked().id);
}

TEST(PostBody, B7_an_answer_that_cannot_be_carried_out_is_an_error) {
  for (const auto* const body :
       {"{", "{\"reply\":", R"({"reply":12})", R"({"reply":[1]})", R"({"complete":{}})", R"({"complete":"x"})",
        R"({"complete":["x"]})", R"({"reply":{"priority":99,"content":""}})", R"({"reply":{"unknown":1}})"}) {
    EXPECT_FALSE(read(body)) << body;
  }
  EXPECT_FALSE(read(std::string(100'000, '[')));
  std::string many = R"({"complete":[)";
  for (int i = 0; i < 1'001; ++i) many += R"({"to":"x"},)";
  many.back() = ']';
  EXPECT_FALSE(read(many + "}"));
  auto silent = asked();
  silent.expects_reply = false;
  EXPECT_EQ(read(R"({"reply":"x"})", silent).error().code, ErrorCode::no_reply_wanted);
}

}  // namespace
}  // namespace folkmoot::test
