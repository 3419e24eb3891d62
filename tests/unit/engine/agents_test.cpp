// Agents of the registry as the engine has them: what is held for them, who hears of them, and what is counted.
#include "delivery_fixture.hpp"

namespace folkmoot::test {
namespace {

class AgentsTest : public DeliveryTest {
 protected:
  /// It can read, and is there.
  Uuid enroll(std::string name) {
    const AgentRecord record{.agent = std::move(name), .capabilities = {{.name = "read"}}, .metadata = {}};
    engine->registry().set({kAlice, ++request}, record, true);
    sync();
    return replied<RegisteredAgent>().id;
  }
};

TEST_F(AgentsTest, U14_what_is_held_for_nobody_goes_to_who_comes_with_its_causes_and_is_counted_once) {
  auto onward = mail("x", "capability:read");
  onward.cause = make_uuid({.key = MessageKey{1}, .mailbox = NameId{1}, .node = 1});
  say(onward);
  EXPECT_EQ(engine->counters().ready, 1u);
  enroll("ann");
  pass(1);
  sync();
  EXPECT_EQ(engine->counters().ready, 1u);
  consume(kBob, 1, "ann");
  ASSERT_EQ(contents(), Contents{"x"});
  EXPECT_EQ(last_delivered().cause, onward.cause);
  EXPECT_EQ(last_delivered().hops, 1u);
  EXPECT_EQ(last_delivered().chain, std::vector{onward.cause});
}

TEST_F(AgentsTest, A22_who_watches_agents_hears_their_ids_and_what_they_can_do) {
  engine->subscribe(kCarol, ++request, "bus.agents.>", 0, false);
  const auto id = enroll("ann");
  ASSERT_EQ(delivered.size(), 1u);
  EXPECT_EQ(last_delivered().topic, "bus.agents.joined");
  EXPECT_NE(last_delivered().content.find("\"id\":\"" + id.text() + "\""), std::string::npos);
  EXPECT_NE(last_delivered().content.find("\"capabilities\":[\"read\"]"), std::string::npos);
  engine->registry().came("tom");
  sync();
  ASSERT_EQ(delivered.size(), 2u);
  EXPECT_NE(last_delivered().content.find("\"agent\":\"tom\""), std::string::npos);
  EXPECT_EQ(last_delivered().content.find("\"id\""), std::string::npos) << "it is not registered";
}

TEST_F(AgentsTest, A22_an_agent_is_lost_when_nothing_is_heard_of_it_and_not_with_each_word) {
  enroll("ann");
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(engine->registry().beat("ann", {}));
  EXPECT_EQ(engine->registry().counts().lost, 0u);
  pass(options.agent_stale_ms.ms);
  EXPECT_EQ(engine->registry().counts().lost, 1u);
  ASSERT_TRUE(engine->registry().beat("ann", {}));
  EXPECT_EQ(engine->registry().counts().lost, 1u);
  EXPECT_EQ(engine->registry().take_health_news().size(), 3u) << "it came, was lost, and is back";
}

TEST_F(AgentsTest, A22_what_is_no_agents_name_has_neither_heartbeat_nor_load) {
  for (const auto* const name : {"", "$server", "@1.2"}) {
    const auto beat = engine->registry().beat(name, {});
    ASSERT_FALSE(beat) << name;
    EXPECT_EQ(beat.error().code, ErrorCode::invalid_name) << name;
  }
  const auto noted = engine->registry().note_load("", 1);
  ASSERT_FALSE(noted);
  EXPECT_EQ(noted.error().code, ErrorCode::invalid_name);
}

TEST_F(AgentsTest, A3_one_name_more_than_the_server_keeps_is_refused_as_too_many) {
  options.names_max = 8;
  crash();
  Result<void> noted;
  for (int i = 0; noted && i < 20; ++i) noted = engine->registry().note_load("agent-" + std::to_string(i), 1);
  ASSERT_FALSE(noted);
  EXPECT_EQ(noted.error().code, ErrorCode::limit_reached);
  send(mail("x", "one-more"));
  EXPECT_EQ(last().code, ErrorCode::limit_reached);
}

}  // namespace
}  // namespace folkmoot::test
