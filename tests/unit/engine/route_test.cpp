// Routes, and filters of subscriptions.
#include "delivery_fixture.hpp"

namespace folkmoot::test {
namespace {

class RouteTest : public DeliveryTest {
 protected:
  void route(const RouteCommand& command) {
    engine->routes().set({kAlice, ++request}, command);
    sync();
  }
  /// Sends a message without a recipient; where it went.
  std::string routed(Message message) {
    message.to.clear();
    std::string envelope;
    EXPECT_TRUE(encode_envelope(message, envelope));
    IncomingMessage incoming{.routing = {}, .envelope = as_bytes(envelope), .content = as_bytes(message.content)};
    EXPECT_TRUE(read_routing(incoming.envelope, incoming.routing, Recipient::optional));
    engine->publish(kAlice, ++request, false, incoming);
    sync();
    return last().kind == Answer::Kind::confirm ? std::string(engine->mailboxes().receipt(last().confirm.id).recipient)
                                                : last().text;
  }
  void send_together(const std::vector<Message>& messages) {
    std::deque<std::string> bytes;
    std::vector<Result<IncomingMessage>> all;
    for (const auto& each : messages) {
      ASSERT_TRUE(encode_envelope(each, bytes.emplace_back()));
      auto& incoming =
          all.emplace_back(IncomingMessage{.routing = {}, .envelope = as_bytes(bytes.back()), .content = {}});
      ASSERT_TRUE(read_routing(incoming->envelope, incoming->routing, Recipient::optional));
    }
    engine->publish_atomic(kAlice, ++request, false, all);
    sync();
    EXPECT_EQ(last().kind, Answer::Kind::done);
  }
  static Message of(std::string type, Priority priority = normal) {
    Message message;
    message.type = std::move(type);
    message.priority = priority;
    return message;
  }
};

TEST_F(RouteTest, A24_the_first_route_by_order_that_fits_finds_the_recipient_also_after_a_crash_or_a_copy) {
  route({.name = "rest", .order = 900, .targets = {{"clerk"}}});
  route({.name = "urgent", .order = 10, .filter = "type = 'task' AND priority <= 3", .targets = {{"expert"}}});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(routed(of("task", high)), "expert");
    EXPECT_EQ(routed(of("task")), "clerk");
    if (i == 1) copy_forward(log.end);
    crash();
  }
  engine->routes().remove({kAlice, ++request}, "rest");
  sync();
  crash();
  EXPECT_EQ(routed(of("task")), "$unrouted");
}

TEST_F(RouteTest, A24_what_fits_no_route_is_a_dead_letter_and_without_any_route_an_error) {
  EXPECT_TRUE(routed(of("task")).starts_with("neither `to` nor `topic`"));
  route({.name = "r", .filter = "type = 'query'", .targets = {{"a"}}});
  routed(of("task"));
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::dead);
  ASSERT_EQ(dead().size(), 1u);
  EXPECT_EQ(dead()[0].reason, DeadReason::no_route);
  EXPECT_EQ(dead()[0].mailbox, "$unrouted");
}

TEST_F(RouteTest, A24_strategies_spread_messages_as_they_say) {
  const auto spread = [&](int count) {
    std::map<std::string, int> got;
    for (int i = 0; i < count; ++i) ++got[routed(of("task"))];
    return got;
  };
  route({.name = "r", .targets = {{"a"}, {"b"}, {"c"}}});
  EXPECT_EQ(spread(6), (std::map<std::string, int>{{"a", 2}, {"b", 2}, {"c", 2}}));
  route({.name = "r", .targets = {{"d", 3}, {"e", 1}}, .strategy = Strategy::weighted});
  EXPECT_EQ(spread(8), (std::map<std::string, int>{{"d", 6}, {"e", 2}}));
  route({.name = "r", .targets = {{"d"}, {"e"}}, .strategy = Strategy::least_loaded});
  EXPECT_EQ(spread(4), (std::map<std::string, int>{{"e", 4}}));
  engine->open_session(SessionId{4}, "e");
  EXPECT_TRUE(engine->registry().note_load("e", 100).has_value());
  EXPECT_EQ(spread(1), (std::map<std::string, int>{{"d", 1}}));
  route({.name = "r", .targets = {{"x"}, {"y"}}, .strategy = Strategy::random});
  EXPECT_EQ(spread(64).size(), 2u);
}

