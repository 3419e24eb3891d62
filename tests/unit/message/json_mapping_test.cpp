#include "message/json_mapping.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "message/json_document.hpp"
#include "message/json_fault.hpp"
#include "message/limits.hpp"

namespace folkmoot {
namespace {

constexpr std::int64_t kNow = 1'795'255'200'000;

Message read(std::string_view text) {
  auto message = message_from_json(text);
  EXPECT_TRUE(message) << text << ": " << message.error().describe();
  return message ? *message : Message{};
}

Error refused(std::string_view text) {
  auto message = message_from_json(text);
  EXPECT_FALSE(message) << text;
  return message ? Error{} : message.error();
}

TEST(JsonMapping, U3_ReadsEveryFieldByItsName) {
  const auto message =
      read(R"({"id":"0193f2c4-a1b2-7def-8123-456789abcdef","timestamp":5,"from":"a","to":"b","type":"query",
    "priority":"high","content":"hi","conversation":"c","correlation":"d","reply_to":"e","key":"f","ttl":"30s",
    "deliver_at":"2026-11-21T10:00:00Z","mode":"exactly_once","metadata":{"x":[1,2.5,null]}})");
  EXPECT_EQ(message.id.text(), "0193f2c4-a1b2-7def-8123-456789abcdef");
  EXPECT_EQ(message.from, "a");
  EXPECT_EQ(message.to, "b");
  EXPECT_EQ(message.type, "query");
  EXPECT_EQ(message.priority, high);
  EXPECT_EQ(message.content, "hi");
  EXPECT_EQ(message.content_type, "text/plain");
  EXPECT_EQ(message.conversation, "c");
  EXPECT_EQ(message.correlation, "d");
  EXPECT_EQ(message.reply_to, "e");
  EXPECT_EQ(message.key, "f");
  EXPECT_EQ(message.ttl_ms, 30'000);
  EXPECT_EQ(message.deliver_at, kNow);
  EXPECT_EQ(message.mode, DeliveryMode::exactly_once);
  EXPECT_EQ(message.metadata.at("x").as_array().size(), 3u);
  EXPECT_EQ(message.timestamp, 5);
}

TEST(JsonMapping, U3_ReadsEveryOtherSpelling) {
  struct Case {
    std::string_view name;
    std::string Message::* field;
  };
  for (const auto& [name, field] : {Case{"sender_id", &Message::from},
                                    {"from_agent_id", &Message::from},
                                    {"source_id", &Message::from},
                                    {"source", &Message::from},
                                    {"recipient_id", &Message::to},
                                    {"to_agent_id", &Message::to},
                                    {"target_id", &Message::to},
                                    {"target", &Message::to},
                                    {"payload", &Message::content},
                                    {"message_type", &Message::type},
                                    {"correlation_id", &Message::correlation},
                                    {"conversation_id", &Message::conversation},
                                    {"idempotency_key", &Message::key},
                                    {"event_type", &Message::topic},
                                    {"channel", &Message::topic},
                                    {"subject", &Message::topic}}) {
    const auto text = "{\"" + std::string(name) + "\":\"value\"}";
    EXPECT_EQ(read(text).*field, "value") << text;
  }
  EXPECT_EQ(read(R"({"headers":{"a":1}})").metadata.at("a"), 1);
  EXPECT_EQ(read(R"({"delivery_mode":"at_most_once"})").mode, DeliveryMode::at_most_once);
  EXPECT_FALSE(read(R"({"message_id":"0193f2c4-a1b2-7def-8123-456789abcdef"})").id.is_nil());
  EXPECT_EQ(read(R"({"expires_at":1795255205000})").expires_at, kNow + 5'000);
  EXPECT_EQ(read(R"({"expires_at":"2026-11-21T10:00:01Z"})").expires_at, kNow + 1'000);
  EXPECT_EQ(read(R"({"delay":"5s"})").delay_ms, 5'000);
  EXPECT_EQ(read(R"({"ttl":0})").ttl_ms, 0);
  EXPECT_EQ(read(R"({"ttl":null})").ttl_ms, std::nullopt);
}

TEST(JsonMapping, U3_KnowsTheTypesOfTheOtherSystems) {
  EXPECT_EQ(read(R"({"type":"agent_request"})").type, "query");
  EXPECT_EQ(read(R"({"type":"agent_response"})").type, "response");
  EXPECT_EQ(read(R"({"type":"agent_broadcast"})").type, "event");
  EXPECT_EQ(read(R"({"type":"ws_connect"})").type, "ws_connect");
  EXPECT_EQ(read(R"({"type":5})").type, "command");
}

TEST(JsonMapping, TakesTheSameValueUnderTwoSpellingsAndRefusesOthers) {
  EXPECT_EQ(read(R"({"to":"a","target":"a"})").to, "a");
  EXPECT_EQ(read(R"({"to":"a","to":"a"})").to, "a");
  const auto error = refused(R"({"to":"a","recipient_id":"b"})");
  EXPECT_EQ(error.code, ErrorCode::invalid_field);
  EXPECT_NE(error.text.find("`to` is \"a\""), std::string::npos) << error.text;
  EXPECT_NE(error.text.find("`recipient_id` is \"b\""), std::string::npos) << error.text;
  EXPECT_EQ(refused(R"({"ttl":5,"expires_at":1795255205000})").code, ErrorCode::invalid_field);
}

TEST(JsonMapping, IgnoresWhatItDoesNotKnowAndTakesNullAsAbsent) {
  const auto message =
      read(R"({"to":"a","from":null,"ttl":null,"metadata":null,"lease":"5","status":{"deep":[1]},"reply_to":""})");
  Message expected;
  expected.to = "a";
  EXPECT_EQ(message, expected);
}

TEST(JsonMapping, NamesFieldValueAndWhatWouldBeTaken) {
  struct Case {
    std::string_view text;
    ErrorCode code;
    std::string_view says;
  };
  for (const auto& [text, code, says] : {
           Case{R"({"priority":11})", ErrorCode::out_of_range, "`priority` is 11; it may be 1 (first) to 10"},
           {R"({"priority":"urgent"})", ErrorCode::out_of_range, "`priority` is \"urgent\""},
           {R"({"priority":1.5})", ErrorCode::out_of_range, "`priority` is 1.5"},
           {R"({"type":11})", ErrorCode::out_of_range, "`type` is 11"},
           {R"({"to":5})", ErrorCode::invalid_field, "`to` is 5; it may be a string"},
           {R"({"to":"a\nb"})", ErrorCode::invalid_name, "`to` is \"a\\nb\""},
           {R"({"topic":"a..b"})", ErrorCode::invalid_topic, "`topic` is \"a..b\""},
           {R"({"id":"five"})", ErrorCode::invalid_field, "`id` is \"five\"; it may be a UUID"},
           {R"({"ttl":-1})", ErrorCode::invalid_field, "`ttl` is -1; it may be 0 to ten years"},
           {R"({"ttl":1e15})", ErrorCode::out_of_range, "`ttl`"},
           {R"({"ttl":"soon"})", ErrorCode::invalid_field, "`ttl` is \"soon\""},
           {R"({"deliver_at":"tomorrow"})", ErrorCode::invalid_field, "2026-11-21T10:00:00Z"},
           {R"({"deliver_at":99999999999999999})", ErrorCode::out_of_range, "2527"},
           {R"({"expires_at":0})", ErrorCode::out_of_range, "a time to come"},
           {R"({"delay":5,"deliver_at":7})", ErrorCode::invalid_field, "give one of them"},
           {R"({"specversion":"1.0","content":"x"})", ErrorCode::invalid_field, "CloudEvents"},
           {R"({"data":"x"})", ErrorCode::invalid_field, "`data` is no field of a message"},
           {R"({"mode":3})", ErrorCode::out_of_range, "at_least_once (1)"},
           {R"({"metadata":[]})", ErrorCode::invalid_field, "an object"},
           {R"({"content_encoding":"gzip"})", ErrorCode::invalid_field, "base64"},
           {R"({"content_encoding":"base64","content":"???"})", ErrorCode::invalid_field, "`content`"},
           {R"([1])", ErrorCode::malformed, "a message is a JSON object, not [1]"},
       }) {
    const auto error = refused(text);
    EXPECT_EQ(error.code, code) << text << ": " << error.text;
    EXPECT_NE(error.text.find(says), std::string::npos) << text << ": " << error.text;
  }
}

TEST(JsonMapping, ShowsLongValuesCut) {
  const auto error = refused("{\"to\":\"" + std::string(5000, 'x') + "\"}");
  EXPECT_EQ(error.code, ErrorCode::invalid_name);
  EXPECT_LT(error.text.size(), 200u);
}

TEST(JsonContent, FollowsTheTable) {
  struct Case {
    std::string_view text, content, type;
  };
  for (const auto& [text, content, type] : {
           Case{R"({"content":"hi"})", "hi", "text/plain"},
           {R"({"content":"hi","content_type":"text/markdown"})", "hi", "text/markdown"},
           {R"({"content":{"a": [1, 2.5]}})", R"({"a": [1, 2.5]})", "application/json"},
           {R"({"content":42})", "42", "application/json"},
           {R"({"content":null})", "null", "application/json"},
           {R"({"content":"hi","content_type":"application/json"})", "\"hi\"", "application/json"},
           {R"({"content":"hi","content_type":"Application/LD+JSON; charset=utf-8"})", "\"hi\"",
            "Application/LD+JSON; charset=utf-8"},
           {R"({"content":"aGk=","content_encoding":"base64"})", "hi", "application/octet-stream"},
           {R"({"content":"aGk=","content_encoding":"base64","content_type":"application/json"})", "hi",
            "application/json"},
           {R"({"content":""})", "", "text/plain"},
           {R"({"to":"a"})", "", ""},
       }) {
    const auto message = read(text);
    EXPECT_EQ(message.content, content) << text;
    EXPECT_EQ(message.content_type, type) << text;
  }
}

TEST(JsonContent, ComesBackByTheSameTable) {
  const auto written = [](std::string content, std::string type) {
    Message message;
    message.content = std::move(content);
    message.content_type = std::move(type);
    return boost::json::parse(to_json(message)).as_object();
  };
  EXPECT_EQ(written("hi", "text/plain").at("content"), "hi");
  EXPECT_EQ(written("{\"a\": 1}", "application/json").at("content"), boost::json::parse("{\"a\":1}"));
  EXPECT_EQ(written("{broken", "application/json").at("content_encoding"), "base64");
  EXPECT_EQ(written("hi", "").at("content"), "aGk=");
  EXPECT_EQ(written("\xff", "text/plain").at("content_encoding"), "base64");
  EXPECT_FALSE(written("", "").contains("content"));
  EXPECT_EQ(written("", "text/plain").at("content"), "");
}

TEST(JsonContent, U3_StandsForTheMessageWhereThatIsAllThatIsShown) {
  Message message;
  message.content = R"({"a": 1.10})";
  message.content_type = "application/json";
  EXPECT_EQ(content_as_json(message), R"({"a": 1.10})");
  message.content = "{broken";
  EXPECT_EQ(content_as_json(message), R"("{broken")");
  message.content_type = "text/plain";
  message.content = "say \"hi\"";
  EXPECT_EQ(content_as_json(message), R"("say \"hi\"")");
  message.content = "\xff";
  EXPECT_EQ(content_as_json(message), R"("/w==")");
  message.content = "hi";
  message.encoding = "gzip";
  EXPECT_EQ(content_as_json(message), R"("aGk=")") << "compressed, it is no text";
  message.encoding.clear();
  message.content.clear();
  message.content_ref = ContentRef{*ContentHash::parse(std::string(64, 'a')), 5};
  EXPECT_EQ(content_as_json(message), "null");
}

TEST(JsonContent, KeepsWhatTheSenderWrote) {
  Message message;
  message.content = "{ \"n\": 1.10,\n \"e\": 1E5 }";
  message.content_type = "application/json";
  EXPECT_NE(to_json(message).find("\"content\":{ \"n\": 1.10,\n \"e\": 1E5 }"), std::string::npos) << to_json(message);
}

TEST(JsonMapping, BringsEveryMessageBackThatItWrites) {
  for (const auto* type : {"text/plain", "application/json", "image/png", "text/html; charset=utf-8"}) {
    for (const std::string content :
         {"", "plain", "{\"a\":[1,2,{\"b\":null}]}", "\xff\x00\x01", "quote \" and \\ and \x01"}) {
      Message message;
      message.id = *Uuid::parse("0193f2c4-a1b2-7def-8123-456789abcdef");
      message.from = "grün";
      message.topic = "a.b";
      message.type = "notification";
      message.content = content;
      message.content_type = type;
      message.priority = 10;
      message.ttl_ms = 5;
      message.deliver_at = 7;
      message.mode = DeliveryMode::at_least_once;
      message.metadata = {{"k", {1, 0.5, "x"}}};
      message.timestamp = 9;
      EXPECT_EQ(read(to_json(message)), message) << to_json(message);
    }
  }
}

TEST(JsonMapping, X14_tells_whose_a_message_is_and_takes_back_what_it_told) {
  Message message{.to = "bob", .type = "task"};
  message.provenance = Provenance{.account = "ann", .door = "http", .verified = "key", .trust = "account"};
  const auto text = to_json(message);
  EXPECT_NE(text.find(R"("provenance":{"account":"ann","door":"http","verified":"key","trust":"account"})"),
            std::string::npos)
      << text;
  EXPECT_EQ(message_from_json(text)->provenance, message.provenance);
  message.provenance->account.clear();
  EXPECT_EQ(to_json(*message.provenance), R"({"door":"http","verified":"key","trust":"account"})");
  EXPECT_FALSE(message_from_json(R"({"to":"bob","content":1,"provenance":"ann"})"));
  EXPECT_TRUE(message_from_json(R"({"to":"bob","content":1,"provenance":{"later":[1]}})"));
}

TEST(JsonMapping, A10_ReadsEachBackOffByItsName) {
  for (const auto& [word, backoff] : {std::pair{"fixed", Backoff::fixed},
                                      {"linear", Backoff::linear},
                                      {"exponential", Backoff::exponential},
                                      {"exponential_jitter", Backoff::exponential_jitter}}) {
    const auto message = read(std::string(R"({"to":"a","retry":{"attempts":3,"backoff":")") + word + "\"}}");
    ASSERT_TRUE(message.retry) << word;
    EXPECT_EQ(message.retry->backoff, backoff) << word;
    EXPECT_EQ(read(to_json(message)).retry, message.retry) << word;
  }
  EXPECT_EQ(refused(R"({"to":"a","retry":{"backoff":"never"}})").code, ErrorCode::invalid_field);
}

TEST(JsonMapping, U3_BoundsHowDeepMetadataAre) {
  const auto nested = [](int depth, std::string_view open, std::string_view close) {
    std::string text = R"({"to":"a","metadata":{"in":)";
    for (int i = 1; i < depth; ++i) text += open;
    text += "1";
    for (int i = 1; i < depth; ++i) text += close;
    return text + "}}";
  };
  for (const auto& [open, close] : {std::pair{R"({"in":)", "}"}, {"[", "]"}}) {
    EXPECT_FALSE(read(nested(kMetadataDepthMax, open, close)).metadata.empty());
    const auto error = refused(nested(kMetadataDepthMax + 1, open, close));
    EXPECT_EQ(error.code, ErrorCode::out_of_range);
    EXPECT_EQ(error.text, "`metadata` is nested deeper than 16");
  }
}

TEST(JsonMapping, X18_KnowsWhatOfADeadLetterMayBeChanged) {
  const auto checked = [](std::string_view text) {
    JsonDocument document;
    return check_changes(*document.parse(text));
  };
  EXPECT_TRUE(checked(R"({"recipient_id":"b","priority":1,"content":{},"metadata":{},"delay":"5s"})"));
  for (const std::string name : {"id", "message_id", "timestamp", "from", "sender_id", "topic", "channel",
                                 "event_topic", "provenance", "nope"}) {
    const auto done = checked("{\"priority\":1,\"" + name + "\":\"x\"}");
    ASSERT_FALSE(done) << name;
    EXPECT_EQ(done.error().code, ErrorCode::invalid_field);
    EXPECT_TRUE(
        done.error().text.starts_with("`" + name + "` cannot be changed; what can is to, type, priority, content"))
        << done.error().text;
  }
}

TEST(JsonMapping, B2_says_where_a_message_is_wrong_to_who_asks) {
  const auto pointer = [](std::string_view text) -> std::string {
    JsonDocument document;
    const auto value = document.parse(text);
    JsonFault fault;
    const auto read = message_from_json(*value, &fault);
    if (read) return "none";
    EXPECT_TRUE(fault.pointer.empty() || read.error().text.contains(fault.text)) << text;
    return fault.pointer;
  };
  EXPECT_EQ(pointer(R"({"to":"a","content":1})"), "none");
  EXPECT_EQ(pointer("[]"), "");
  EXPECT_EQ(pointer(R"({"to":"a","content":1,"priority":11})"), "/priority");
  EXPECT_EQ(pointer(R"({"recipient_id":7})"), "/recipient_id");
  EXPECT_EQ(pointer(R"({"to":"a","target":"b"})"), "/target");
  EXPECT_EQ(pointer(R"({"to":"a","a/b~c":"b"})"), "/a~1b~0c");
  EXPECT_EQ(pointer(R"({"to":"a","jsonrpc":"2.0"})"), "/jsonrpc");
  EXPECT_EQ(pointer(R"({"to":"a","retry_policy":{"max_delay":"?"}})"), "/retry_policy/max_delay");
  EXPECT_EQ(pointer(R"({"to":"a","retry":{"nope":1}})"), "/retry/nope");
  EXPECT_EQ(pointer(R"({"to":"a","provenance":5})"), "/provenance");
}

TEST(JsonDocument, IsBoundedInSizeAndDepth) {
  JsonDocument document;
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(document.parse(nested(kJsonDepthMax - 1)));
  const auto deep = document.parse(nested(kJsonDepthMax + 1));
  ASSERT_FALSE(deep);
  EXPECT_EQ(deep.error().code, ErrorCode::out_of_range);
  EXPECT_EQ(document.parse(nested(100'000)).error().code, ErrorCode::out_of_range);
  const auto large = document.parse("\"" + std::string(kJsonTextBytesMax, 'x') + "\"");
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, ErrorCode::content_too_large);
  EXPECT_TRUE(document.parse("\"" + std::string(kJsonTextBytesMax - 2, 'x') + "\""));
  EXPECT_TRUE(document.parse("1")) << "and it can be used again";
}

TEST(JsonDocument, RefusesWhatIsNotJson) {
  JsonDocument document;
  for (const std::string_view text :
       {"", " ", "{", "{}x", "{} {}", "{\"a\":}", "nul", "'a'", "\"\xff\"", "[1,]", "01", "\"a\nb\"", "\"\\ud800\""}) {
    const auto parsed = document.parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::malformed) << text;
  }
}

TEST(ContentTypes, AreToldApart) {
  for (const auto* type :
       {"application/json", "APPLICATION/JSON", "application/json; charset=utf-8", "application/problem+json"})
    EXPECT_TRUE(is_json_type(type));
  for (const auto* type : {"", "text/json5", "application/jsonx", "application/json-seq"})
    EXPECT_FALSE(is_json_type(type));
  EXPECT_TRUE(is_text_type("Text/HTML"));
  EXPECT_FALSE(is_text_type("texture/x"));
}

}  // namespace
}  // namespace folkmoot
