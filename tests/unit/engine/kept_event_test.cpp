// Durable subscriptions, events that must be kept, and filters that change while a subscription runs.
#include "engine_fixture.hpp"

namespace folkmoot::test {
namespace {

class KeptEventTest : public EngineTest {
 protected:
  void keep(std::string_view name, std::string_view pattern, std::string_view filter = {},
            std::string_view mailbox = {}) {
    engine->durable_subscriptions().set({kAlice, ++request},
                                        {.name = name, .pattern = pattern, .filter = filter, .mailbox = mailbox});
    sync();
  }
  static Message must(std::string topic, std::string content = "e") {
    auto message = event(std::move(topic), std::move(content));
    message.mode = DeliveryMode::at_least_once;
    return message;
  }
  Contents waiting(std::string_view box) {
    const auto consumer = consume(kCarol, 100, box);
    sync();
    Contents got;
    for (; seen < delivered.size(); ++seen) {
      if (delivered[seen].request == consumer) got.push_back(delivered[seen].message.content);
    }
    engine->cancel(kCarol, ++request, consumer);
    return got;
  }
  std::uint64_t missed(std::string_view name) {
    std::uint64_t count = 0;
    engine->durable_subscriptions().each([&](const DurableSubscription& each) {
      if (each.name == name) count = each.missed;
    });
    return count;
  }
};

TEST_F(KeptEventTest, M2_an_event_is_also_a_message_in_each_mailbox_that_wants_it) {
  keep("orders", "orders.*");
  keep("large", "orders.>", "content.total > 100", "big");
  auto order = event("orders.eu", R"({"total":120})");
  order.type = "order.created";
  order.priority = high;
  order.metadata["traceparent"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  send(order);
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::sent);
  EXPECT_EQ(last().confirm.count, 0u);
  send(event("orders.eu", R"({"total":7})"));
  sync();
  consume(kBob, 10, "orders");
  ASSERT_EQ(contents(), (Contents{R"({"total":120})", R"({"total":7})"}));
  const auto& copy = delivered[0].message;
  EXPECT_EQ(copy.to, "orders");
  EXPECT_EQ(copy.topic, "");
  EXPECT_EQ(copy.event_topic, "orders.eu");
  EXPECT_EQ(copy.from, "alice");
  EXPECT_EQ(copy.type, "order.created");
  EXPECT_EQ(copy.priority, high);
  EXPECT_EQ(copy.metadata.at("traceparent"), order.metadata.at("traceparent"));
  EXPECT_EQ(delivered[1].message.type, "event");
  EXPECT_NE(delivered[0].lease, LeaseToken{0});
  EXPECT_EQ(waiting("big"), (Contents{R"({"total":120})"}));
}

TEST_F(KeptEventTest, M2_several_subscriptions_into_one_mailbox_make_one_copy) {
  keep("one", "a.*", {}, "box");
  keep("two", ">", {}, "box");
  keep("three", "a.b", "content_size > 100", "box");
  send(event("a.b", "x"));
  sync();
  EXPECT_EQ(waiting("box"), (Contents{"x"}));
}

TEST_F(KeptEventTest, M2_an_event_that_must_be_kept_is_confirmed_and_heard_when_it_is_on_disk) {
  keep("one", "a");
  keep("two", "a", {}, "other");
  engine->subscribe(kBob, RequestNumber{1}, "a", 0, false);
  const auto asked = answers.size();
  send(must("a", "x"));
  EXPECT_EQ(answers.size(), asked);
  EXPECT_TRUE(delivered.empty());
  sync();
  ASSERT_EQ(answers.size(), asked + 1);
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::kept);
  EXPECT_EQ(last().confirm.count, 2u);
  ASSERT_EQ(delivered.size(), 1u);
  EXPECT_EQ(delivered[0].message.id, last().confirm.id);
  EXPECT_EQ(delivered[0].message.topic, "a");
  seen = 1;
  crash();
  EXPECT_EQ(waiting("one"), (Contents{"x"}));
  EXPECT_EQ(waiting("other"), (Contents{"x"}));
}

TEST_F(KeptEventTest, M2_an_event_that_must_be_kept_is_refused_if_nobody_takes_its_topic) {
  keep("one", "a", "content.total > 100");
  send(must("b"));
  EXPECT_EQ(last().code, ErrorCode::not_kept);
  send(must("a"));  // its topic is taken, and no filter wants it
  sync();
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::kept);
  EXPECT_EQ(last().confirm.count, 0u);
  auto exactly = must("a");
  exactly.mode = DeliveryMode::exactly_once;
  send(exactly);
  EXPECT_EQ(last().code, ErrorCode::invalid_field);
}

