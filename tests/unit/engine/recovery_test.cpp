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
  for (const auto kind : {FactKind::started, FactKind::name_added, FactKind::message_accepted,
                          FactKind::message_settled, FactKind::message_returned, FactKind::message_dead,
                          FactKind::mailbox_configured, FactKind::dead_purged, static_cast<FactKind>(99)}) {
    const auto done = other.recover(kind, {Lsn{64}, 3}, as_bytes("abc"));
    ASSERT_FALSE(done) << name(kind);
    EXPECT_EQ(done.error().code, ErrorCode::damaged);
  }
}

}  // namespace
}  // namespace folkmoot::test
