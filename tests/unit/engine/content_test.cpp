// Content by reference, in the engine: what is referred to stays, the rest goes after its time, and recovery counts the
// same.
#include "delivery_fixture.hpp"

namespace folkmoot::test {
namespace {

constexpr std::int64_t kGrace = 600'000;

class ContentTest : public DeliveryTest {
 protected:
  static ContentRef ref(std::uint8_t number = 1, std::uint64_t size = 5'000'000) {
    ContentRef content{.hash = {}, .size = size};
    content.hash.bytes.fill(number);
    return content;
  }
  static Message referring(const ContentRef& content = ref(), std::string to = "box") {
    auto message = mail("", std::move(to));
    message.content_ref = content;
    return message;
  }
  void store(const ContentRef& content = ref()) { engine->contents().stored(content); }
  // A restart after a crash; the files are there as the server found them.
  void crash_with(const std::vector<ContentRef>& files) {
    engine = std::make_unique<Engine>(options, log, *this);
    for (auto& [lsn, record] : log.records) record.live = false;
    for (const auto& [lsn, record] : std::map(log.records)) {
      const auto done =
          engine->recover(record.kind, {lsn, static_cast<std::uint32_t>(record.body.size())}, as_bytes(record.body));
      ASSERT_TRUE(done) << done.error().text;
    }
    for (const auto& file : files) engine->contents().stored(file);
    engine->start(Instant{now}, 7, false);
    for (const auto& [id, name] : {std::pair{kAlice, "alice"}, {kBob, "bob"}}) engine->open_session(id, name);
    sync();
  }
  std::vector<ContentHash> removed() {
    sync();
    return std::exchange(removed_contents, {});
  }
  bool stays() {
    pass(2 * kGrace);
    return removed().empty();
  }
  bool goes_after_its_grace(const ContentRef& content = ref()) {
    pass(kGrace - 1);
    if (!removed().empty()) return false;
    pass(1);
    return removed() == std::vector{content.hash} && !engine->contents().ask_for(content.hash);
  }
};

TEST_F(ContentTest, X19_a_message_refers_to_what_is_stored_and_to_nothing_else) {
  send(referring());
  EXPECT_EQ(last().code, ErrorCode::not_found);
  store();
  say(referring());
  EXPECT_EQ(last().kind, Answer::Kind::confirm);
  consume(kBob, 1);
  EXPECT_EQ(last_delivered().content_ref, ref());

  send(referring(ref(1, 4)));
  EXPECT_EQ(last().code, ErrorCode::invalid_field) << "another size than it has";
  auto both = referring();
  both.content = "and this";
  send(both);
  EXPECT_EQ(last().code, ErrorCode::invalid_field);
}

TEST_F(ContentTest, X19_an_upload_that_nobody_refers_to_goes_after_its_grace) {
  store();
  EXPECT_TRUE(goes_after_its_grace());
  send(referring());
  EXPECT_EQ(last().code, ErrorCode::not_found);
}

TEST_F(ContentTest, X19_whoever_asks_for_a_content_keeps_it_for_another_grace) {
  store();
  pass(kGrace - 1);
  EXPECT_EQ(engine->contents().ask_for(ref().hash), ref().size);
  EXPECT_TRUE(goes_after_its_grace());
}

TEST_F(ContentTest, X19_it_stays_while_one_of_several_messages_refers_to_it) {
  store();
  say(referring());
  say(referring());
  consume(kBob, 2);
  ack(delivered[0].lease);
  EXPECT_TRUE(stays()) << "the other is leased";
  ack(delivered[1].lease);
  EXPECT_TRUE(goes_after_its_grace());
  EXPECT_EQ(engine->contents().totals().stored, 0u);
}

TEST_F(ContentTest, X19_messages_scheduled_dead_and_sent_again_refer_to_it) {
  store();
  auto later = referring();
  later.deliver_at = now + 10 * kGrace;
  say(later);
  EXPECT_TRUE(stays());
  pass(10 * kGrace);
  const auto lease = take();
  engine->reject(kBob, ++request, false, {&lease, 1}, "no");
  sync();
  EXPECT_TRUE(stays()) << "a dead letter keeps its content";
  engine->resubmit(kAlice, ++request, dead().at(0).id, {});
  sync();
  EXPECT_TRUE(stays());
  ack(take());
  EXPECT_TRUE(goes_after_its_grace());
}

TEST_F(ContentTest, X19_a_dead_letter_sent_again_with_other_content_lets_go_of_the_old) {
  store();
  say(referring());
  const auto lease = take();
  engine->reject(kBob, ++request, false, {&lease, 1}, "no");
  sync();
  engine->resubmit(kAlice, ++request, dead().at(0).id, {.content = as_bytes("small")});
  sync();
  ASSERT_EQ(last().kind, Answer::Kind::confirm) << last().text;
  EXPECT_TRUE(goes_after_its_grace());
  take();
  EXPECT_EQ(last_delivered().content, "small");
  EXPECT_FALSE(last_delivered().content_ref);
}

TEST_F(ContentTest, X19_a_dead_letter_may_be_sent_again_with_content_by_reference) {
  store();
  put("small");
  const auto lease = take();
  engine->reject(kBob, ++request, false, {&lease, 1}, "no");
  sync();
  Message change;
  change.content_ref = ref();
  std::string changes;
  ASSERT_TRUE(encode_envelope(change, changes));
  engine->resubmit(kAlice, ++request, dead().at(0).id, {.changes = as_bytes(changes)});
  sync();
  ASSERT_EQ(last().kind, Answer::Kind::confirm) << last().text;
  take();
  EXPECT_EQ(last_delivered().content_ref, ref());
  EXPECT_EQ(last_delivered().content, "");
  EXPECT_TRUE(stays());
}

TEST_F(ContentTest, B8_one_goes_by_the_new_time_when_that_changes) {
  store();
  pass(2);
  auto next = options;
  next.content_grace_ms = 10;
  engine->change(next);
  pass(5);
  EXPECT_TRUE(removed().empty());
  pass(10);
  EXPECT_EQ(removed(), std::vector{ref().hash});
}

TEST_F(ContentTest, X19_one_that_another_shard_keeps_stays_known) {
  store();
  keeps_contents = true;
  pass(3 * kGrace);
  EXPECT_FALSE(removed().empty()) << "it was asked";
  EXPECT_EQ(engine->contents().ask_for(ref().hash), ref().size);
  EXPECT_EQ(engine->counters().contents_removed, 0u);
  keeps_contents = false;
  pass(2 * kGrace);
  EXPECT_EQ(removed().back(), ref().hash);
  EXPECT_FALSE(engine->contents().ask_for(ref().hash));
  EXPECT_EQ(engine->counters().contents_removed, 1u);
}

TEST_F(ContentTest, X19_one_that_another_shard_stores_may_be_referred_to) {
  send(referring());
  EXPECT_EQ(last().code, ErrorCode::not_found);
  elsewhere = ref();
  say(referring());
  EXPECT_EQ(last().kind, Answer::Kind::confirm);
  EXPECT_EQ(engine->contents().totals().missing, 0u);
  EXPECT_TRUE(stays());
}

TEST_F(ContentTest, X19_it_does_not_go_before_the_end_of_its_message_is_durable) {
  store();
  say(referring());
  const auto lease = take();
  engine->ack(kBob, ++request, true, {&lease, 1});
  pass(2 * kGrace);
  EXPECT_TRUE(removed_contents.empty()) << "the ack may be lost, and the message back";
  EXPECT_EQ(removed(), std::vector{ref().hash});
}

TEST_F(ContentTest, X19_a_purge_that_could_not_be_noted_keeps_the_content_for_this_run) {
  store();
  say(referring());
  const auto lease = take();
  engine->reject(kBob, ++request, false, {&lease, 1}, "no");
  sync();
  options.dead_ttl_ms = Duration{60'000};
  crash_with({ref()});
  log.room_durable = log.room_settling = false;
  pass(120'000);
  EXPECT_TRUE(dead().empty()) << "too old: it goes, noted or not";
  log.room_durable = log.room_settling = true;
  EXPECT_TRUE(stays());
  crash_with({ref()});
  EXPECT_EQ(engine->contents().totals().missing, 0u);
}

TEST_F(ContentTest, X19_purged_cancelled_and_expired_messages_do_not) {
  options.dead_max = 0;
  start();
  store();
  auto brief = referring();
  brief.ttl_ms = 1000;
  say(brief);
  pass(1000);  // dead, and dropped at once
  EXPECT_TRUE(goes_after_its_grace());
  store();
  say(referring());
  engine->settling().cancel({kAlice, ++request}, last().confirm.id);
  sync();
  EXPECT_TRUE(goes_after_its_grace());
}

TEST_F(ContentTest, X19_a_schedule_refers_to_what_it_will_send) {
  schedule({.name = "daily", .every_ms = Duration{20 * kGrace}}, referring());
  EXPECT_EQ(last().code, ErrorCode::not_found);
  store();
  schedule({.name = "daily", .every_ms = Duration{20 * kGrace}}, referring());
  EXPECT_TRUE(stays());
  crash_with({ref()});
  EXPECT_TRUE(stays());
  pass(20 * kGrace);
  sync();
  engine->schedules().remove({kAlice, ++request}, "daily");
  sync();
  EXPECT_TRUE(stays()) << "the message it sent is waiting";
  ack(take());
  EXPECT_TRUE(goes_after_its_grace());
}

TEST_F(ContentTest, X19_events_and_requests_refer_to_it_for_as_long_as_they_are_here) {
  engine->subscribe(kBob, ++request, "t", 0, false);
  auto event = referring();
  event.to.clear();
  event.topic = "t";
  send(event);
  EXPECT_EQ(last().code, ErrorCode::not_found);
  store();
  pass(kGrace - 1);
  send(event);
  EXPECT_EQ(last_delivered().content_ref, ref());
  pass(kGrace - 1);
  EXPECT_TRUE(removed().empty()) << "a grace from the event on";
  ask(referring(), 5 * kGrace);
  EXPECT_TRUE(stays());
  pass(3 * kGrace);  // its time is over
  EXPECT_TRUE(goes_after_its_grace());
}

TEST_F(ContentTest, X19_recovery_counts_what_it_finds_and_gives_the_rest_a_new_grace) {
  store(ref(1));
  store(ref(2));
  store(ref(3));
  say(referring(ref(1)));
  say(referring(ref(1)));
  say(referring(ref(2)));
  ack(take());
  const auto rejected = take();
  engine->reject(kBob, ++request, false, {&rejected, 1}, "no");
  sync();
  for (int round = 0; round < 2; ++round) {
    crash_with({ref(1), ref(2), ref(3)});
    pass(kGrace - 1);
    EXPECT_TRUE(removed().empty());
    EXPECT_EQ(engine->contents().totals().missing, 0u);
    copy_forward(log.end);
  }
  pass(2 * kGrace);
  EXPECT_EQ(removed(), std::vector{ref(3).hash}) << "of the others one is dead, one waits";
  ack(take());
  pass(2 * kGrace);
  EXPECT_EQ(removed(), std::vector{ref(2).hash});
  engine->dead().purge({kAlice, ++request}, {}, 10);
  sync();
  pass(2 * kGrace);
  EXPECT_EQ(removed(), std::vector{ref(1).hash});
}

TEST_F(ContentTest, X19_a_missing_or_cut_file_is_told_and_its_messages_go_on) {
  store(ref(1));
  store(ref(2));
  say(referring(ref(1)));
  say(referring(ref(2)));
  crash_with({ref(2, 17)});
  std::vector<ContentRef> missing;
  engine->contents().each_missing([&](const ContentRef& content, std::uint32_t references) {
    missing.push_back(content);
    EXPECT_EQ(references, 1u);
  });
  EXPECT_EQ(missing, (std::vector{ref(1), ref(2)}));
  EXPECT_FALSE(engine->contents().ask_for(ref(2).hash));
  store(ref(1));  // uploaded again
  EXPECT_EQ(engine->contents().ask_for(ref(1).hash), ref(1).size);
  ack(take());
  ack(take());
  EXPECT_EQ(engine->contents().totals().missing, 0u);
  EXPECT_TRUE(goes_after_its_grace(ref(1)));
}

TEST_F(ContentTest, X19_a_message_that_a_guard_stopped_refers_to_it_until_it_is_purged) {
  options.guard.hops_max = 1;
  start();
  store();
  auto looped = referring();
  looped.cause = *Uuid::parse("019ab3c0-4f1e-7d42-8a00-3c5d7e9f1a2b");
  looped.hops = 5;
  say(looped);
  ASSERT_EQ(last().confirm.outcome, PublishOutcome::dead);
  EXPECT_TRUE(stays());
  engine->dead().purge({kAlice, ++request}, {}, 10);
  sync();
  EXPECT_TRUE(goes_after_its_grace());
}

TEST_F(ContentTest, X19_outputs_of_a_completion_refer_to_it_and_a_duplicate_does_not) {
  store();
  put("work");
  const auto lease = take();
  auto keyed_ref = referring(ref(), "next");
  keyed_ref.key = "k";
  complete(lease, {keyed_ref});
  send(keyed_ref, kBob);
  sync();
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::duplicate);
  EXPECT_TRUE(stays());
  consume(kBob, 5, "next");
  ack(delivered.back().lease);
  EXPECT_TRUE(goes_after_its_grace());
  send(keyed_ref, kBob);
  sync();
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::duplicate) << "its key is remembered for longer than its content";
}

}  // namespace
}  // namespace folkmoot::test