TEST_F(KeptEventTest, M2_a_second_event_with_a_key_is_no_second_message) {
  keep("one", "a", {}, "box");
  auto keyed = must("a", "x");
  keyed.key = "k";
  send(keyed);
  sync();
  send(keyed);
  sync();
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::kept);
  EXPECT_EQ(last().confirm.count, 1u);
  EXPECT_EQ(waiting("box"), (Contents{"x"}));
}

TEST_F(KeptEventTest, M2_a_full_mailbox_refuses_what_must_be_kept_whole_and_misses_what_need_not) {
  limit({.max_messages = 1, .default_ttl_ms = 0, .overflow = Overflow::reject, .retry = {}});
  keep("one", "a", {}, "box");
  keep("two", "a", {}, "other");
  send(event("a", "first"));
  sync();
  send(must("a", "must"));
  EXPECT_EQ(last().code, ErrorCode::mailbox_full);
  send(event("a", "need not"));
  sync();
  EXPECT_EQ(missed("one"), 1u);
  EXPECT_EQ(missed("two"), 0u);
  EXPECT_EQ(waiting("box"), (Contents{"first"}));
  EXPECT_EQ(waiting("other"), (Contents{"first", "need not"}));
}

TEST_F(KeptEventTest, M2_a_mailbox_that_drops_its_oldest_makes_room_for_events) {
  limit({.max_messages = 1, .default_ttl_ms = 0, .overflow = Overflow::drop_oldest, .retry = {}});
  keep("one", "a", {}, "box");
  keep("deaths", "bus.dead", {}, "deaths");
  send(must("a", "first"));
  sync();
  send(must("a", "second"));
  sync();
  EXPECT_EQ(waiting("box"), (Contents{"second"}));
  pass(1);  // the server's own events are kept a moment later
  sync();
  EXPECT_EQ(waiting("deaths").size(), 1u);
}

TEST_F(KeptEventTest, M2_the_deaths_of_kept_deaths_are_not_kept) {
  limit({.max_messages = 1, .default_ttl_ms = 0, .overflow = Overflow::drop_oldest, .retry = {}});
  keep("deaths", "bus.dead", {}, "box");
  put("a");
  for (int i = 0; i < 5; ++i) {
    put("b");
    pass(1);
    sync();
  }
  EXPECT_EQ(stats().ready, 1u);
  EXPECT_LE(engine->counters().dead, 12u);
}

TEST_F(KeptEventTest, M2_subscriptions_are_kept_replaced_removed_and_listed) {
  keep("b", "x.*", "priority < 3", "box");
  keep("a", "y");
  keep("b", "z");
  const auto names = [&] {
    Contents all;
    engine->durable_subscriptions().each(
        [&](const DurableSubscription& each) { all.push_back(each.name + " " + each.pattern + " " + each.mailbox); });
    return all;
  };
  EXPECT_EQ(names(), (Contents{"a y a", "b z b"}));
  crash();
  EXPECT_EQ(names(), (Contents{"a y a", "b z b"}));
  const auto end = log.end;
  copy_forward(end);
  crash();
  EXPECT_EQ(names(), (Contents{"a y a", "b z b"}));
  engine->durable_subscriptions().remove({kAlice, ++request}, "a");
  sync();
  engine->durable_subscriptions().remove({kAlice, ++request}, "a");
  EXPECT_EQ(last().code, ErrorCode::not_found);
  crash();
  EXPECT_EQ(names(), (Contents{"b z b"}));
  send(event("y"));
  sync();
  EXPECT_EQ(waiting("a"), Contents{});
}

TEST_F(KeptEventTest, M2_what_cannot_be_a_durable_subscription_is_refused) {
  keep("", "a");
  EXPECT_EQ(last().code, ErrorCode::invalid_name);
  keep("n", "a..b");
  EXPECT_EQ(last().code, ErrorCode::invalid_topic);
  keep("n", "a", "priority <");
  EXPECT_EQ(last().code, ErrorCode::invalid_filter);
  keep("n", "a", {}, "@box");
  EXPECT_EQ(last().code, ErrorCode::invalid_name);
}