TEST_F(RouteTest, A24_a_hash_keeps_a_customer_with_one_target_and_moves_few_when_one_goes) {
  const auto where = [&] {
    std::map<std::string, std::string> got;
    for (int i = 0; i < 60; ++i) {
      auto message = of("task");
      message.metadata["customer"] = std::to_string(i);
      got[std::to_string(i)] = routed(message);
    }
    return got;
  };
  route({.name = "r", .targets = {{"a"}, {"b"}, {"c"}}, .strategy = Strategy::hash, .hash_on = "metadata.customer"});
  const auto before = where();
  EXPECT_EQ(where(), before);
  route({.name = "r", .targets = {{"a"}, {"b"}}, .strategy = Strategy::hash, .hash_on = "metadata.customer"});
  for (const auto& [customer, target] : where()) {
    if (before.at(customer) != "c") {
      EXPECT_EQ(target, before.at(customer));
    }
  }
}

TEST_F(RouteTest, A9_a_message_with_a_key_is_routed_once_however_often_it_is_sent) {
  route({.name = "r", .targets = {{"a"}, {"b"}, {"c"}}});
  auto message = of("task");
  message.key = "k";
  EXPECT_EQ(routed(message), "b");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(routed(message), "b");
    EXPECT_EQ(last().confirm.outcome, PublishOutcome::duplicate);
    crash();
  }
  engine->routes().remove({kAlice, ++request}, "r");
  EXPECT_EQ(routed(message), "b");
  EXPECT_EQ(routed(of("task")).substr(0, 12), "neither `to`");
}

TEST_F(RouteTest, A9_a_copy_whose_key_is_pushed_out_by_the_batch_it_comes_in_stays_a_copy) {
  options.keys_max = 1;
  crash();
  route({.name = "r", .targets = {{"a"}, {"b"}}});
  auto message = of("task");
  message.key = "k";
  message.group = "g";
  EXPECT_EQ(routed(message), "b");
  message.to.clear();
  send_together({keyed("other", "another"), message});
  EXPECT_EQ(engine->counters().duplicates, 1u);
  // The same with the first among them.
  message.key = "l";
  send_together({message, keyed("other", "one more"), message});
  EXPECT_EQ(engine->counters().duplicates, 2u);
  crash();
  EXPECT_EQ(engine->counters().ready + engine->counters().blocked, 4u);
}

TEST_F(RouteTest, A24_a_route_whose_targets_cannot_take_the_message_is_passed_over) {
  engine->configure_mailbox(kAlice, ++request, {"small", {.max_messages = 1}});
  route({.name = "1", .order = 1, .targets = {{"small"}}});
  route({.name = "2", .order = 2, .targets = {{"asleep"}}, .consumers_only = true});
  route({.name = "3", .order = 3, .targets = {{"rest"}}});
  EXPECT_EQ(routed(of("task")), "small");
  EXPECT_EQ(routed(of("task")), "rest");
  consume(kBob, 5, "asleep");
  EXPECT_EQ(routed(of("task")), "asleep");
}

TEST_F(RouteTest, A24_a_route_that_makes_no_sense_is_refused_with_the_reason) {
  route({.name = "r", .filter = "type = ", .targets = {{"a"}}});
  EXPECT_EQ(last().code, ErrorCode::invalid_filter);
  route({.name = "r"});
  EXPECT_EQ(last().code, ErrorCode::out_of_range);
  route({.name = "r", .targets = {{"a"}}, .strategy = Strategy::hash});
  EXPECT_EQ(last().code, ErrorCode::invalid_field);
  route({.name = "r", .targets = {{"$bus"}}});
  EXPECT_EQ(last().code, ErrorCode::invalid_name);
}

TEST_F(RouteTest, M2_a_subscription_with_a_filter_hears_only_what_it_holds_for) {
  engine->subscribe(kBob, ++request, "news.>", 0, false, "content.score > 5");
  engine->subscribe(kCarol, ++request, "news.>", 0, false, "score >");
  EXPECT_EQ(last().code, ErrorCode::invalid_filter);
  send(event("news.a", R"({"score":3})"));
  send(event("news.b", R"({"score":9})"));
  EXPECT_EQ(contents(), (Contents{R"({"score":9})"}));
}

}  // namespace
}  // namespace folkmoot::test
