// What could not be said in a full log: at the latest a copy says it, and until then no promise is built on it.
#include "delivery_fixture.hpp"

namespace folkmoot::test {
namespace {

class NoRoomTest : public DeliveryTest {
 protected:
  void full(bool is_full) { log.room_durable = log.room_settling = !is_full; }
  template <class Use>
  void without_room(Use use) {
    full(true);
    use();
    full(false);
  }
  /// As a step of compaction that ends before the originals are removed.
  void copy(FactKind kind) {
    for (const auto& [lsn, record] : std::map(log.records)) {
      if (record.kind == kind)
        engine->keep(kind, {lsn, static_cast<std::uint32_t>(record.body.size())}, as_bytes(record.body));
    }
    sync();
  }
};

TEST_F(NoRoomTest, A11_a_death_that_only_a_copy_tells_of_holds_over_crashes_with_its_time) {
  put("poison");
  const auto id = last().confirm.id;
  const auto lease = take();
  without_room([&] { engine->reject(kBob, ++request, false, {&lease, 1}, "no"); });
  const auto died = now;
  pass(5'000);
  copy(FactKind::message_accepted);
  for (int i = 0; i < 2; ++i) {
    crash();
    EXPECT_EQ(state(id), ReceiptState::dead);
    ASSERT_EQ(dead().size(), 1u);
    EXPECT_EQ(dead()[0].at.ms, died);
    EXPECT_EQ(stats().ready, 0u);
    EXPECT_EQ(log.count(FactKind::message_dead), 1u);
    copy_forward(log.end);
  }
}

TEST_F(NoRoomTest, A10_a_wait_for_the_next_attempt_that_only_a_copy_tells_of_holds_over_a_crash) {
  put("busy");
  const auto lease = take();
  without_room([&] { engine->nack(kBob, ++request, false, {&lease, 1}, Duration{60'000}, "later"); });
  copy(FactKind::message_accepted);
  crash();
  EXPECT_EQ(stats().scheduled, 1u);
  EXPECT_EQ(stats().ready, 0u);
  pass(60'000);
  take();
  EXPECT_EQ(delivered.back().delivery, 2u);
}

TEST_F(NoRoomTest, M1_the_next_of_a_group_waits_for_one_whose_failure_only_a_copy_tells_of) {
  auto first = grouped("first");
  first.deliver_at = now + 1'000;
  say(first);
  pass(1'000);
  const auto lease = take();
  without_room([&] { engine->nack(kBob, ++request, false, {&lease, 1}, Duration{60'000}, "later"); });
  copy(FactKind::message_accepted);
  say(grouped("second"));
  crash();
  contents();
  consume(kBob, 1);
  EXPECT_EQ(contents(), (Contents{}));
  pass(60'000);
  EXPECT_EQ(contents(), (Contents{"first"}));
}

TEST_F(NoRoomTest, A7_a_stop_is_not_clean_after_a_failure_without_a_fact_and_its_message_comes_as_redelivered) {
  put("again");
  const auto lease = take();
  without_room([&] { engine->nack(kBob, ++request, false, {&lease, 1}, 0, "busy"); });
  engine->stop();
  EXPECT_FALSE(engine->stopped_clean());
  crash();
  take();
  EXPECT_TRUE(delivered.back().redelivered);
}

TEST_F(NoRoomTest, X19_the_content_of_a_request_taken_back_without_a_fact_stays_for_the_next_run) {
  ContentRef content{.hash = {}, .size = 5'000};
  content.hash.bytes.fill(1);
  engine->contents().stored(content);
  auto question = mail("");
  question.content_ref = content;
  question.mode = DeliveryMode::at_least_once;
  ask(question, 60'000);
  sync();
  without_room([&] { engine->cancel(kAlice, request + 1, request); });
  EXPECT_EQ(stats().ready, 0u);
  pass(2 * options.content_grace_ms.ms);
  sync();
  EXPECT_TRUE(removed_contents.empty());
}

TEST_F(NoRoomTest, A11_a_message_is_copied_with_all_its_history_or_not_yet) {
  put("poison");
  const auto id = last().confirm.id;
  const auto lease = take();
  engine->reject(kBob, ++request, false, {&lease, 1}, "cannot be parsed");
  sync();
  const auto facts = log.count(FactKind::message_accepted);
  for (const auto& [lsn, record] : std::map(log.records)) {
    if (record.kind != FactKind::message_accepted) continue;
    without_room([&] {
      EXPECT_FALSE(
          engine->keep(record.kind, {lsn, static_cast<std::uint32_t>(record.body.size())}, as_bytes(record.body)));
    });
  }
  EXPECT_EQ(log.count(FactKind::message_accepted), facts);
  copy_forward(log.end);
  crash();
  ASSERT_EQ(dead().size(), 1u);
  EXPECT_EQ(texts[0], "cannot be parsed");
  EXPECT_EQ(attempts(id), (std::vector<std::string>{"bob rejected cannot be parsed"}));
}

TEST_F(NoRoomTest, X5_a_copied_schedule_remembers_what_failed_for_want_of_room_though_its_first_fact_is_still_there) {
  schedule({.name = "tick", .every_ms = Duration{1'000}}, mail("tick"));
  const auto fired = [&] {
    std::uint64_t count = 0;
    engine->schedules().each([&](const Schedule& each) { count = each.fired; });
    return count;
  };
  without_room([&] {
    for (int i = 0; i < 3; ++i) pass(1'000);
  });
  ASSERT_EQ(fired(), 3u);
  EXPECT_EQ(log.count(FactKind::schedule_fired), 0u);
  copy(FactKind::schedule_set);
  ASSERT_EQ(log.count(FactKind::schedule_set), 2u);
  crash();
  EXPECT_EQ(fired(), 3u);
}

TEST_F(NoRoomTest, X3_what_comes_at_most_once_comes_when_the_disk_has_room_though_nobody_asks) {
  auto once = mail("once");
  once.mode = DeliveryMode::at_most_once;
  say(once);
  without_room([&] {
    consume(kBob, 1);
    EXPECT_TRUE(contents().empty());
  });
  pass(kRetryMs.ms);
  sync();
  EXPECT_EQ(contents(), (Contents{"once"}));
}

TEST_F(NoRoomTest, X3_a_server_that_starts_on_a_full_disk_delivers_when_there_is_room_though_nobody_asks) {
  put("one");
  without_room([&] {
    crash();
    consume(kBob, 1);
    EXPECT_TRUE(contents().empty());
  });
  pass(kRetryMs.ms);
  sync();
  EXPECT_EQ(contents(), (Contents{"one"}));
}

TEST_F(NoRoomTest, X15_costs_without_room_are_written_when_their_sum_is_copied_forward) {
  auto news = event("news");
  news.conversation = "c";
  news.metadata = {{"cost_tokens", 10}};
  send(news);
  log.room_durable = false;  // the reserve is for settling
  const auto facts = log.count(FactKind::conversation_summed);
  send(news);
  EXPECT_EQ(log.count(FactKind::conversation_summed), facts);
  EXPECT_EQ(engine->causes().conversation("c")->tokens, 20);
  log.room_durable = true;
  copy_forward(log.end);
  crash();
  ASSERT_TRUE(engine->causes().conversation("c"));
  EXPECT_EQ(engine->causes().conversation("c")->tokens, 20);
}

}  // namespace
}  // namespace folkmoot::test