TEST_F(KeptEventTest, M2_events_of_batches_and_of_schedules_are_kept_too) {
  keep("one", "a", {}, "box");
  std::vector<std::string> written;
  std::vector<Result<IncomingMessage>> messages;
  for (const auto& message : {must("a", "in a batch"), event("a", "as well"), must("b", "nobody's")}) {
    auto& bytes = written.emplace_back();
    ASSERT_TRUE(encode_envelope(message, bytes));
    bytes += message.content;
  }
  for (const auto& bytes : written) {
    const auto routing = read_routing(as_bytes(bytes));
    messages.push_back(
        IncomingMessage{*routing, as_bytes(bytes).first(routing->bytes), as_bytes(bytes).subspan(routing->bytes)});
  }
  engine->publish_batch(kAlice, ++request, false, messages);
  sync();
  ASSERT_EQ(last().outcomes.size(), 3u);
  EXPECT_EQ(last().outcomes[0]->outcome, PublishOutcome::kept);
  EXPECT_EQ(last().outcomes[1]->outcome, PublishOutcome::sent);
  EXPECT_EQ(last().outcomes[2].error().code, ErrorCode::not_kept);
  with(event("a", "of a schedule"), [&](const IncomingMessage& incoming) {
    engine->set_schedule(kAlice, ++request, {.name = "s", .every_ms = Duration{1'000}, .times = 1}, incoming);
  });
  sync();
  pass(1'000);
  sync();   // the schedule's event goes out when its firing is on disk,
  pass(1);  // and is kept a moment later
  sync();
  EXPECT_EQ(waiting("box"), (Contents{"in a batch", "as well", "of a schedule"}));
}

TEST_F(KeptEventTest, M2_a_filter_changes_between_two_events) {
  engine->subscribe(kBob, RequestNumber{1}, "a", 0, false, "content.n > 5");
  engine->subscribe(kCarol, RequestNumber{2}, "a", 0, false);
  send(event("a", R"({"n":7})"));
  engine->set_filter(kBob, RequestNumber{3}, RequestNumber{1}, "content.n < 5");
  EXPECT_EQ(last().kind, Answer::Kind::done);
  send(event("a", R"({"n":7})"));
  send(event("a", R"({"n":3})"));
  engine->set_filter(kBob, RequestNumber{4}, RequestNumber{1}, {});
  send(event("a", "no JSON"));
  engine->set_filter(kBob, RequestNumber{5}, RequestNumber{1}, "content.n = ");
  EXPECT_EQ(last().code, ErrorCode::invalid_filter);
  send(event("a", "as before"));
  engine->set_filter(kBob, RequestNumber{6}, RequestNumber{9}, {});
  EXPECT_EQ(last().code, ErrorCode::not_found);
  Contents bobs;
  std::vector<RequestNumber> of_last;
  for (const auto& each : delivered) {
    if (each.session == kBob) bobs.push_back(each.message.content);
    if (each.message.content == "as before") of_last.push_back(each.request);
  }
  EXPECT_EQ(bobs, (Contents{R"({"n":7})", R"({"n":3})", "no JSON", "as before"}));
  EXPECT_EQ(of_last, (std::vector{RequestNumber{1}, RequestNumber{2}})) << "its place in the order stays";
}

TEST_F(KeptEventTest, M2_filtered_and_plain_subscriptions_hear_in_the_order_they_were_made) {
  for (std::uint32_t i = 1; i <= 40; ++i) {
    const auto filter = i % 3 == 0 ? "" : i % 3 == 1 ? "content.n = " + std::to_string(i % 2) : "content.n < 5";
    engine->subscribe(i % 2 ? kBob : kCarol, RequestNumber{i},
                      i % 4 == 0   ? "a"
                      : i % 4 == 1 ? ">"
                                   : "*",
                      0, false, filter);
  }
  send(event("a", R"({"n":1})"));
  std::vector<std::uint32_t> heard;
  for (const auto& each : delivered) heard.push_back(each.request.value);
  EXPECT_TRUE(std::ranges::is_sorted(heard));
  EXPECT_EQ(heard.size(), 33u);  // all but those of n = 0
}

}  // namespace
}  // namespace folkmoot::test
