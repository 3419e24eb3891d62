// Webhooks as the engine keeps them: set, changed, and there after a restart.
#include "engine/webhooks/webhook_rule.hpp"
#include "engine_fixture.hpp"

namespace folkmoot::test {
namespace {

constexpr const char* kSecret = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
constexpr const char* kOther = "whsec_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

class WebhookTest : public EngineTest {
 protected:
  static WebhookRule rule() { return {.agent = "box", .url = "https://a.example/x", .secrets = {{.secret = kSecret}}}; }
  WebhookTable& table() { return engine->webhooks(); }
  Asker asker() { return {kAlice, ++request}; }
  void set(const WebhookRule& wanted) {
    table().set(asker(), wanted);
    sync();
  }
};

TEST_F(WebhookTest, B7_a_webhook_is_kept_as_it_was_set) {
  auto wanted = rule();
  wanted.timeout_ms = 1'500;
  wanted.concurrency = 7;
  wanted.rate = 90;
  wanted.failures = 3;
  wanted.open_ms = 250;
  wanted.disable_after_ms = 0;
  set(wanted);
  EXPECT_EQ(table().version(), 1u);
  wanted.revision = 1;
  EXPECT_EQ(*table().find("box"), wanted);
  stop_and_start();
  ASSERT_NE(table().find("box"), nullptr);
  EXPECT_EQ(*table().find("box"), wanted);
  EXPECT_EQ(table().version(), 1u) << "who posts is told";
}

TEST_F(WebhookTest, B7_set_again_without_a_secret_it_keeps_those_it_has) {
  auto wanted = rule();
  wanted.secrets.clear();
  set(wanted);
  EXPECT_EQ(last().code, ErrorCode::invalid_field);
  set(rule());
  set(wanted);
  EXPECT_EQ(table().find("box")->secrets, rule().secrets);
  EXPECT_EQ(table().find("box")->revision, 2u);
}

TEST_F(WebhookTest, B7_rotated_it_has_both_secrets_for_a_while_and_at_most_four) {
  set(rule());
  table().rotate(asker(), "box", kOther, 1'000);
  sync();
  const std::vector<WebhookKey> both = {{.secret = kOther}, {.secret = kSecret, .until = engine->now() + 1'000}};
  EXPECT_EQ(table().find("box")->secrets, both);
  pass(1'001);
  for (const char c : {'C', 'D', 'E', 'F', 'G'}) {
    table().rotate(asker(), "box", std::string("whsec_") + std::string(32, c), 60'000);
    sync();
  }
  const auto& secrets = table().find("box")->secrets;
  ASSERT_EQ(secrets.size(), kWebhookKeysMax);
  EXPECT_EQ(secrets.front().secret, std::string("whsec_") + std::string(32, 'G'));
  EXPECT_EQ(secrets.front().until, Instant{});
  table().rotate(asker(), "box", kOther, 0);
  sync();
  EXPECT_EQ(table().find("box")->secrets, (std::vector<WebhookKey>{{.secret = kOther}}));
  table().rotate(asker(), "box", "whsec_short", 0);
  EXPECT_EQ(last().code, ErrorCode::invalid_field);
}

TEST_F(WebhookTest, B7_disabled_it_stays_so_until_it_is_enabled_or_set_anew) {
  set(rule());
  table().disable(asker(), "box", 7, "of another revision");
  sync();
  EXPECT_EQ(table().find("box")->disabled_at, Instant{});
  table().disable(asker(), "box", 1, "gone");
  sync();
  stop_and_start();
  EXPECT_NE(table().find("box")->disabled_at, Instant{});
  EXPECT_EQ(table().find("box")->disabled_reason, "gone");
  table().enable(asker(), "box");
  sync();
  EXPECT_EQ(table().find("box")->disabled_at, Instant{});
  table().disable(asker(), "box", 0, std::string(1'000, 'x'));
  sync();
  EXPECT_EQ(table().find("box")->disabled_reason.size(), kWebhookReasonMax);
  set(rule());
  EXPECT_EQ(table().find("box")->disabled_at, Instant{});
}

TEST_F(WebhookTest, B7_removed_it_is_gone_and_stays_gone) {
  set(rule());
  table().remove(asker(), "box");
  sync();
  stop_and_start();
  EXPECT_EQ(table().find("box"), nullptr);
  table().remove(asker(), "box");
  EXPECT_EQ(last().code, ErrorCode::not_found);
  table().enable(asker(), "box");
  EXPECT_EQ(last().code, ErrorCode::not_found);
  table().disable(asker(), "box", 0, "");
  EXPECT_EQ(last().code, ErrorCode::not_found);
  table().rotate(asker(), "box", kOther, 0);
  EXPECT_EQ(last().code, ErrorCode::not_found);
}

TEST_F(WebhookTest, B7_its_fact_is_read_as_it_was_written_and_no_further) {
  auto wanted = rule();
  wanted.secrets.push_back({.secret = kOther, .until = Instant{5}});
  wanted.disabled_at = Instant{9};
  wanted.disabled_reason = "why";
  wanted.revision = 12;
  const auto body = pack_webhook(wanted);
  WebhookRule read;
  ASSERT_TRUE(unpack_webhook(as_bytes(body), read));
  EXPECT_EQ(read, wanted);
  for (std::size_t size = 0; size < body.size(); ++size) {
    WebhookRule part;
    EXPECT_FALSE(unpack_webhook(as_bytes(body).first(size), part)) << size;
  }
}

TEST_F(WebhookTest, B7_what_an_endpoint_answered_is_noted_of_who_has_the_message_alone) {
  put("a");
  receive(kBob, 1);
  sync();
  ASSERT_FALSE(delivered.empty());
  const auto lease = delivered.back().lease;
  const auto id = delivered.back().message.id;
  engine->settling().note_answer(asker(), {.id = id, .lease = LeaseToken{lease.value + 1}, .code = 500, .text = "x"});
  EXPECT_EQ(last().code, ErrorCode::lease_lost);
  engine->settling().note_answer({kBob, ++request}, {.id = id, .lease = lease, .code = 500, .text = "x"});
  sync();
  stop_and_start();
  receive(kBob, 1);
  sync();
  EXPECT_EQ(contents(), (std::vector<std::string>{"a", "a"})) << "it is where it was";
}

}  // namespace
}  // namespace folkmoot::test
