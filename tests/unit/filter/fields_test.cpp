// The fields of the envelope: what each is compared as, and what it is worth when it is left out.
#include "filter/fields.hpp"

#include "sample.hpp"

namespace folkmoot {
namespace {

Message full() {
  auto message = sample();
  message.id = *Uuid::parse("0193f2c4-a1b2-7def-8123-456789abcdef");
  message.timestamp = 1'795'255'200'000;
  message.content_type = "text/plain";
  message.conversation = "release-7";
  message.correlation = "c";
  message.reply_to = "@1";
  message.key = "k";
  message.ttl_ms = 60'000;
  message.deliver_at = 1'795'255'300'000;
  message.mode = DeliveryMode::exactly_once;
  message.group = "g";
  message.bounce = true;
  message.expects_reply = false;
  message.cause = *Uuid::parse("0193f2c4-0000-7def-8123-456789abcdef");
  message.hops = 3;
  message.event_topic = "orders.eu";
  return message;
}

TEST(FilterFields, AreComparedAsTheyAreWritten) {
  for (const auto* text : {
           "id = '0193f2c4-a1b2-7def-8123-456789abcdef'",
           "timestamp = 1795255200000",
           "from = 'writer'",
           "to = 'reviewer'",
           "type = 'query'",
           "priority = 3",
           "content_type = 'text/plain'",
           "conversation = 'release-7'",
           "correlation = 'c'",
           "reply_to = '@1'",
           "key = 'k'",
           "ttl = 60000",
           "deliver_at - timestamp = 100000",
           "mode = 'exactly_once'",
           "group = 'g'",
           "bounce",
           "NOT expects_reply",
           "cause LIKE '0193f2c4-0000-%'",
           "cause <> id",
           "hops = 3",
           "event_topic = 'orders.eu'",
       }) {
    EXPECT_EQ(truth(text, full()), "TRUE") << text;
  }
}

TEST(FilterFields, HaveTheProtocolsDefaults) {
  Message message;
  message.to = "a";
  for (const auto* text : {
           "id IS NULL",
           "timestamp IS NULL",
           "from IS NULL",
           "topic IS NULL",
           "type = 'task'",
           "priority = 5",
           "content_type = 'application/octet-stream'",
           "conversation IS NULL",
           "ttl IS NULL",
           "deliver_at IS NULL",
           "mode = 'at_least_once'",
           "group IS NULL",
           "bounce = FALSE",
           "expects_reply",
           "encoding IS NULL",
           "cause IS NULL",
           "hops = 0",
           "metadata IS NULL",
           "anything IS NULL",
       }) {
    EXPECT_EQ(truth(text, message), "TRUE") << text;
  }
  message.to.clear();
  message.topic = "build.done";
  EXPECT_EQ(truth("type = 'event' AND mode = 'at_most_once' AND to IS NULL AND topic LIKE 'build.%'", message), "TRUE");
}

TEST(FilterFields, X19_TheContentsSizeIsKnownWhetherItIsThereOrElsewhere) {
  EXPECT_EQ(truth("content_size = 5 AND content = 'hello'", sample("{}", "hello")), "TRUE");
  EXPECT_EQ(truth("content_size = 0"), "TRUE");
  auto message = sample();
  message.content_ref = ContentRef{.hash = {}, .size = 5'000'000'000};
  EXPECT_EQ(truth("content_size = 5000000000", message), "TRUE");
  EXPECT_EQ(truth("content IS NULL AND content.a IS NULL", message), "TRUE");
}

TEST(FilterFields, M8_ATypeIsAWordWhetherStandardOrOwn) {
  auto message = sample();
  message.type = "code_review";
  EXPECT_EQ(truth("type = 'code_review'", message), "TRUE");
  message.type = "discovery";
  EXPECT_EQ(truth("type IN ('discovery', 'heartbeat')", message), "TRUE");
}

TEST(FilterFields, PriorityIsANumberThatHasNames) {
  for (const auto* text :
       {"priority = 'high'", "'high' = priority", "priority < 'normal'", "priority BETWEEN 'critical' AND 'normal'",
        "priority IN ('low', 'high')", "(priority) <> 'low'", "priority = '3'", "priority + 0 = 3",
        "priority NOT IN ('critical')"}) {
    EXPECT_EQ(truth(text), "TRUE") << text;
  }
  // Names count only where they are written in the filter.
  EXPECT_EQ(truth("priority = level", sample(R"({"level": "high"})")), "UNKNOWN");
}

TEST(FilterFields, KnowTheSpellingsOfTheJsonDoors) {
  constexpr std::pair<std::string_view, std::string_view> kSpellings[] = {
      {"message_id", "id"},
      {"sender_id", "from"},
      {"from_agent_id", "from"},
      {"source_id", "from"},
      {"source", "from"},
      {"recipient_id", "to"},
      {"to_agent_id", "to"},
      {"target_id", "to"},
      {"target", "to"},
      {"event_type", "topic"},
      {"channel", "topic"},
      {"subject", "topic"},
      {"message_type", "type"},
      {"conversation_id", "conversation"},
      {"correlation_id", "correlation"},
      {"idempotency_key", "key"},
      {"delivery_mode", "mode"},
      {"group_id", "group"},
      {"causation_id", "cause"},
      {"payload", "content"},
      {"headers", "metadata"},
  };
  for (const auto& [other, name] : kSpellings) {
    ASSERT_NE(find_filter_field(other), nullptr) << other;
    EXPECT_EQ(find_filter_field(other), find_filter_field(name)) << other;
  }
  EXPECT_EQ(truth("sender_id = 'writer' AND recipient_id = 'reviewer' AND message_type = 'query'"), "TRUE");
  EXPECT_EQ(truth("metadata.source = 'web'", sample(R"({"source": "web"})")), "TRUE");
}

}  // namespace
}  // namespace folkmoot
