// The promises beyond one delivery: keys, complete(), batches, retries, dead letters.
#include "delivery_fixture.hpp"

namespace folkmoot::test {
namespace {

// -- keys

TEST_F(DeliveryTest, A9_a_second_message_with_a_key_is_answered_with_the_first_and_what_became_of_it) {
  say(keyed("one", "k"));
  const auto first = last().confirm;
  EXPECT_EQ(first.outcome, PublishOutcome::queued);
  say(keyed("again", "k"));
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::duplicate);
  EXPECT_EQ(last().confirm.id, first.id);
  EXPECT_EQ(last().confirm.state, ReceiptState::queued);
  ack(take());
  say(keyed("again", "k"));
  EXPECT_EQ(last().confirm.state, ReceiptState::acknowledged);
  EXPECT_EQ(contents(), (Contents{"one"}));
  EXPECT_EQ(stats().ready, 0u);
}

TEST_F(DeliveryTest, A9_a_duplicate_of_what_is_not_durable_yet_is_answered_after_it) {
  answers.clear();
  send(keyed("one", "k"));
  send(keyed("one", "k"));
  EXPECT_TRUE(answers.empty());
  sync();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[1].confirm.outcome, PublishOutcome::duplicate);
  EXPECT_EQ(answers[1].confirm.id, answers[0].confirm.id);
}

TEST_F(DeliveryTest, A9_keys_are_per_sender_and_mailbox_and_last_across_a_crash_and_after_their_message) {
  say(keyed("one", "k"));
  ack(take());
  copy_forward(log.end);
  crash();
  say(keyed("two", "k"));
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::duplicate);
  send(keyed("carol's", "k"), kCarol);
  sync();
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::queued);
}

TEST_F(DeliveryTest, A9_key_and_message_are_one_group_of_facts) {
  say(keyed("one", "k"));
  std::size_t key_group = 0, message_group = 1;
  for (const auto& [lsn, record] : log.records) {
    if (record.kind == FactKind::key_used) key_group = record.group;
    if (record.kind == FactKind::message_accepted) message_group = record.group;
  }
  EXPECT_EQ(key_group, message_group);
}

TEST_F(DeliveryTest, A9_a_key_is_forgotten_after_its_time_or_when_there_are_too_many) {
  options.keys_max = 2;
  crash();
  say(keyed("1", "a"));
  say(keyed("2", "b"));
  say(keyed("3", "c"));
  say(keyed("4", "a"));
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::queued);
  pass((options.keys_ms + kKeysAheadMs).ms);  // ids run ahead of the clock for so long after a crash
  say(keyed("5", "c"));
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::queued);
}

TEST_F(DeliveryTest, U13_a_key_that_must_be_kept_is_not_forgotten_for_a_newer_one) {
  options.keys_max = 2;
  options.keys_kept_ms = Duration{60'000};
  crash();
  say(keyed("1", "a"));
  say(keyed("2", "b"));
  send(keyed("3", "c"));
  EXPECT_EQ(last().code, ErrorCode::busy);
  say(keyed("4", "a"));
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::duplicate);
  crash();
  say(keyed("5", "b"));
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::duplicate);
  pass(60'000 + kKeysAheadMs.ms);
  say(keyed("6", "c"));
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::queued);
}

TEST_F(DeliveryTest, A9_exactly_once_without_a_key_is_refused) {
  auto message = mail("x");
  message.mode = DeliveryMode::exactly_once;
  send(message);
  EXPECT_EQ(last().code, ErrorCode::invalid_field);
}

TEST_F(DeliveryTest, A9_a_duplicate_is_no_reason_to_call_a_mailbox_full) {
  limit({.max_messages = 1});
  say(keyed("one", "k"));
  say(keyed("one", "k"));
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::duplicate);
}

// -- complete() and atomic batches

