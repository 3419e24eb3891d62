// Mailboxes: order, turns, times and bounds.
#include "engine/census.hpp"
#include "engine_fixture.hpp"

namespace folkmoot::test {
namespace {

TEST_F(EngineTest, X3_a_message_is_confirmed_and_handed_out_only_when_it_is_durable) {
  consume(kBob, 10);
  answers.clear();
  send(mail("one"));
  engine->dispatch();
  EXPECT_TRUE(answers.empty());
  EXPECT_TRUE(contents().empty());
  sync();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::offered);
  EXPECT_EQ(contents(), (Contents{"one"}));
}

TEST_F(EngineTest, A3_a_mailbox_hands_out_by_priority_and_oldest_first_within_one) {
  for (const auto& [content, priority] : {std::pair{"low", 7}, {"n1", 5}, {"urgent", 1}, {"n2", 5}}) {
    auto message = mail(content);
    message.priority = static_cast<Priority>(priority);
    send(message);
  }
  sync();
  receive(kBob, 10);
  EXPECT_EQ(contents(), (Contents{"urgent", "n1", "n2", "low"}));
}

TEST_F(EngineTest, X17_senders_take_turns_within_a_priority_and_keep_their_own_order) {
  for (const auto* content : {"a1", "a2", "a3", "a4"}) send(mail(content), kAlice);
  for (const auto* content : {"c1", "c2"}) send(mail(content), kCarol);
  sync();
  receive(kBob, 10);
  EXPECT_EQ(contents(), (Contents{"a1", "c1", "a2", "c2", "a3", "a4"}));
}

TEST_F(EngineTest, X17_more_than_eight_senders_that_come_and_go_still_take_turns) {
  for (int round = 0; round < 3; ++round) {
    for (int sender = 0; sender < 20; ++sender) {
      auto message = mail(std::to_string(sender));
      message.from = "sender-" + std::to_string(sender + round * 20);
      send(message);
      send(message);
    }
    sync();
    receive(kBob, 40);
    Contents expected;
    for (int turn = 0; turn < 2; ++turn) {
      for (int sender = 0; sender < 20; ++sender) expected.push_back(std::to_string(sender));
    }
    EXPECT_EQ(contents(), expected);
  }
}

TEST_F(EngineTest, A1_a_message_expires_to_the_dead_letters_when_its_ttl_ends) {
  auto message = mail("late");
  message.ttl_ms = 100;
  send(message);
  sync();
  const auto id = last().confirm.id;
  pass(99);
  EXPECT_EQ(state(id), ReceiptState::queued);
  pass(1);
  EXPECT_EQ(state(id), ReceiptState::dead);
  EXPECT_EQ(engine->mailboxes().receipt(id).reason, "expired");
  receive(kBob, 1);
  EXPECT_TRUE(contents().empty());
}

TEST_F(EngineTest, A1_a_message_that_expires_while_the_disk_is_busy_is_not_handed_out) {
  consume(kBob, 10);
  auto message = mail("late");
  message.ttl_ms = 100;
  send(message);
  pass(100);
  sync();
  EXPECT_TRUE(contents().empty());
  EXPECT_EQ(state(last().confirm.id), ReceiptState::dead);
}

TEST_F(EngineTest, A3_the_mailboxs_default_ttl_counts_for_messages_without_one) {
  limit({.default_ttl_ms = Duration{50}});
  put("short-lived");
  pass(50);
  EXPECT_EQ(stats().dead, 1u);
}

TEST_F(EngineTest, X5_a_delayed_message_waits_for_its_time) {
  consume(kBob, 10);
  auto message = mail("later");
  message.deliver_at = now + 500;
  send(message);
  sync();
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::scheduled);
  EXPECT_EQ(state(last().confirm.id), ReceiptState::scheduled);
  pass(499);
  EXPECT_TRUE(contents().empty());
  pass(1);
  EXPECT_EQ(contents(), (Contents{"later"}));
}

