// What a restart rebuilds, fact by fact, and what copying forward keeps.
#include "engine_fixture.hpp"

namespace folkmoot::test {
namespace {

TEST_F(EngineTest, X3_a_message_whose_fact_was_cut_off_is_gone_and_one_whose_was_not_is_there) {
  put("kept");
  const auto cut = log.end;
  send(mail("lost"));
  crash(cut);
  receive(kBob, 10);
  EXPECT_EQ(contents(), (Contents{"kept"}));
}

TEST_F(EngineTest, X3_priority_sender_and_order_survive_a_restart) {
  for (const auto& [content, priority] : {std::pair{"b", 5}, {"a", 1}, {"c", 5}}) {
    auto message = mail(content);
    message.priority = static_cast<Priority>(priority);
    send(message);
    sync();
  }
  crash();
  receive(kBob, 10);
  EXPECT_EQ(contents(), (Contents{"a", "b", "c"}));
}

TEST_F(EngineTest, X3_a_ttl_that_ends_while_the_server_is_down_counts) {
  auto message = mail("late");
  message.ttl_ms = 100;
  send(message);
  sync();
  const auto id = last().confirm.id;
  now += 200;
  crash();
  EXPECT_EQ(engine->mailboxes().receipt(id).reason, "expired");
}

TEST_F(EngineTest, X3_limits_of_a_mailbox_survive_a_restart) {
  limit({.max_messages = 1});
  crash();
  put("one");
  put("two");
  EXPECT_EQ(last().code, ErrorCode::mailbox_full);
}

TEST_F(EngineTest, X3_what_was_handed_out_before_a_crash_says_so_even_after_an_orderly_stop_later) {
  put("one");
  consume(kBob, 1);
  crash();
  stop_and_start();
  consume(kBob, 1);
  EXPECT_TRUE(delivered.back().redelivered);
}

TEST_F(EngineTest, X3_after_an_orderly_stop_what_was_leased_was_delivered_once) {
  put("one");
  put("two");
  consume(kBob, 1);
  contents();
  stop_and_start();
  consume(kBob, 2);
  ASSERT_EQ(contents(), (Contents{"one", "two"}));
  EXPECT_TRUE(delivered[delivered.size() - 2].redelivered);
  EXPECT_EQ(delivered[delivered.size() - 2].delivery, 2u);
  EXPECT_FALSE(delivered.back().redelivered);
  EXPECT_EQ(delivered.back().delivery, 1u);
}

TEST_F(EngineTest, X3_ids_are_not_used_twice_when_the_clock_goes_back) {
  put("one");
  auto newest = last().confirm.id;
  receive(kBob, 1);
  ack(delivered.back().lease);
  send(event("a"));
  newest = std::max(newest, last().confirm.id);
  copy_forward(log.end);
  now -= 3'600'000;
  crash();
  put("two");
  EXPECT_GT(message_address(last().confirm.id)->key, message_address(newest)->key);
}

TEST_F(EngineTest, X3_copies_stand_for_their_originals_wherever_they_come_in_the_log) {
  limit({.max_messages = 50, .retry = {.attempts = 3}});
  put("one");
  put("two");
  auto later = mail("later");
  later.deliver_at = now + 500;
  send(later);
  sync();
  put("poison");
  consume(kBob, 4);
  nack(delivered[1].lease);
  const auto middle = log.end;
  put("three");
  copy_forward(middle);
  crash();
  contents();
  consume(kBob, 10);
  EXPECT_EQ(contents(), (Contents{"one", "two", "poison", "three"}));
  pass(500);
  EXPECT_EQ(contents(), (Contents{"later"}));
  for (int i = 0; i < 60; ++i) put("more");
  EXPECT_EQ(last().code, ErrorCode::mailbox_full) << "the limits were copied too";
}

TEST_F(EngineTest, X3_a_senders_order_survives_copying_forward_in_rounds) {
  Contents expected;
  std::vector<Lsn> marks;
  for (int i = 0; i < 30; ++i) {
    put(std::to_string(i));
    expected.push_back(std::to_string(i));
    marks.push_back(log.end);
  }
  copy_forward(marks[9]);
  const auto first = log.end;
  for (int i = 30; i < 40; ++i) {
    put(std::to_string(i));
    expected.push_back(std::to_string(i));
  }
  copy_forward(marks[19]);
  copy_forward(marks[29]);
  crash();
  copy_forward(first);
  crash();
  receive(kBob, 100);
  EXPECT_EQ(contents(), expected);
}

TEST_F(EngineTest, X3_dead_letters_and_their_reasons_are_copied_forward) {
  auto message = mail("late");
  message.ttl_ms = 1;
  send(message);
  sync();
  const auto id = last().confirm.id;
  pass(1);
  copy_forward(log.end);
  crash();
  EXPECT_EQ(engine->mailboxes().receipt(id).reason, "expired");
  EXPECT_EQ(stats().dead, 1u);
}

TEST_F(EngineTest, X3_a_copy_of_what_waits_for_the_disk_is_confirmed_all_the_same) {
  send(mail("one"));
  copy_forward(log.end);
  sync();
  EXPECT_EQ(last().kind, Answer::Kind::confirm);
  receive(kBob, 1);
  EXPECT_EQ(contents(), (Contents{"one"}));
}

TEST_F(EngineTest, X3_a_log_whose_messages_name_nobody_is_refused) {
  put("one");
  std::erase_if(log.records, [](const auto& record) { return record.second.kind == FactKind::name_added; });
  Engine other(options, log, *this);
  for (const auto& [lsn, record] : std::map(log.records)) {
    ASSERT_TRUE(
        other.recover(record.kind, {lsn, static_cast<std::uint32_t>(record.body.size())}, as_bytes(record.body)));
  }
  EXPECT_THROW(other.start(Instant{now}, 7, false), std::runtime_error);
}

TEST_F(EngineTest, X3_facts_that_cannot_be_are_refused_as_damage) {
  Engine other(options, log, *this);
  for (const auto kind :
       {FactKind::started, FactKind::name_added, FactKind::message_accepted, FactKind::message_settled,
        FactKind::message_returned, FactKind::message_dead, FactKind::mailbox_configured, FactKind::dead_purged,
        FactKind::schedule_set, static_cast<FactKind>(99)}) {
    const auto done = other.recover(kind, {Lsn{64}, 3}, as_bytes("abc"));
    ASSERT_FALSE(done) << name(kind);
    EXPECT_EQ(done.error().code, ErrorCode::damaged);
  }
}

TEST_F(EngineTest, X3_a_kind_of_fact_that_there_is_none_of_has_no_name) {
  EXPECT_EQ(name(FactKind::webhook_removed), "webhook_removed");
  EXPECT_EQ(name(static_cast<FactKind>(kFactKinds)), "unknown");
}

TEST_F(EngineTest, X3_a_settlement_of_a_priority_that_there_is_none_of_settles_nothing) {
  limit({.max_messages = 10});
  put("a");
  const auto id = last().confirm.id;
  const auto address = *message_address(id);
  const MessageRef ref(address.key, address.mailbox, NameId{1}, static_cast<Priority>(11));
  const Bytes parts[] = {bytes_of(ref)};
  log.append(FactKind::message_settled, parts, Life::dead);
  crash();
  EXPECT_EQ(state(id), ReceiptState::queued);
}

TEST_F(EngineTest, X10_what_was_taken_back_says_so_after_a_crash) {
  put("regretted");
  const auto id = last().confirm.id;
  engine->settling().cancel({kAlice, ++request}, id);
  sync();
  crash();
  EXPECT_EQ(state(id), ReceiptState::cancelled);
}

TEST_F(EngineTest, A11_a_death_is_copied_though_its_message_stays_where_it_is) {
  put("poison");
  const auto id = last().confirm.id;
  receive(kBob, 1);
  const LeaseToken lease[] = {delivered.back().lease};
  engine->reject(kBob, ++request, false, lease, "cannot be parsed");
  sync();
  const auto end = log.end;
  for (const auto& [lsn, record] : std::map(log.records)) {
    if (record.kind != FactKind::message_dead) continue;
    EXPECT_TRUE(
        engine->keep(record.kind, {lsn, static_cast<std::uint32_t>(record.body.size())}, as_bytes(record.body)));
  }
  sync();
  std::erase_if(log.records,
                [end](const auto& each) { return each.second.kind == FactKind::message_dead && each.first < end; });
  crash();
  EXPECT_EQ(state(id), ReceiptState::dead);
}

TEST_F(EngineTest, X3_what_is_gone_holds_no_compaction_up) {
  engine->streams().set({kAlice, ++request}, "s", {.pattern = "a.>"});
  engine->durable_subscriptions().set({kAlice, ++request}, {.name = "d", .pattern = "b.>"});
  sync();
  auto kept = event("a.b");
  kept.mode = DeliveryMode::at_least_once;
  send(kept);
  sync();
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::kept);
  engine->streams().remove({kAlice, ++request}, "s");
  engine->durable_subscriptions().remove({kAlice, ++request}, "d");
  sync();
  for (const auto& [lsn, record] : std::map(log.records)) {
    EXPECT_TRUE(engine->keep(record.kind, {lsn, static_cast<std::uint32_t>(record.body.size())}, as_bytes(record.body)))
        << name(record.kind);
  }
}

}  // namespace
}  // namespace folkmoot::test