TEST_F(DeliveryTest, X5_complete_settles_and_publishes_in_one_group) {
  put("in");
  const auto lease = take();
  complete(lease, {mail("out", "next"), mail("more", "next")});
  EXPECT_EQ(last().kind, Answer::Kind::done);
  std::set<std::size_t> groups;
  for (const auto& [lsn, record] : log.records) {
    if (record.kind == FactKind::message_settled ||
        (record.kind == FactKind::message_accepted && record.body.find("out") != record.body.npos)) {
      groups.insert(record.group);
    }
  }
  EXPECT_EQ(groups.size(), 1u);
  EXPECT_NE(*groups.begin(), 0u);
  crash();
  EXPECT_EQ(stats().ready, 0u);
  consume(kCarol, 5, "next");
  EXPECT_EQ(contents(), (Contents{"in", "out", "more"}));
}

TEST_F(DeliveryTest, X5_complete_of_a_lost_lease_publishes_nothing) {
  put("in");
  const auto lease = take();
  ack(lease);
  complete(lease, {mail("out", "next")});
  EXPECT_EQ(last().code, ErrorCode::lease_lost);
  consume(kCarol, 5, "next");
  EXPECT_EQ(contents(), (Contents{"in"}));
}

TEST_F(DeliveryTest, X5_complete_with_one_bad_output_settles_nothing_and_names_it) {
  put("in");
  const auto lease = take();
  engine->configure_mailbox(kAlice, ++request, {"full", {.max_messages = 1}});
  sync();
  complete(lease, {mail("out", "next"), mail("a", "full"), mail("b", "full")});
  EXPECT_EQ(last().code, ErrorCode::mailbox_full);
  EXPECT_EQ(stats().leased, 1u);
  auto bad = mail("x", "next");
  bad.mode = DeliveryMode::exactly_once;
  complete(lease, {mail("out", "next"), bad});
  EXPECT_EQ(last().code, ErrorCode::invalid_field);
  EXPECT_TRUE(last().text.starts_with("message 1"));
  EXPECT_EQ(stats().leased, 1u);
}