TEST_F(EngineTest, A3_a_full_mailbox_rejects_and_takes_again_when_there_is_room) {
  limit({.max_messages = 2});
  put("one");
  put("two");
  put("three");
  EXPECT_EQ(last().code, ErrorCode::mailbox_full);
  receive(kBob, 1);
  ack(delivered.back().lease);
  put("four");
  EXPECT_EQ(last().kind, Answer::Kind::confirm);
}

TEST_F(EngineTest, B8_the_servers_limits_change_while_it_runs_and_leave_a_mailboxs_own) {
  engine->configure_mailbox(kAlice, ++request, {"carol", {.max_messages = 4}, kOwnMaxMessages});
  const auto put_for = [&](std::string_view to) {
    auto message = mail("x");
    message.to = to;
    send(message);
    sync();
    return last().kind == Answer::Kind::confirm;
  };
  auto next = options;
  next.mailbox = {.max_messages = 2, .default_ttl_ms = 1'000};
  engine->change(next);
  EXPECT_TRUE(put_for("bob") && put_for("bob"));
  EXPECT_FALSE(put_for("bob"));
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(put_for("carol"));
  EXPECT_FALSE(put_for("carol"));
  pass(1'001);
  EXPECT_TRUE(put_for("carol")) << "the server's ttl holds there, too";
  next.mailbox.max_messages = 3;
  engine->change(next);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(put_for("bob"));
  EXPECT_FALSE(put_for("bob"));
}

TEST_F(EngineTest, A3_a_full_mailbox_drops_its_oldest_waiting_message_to_the_dead_letters) {
  limit({.max_messages = 2, .overflow = Overflow::drop_oldest});
  put("one");
  const auto oldest = last().confirm.id;
  put("two");
  put("three");
  EXPECT_EQ(last().kind, Answer::Kind::confirm);
  EXPECT_EQ(engine->mailboxes().receipt(oldest).reason, "overflow");
  receive(kBob, 10);
  EXPECT_EQ(contents(), (Contents{"two", "three"}));
}

TEST_F(EngineTest, A3_a_full_mailbox_whose_messages_are_all_leased_rejects_even_when_it_drops_the_oldest) {
  limit({.max_messages = 1, .overflow = Overflow::drop_oldest});
  put("one");
  receive(kBob, 1);
  put("two");
  EXPECT_EQ(last().code, ErrorCode::mailbox_full);
  EXPECT_EQ(stats().dead, 0u);
}

TEST_F(EngineTest, A3_a_mailbox_whose_limit_was_lowered_comes_down_to_it) {
  for (int i = 0; i < 10; ++i) put(std::to_string(i));
  limit({.max_messages = 3, .overflow = Overflow::drop_oldest});
  put("new");
  EXPECT_EQ(stats().ready, 3u);
  EXPECT_EQ(stats().dead, 8u);
}

TEST_F(EngineTest, A11_a_mailbox_keeps_a_bounded_number_of_dead_letters) {
  limit({.max_messages = 1, .overflow = Overflow::drop_oldest});
  options.dead_max = 3;
  crash();
  for (int i = 0; i < 10; ++i) put(std::to_string(i));
  EXPECT_EQ(stats().dead, 3u);
  EXPECT_EQ(log.count(FactKind::dead_purged), 6u);
}

TEST_F(EngineTest, X10_a_publish_is_answered_with_the_unread_depth_and_the_age_of_the_last_read) {
  put("one");
  EXPECT_EQ(last().confirm.count, 1u);
  EXPECT_EQ(last().confirm.age_ms, kNeverRead);
  receive(kBob, 1);
  pass(1'000);
  put("two");
  EXPECT_EQ(last().confirm.count, 1u);
  EXPECT_EQ(last().confirm.age_ms, 1'000u);
}

TEST_F(EngineTest, X10_a_receipt_says_where_the_message_stands) {
  put("one");
  const auto id = last().confirm.id;
  EXPECT_EQ(state(id), ReceiptState::queued);
  consume(kBob, 1);
  EXPECT_EQ(state(id), ReceiptState::offered);
  const auto lease = delivered.back().lease;
  engine->extend(kBob, ++request, false, {&lease, 1}, 0);
  EXPECT_EQ(state(id), ReceiptState::retrieved);
  ack(lease);
  EXPECT_EQ(state(id), ReceiptState::acknowledged);
  EXPECT_EQ(engine->mailboxes().receipt(id).deliveries, 1u);
  EXPECT_EQ(engine->mailboxes().receipt(id).recipient, "box");
  EXPECT_EQ(state(Uuid{}), ReceiptState::unknown);
}

TEST_F(EngineTest, X14_the_sender_is_the_connections_agent_and_no_name_of_the_server) {
  consume(kBob, 10);
  put("one");
  EXPECT_EQ(delivered.back().message.from, "alice");
  auto forged = mail("two");
  forged.from = "$server";
  send(forged);
  EXPECT_EQ(last().code, ErrorCode::invalid_name);
  auto forged_event = event("a");
  forged_event.from = "@1.2";
  send(forged_event);
  EXPECT_EQ(last().code, ErrorCode::invalid_name);
  send(mail("three", "$box"));
  EXPECT_EQ(last().code, ErrorCode::invalid_name);
}

TEST_F(EngineTest, A13_each_message_of_a_batch_stands_for_itself) {
  limit({.max_messages = 2});
  std::vector<std::string> envelopes(3);
  std::vector<Result<IncomingMessage>> messages;
  for (auto& envelope : envelopes) {
    ASSERT_TRUE(encode_envelope(mail(""), envelope));
    messages.emplace_back(IncomingMessage{*read_routing(as_bytes(envelope)), as_bytes(envelope), as_bytes("x")});
  }
  messages.insert(messages.begin(), failure(ErrorCode::malformed, "bad"));
  answers.clear();
  engine->publish_batch(kAlice, ++request, false, messages);
  EXPECT_TRUE(answers.empty());
  sync();
  ASSERT_EQ(answers.size(), 1u);
  const auto& outcomes = last().outcomes;
  ASSERT_EQ(outcomes.size(), 4u);
  EXPECT_EQ(outcomes[0].error().code, ErrorCode::malformed);
  EXPECT_TRUE(outcomes[1].has_value());
  EXPECT_TRUE(outcomes[2].has_value());
  EXPECT_EQ(outcomes[3].error().code, ErrorCode::mailbox_full);
  EXPECT_EQ(stats().ready, 2u);
}

TEST_F(EngineTest, X5_an_id_of_another_server_stands_for_nothing_here) {
  put("a");
  const auto id = last().confirm.id;
  const auto address = *message_address(id);
  const auto foreign = make_uuid({.key = address.key, .mailbox = address.mailbox, .node = address.node ^ 0x200});
  EXPECT_EQ(state(id), ReceiptState::queued);
  EXPECT_EQ(state(foreign), ReceiptState::unknown);
  receive(kBob, 1);
  sync();
  nack(delivered.back().lease);
  std::size_t attempts = 0, foreign_attempts = 0;
  engine->dead().each_attempt(id, [&](const AttemptView&) { ++attempts; });
  engine->dead().each_attempt(foreign, [&](const AttemptView&) { ++foreign_attempts; });
  EXPECT_EQ(attempts, 1u);
  EXPECT_EQ(foreign_attempts, 0u);
}

TEST_F(EngineTest, A20_what_comes_back_is_counted_and_what_is_rejected_is_not) {
  put("a");
  for (int i = 0; i < 2; ++i) {
    receive(kBob, 1);
    sync();
    nack(delivered.back().lease);
  }
  EXPECT_EQ(engine->counters().returned, 2u);
  receive(kBob, 1);
  sync();
  const LeaseToken lease[] = {delivered.back().lease};
  engine->reject(kBob, ++request, false, lease, "no");
  sync();
  EXPECT_EQ(engine->counters().returned, 2u);
}

TEST_F(EngineTest, X3_the_census_counts_what_is_in_the_tables) {
  const auto count = [this] {
    std::map<std::string, std::uint64_t> all;
    const auto census = engine->census();
    for (const auto& [what, number] : census.found()) all[what] += number;
    return all;
  };
  auto found = count();
  EXPECT_EQ(found["sessions"], 3u);
  for (const auto* const what : {"dead letters", "subscriptions", "messages of mailboxes", "consumers of streams"})
    EXPECT_EQ(found[what], 0u) << what;
  engine->subscribe(kBob, ++request, "news.*", 1, false);
  engine->streams().set({kAlice, ++request}, "s", {.pattern = "a.>"});
  engine->streams().consumers().set({kAlice, ++request}, {.stream = "s", .name = "c"});
  put("dies");
  receive(kBob, 1);
  const LeaseToken lease[] = {delivered.back().lease};
  engine->reject(kBob, ++request, false, lease, "no");
  put("waits");
  put("waits");
  found = count();
  EXPECT_EQ(found["dead letters"], 1u);
  EXPECT_EQ(found["subscriptions"], 1u);
  EXPECT_EQ(found["messages of mailboxes"], 2u);
  EXPECT_EQ(found["consumers of streams"], 1u);
}

TEST_F(EngineTest, X10_who_holds_messages_is_known_with_how_many_and_since_when) {
  const auto began = Instant{now};
  for (const auto* const content : {"a", "b"}) {
    put(content);
    receive(kBob, 1);
    pass(1'000);
  }
  const auto session = engine->session(kBob);
  EXPECT_EQ(session.held, 2u);
  EXPECT_EQ(session.held_since, began);
  std::size_t holders = 0;
  engine->each_holder([&](const HolderView& holder) {
    ++holders;
    EXPECT_EQ(holder.agent, "bob");
    EXPECT_EQ(holder.held, 2u);
    EXPECT_EQ(holder.since, began);
  });
  EXPECT_EQ(holders, 1u);
}

TEST_F(EngineTest, A3_settings_of_what_can_be_no_mailbox_are_refused) {
  engine->configure_mailbox(kAlice, ++request, {"no name\n", {.max_messages = 1}});
  EXPECT_EQ(last().code, ErrorCode::invalid_name);
}

TEST_F(EngineTest, A13_a_quiet_batch_is_answered_if_something_of_it_was_refused_and_not_else) {
  std::string envelope;
  ASSERT_TRUE(encode_envelope(mail(""), envelope));
  std::vector<Result<IncomingMessage>> messages(
      2, IncomingMessage{*read_routing(as_bytes(envelope)), as_bytes(envelope), as_bytes("x")});
  answers.clear();
  engine->publish_batch(kAlice, ++request, true, messages);
  sync();
  EXPECT_TRUE(answers.empty());
  EXPECT_EQ(stats().ready, 2u);
  messages.emplace_back(failure(ErrorCode::malformed, "bad"));
  engine->publish_batch(kAlice, ++request, true, messages);
  sync();
  EXPECT_EQ(answers.size(), 1u);
}

TEST_F(EngineTest, A11_dead_letters_go_by_their_age_and_are_looked_through_once_a_minute_at_most) {
  options.dead_ttl_ms = Duration{10'000};
  crash();
  for (int i = 0; i < 2; ++i) {
    put("dies");
    receive(kBob, 1);
    const LeaseToken lease[] = {delivered.back().lease};
    engine->reject(kBob, ++request, false, lease, "no");
    sync();
    pass(5'000);
  }
  pass(40'000);
  EXPECT_EQ(stats().dead, 2u);
  pass(10'000);
  EXPECT_EQ(stats().dead, 0u);
}

}  // namespace
}  // namespace folkmoot::test
