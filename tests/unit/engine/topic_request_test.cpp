// Events of topics, and requests with their responses.
#include "engine_fixture.hpp"

namespace folkmoot::test {
namespace {

TEST_F(EngineTest, M1_an_event_goes_to_the_subscriptions_that_match_in_the_order_they_were_made) {
  engine->subscribe(kBob, RequestNumber{1}, "a.*", 0, false);
  engine->subscribe(kCarol, RequestNumber{2}, "a.>", 0, false);
  engine->subscribe(kBob, RequestNumber{3}, "b", 0, false);
  send(event("a.b"));
  EXPECT_EQ(last().confirm.count, 2u);
  ASSERT_EQ(delivered.size(), 2u);
  EXPECT_EQ(delivered[0].request, RequestNumber{1});
  EXPECT_EQ(delivered[1].request, RequestNumber{2});
  send(event("a.b.c"));
  EXPECT_EQ(last().confirm.count, 1u);
  send(event("a"));
  EXPECT_EQ(last().confirm.count, 0u);
}

TEST_F(EngineTest, M1_an_event_sent_again_is_told_from_the_first_and_meets_the_subscriptions_of_its_time) {
  engine->subscribe(kBob, RequestNumber{1}, "a", 0, false);
  for (const auto* const content : {"one", "two", "three"}) send(event("a", content));
  EXPECT_EQ(contents(), (Contents{"one", "two", "three"}));
  EXPECT_NE(delivered[1].message.id, delivered[2].message.id);
  EXPECT_EQ(last().confirm.id, delivered[2].message.id);
  pass(5);
  send(event("a", "later"));
  EXPECT_EQ(delivered.back().message.timestamp, now);
  EXPECT_EQ(delivered.back().message.from, "alice");

  engine->subscribe(kCarol, RequestNumber{2}, ">", 0, false);
  send(event("a", "four"));
  EXPECT_EQ(last().confirm.count, 2u);
  send(event("a", "by another"), kCarol);
  EXPECT_EQ(last().confirm.count, 1u);  // not to itself
  EXPECT_EQ(delivered.back().message.from, "carol");
  engine->subscribe(kAlice, RequestNumber{3}, "a", 0, false);
  send(event("a", "five"));
  send(event("a", "six"));
  EXPECT_EQ(last().confirm.count, 2u);  // of its own subscriptions, alice hears none
  engine->cancel(kBob, RequestNumber{4}, RequestNumber{1});
  engine->cancel(kCarol, RequestNumber{5}, RequestNumber{2});
  send(event("a", "seven"));
  EXPECT_EQ(last().confirm.count, 0u);
}

TEST_F(EngineTest, M1_the_same_event_of_two_publishers_is_each_ones_own_though_one_of_them_hears_itself) {
  engine->subscribe(kCarol, RequestNumber{1}, "a", 0, false);
  engine->subscribe(kBob, RequestNumber{2}, "a", 0, true);
  for (int i = 0; i < 3; ++i) send(event("a"), kAlice);
  send(event("a"), kBob);
  send(event("a"), kAlice);
  ASSERT_EQ(delivered.size(), 10u);
  EXPECT_EQ(delivered[6].message.from, "bob");
  EXPECT_EQ(delivered[8].message.from, "alice");
}

TEST_F(EngineTest, A1_a_message_sent_again_gets_an_id_of_its_own_however_it_is_answered) {
  send(mail("one"));
  send(mail("two"));
  ask(mail("question"), 1'000);
  send(mail("three"));
  sync();
  consume(kBob, 10);
  std::set<Uuid> ids;
  for (const auto& each : delivered) ids.insert(each.message.id);
  EXPECT_EQ(contents().size(), 4u);
  EXPECT_EQ(ids.size(), 4u);
  for (const auto& each : delivered) EXPECT_EQ(each.message.reply_to.empty(), each.message.content != "question");
}

TEST_F(EngineTest, M1_a_connection_does_not_hear_itself_unless_it_asks_for_echo) {
  engine->subscribe(kAlice, RequestNumber{1}, "a", 0, false);
  engine->subscribe(kAlice, RequestNumber{2}, "a", 0, true);
  send(event("a"));
  ASSERT_EQ(delivered.size(), 1u);
  EXPECT_EQ(delivered[0].request, RequestNumber{2});
}

TEST_F(EngineTest, M1_a_subscription_without_credit_misses_events_and_is_told_how_many) {
  engine->subscribe(kBob, RequestNumber{1}, "a", 1, false);
  for (int i = 0; i < 4; ++i) send(event("a"));
  EXPECT_EQ(delivered.size(), 1u);
  engine->credit(kBob, RequestNumber{1}, 5);
  EXPECT_EQ(last().kind, Answer::Kind::lagged);
  EXPECT_EQ(last().count, 3u);
  send(event("a"));
  EXPECT_EQ(delivered.size(), 2u);
}

TEST_F(EngineTest, M1_a_cancelled_subscription_hears_nothing_more) {
  engine->subscribe(kBob, RequestNumber{1}, "a.>", 0, false);
  send(event("a.b"));
  engine->cancel(kBob, RequestNumber{2}, RequestNumber{1});
  send(event("a.b"));
  EXPECT_EQ(delivered.size(), 1u);
  EXPECT_EQ(engine->subscriptions(), 0u);
}

TEST_F(EngineTest, M1_a_pattern_that_is_none_and_an_event_that_nobody_keeps_are_refused) {
  engine->subscribe(kBob, RequestNumber{1}, "a..b", 0, false);
  EXPECT_EQ(last().code, ErrorCode::invalid_topic);
  auto message = event("a");
  message.mode = DeliveryMode::at_least_once;
  send(message);
  EXPECT_EQ(last().code, ErrorCode::not_kept);
}

TEST_F(EngineTest, A4_a_response_reaches_the_requester_and_a_second_one_is_refused) {
  consume(kBob, 10);
  ask(mail("question"), 1'000);
  const auto asked = request;
  engine->dispatch();
  ASSERT_EQ(contents(), (Contents{"question"}));
  const auto address = delivered.back().message.reply_to;
  ASSERT_EQ(address.front(), '@');
  send(mail("answer", address), kBob);
  EXPECT_EQ(contents(), (Contents{"answer"}));
  EXPECT_EQ(delivered.back().session, kAlice);
  EXPECT_EQ(delivered.back().request, asked);
  send(mail("again", address), kBob);
  EXPECT_EQ(last().code, ErrorCode::no_such_request);
}

TEST_F(EngineTest, A4_a_request_ends_at_its_time_and_a_late_response_is_refused) {
  consume(kBob, 10);
  ask(mail("question"), 100);
  engine->dispatch();
  pass(100);
  EXPECT_EQ(last().code, ErrorCode::timed_out);
  send(mail("answer", delivered.back().message.reply_to), kBob);
  EXPECT_EQ(last().code, ErrorCode::no_such_request);
}

TEST_F(EngineTest, A4_only_who_has_a_request_may_answer_it) {
  consume(kBob, 10);
  ask(mail("question"), 1'000);
  engine->dispatch();
  const auto address = delivered.back().message.reply_to;
  send(mail("12", address), kCarol);
  EXPECT_EQ(last().code, ErrorCode::not_permitted);
  send(mail("12", address), kAlice);
  EXPECT_EQ(last().code, ErrorCode::not_permitted);
  auto other = address;
  other.back() = other.back() == '0' ? '1' : '0';
  send(mail("12", other), kBob);
  EXPECT_EQ(last().code, ErrorCode::no_such_request);
  contents();
  send(mail("11", address), kBob);
  EXPECT_EQ(contents(), (Contents{"11"}));
}

TEST_F(EngineTest, A4_who_has_given_a_request_back_may_answer_it_no_more) {
  auto question = mail("question");
  question.mode = DeliveryMode::at_least_once;
  ask(question, 10'000);
  sync();
  receive(kBob, 1);
  const auto address = delivered.back().message.reply_to;
  nack(delivered.back().lease, 0);
  send(mail("late", address), kBob);
  EXPECT_EQ(last().code, ErrorCode::not_permitted);
  receive(kCarol, 1);
  ack(delivered.back().lease, kCarol);
  send(mail("late", address), kBob);
  EXPECT_EQ(last().code, ErrorCode::not_permitted);
  contents();
  send(mail("11", address), kCarol);
  EXPECT_EQ(contents(), (Contents{"11"}));
}

TEST_F(EngineTest, A4_what_an_answer_cannot_keep_is_refused) {
  consume(kBob, 10);
  ask(mail("question"), 10'000);
  engine->dispatch();
  auto answer = mail("answer", delivered.back().message.reply_to);
  const auto refused = [&](const std::function<void(Message&)>& change) {
    auto changed = answer;
    change(changed);
    send(changed, kBob);
    return last().code == ErrorCode::invalid_field;
  };
  EXPECT_TRUE(refused([](auto& message) { message.delay_ms = 1; }));
  EXPECT_TRUE(refused([&](auto& message) { message.deliver_at = now + 1; }));
  EXPECT_TRUE(refused([](auto& message) { message.group = "g"; }));
  EXPECT_TRUE(refused([](auto& message) { message.bounce = true; }));
  contents();
  answer.key = "k";  // goes along
  send(answer, kBob);
  EXPECT_EQ(contents(), (Contents{"answer"}));
}

TEST_F(EngineTest, A4_a_request_that_nobody_took_leaves_nothing_behind) {
  ask(mail("question"), 100);
  EXPECT_EQ(stats().ready, 1u);
  pass(100);
  EXPECT_EQ(stats().ready, 0u);
  EXPECT_EQ(stats().dead, 0u);
  EXPECT_EQ(log.count(FactKind::message_accepted), 0u);
}

TEST_F(EngineTest, A4_a_durable_request_waits_on_disk_and_its_address_dies_with_the_run) {
  auto message = mail("question");
  message.mode = DeliveryMode::at_least_once;
  ask(message, 1'000);
  sync();
  crash();
  consume(kBob, 1);
  ASSERT_EQ(contents(), (Contents{"question"}));
  send(mail("answer", delivered.back().message.reply_to), kBob);
  EXPECT_EQ(last().code, ErrorCode::no_such_request);
}

TEST_F(EngineTest, A4_a_request_without_a_time_is_refused_unless_somebody_can_take_it_now) {
  ask(mail("question"), 0);
  EXPECT_EQ(last().code, ErrorCode::no_consumer);
  consume(kBob, 1);
  ask(mail("question"), 0);
  EXPECT_EQ(last().kind, Answer::Kind::done);
  engine->dispatch();
  EXPECT_EQ(contents(), (Contents{"question"}));
  EXPECT_TRUE(delivered.back().message.reply_to.empty());
}

TEST_F(EngineTest, A4_a_request_number_in_use_is_refused) {
  engine->wait(kAlice, request + 1, "box", Duration{1'000});
  ask(mail("question"), 1'000);
  EXPECT_EQ(last().code, ErrorCode::already_exists);
  EXPECT_EQ(stats().ready, 0u);
}

TEST_F(EngineTest, A4_a_cancelled_request_is_told_so) {
  ask(mail("question"), 1'000);
  const auto asked = request;
  engine->cancel(kAlice, ++request, asked);
  ASSERT_GE(answers.size(), 2u);
  EXPECT_EQ(answers[answers.size() - 2].code, ErrorCode::cancelled);
  EXPECT_EQ(stats().ready, 0u);
}

// It is in memory alone and has no lease: its holder is found all the same.
TEST_F(EngineTest, A4_the_holder_of_a_request_that_is_cancelled_is_told) {
  consume(kBob, 10);
  ask(mail("question"), 1'000);
  const auto asked = request;
  engine->dispatch();
  ASSERT_EQ(delivered.back().lease, LeaseToken{});
  engine->cancel(kAlice, ++request, asked);
  EXPECT_EQ(withdrawals, (Withdrawals{{kBob, 0}}));
  EXPECT_EQ(withdrawn_ids.back(), delivered.back().message.id);
}

TEST_F(EngineTest, A4_a_request_in_memory_ends_with_who_asked_it) {
  consume(kBob, 1);
  ask(mail("held"), 60'000);
  ask(mail("waiting"), 60'000);
  engine->dispatch();
  ASSERT_EQ(stats().ready, 1u);
  engine->close_session(kAlice);
  EXPECT_EQ(withdrawals, (Withdrawals{{kBob, 0}}));
  EXPECT_EQ(stats().ready, 0u);
}

TEST_F(EngineTest, A4_the_holder_of_a_request_whose_time_is_over_is_told) {
  consume(kBob, 10);
  ask(mail("question"), 100);
  engine->dispatch();
  pass(100);
  EXPECT_EQ(withdrawals, (Withdrawals{{kBob, 0}}));
}

TEST_F(EngineTest, A4_whoever_answered_is_not_told_of_anything) {
  consume(kBob, 10);
  ask(mail("question"), 1'000);
  engine->dispatch();
  send(mail("answer", delivered.back().message.reply_to), kBob);
  engine->close_session(kAlice);
  pass(2'000);
  EXPECT_TRUE(withdrawals.empty());
}

TEST_F(EngineTest, M1_a_connection_has_as_many_subscriptions_as_may_be_and_no_more) {
  options.session_subscriptions_max = 2;
  start();
  for (int i = 0; i < 3; ++i) engine->subscribe(kBob, ++request, "news.*", 1, false);
  EXPECT_EQ(last().code, ErrorCode::limit_reached);
  EXPECT_EQ(engine->subscriptions(), 2u);
}

}  // namespace
}  // namespace folkmoot::test