TEST_F(DeliveryTest, A4_complete_answers_a_request_once_the_settlement_is_durable) {
  auto query = mail("how many");
  query.mode = DeliveryMode::at_least_once;
  ask(query, 10'000);
  const auto asked = request;
  sync();
  const auto lease = take();
  auto reply = mail("five", last_delivered().reply_to);
  engine->complete(kBob, ++request, lease, incoming({reply}));
  EXPECT_EQ(contents(), (Contents{"how many"}));
  sync();
  EXPECT_EQ(contents(), (Contents{"five"}));
  EXPECT_EQ(delivered.back().request, asked);
}

TEST_F(DeliveryTest, A9_a_second_request_with_a_key_is_refused_and_told_of_the_first) {
  auto query = keyed("how many", "k");
  ask(query, 10'000);
  sync();
  ask(query, 10'000, kAlice);
  sync();
  EXPECT_EQ(last().code, ErrorCode::already_exists);
  EXPECT_NE(last().text.find("queued"), std::string::npos);
  take();
  EXPECT_EQ(contents(), (Contents{"how many"}));
  send(mail("five", last_delivered().reply_to), kBob);
  EXPECT_EQ(contents(), (Contents{"five"}));
}

TEST_F(DeliveryTest, A4_a_request_in_memory_refuses_what_only_the_log_can_keep) {
  const auto refused = [&](const std::function<void(Message&)>& change) {
    auto query = mail("q");
    change(query);
    ask(query, 10'000);
    return last().code == ErrorCode::invalid_field;
  };
  EXPECT_TRUE(refused([](auto& query) { query.key = "k"; }));
  EXPECT_TRUE(refused([](auto& query) { query.group = "g"; }));
  EXPECT_TRUE(refused([&](auto& query) { query.deliver_at = now + 1'000; }));
  EXPECT_TRUE(refused([](auto& query) { query.retry = RetryPolicy{.attempts = 3}; }));
  EXPECT_TRUE(refused([](auto& query) { query.bounce = true; }));
}

TEST_F(DeliveryTest, A13_ten_thousand_messages_fit_into_one_atomic_batch) {
  log.group_bytes = 24u << 20;
  engine->publish_atomic(kAlice, ++request, false, incoming(std::vector(10'000, keyed(std::string(1'000, 'x'), "k"))));
  sync();
  EXPECT_EQ(last().kind, Answer::Kind::done);
  EXPECT_EQ(stats().ready, 1u);
}

TEST_F(DeliveryTest, A13_an_atomic_batch_is_all_or_none) {
  limit({.max_messages = 2});
  engine->publish_atomic(kAlice, ++request, false, incoming({mail("1"), mail("2"), mail("3")}));
  EXPECT_EQ(last().code, ErrorCode::mailbox_full);
  sync();
  EXPECT_EQ(stats().ready, 0u);
  engine->publish_atomic(kAlice, ++request, false, incoming({mail("1"), mail("2")}));
  sync();
  EXPECT_EQ(last().kind, Answer::Kind::done);
  EXPECT_EQ(last().outcomes.size(), 2u);
  EXPECT_EQ(stats().ready, 2u);
}

TEST_F(DeliveryTest, A13_an_atomic_batch_beyond_a_groups_bound_is_refused) {
  log.group_bytes = 4'000;
  engine->publish_atomic(kAlice, ++request, false, incoming({mail(std::string(3'900, 'x')), mail("2")}));
  EXPECT_EQ(last().code, ErrorCode::content_too_large);
  EXPECT_FALSE(log.group_open);
}

// -- retries

TEST_F(DeliveryTest, A10_a_nack_waits_as_the_messages_policy_says) {
  auto message = mail("x");
  message.retry = RetryPolicy{
      .attempts = 4, .backoff = Backoff::exponential, .initial_ms = 100, .max_ms = 350, .multiplier_permille = 2000};
  say(message);
  const auto id = last().confirm.id;
  for (const auto wait : {100, 200, 350}) {
    nack(take(), -1);
    EXPECT_EQ(state(id), ReceiptState::scheduled);
    pass(wait - 1);
    EXPECT_EQ(state(id), ReceiptState::scheduled);
    pass(1);
    EXPECT_EQ(state(id), ReceiptState::queued);
  }
  nack(take(), -1);
  EXPECT_EQ(state(id), ReceiptState::dead);
}

TEST_F(DeliveryTest, A10_a_mailboxs_policy_holds_for_messages_without_their_own_and_survives_a_restart) {
  limit({.retry = {.attempts = 2, .backoff = Backoff::fixed, .initial_ms = 50}});
  put("x");
  const auto id = last().confirm.id;
  crash();
  nack(take(), -1);
  pass(49);
  EXPECT_EQ(state(id), ReceiptState::scheduled);
  pass(1);
  nack(take(), -1);
  EXPECT_EQ(state(id), ReceiptState::dead);
}

TEST_F(DeliveryTest, A10_an_explicit_delay_wins_over_the_policy) {
  limit({.retry = {.attempts = 5, .backoff = Backoff::fixed, .initial_ms = 1'000}});
  put("x");
  nack(take(), 0);
  EXPECT_EQ(stats().ready, 1u);
}

TEST_F(DeliveryTest, A10_every_attempt_is_kept_with_its_message_through_copying_and_crashes) {
  put("x");
  const auto id = last().confirm.id;
  nack(take());
  consume(kCarol, 1);
  engine->close_session(kCarol);
  sync();
  const std::vector<std::string> both{"bob nacked busy", "carol connection_lost "};
  EXPECT_EQ(attempts(id), both);
  crash();
  EXPECT_EQ(attempts(id), both);
  copy_forward(log.end);
  EXPECT_EQ(attempts(id), both);
  crash();
  EXPECT_EQ(attempts(id), both);
  copy_forward(log.end);
  crash();
  EXPECT_EQ(attempts(id), both);
  ack(take());
  EXPECT_TRUE(attempts(id).empty());
}

// -- dead letters

TEST_F(DeliveryTest, A11_a_rejected_message_is_dead_at_once_with_its_reason_across_copies_and_crashes) {
  put("poison");
  const auto id = last().confirm.id;
  const auto lease = take();
  engine->reject(kBob, ++request, false, {&lease, 1}, "cannot be parsed");
  sync();
  EXPECT_EQ(last().count, 1u);
  for (int i = 0; i < 3; ++i) {
    const auto all = dead();
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].id, id);
    EXPECT_EQ(all[0].mailbox, "box");
    EXPECT_EQ(all[0].reason, DeadReason::rejected);
    EXPECT_EQ(all[0].deliveries, 1u);
    EXPECT_EQ(texts[0], "cannot be parsed");
    EXPECT_EQ(decode_message(all[0].message)->content, "poison");
    if (i == 1) copy_forward(log.end);
    crash();
  }
}

TEST_F(DeliveryTest, A11_what_became_of_a_dead_letter_is_known_through_crashes_and_compaction) {
  options.receipts_max = 2;  // so many steps are kept
  crash();
  std::vector<std::pair<Uuid, Uuid>> steps;
  const auto resent = [&](const Uuid& id) {
    std::vector<std::pair<Uuid, Uuid>> found;
    engine->trail().each_of(id, [&](const Uuid& from, const Uuid& next, StepKind kind) {
      EXPECT_EQ(kind, StepKind::resent);
      found.emplace_back(from, next);
    });
    return found;
  };
  for (int i = 0; i < 3; ++i) {
    say(mail("x"));
    const auto id = last().confirm.id;
    auto lease = take();
    engine->reject(kBob, ++request, false, {&lease, 1}, "no");
    sync();
    engine->resubmit(kCarol, ++request, id, {});
    sync();
    steps.emplace_back(id, last().confirm.id);
    auto again = take();
    engine->ack(kBob, ++request, false, {&again, 1});
    sync();
  }
  const auto expect_the_newest = [&] {
    EXPECT_TRUE(resent(steps[0].first).empty()) << "gone for newer ones";
    for (std::size_t i = 1; i < steps.size(); ++i) {
      EXPECT_EQ(resent(steps[i].first), std::vector{steps[i]});
      EXPECT_EQ(resent(steps[i].second), std::vector{steps[i]}) << "from either end";
    }
  };
  expect_the_newest();
  crash();
  expect_the_newest();
  copy_forward(log.end);
  expect_the_newest();
  crash();
  expect_the_newest();
}

TEST_F(DeliveryTest, A11_a_dead_letter_is_sent_again_as_a_new_message_and_is_none_any_more) {
  auto message = keyed("x", "k");
  message.priority = 7;
  say(message);
  const auto id = last().confirm.id;
  auto lease = take();
  engine->reject(kBob, ++request, false, {&lease, 1}, "no");
  sync();
  engine->resubmit(kCarol, ++request, id, {});
  sync();
  EXPECT_EQ(last().kind, Answer::Kind::confirm);
  EXPECT_NE(last().confirm.id, id);
  crash();
  EXPECT_TRUE(dead().empty());
  take();
  EXPECT_EQ(last_delivered().content, "x");
  EXPECT_EQ(last_delivered().from, "alice");
  EXPECT_EQ(last_delivered().priority, 7);
  EXPECT_EQ(delivered.back().delivery, 1u);
  engine->resubmit(kCarol, ++request, id, {});
  EXPECT_EQ(last().code, ErrorCode::not_found);
}

TEST_F(DeliveryTest, X18_dead_letters_are_redriven_by_filter_edited_elsewhere_and_at_a_rate) {
  for (const auto* content : {"a1", "a2", "b1"}) {
    put(content);
    auto lease = take();
    engine->reject(kBob, ++request, false, {&lease, 1}, "no");
    sync();
  }
  Message changes;
  changes.to = "elsewhere";
  std::string packed;
  ASSERT_TRUE(encode_envelope(changes, packed));
  RedriveCommand command;
  command.query.fits = [](Bytes bytes) { return decode_message(bytes)->content.front() == 'a'; };
  command.how = {.changes = as_bytes(packed), .content = as_bytes(std::string_view("edited"))};
  command.per_second = 1;
  contents();
  consume(kCarol, 10, "elsewhere");
  answers.clear();
  engine->redrive(kAlice, ++request, command);
  sync();
  EXPECT_EQ(contents(), (Contents{"edited"}));
  EXPECT_TRUE(answers.empty());
  pass(1'001);
  sync();
  EXPECT_EQ(contents(), (Contents{"edited"}));
  ASSERT_EQ(last().kind, Answer::Kind::done);
  EXPECT_EQ(replied<Resent>().sent, 2u);
  EXPECT_EQ(dead().size(), 1u);
}

TEST_F(DeliveryTest, X18_many_are_redriven_no_faster_than_the_disk_takes_them) {
  const std::size_t at_once = options.redrive_at_once, many = 3 * at_once + 8;
  for (std::size_t i = 0; i < many; ++i) {
    put("x");
    auto lease = take();
    engine->reject(kBob, ++request, true, {&lease, 1}, "no");
    sync();
  }
  const auto published = engine->counters().resubmitted;
  answers.clear();
  engine->redrive(kAlice, ++request, {});
  EXPECT_EQ(engine->counters().resubmitted - published, at_once);
  pass(10'000);
  EXPECT_EQ(engine->counters().resubmitted - published, at_once) << "nothing of it is durable";
  for (int i = 0; i < 3; ++i) sync();
  EXPECT_EQ(engine->counters().resubmitted - published, many);
  sync();
  ASSERT_EQ(last().kind, Answer::Kind::done);
  EXPECT_EQ(replied<Resent>().sent, many);
  EXPECT_TRUE(dead().empty());

  // Those that can only be refused end as well.
  for (std::size_t i = 0; i < many; ++i) {
    auto lease = take();
    engine->reject(kBob, ++request, true, {&lease, 1}, "no");
    sync();
  }
  log.room_durable = false;
  answers.clear();
  engine->redrive(kAlice, ++request, {});
  for (int i = 0; i < 10 && answers.empty(); ++i) pass(1);
  ASSERT_FALSE(answers.empty());
  ASSERT_EQ(last().kind, Answer::Kind::done);
  EXPECT_EQ(replied<Resent>().sent, 0u);
}

TEST_F(DeliveryTest, A11_dead_letters_are_purged_by_query_by_count_and_by_age) {
  options.dead_max = 3;
  options.dead_ttl_ms = Duration{100'000};
  crash();
  for (int i = 0; i < 5; ++i) {
    put(std::to_string(i));
    auto lease = take();
    engine->reject(kBob, ++request, false, {&lease, 1}, "no");
    sync();
  }
  EXPECT_EQ(dead().size(), 3u);
  engine->dead().purge({kAlice, ++request}, {.id = dead()[0].id}, 10);
  sync();
  EXPECT_EQ(dead().size(), 2u);
  crash();
  EXPECT_EQ(dead().size(), 2u);
  pass(100'000);
  EXPECT_TRUE(dead().empty());
  crash();
  EXPECT_TRUE(dead().empty());
}

TEST_F(DeliveryTest, B8_dead_letters_go_by_the_new_age_when_that_changes) {
  options.dead_ttl_ms = 10'000'000;
  crash();
  put("one");
  auto lease = take();
  engine->reject(kBob, ++request, false, {&lease, 1}, "no");
  sync();
  pass(200'000);
  EXPECT_EQ(dead().size(), 1u);
  auto next = options;
  next.dead_ttl_ms = 100'000;
  engine->change(next);
  pass(61'000);
  EXPECT_TRUE(dead().empty());
}

TEST_F(DeliveryTest, A11_a_death_is_an_event_and_a_bounce_to_a_sender_who_asked) {
  engine->subscribe(kCarol, ++request, "bus.dead", 0, false);
  auto message = mail("x");
  message.bounce = true;
  message.conversation = "c7";
  say(message);
  const auto id = last().confirm.id;
  auto lease = take();
  contents();
  engine->reject(kBob, ++request, false, {&lease, 1}, "no such book");
  sync();
  ASSERT_EQ(contents().size(), 1u);
  EXPECT_NE(last_delivered().content.find(R"("reason":"rejected","text":"no such book")"), std::string::npos);
  consume(kAlice, 5, "alice");
  ASSERT_EQ(contents().size(), 1u);
  const auto bounced = last_delivered();
  EXPECT_EQ(bounced.type, "error");
  EXPECT_EQ(bounced.from, "$bus");
  EXPECT_EQ(bounced.correlation, id.text());
  EXPECT_EQ(bounced.cause, id);
  EXPECT_EQ(bounced.conversation, "c7");
  EXPECT_FALSE(bounced.expects_reply);
}

TEST_F(DeliveryTest, A11_nobody_else_publishes_to_the_servers_own_topics) {
  send(event("bus.dead"));
  EXPECT_EQ(last().code, ErrorCode::not_permitted);
}

TEST_F(DeliveryTest, X5_a_schedule_comes_at_its_time_again_and_again) {
  schedule({.name = "tick", .every_ms = Duration{10'000}}, mail("t"));
  receive(kBob, 10, 60'000);
  pass(9'999);
  sync();
  EXPECT_TRUE(delivered.empty());
  pass(1);
  sync();
  EXPECT_EQ(contents(), Contents{"t"});
  receive(kBob, 10, 60'000);
  pass(9'999);
  sync();
  EXPECT_TRUE(contents().empty());
  pass(1);
  sync();
  EXPECT_EQ(contents(), Contents{"t"});
}

TEST_F(DeliveryTest, X5_what_is_of_one_message_is_refused_in_a_schedule) {
  const auto refused = [this](const Message& message) {
    schedule({.name = "tick", .every_ms = Duration{10'000}}, message);
    return last().kind == Answer::Kind::refused ? last().code : ErrorCode{};
  };
  EXPECT_EQ(refused(keyed("a", "k")), ErrorCode::invalid_field);
  auto message = mail("a");
  message.deliver_at = now + 5'000;
  EXPECT_EQ(refused(message), ErrorCode::invalid_field);
  message = mail("a");
  message.expires_at = now + 5'000;
  EXPECT_EQ(refused(message), ErrorCode::invalid_field);
  EXPECT_EQ(refused(mail("a")), ErrorCode{});
}

TEST_F(DeliveryTest, A11_a_dead_letter_that_is_sent_again_is_a_message_of_now) {
  auto message = mail("a");
  message.timestamp = now - 3'600'000;
  say(message);
  const auto id = last().confirm.id;
  const LeaseToken lease[] = {take()};
  engine->reject(kBob, ++request, false, lease, "no");
  sync();
  pass(5'000);
  engine->resubmit(kAlice, ++request, id, {});
  sync();
  take();
  EXPECT_EQ(last_delivered().timestamp, now);
}

TEST_F(DeliveryTest, U13_of_a_batch_only_messages_with_keys_need_room_among_the_keys) {
  options.keys_max = 2;
  options.keys_kept_ms = Duration{60'000};
  crash();
  say(keyed("1", "a"));
  engine->publish_atomic(kAlice, ++request, false, incoming({mail("2"), keyed("3", "b")}));
  sync();
  EXPECT_EQ(last().kind, Answer::Kind::done) << last().text;
  EXPECT_EQ(stats().ready, 3u);
}

TEST_F(DeliveryTest, X14_a_schedule_sends_in_no_name_of_the_servers) {
  auto forged = mail("a");
  forged.from = "$server";
  schedule({.name = "tick", .every_ms = Duration{10'000}}, forged);
  EXPECT_EQ(last().code, ErrorCode::invalid_name);
  engine->schedules().each([](const Schedule& each) { ADD_FAILURE() << each.name << " was set"; });
}

}  // namespace
}  // namespace folkmoot::test
