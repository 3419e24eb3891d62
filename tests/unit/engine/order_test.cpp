// Taking back, groups, causes and limits on loops, repeated messages.
#include "delivery_fixture.hpp"
#include "message/limits.hpp"

namespace folkmoot::test {
namespace {

// -- cancelling

TEST_F(DeliveryTest, X5_a_scheduled_message_is_taken_back_and_a_leased_one_is_not) {
  auto later = mail("later");
  later.deliver_at = now + 60'000;
  say(later);
  const auto id = last().confirm.id;
  engine->settling().cancel({kAlice, ++request}, id);
  sync();
  EXPECT_EQ(last().kind, Answer::Kind::done);
  EXPECT_EQ(state(id), ReceiptState::cancelled);
  crash();
  pass(60'000);
  EXPECT_EQ(take(), LeaseToken{});
  put("now");
  const auto leased = last().confirm.id;
  take();
  engine->settling().cancel({kAlice, ++request}, leased);
  EXPECT_EQ(last().code, ErrorCode::lease_lost);
}

// -- settling by id

TEST_F(DeliveryTest, B2_a_message_that_waits_is_settled_by_its_id_once) {
  put("work");
  const auto id = last().confirm.id;
  const auto settle = [&](const SettleCommand& command) {
    engine->settling().settle({kBob, ++request}, command);
    sync();
  };
  settle({.id = id, .text = R"({"n":1})"});
  EXPECT_EQ(last().kind, Answer::Kind::done);
  EXPECT_EQ(state(id), ReceiptState::acknowledged);
  settle({.id = id});
  EXPECT_EQ(last().code, ErrorCode::not_found);
  crash();
  EXPECT_EQ(state(id), ReceiptState::acknowledged);
  EXPECT_EQ(take(), LeaseToken{});
}

TEST_F(DeliveryTest, B2_what_somebody_has_is_settled_by_its_lease_alone) {
  put("work");
  const auto id = last().confirm.id;
  const auto lease = take();
  for (const auto wrong : {LeaseToken{}, LeaseToken{lease.value + 1}}) {
    engine->settling().settle({kBob, ++request}, {.id = id, .lease = wrong});
    EXPECT_EQ(last().code, ErrorCode::lease_lost);
  }
  engine->settling().settle({kBob, ++request}, {.id = id, .lease = lease, .text = "1"});
  sync();
  EXPECT_EQ(state(id), ReceiptState::acknowledged);
}

TEST_F(DeliveryTest, B2_a_message_that_failed_by_its_id_is_a_dead_letter_with_its_reason) {
  put("work");
  const auto id = last().confirm.id;
  engine->settling().settle({kBob, ++request}, {.id = id, .failed = true, .text = "no such page"});
  sync();
  crash();
  EXPECT_EQ(state(id), ReceiptState::dead);
  const auto letters = dead();
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].reason, DeadReason::rejected);
  EXPECT_EQ(texts, (std::vector<std::string>{"no such page"}));
}

TEST_F(DeliveryTest, A4_a_cancelled_request_is_taken_back_or_its_worker_told) {
  auto command = mail("work");
  command.mode = DeliveryMode::at_least_once;
  ask(command, 60'000);
  auto asked = request;
  sync();
  engine->cancel(kAlice, ++request, asked);
  EXPECT_EQ(take(), LeaseToken{});
  ask(command, 60'000);
  asked = request;
  sync();
  const auto lease = take();
  engine->cancel(kAlice, ++request, asked);
  EXPECT_EQ(withdrawals, (std::vector<std::pair<SessionId, LeaseToken>>{{kBob, lease}}));
}

TEST_F(DeliveryTest, A5_status_messages_reach_a_streaming_requester_before_the_response) {
  const auto asking = incoming({mail("work")});
  engine->request(kAlice, ++request, Duration{60'000}, *asking[0], true);
  const auto asked = request;
  consume(kBob, 1);
  auto status = mail("half", last_delivered().reply_to);
  status.type = "status";
  send(status, kBob);
  send(status, kBob);
  auto end = mail("done", status.to);
  end.type = "response";
  send(end, kBob);
  EXPECT_EQ(contents(), (Contents{"work", "half", "half", "done"}));
  EXPECT_EQ(delivered.back().request, asked);
  send(end, kBob);
  EXPECT_EQ(last().code, ErrorCode::no_such_request);
}

// -- groups

TEST_F(DeliveryTest, M1_a_groups_messages_go_out_in_order_and_one_at_a_time) {
  say(grouped("1"));
  say(grouped("2"));
  say(grouped("other", "h"));
  say(grouped("3"));
  consume(kBob, 10);
  consume(kCarol, 10);
  EXPECT_EQ(contents(), (Contents{"1", "other"}));
  EXPECT_EQ(stats().ready, 2u);
  ack(delivered[0].lease);
  EXPECT_EQ(contents(), (Contents{"2"}));
  nack(delivered.back().lease);
  EXPECT_EQ(contents(), (Contents{"2"}));
  ack(delivered.back().lease);
  EXPECT_EQ(contents(), (Contents{"3"}));
}

TEST_F(DeliveryTest, M1_a_group_keeps_its_order_while_its_first_waits_for_another_try_even_across_a_crash) {
  say(grouped("1"));
  say(grouped("2"));
  nack(take(), 5'000);
  contents();
  EXPECT_EQ(stats().scheduled, 1u);
  for (int i = 0; i < 3; ++i) {
    receive(kBob, 1);
    sync();
    EXPECT_TRUE(contents().empty());
    if (i == 1) copy_forward(log.end);
    crash();
  }
  pass(5'000);
  consume(kBob, 10);
  EXPECT_EQ(contents(), (Contents{"1"}));
  ack(delivered.back().lease);
  EXPECT_EQ(contents(), (Contents{"2"}));
}

TEST_F(DeliveryTest, M1_a_group_goes_on_when_its_first_dies_expires_or_is_taken_back) {
  auto first = grouped("1");
  first.ttl_ms = 1'000;
  say(first);
  say(grouped("2"));
  const auto second = last().confirm.id;
  say(grouped("3"));
  say(grouped("4"));
  pass(1'000);
  engine->settling().cancel({kAlice, ++request}, second);
  sync();
  auto lease = take();
  EXPECT_EQ(contents(), (Contents{"3"}));
  engine->reject(kBob, ++request, false, {&lease, 1}, "no");
  sync();
  take();
  EXPECT_EQ(contents(), (Contents{"4"}));
}

TEST_F(DeliveryTest, M1_a_late_member_joins_its_group_when_it_is_due) {
  auto late = grouped("late");
  late.deliver_at = now + 1'000;
  say(late);
  say(grouped("early"));
  consume(kBob, 10);
  EXPECT_EQ(contents(), (Contents{"early"}));
  pass(1'000);
  EXPECT_TRUE(contents().empty());
  ack(delivered.back().lease);
  EXPECT_EQ(contents(), (Contents{"late"}));
}

// -- causes and guards

TEST_F(DeliveryTest, X13_of_a_long_chain_the_last_causes_are_kept) {
  std::vector<Uuid> ids;
  put("first");
  ids.push_back(last().confirm.id);
  for (std::size_t i = 0; i < kChainMax + 3; ++i) {
    complete(take(), {mail("next")});
    const auto lease = take();
    ids.push_back(last_delivered().id);
    nack(lease);
  }
  take();
  const std::vector<Uuid> before(ids.begin(), ids.end() - 1);
  EXPECT_EQ(last_delivered().hops, before.size());
  EXPECT_EQ(last_delivered().chain, std::vector<Uuid>(before.end() - kChainMax, before.end()));
}

TEST_F(DeliveryTest, X13_hops_and_chain_are_kept_by_the_engine_whatever_the_sender_claims) {
  put("first");
  const auto id = last().confirm.id;
  auto lease = take();
  auto output = mail("second");
  output.hops = 900;
  complete(lease, {output});
  lease = take();
  EXPECT_EQ(last_delivered().hops, 1u);
  EXPECT_EQ(last_delivered().cause, id);
  EXPECT_EQ(last_delivered().chain, (std::vector<Uuid>{id}));
  const auto second = last_delivered().id;
  auto reply = mail("third");
  reply.cause = second;
  send(reply, kBob);
  ack(lease);
  ack(take());
  EXPECT_EQ(last_delivered().hops, 2u);
  EXPECT_EQ(last_delivered().chain, (std::vector<Uuid>{id, second}));
  // Its cause is settled by now, and still known.
  auto fourth = mail("fourth");
  fourth.cause = last_delivered().id;
  send(fourth, kBob);
  sync();
  take();
  EXPECT_EQ(last_delivered().hops, 3u);
}

TEST_F(DeliveryTest, M1_one_of_a_group_that_became_due_keeps_its_place_over_a_restart) {
  auto first = grouped("first");
  first.deliver_at = now + 1'000;
  say(first);
  pass(1'000);
  say(grouped("second"));
  for (int i = 0; i < 2; ++i) {
    crash();
    take();
    EXPECT_EQ(contents().back(), "first");
    copy_forward(log.end);
  }
}

TEST_F(DeliveryTest, X13_a_loop_ends_at_the_limit_as_a_dead_letter_an_event_and_a_bounce) {
  options.guard.hops_max = 3;
  crash();
  engine->subscribe(kCarol, ++request, "bus.guard", 0, false);
  put("ping");
  for (int i = 0; i < 3; ++i) complete(take(), {mail("ping")});
  complete(take(), {mail("ping")});
  const auto all = dead();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].reason, DeadReason::guard);
  EXPECT_EQ(texts[0], "4 hops; 3 are the most");
  EXPECT_NE(last_delivered().content.find("\"chain\":["), std::string::npos);
  EXPECT_EQ(stats().ready, 0u);
  sync();
  consume(kBob, 5, "bob");
  EXPECT_EQ(last_delivered().type, "error");
  crash();
  EXPECT_EQ(dead().size(), 1u);
  EXPECT_EQ(texts[0], "4 hops; 3 are the most");
  engine->resubmit(kAlice, ++request, dead()[0].id, {});
  sync();
  take();
  EXPECT_EQ(last_delivered().hops, 0u);
}

TEST_F(DeliveryTest, X13_what_a_guard_stopped_stays_dead_and_says_why_when_it_is_copied_before_it_is_durable) {
  options.guard.hops_max = 1;
  crash();
  put("ping");
  complete(take(), {mail("ping")});
  engine->complete(kBob, ++request, take(), incoming({mail("ping")}));
  copy_forward(log.end);
  sync();
  crash();
  ASSERT_EQ(dead().size(), 1u);
  EXPECT_EQ(texts[0], "2 hops; 1 are the most");
  EXPECT_EQ(stats().ready, 0u);
}

TEST_F(DeliveryTest, X13_answers_within_a_minute_are_bounded_by_pair_and_by_conversation) {
  options.guard.pair_per_minute = 2;
  crash();
  auto answer = mail("a");
  answer.cause = make_uuid({.key = MessageKey{1}, .mailbox = NameId{1}, .node = 1});
  for (int i = 0; i < 3; ++i) say(answer);
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::dead);
  say(mail("not an answer"));
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::queued);
  pass(60'000);
  say(answer);
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::queued);
}

TEST_F(DeliveryTest, X13_a_message_that_expects_no_reply_gets_none) {
  auto thanks = mail("thanks");
  thanks.expects_reply = false;
  say(thanks);
  const auto lease = take();
  auto reply = mail("you are welcome", "alice");
  reply.cause = last_delivered().id;
  send(reply, kBob);
  EXPECT_EQ(last().code, ErrorCode::no_reply_wanted);
  complete(lease, {mail("you are welcome", "alice")});
  EXPECT_EQ(last().code, ErrorCode::no_reply_wanted);
  complete(lease, {mail("to a third", "carol")});
  EXPECT_EQ(last().kind, Answer::Kind::done);
  send(reply, kBob);
  EXPECT_EQ(last().code, ErrorCode::no_reply_wanted) << "its cause is settled, and known";
}

TEST_F(DeliveryTest, X13_a_message_at_most_once_that_expects_no_reply_gets_none_and_its_hops_count) {
  auto thanks = mail("thanks");
  thanks.mode = DeliveryMode::at_most_once;
  thanks.expects_reply = false;
  thanks.cause = make_uuid({.key = MessageKey{1}, .mailbox = NameId{1}, .node = 1});
  thanks.hops = 6;
  say(thanks);
  take();
  auto reply = mail("you are welcome", "alice");
  reply.cause = last_delivered().id;
  send(reply, kBob);
  EXPECT_EQ(last().code, ErrorCode::no_reply_wanted);
  reply.to = "carol";
  send(reply, kBob);
  sync();
  consume(kCarol, 1, "carol");
  EXPECT_EQ(last_delivered().hops, 8u);
}

TEST_F(DeliveryTest, X13_the_outputs_of_one_step_count_one_after_the_other) {
  options.guard.pair_per_minute = 3;
  crash();
  put("ping");
  complete(take(), std::vector(5, mail("pong", "carol")));
  EXPECT_EQ(dead().size(), 2u);
}

TEST_F(DeliveryTest, X13_a_loop_of_requests_in_memory_or_of_events_ends_with_an_error_and_an_event) {
  options.guard.hops_max = 3;
  crash();
  engine->subscribe(kCarol, ++request, "bus.guard", 0, false);
  auto again = mail("ping", "alice");
  again.cause = make_uuid({.key = MessageKey{1}, .mailbox = NameId{1}, .node = 1});
  again.hops = 3;
  ask(again, 1'000, kBob);
  EXPECT_EQ(last().code, ErrorCode::limit_reached);
  EXPECT_NE(last_delivered().content.find("4 hops; 3 are the most"), std::string::npos);
  auto news = event("news");
  news.cause = again.cause;
  news.hops = 3;
  send(news, kBob);
  EXPECT_EQ(last().code, ErrorCode::limit_reached);
  EXPECT_NE(last_delivered().content.find("\"topic\":\"news\""), std::string::npos);
  news.hops = 2;
  send(news, kBob);
  EXPECT_EQ(last().kind, Answer::Kind::confirm);
}

TEST_F(DeliveryTest, X15_events_and_answers_hand_the_trace_on_and_what_they_cost_is_summed) {
  auto question = mail("how many");
  question.mode = DeliveryMode::at_least_once;
  question.metadata = {{"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}};
  ask(question, 10'000);
  sync();
  const auto lease = take();
  const auto asked = last_delivered();
  engine->subscribe(kCarol, ++request, "news", 0, false);
  auto news = event("news");
  auto answer = mail("five", asked.reply_to);
  for (auto* const each : {&news, &answer}) {
    each->cause = asked.id;
    each->conversation = "c";
    each->metadata = {{"cost_tokens", 10}};
    send(*each, kBob);
    EXPECT_EQ(last_delivered().metadata.at("traceparent").as_string(), question.metadata.at("traceparent").as_string());
  }
  ask(question, 10'000);
  sync();
  take();
  answer.cause = {};
  answer.to = last_delivered().reply_to;
  complete(delivered.back().lease, {answer});
  EXPECT_EQ(last_delivered().content, "five");
  EXPECT_EQ(last_delivered().metadata.at("traceparent").as_string(), question.metadata.at("traceparent").as_string());
  ack(lease);
  send(news, kBob);
  crash();
  ASSERT_TRUE(engine->causes().conversation("c"));
  EXPECT_EQ(engine->causes().conversation("c")->tokens, 40);
}

TEST_F(DeliveryTest, X15_trace_context_follows_the_chain_and_costs_are_summed_by_conversation) {
  auto message = mail("x");
  message.conversation = "c";
  message.metadata = {{"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
                      {"cost_tokens", 100},
                      {"cost_money", 0.5}};
  say(message);
  auto output = mail("y");
  output.conversation = "c";
  output.metadata = {{"cost_tokens", 11}};
  complete(take(), {output});
  take();
  EXPECT_EQ(last_delivered().metadata.at("traceparent").as_string(), message.metadata.at("traceparent").as_string());
  copy_forward(log.end);
  crash();
  const auto sums = engine->causes().conversation("c");
  ASSERT_TRUE(sums);
  EXPECT_EQ(sums->tokens, 111);
  EXPECT_EQ(sums->money, 0.5);
  EXPECT_EQ(sums->messages, 2u);
}

// -- repeated messages

TEST_F(DeliveryTest, X5_a_schedule_sends_at_its_times_until_it_is_done) {
  schedule({.name = "tick", .every_ms = Duration{1'000}, .times = 3}, mail("tick"));
  EXPECT_EQ(last().kind, Answer::Kind::done);
  consume(kBob, 10);
  for (int i = 0; i < 5; ++i) {
    pass(1'000);
    sync();
  }
  EXPECT_EQ(contents(), (Contents{"tick", "tick", "tick"}));
  engine->schedules().each([](const Schedule&) { FAIL() << "it has ended"; });
}

TEST_F(DeliveryTest, X5_a_schedule_goes_on_after_crashes_and_copies_and_makes_up_for_nothing) {
  schedule({.name = "hourly", .cron = "0 * * * *"}, mail("tick"));
  pass(3'600'000);
  sync();
  copy_forward(log.end);
  crash();
  now += 10 * 3'600'000;
  crash();
  sync();
  consume(kBob, 10);
  EXPECT_EQ(contents(), (Contents{"tick", "tick"}));
  std::uint64_t fired = 0;
  engine->schedules().each([&](const Schedule& each) { fired = each.fired; });
  EXPECT_EQ(fired, 2u);
}

TEST_F(DeliveryTest, X5_a_schedule_is_replaced_by_name_and_removed) {
  schedule({.name = "s", .every_ms = Duration{1'000}}, mail("old"));
  schedule({.name = "s", .every_ms = Duration{1'000}}, mail("new"));
  pass(1'000);
  sync();
  engine->schedules().remove({kAlice, ++request}, "s");
  sync();
  pass(10'000);
  sync();
  crash();
  pass(10'000);
  consume(kBob, 10);
  EXPECT_EQ(contents(), (Contents{"new"}));
  engine->schedules().remove({kAlice, ++request}, "s");
  EXPECT_EQ(last().code, ErrorCode::not_found);
}

TEST_F(DeliveryTest, X5_a_schedule_that_makes_no_sense_is_refused_with_the_reason) {
  schedule({.name = "s"}, mail("x"));
  EXPECT_EQ(last().code, ErrorCode::invalid_field);
  schedule({.name = "s", .cron = "61 * * * *"}, mail("x"));
  EXPECT_EQ(last().code, ErrorCode::invalid_field);
  schedule({.name = "s", .every_ms = Duration{1'000}, .until = Instant{now - 1}}, mail("x"));
  EXPECT_EQ(last().code, ErrorCode::invalid_field);
}

TEST_F(DeliveryTest, X15_an_answer_to_what_has_no_trace_context_has_none) {
  put("ask");
  take();
  auto answer = mail("answer", "alice");
  answer.cause = last_delivered().id;
  send(answer, kBob);
  sync();
  consume(kAlice, 1, "alice");
  ASSERT_EQ(last_delivered().content, "answer");
  EXPECT_FALSE(last_delivered().metadata.contains("traceparent"));
}

}  // namespace
}  // namespace folkmoot::test
