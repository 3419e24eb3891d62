// Deliveries: leases, settlements, credit, pulls and waits.
#include "engine_fixture.hpp"

namespace folkmoot::test {
namespace {

TEST_F(EngineTest, A7_an_acknowledged_message_is_answered_when_durable_and_never_comes_again) {
  put("one");
  consume(kBob, 1);
  const auto lease = delivered.back().lease;
  answers.clear();
  engine->ack(kBob, ++request, false, {&lease, 1});
  EXPECT_TRUE(answers.empty());
  sync();
  EXPECT_EQ(last().count, 1u);
  crash();
  consume(kBob, 1);
  EXPECT_EQ(contents(), (Contents{"one"}));
}

TEST_F(EngineTest, X12_a_late_settlement_is_refused_and_listed) {
  put("one");
  consume(kBob, 1);
  const auto lease = delivered.back().lease;
  ack(lease);
  ack(lease);
  EXPECT_EQ(last().count, 0u);
  EXPECT_EQ(last().refused, (std::vector<LeaseToken>{lease}));
  nack(lease);
  EXPECT_EQ(last().refused, (std::vector<LeaseToken>{lease}));
}

TEST_F(EngineTest, X12_a_lease_of_an_earlier_run_is_refused_and_its_number_never_given_again) {
  put("one");
  consume(kBob, 1);
  const auto lease = delivered.back().lease;
  crash();
  consume(kBob, 1);
  EXPECT_GT(delivered.back().lease, lease);
  EXPECT_TRUE(delivered.back().redelivered);
  ack(lease);
  EXPECT_EQ(last().refused, (std::vector<LeaseToken>{lease}));
}

TEST_F(EngineTest, X12_nothing_is_handed_out_before_the_log_knows_of_the_run) {
  put("one");
  engine.reset();
  engine = std::make_unique<Engine>(options, log, *this);
  for (const auto& [lsn, record] : std::map(log.records)) {
    ASSERT_TRUE(
        engine->recover(record.kind, {lsn, static_cast<std::uint32_t>(record.body.size())}, as_bytes(record.body)));
  }
  engine->start(Instant{now}, 7, false);
  engine->open_session(kBob, "bob");
  consume(kBob, 1);
  receive(kBob, 1, 1'000);
  EXPECT_TRUE(contents().empty());
  sync();
  EXPECT_EQ(contents(), (Contents{"one"}));
}

TEST_F(EngineTest, X12_a_connection_that_ends_gives_back_all_it_holds_in_order) {
  for (const auto* content : {"one", "two", "three"}) put(content);
  consume(kBob, 3);
  contents();
  engine->close_session(kBob);
  consume(kCarol, 3);
  EXPECT_EQ(contents(), (Contents{"one", "two", "three"}));
  EXPECT_TRUE(delivered.back().redelivered);
  EXPECT_EQ(delivered.back().delivery, 2u);
}

TEST_F(EngineTest, X12_a_lease_with_a_deadline_outlives_its_connection_and_ends_at_the_deadline) {
  put("one");
  receive(kBob, 1, 0, 100);
  engine->close_session(kBob);
  consume(kCarol, 1);
  EXPECT_EQ(contents(), (Contents{"one"}));
  pass(99);
  EXPECT_TRUE(contents().empty());
  pass(1);
  EXPECT_EQ(contents(), (Contents{"one"}));
}

TEST_F(EngineTest, X12_extend_moves_the_deadline_or_binds_the_lease_to_the_connection_that_asks) {
  put("one");
  receive(kBob, 1, 0, 100);
  const auto lease = delivered.back().lease;
  pass(50);
  engine->extend(kBob, ++request, false, {&lease, 1}, Duration{100});
  pass(60);
  EXPECT_EQ(stats().leased, 1u);
  engine->extend(kCarol, ++request, false, {&lease, 1}, 0);
  pass(10'000);
  EXPECT_EQ(stats().leased, 1u);
  engine->close_session(kCarol);
  EXPECT_EQ(stats().leased, 0u);
  EXPECT_EQ(stats().ready, 1u);
}

TEST_F(EngineTest, X12_a_pushed_lease_given_a_deadline_outlives_its_connection) {
  put("one");
  consume(kBob, 1);
  const auto lease = delivered.back().lease;
  engine->extend(kBob, ++request, false, {&lease, 1}, Duration{1'000});
  engine->close_session(kBob);
  EXPECT_EQ(stats().leased, 1u);
  ack(lease, kCarol);
  EXPECT_EQ(last().count, 1u);
}

TEST_F(EngineTest, A7_a_nacked_message_comes_again_first_and_counted) {
  put("one");
  put("two");
  consume(kBob, 1);
  EXPECT_EQ(contents(), (Contents{"one"}));
  nack(delivered.back().lease);
  EXPECT_EQ(contents(), (Contents{"one"}));
  EXPECT_EQ(delivered.back().delivery, 2u);
  EXPECT_TRUE(delivered.back().redelivered);
}

TEST_F(EngineTest, A7_a_nack_with_a_delay_waits_also_over_a_restart) {
  put("one");
  consume(kBob, 1);
  contents();
  nack(delivered.back().lease, 500);
  EXPECT_EQ(stats().scheduled, 1u);
  crash();
  consume(kBob, 1);
  EXPECT_TRUE(contents().empty());
  pass(500);
  EXPECT_EQ(contents(), (Contents{"one"}));
}

TEST_F(EngineTest, A11_a_message_given_back_too_often_goes_to_the_dead_letters) {
  limit({.retry = {.attempts = 2}});
  put("poison");
  const auto id = last().confirm.id;
  consume(kBob, 1);
  nack(delivered.back().lease);
  nack(delivered.back().lease);
  EXPECT_EQ(engine->mailboxes().receipt(id).reason, "max_deliveries");
  EXPECT_EQ(engine->mailboxes().receipt(id).deliveries, 2u);
  crash();
  EXPECT_EQ(engine->mailboxes().receipt(id).reason, "max_deliveries");
  EXPECT_EQ(engine->mailboxes().receipt(id).deliveries, 2u);
}

TEST_F(EngineTest, A8_at_most_once_is_settled_durably_before_it_is_handed_out) {
  auto message = mail("once");
  message.mode = DeliveryMode::at_most_once;
  send(message);
  sync();
  engine->consume(kBob, ++request, "box", 1);
  engine->dispatch();
  EXPECT_TRUE(contents().empty());
  EXPECT_EQ(log.count(FactKind::message_settled), 1u);
  sync();
  EXPECT_EQ(contents(), (Contents{"once"}));
  EXPECT_EQ(delivered.back().lease, LeaseToken{});
  crash();
  consume(kBob, 1);
  sync();
  EXPECT_TRUE(contents().empty());
}

TEST_F(EngineTest, A8_what_a_consumer_is_given_at_most_once_comes_before_the_answer_to_its_cancelling) {
  auto message = mail("once");
  message.mode = DeliveryMode::at_most_once;
  send(message);
  sync();
  const auto consumer = consume(kBob, 1);
  const auto before = answers.size();
  engine->cancel(kBob, ++request, consumer);
  EXPECT_TRUE(delivered.empty());
  EXPECT_EQ(answers.size(), before);  // the number is not free yet
  sync();
  ASSERT_EQ(delivered.size(), 1u);
  EXPECT_EQ(delivered[0].request, consumer);
  EXPECT_EQ(answers.size(), before + 1);
}

TEST_F(EngineTest, A8_the_next_of_a_group_waits_until_one_that_is_at_most_once_has_gone_out) {
  auto first = mail("first"), second = mail("second");
  first.mode = DeliveryMode::at_most_once;
  first.group = second.group = "g";
  send(first);
  send(second);
  sync();
  consume(kBob, 10);
  EXPECT_EQ(contents(), (Contents{}));  // the log is to know of it first
  sync();
  EXPECT_EQ(contents(), (Contents{"first", "second"}));
}

TEST_F(EngineTest, A8_at_most_once_waits_for_room_in_the_log_and_goes_on_by_itself) {
  auto message = mail("once");
  message.mode = DeliveryMode::at_most_once;
  send(message);
  sync();
  log.room_settling = false;
  consume(kBob, 1);
  EXPECT_TRUE(contents().empty());
  log.room_settling = true;
  ASSERT_GT(engine->next_timer(), Instant{now});
  pass(engine->next_timer().ms - now);
  sync();
  EXPECT_EQ(contents(), (Contents{"once"}));
}

TEST_F(EngineTest, A7_a_consumer_gets_no_more_than_its_credit_which_comes_back_with_each_settlement) {
  for (const auto* content : {"1", "2", "3", "4", "5"}) put(content);
  const auto consumer = consume(kBob, 2);
  EXPECT_EQ(contents(), (Contents{"1", "2"}));
  ack(delivered[0].lease);
  EXPECT_EQ(contents(), (Contents{"3"}));
  engine->credit(kBob, consumer, 1);
  engine->dispatch();
  EXPECT_EQ(contents(), (Contents{"4"}));
}

TEST_F(EngineTest, A7_competing_consumers_take_turns) {
  consume(kBob, 10);
  consume(kCarol, 10);
  for (int i = 0; i < 4; ++i) send(mail(std::to_string(i)));
  sync();
  ASSERT_EQ(delivered.size(), 4u);
  EXPECT_EQ(delivered[0].session, delivered[2].session);
  EXPECT_NE(delivered[0].session, delivered[1].session);
}

TEST_F(EngineTest, A7_consumers_of_one_connection_take_turns_though_it_takes_one_message_at_a_time) {
  const auto first = consume(kBob, 10), second = consume(kBob, 10);
  full = kBob;
  std::vector<RequestNumber> consumers;
  for (int i = 0; i < 4; ++i) {
    put(std::to_string(i));
    ASSERT_EQ(delivered.size(), 1u);
    consumers.push_back(delivered.back().request);
    delivered.clear();
    engine->session_writable(kBob);
  }
  EXPECT_EQ(consumers, (std::vector{first, second, first, second}));
}

TEST_F(EngineTest, A7_consumers_of_a_connection_that_is_often_full_all_get_their_turn_beside_another_connection) {
  const auto first = consume(kBob, 100), second = consume(kBob, 100);
  consume(kCarol, 100);
  full = kBob;
  std::map<std::pair<SessionId, RequestNumber>, int> shares;
  for (int i = 0; i < 60; ++i) {
    put(std::to_string(i));
    if (i % 2 == 1) engine->session_writable(kBob);
  }
  for (const auto& each : delivered) ++shares[{each.session, each.session == kBob ? each.request : RequestNumber{}}];
  const int a = shares[{kBob, first}], b = shares[{kBob, second}], others = shares[{kCarol, 0}];
  EXPECT_EQ(a + b + others, 60);
  EXPECT_NEAR(a, b, 1);
  EXPECT_GE(a, 10);
  EXPECT_LE(others, 40);
}

TEST_F(EngineTest, A7_a_connection_that_takes_no_more_is_left_alone_until_it_does) {
  writable = false;
  consume(kBob, 10);
  put("one");
  put("two");
  EXPECT_EQ(contents(), (Contents{"one"}));
  writable = true;
  engine->session_writable(kBob);
  engine->dispatch();
  EXPECT_EQ(contents(), (Contents{"two"}));
}

TEST_F(EngineTest, A3_a_pull_takes_what_is_there_and_says_how_much) {
  put("one");
  put("two");
  const auto pull = receive(kBob, 5);
  EXPECT_EQ(contents(), (Contents{"one", "two"}));
  EXPECT_EQ(last().request, pull);
  EXPECT_EQ(replied<Received>().messages, 2u);
}

TEST_F(EngineTest, A3_a_pull_waits_for_the_first_message_or_its_time) {
  receive(kBob, 5, 100);
  put("one");
  EXPECT_EQ(contents(), (Contents{"one"}));
  receive(kBob, 5, 100);
  const auto before = answers.size();
  pass(99);
  EXPECT_EQ(answers.size(), before);
  pass(1);
  EXPECT_EQ(replied<Received>().messages, 0u);
}

TEST_F(EngineTest, A3_a_pull_that_asks_for_none_or_too_many_is_refused) {
  receive(kBob, 0);
  EXPECT_EQ(last().code, ErrorCode::out_of_range);
  receive(kBob, 1'001);
  EXPECT_EQ(last().code, ErrorCode::out_of_range);
}

TEST_F(EngineTest, X11_wait_answers_when_there_is_mail_and_takes_none_of_it) {
  engine->wait(kBob, ++request, "box", Duration{1'000});
  auto message = mail("one");
  message.priority = 3;
  send(message);
  sync();
  EXPECT_EQ(replied<Ready>().messages, 1u);
  EXPECT_EQ(replied<Ready>().priority, 3u);
  EXPECT_EQ(stats().ready, 1u);
}

TEST_F(EngineTest, X11_wait_ends_at_its_time) {
  engine->wait(kBob, ++request, "box", Duration{100});
  pass(100);
  EXPECT_EQ(last().code, ErrorCode::timed_out);
}

TEST_F(EngineTest, A7_a_cancelled_consumer_gets_nothing_more_and_its_leases_stay) {
  put("one");
  const auto consumer = consume(kBob, 10);
  engine->cancel(kBob, ++request, consumer);
  put("two");
  EXPECT_EQ(contents(), (Contents{"one"}));
  ack(delivered.back().lease);
  EXPECT_EQ(last().count, 1u);
}

TEST_F(EngineTest, X3_without_room_new_messages_are_refused_and_acks_go_on) {
  put("one");
  consume(kBob, 1);
  log.room_durable = false;
  send(mail("two"));
  EXPECT_EQ(last().code, ErrorCode::disk_full);
  ack(delivered.back().lease);
  EXPECT_EQ(last().count, 1u);
}

}  // namespace
}  // namespace folkmoot::test
