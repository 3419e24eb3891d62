// What senders hear of their messages' deaths, and that no crash, full mailbox or full disk tears a death apart.
#include "delivery_fixture.hpp"

namespace folkmoot::test {
namespace {

class BounceTest : public DeliveryTest {
 protected:
  static Message telling(std::string content, std::string to = "box") {
    auto message = mail(std::move(content), std::move(to));
    message.bounce = true;
    return message;
  }
  std::size_t group_of(FactKind kind) {
    for (auto at = log.records.rbegin(); at != log.records.rend(); ++at) {
      if (at->second.kind == kind) return at->second.group;
    }
    return 0;
  }
  std::uint64_t unread(std::string_view box) {
    MailboxStats stats;
    return engine->mailboxes().stats(box, stats) ? stats.ready : 0;
  }
};

TEST_F(BounceTest, A11_the_last_attempt_a_death_and_its_bounce_are_one_group_of_facts) {
  limit({.retry = {.attempts = 1}});
  say(telling("x"));
  nack(take());
  ASSERT_EQ(dead().size(), 1u);
  EXPECT_NE(group_of(FactKind::message_dead), 0u);
  EXPECT_EQ(group_of(FactKind::message_returned), group_of(FactKind::message_dead));
  EXPECT_EQ(group_of(FactKind::message_accepted), group_of(FactKind::message_dead));
  EXPECT_EQ(unread("alice"), 1u);
  crash();
  EXPECT_EQ(unread("alice"), 1u);
}

TEST_F(BounceTest, X13_what_a_guard_stopped_and_its_bounce_are_one_group_of_facts) {
  options.guard.hops_max = 1;
  crash();
  put("ping");
  complete(take(), {mail("ping")});
  complete(take(), {mail("ping")});
  ASSERT_EQ(dead().size(), 1u);
  EXPECT_EQ(group_of(FactKind::message_accepted), group_of(FactKind::message_dead));
  EXPECT_EQ(unread("bob"), 1u);
}

TEST_F(BounceTest, A24_a_sender_hears_that_no_route_fitted) {
  engine->routes().set({kAlice, ++request}, {.name = "r", .filter = "type = 'task'", .targets = {{.name = "box"}}});
  auto lost = telling("x", "");
  lost.type = "query";
  std::string envelope;
  ASSERT_TRUE(encode_envelope(lost, envelope));
  IncomingMessage message{.routing = {}, .envelope = as_bytes(envelope), .content = as_bytes(lost.content)};
  ASSERT_TRUE(read_routing(message.envelope, message.routing, Recipient::optional));
  engine->publish(kAlice, ++request, false, message);
  sync();
  ASSERT_EQ(dead().size(), 1u);
  EXPECT_EQ(unread("alice"), 1u);
}

TEST_F(BounceTest, A11_a_bounce_displaces_no_mail) {
  engine->configure_mailbox(kAlice, ++request, {"alice", {.max_messages = 1, .overflow = Overflow::drop_oldest}});
  say(mail("for alice", "alice"));
  say(telling("x"));
  const auto lease = take();
  engine->reject(kBob, ++request, false, {&lease, 1}, "no");
  sync();
  ASSERT_EQ(dead().size(), 1u);
  EXPECT_EQ(dead()[0].mailbox, "box");
  EXPECT_EQ(unread("alice"), 1u);
}

TEST_F(BounceTest, A11_where_the_disk_has_no_room_for_a_bounce_the_dead_letter_is_there) {
  say(telling("x"));
  const auto lease = take();
  log.room_durable = false;
  engine->reject(kBob, ++request, false, {&lease, 1}, "no");
  sync();
  crash();
  EXPECT_EQ(dead().size(), 1u);
  EXPECT_EQ(unread("alice"), 0u);
}

TEST_F(BounceTest, A4_a_requester_hears_of_its_requests_death_when_that_is_durable) {
  auto question = telling("?");
  question.mode = DeliveryMode::at_least_once;
  ask(question, 60'000);
  sync();
  const auto lease = take();
  contents();
  engine->reject(kBob, ++request, false, {&lease, 1}, "no");
  EXPECT_TRUE(contents().empty());
  sync();
  ASSERT_EQ(contents().size(), 1u);
  EXPECT_EQ(last_delivered().type, "error");
}

TEST_F(BounceTest, A5_a_status_leaves_a_request_open_that_asked_for_none) {
  consume(kBob, 5);
  ask(mail("?"), 60'000);
  engine->dispatch();
  auto status = mail("half way", last_delivered().reply_to);
  status.type = "status";
  contents();
  send(status, kBob);
  EXPECT_EQ(last().confirm.count, 0u);
  EXPECT_TRUE(contents().empty());
  send(mail("all", status.to), kBob);
  EXPECT_EQ(contents(), std::vector<std::string>{"all"});
}

TEST_F(BounceTest, X13_a_message_that_is_dead_when_it_comes_displaces_no_mail) {
  options.guard.hops_max = 1;
  crash();
  put("ping");
  complete(take(), {mail("ping")});
  const auto lease = take();
  limit({.max_messages = 2, .overflow = Overflow::drop_oldest});
  put("another");
  complete(lease, {mail("ping")});
  EXPECT_EQ(dead().size(), 1u);
  EXPECT_EQ(stats().ready, 1u);
}

TEST_F(BounceTest, X5_a_scheduled_event_goes_out_when_the_log_knows_of_it_and_never_twice) {
  engine->subscribe(kBob, ++request, "tick", 0, false);
  schedule({.name = "s", .every_ms = Duration{1'000}}, event("tick"));
  pass(1'000);
  EXPECT_TRUE(contents().empty());
  const auto fired = log.end;
  sync();
  EXPECT_EQ(contents().size(), 1u);
  crash(fired);
  engine->subscribe(kBob, ++request, "tick", 0, false);
  pass(500);
  sync();
  EXPECT_TRUE(contents().empty());
  pass(500);
  sync();
  EXPECT_EQ(contents().size(), 1u);
}

TEST_F(BounceTest, A11_a_last_attempt_and_the_death_are_one_group_of_facts_though_nobody_is_told) {
  say(mail("x"));
  const auto lease = take();
  engine->reject(kBob, ++request, false, {&lease, 1}, "no");
  sync();
  ASSERT_EQ(dead().size(), 1u);
  EXPECT_NE(group_of(FactKind::message_dead), 0u);
  EXPECT_EQ(group_of(FactKind::message_returned), group_of(FactKind::message_dead));
}

TEST_F(BounceTest, A11_room_that_a_new_message_was_promised_is_not_spent_on_telling_of_the_old_one) {
  limit({.max_messages = 1, .overflow = Overflow::drop_oldest});
  say(telling("old"));
  log.group_bytes = 4'700;
  say(mail(std::string(4'000, 'x')));
  EXPECT_EQ(last().kind, Answer::Kind::confirm);
  EXPECT_EQ(dead().size(), 1u);
  EXPECT_EQ(unread("alice"), 0u);
}

}  // namespace
}  // namespace folkmoot::test
