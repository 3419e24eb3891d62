// What the client does about delivery: completions, rejections, duplicates, atomic batches, withdrawn work, compressed
// contents, calls.
#include <boost/asio/use_future.hpp>

#include "client_fixture.hpp"
#include "message/compression.hpp"

namespace folkmoot {
namespace {

TEST_F(ClientTest, X5_complete_settles_and_publishes_what_came_of_it) {
  SyncClient client(options());
  ASSERT_TRUE(client.connect());
  ASSERT_TRUE(client.publish(message("box", "work")));
  auto inbox = client.consume("box");
  const auto task = value(inbox->next());
  const auto results = client.complete(task, {message("next", "one"), message("next", "two")});
  ASSERT_TRUE(results) << results.error().describe();
  ASSERT_EQ(results->size(), 2u);
  EXPECT_EQ((*results)[1]->unread, 2u);
  EXPECT_EQ(server.waiting("next"), 2u);
  EXPECT_EQ(client.ack(task).error().code, ErrorCode::lease_lost);
  EXPECT_EQ(client.complete(task, {}).error().code, ErrorCode::lease_lost);
}

TEST_F(ClientTest, X5_complete_of_a_delivery_without_a_lease_is_refused) {
  SyncClient client(options());
  ASSERT_TRUE(client.connect());
  EXPECT_EQ(client.complete(Delivery{}, {message("a", "x")}).error().code, ErrorCode::invalid_field);
  EXPECT_EQ(server.publishes, 0);
}

TEST_F(ClientTest, A11_reject_settles_for_good) {
  SyncClient client(options());
  ASSERT_TRUE(client.connect());
  ASSERT_TRUE(client.publish(message("box", "poison")));
  const auto got = value(client.receive("box"));
  ASSERT_TRUE(client.reject(got.at(0), "cannot be read"));
  EXPECT_EQ(server.waiting("box"), 0u);
  EXPECT_EQ(client.reject(got.at(0), "again").error().code, ErrorCode::lease_lost);
}

TEST_F(ClientTest, A13_an_atomic_batch_has_one_error_for_all) {
  SyncClient client(options());
  ASSERT_TRUE(client.connect());
  const auto refused = client.publish_batch({message("a", "x"), message("full", "y")}, {.atomic = true});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::mailbox_full);
}

TEST_F(ClientTest, A9_a_key_used_before_is_a_duplicate_with_the_state_of_the_first) {
  SyncClient client(options());
  ASSERT_TRUE(client.connect());
  auto once = message("box", "x");
  once.key = "k";
  EXPECT_EQ(value(client.publish(once)).outcome, Outcome::queued);
  const auto second = value(client.publish(once));
  EXPECT_EQ(second.outcome, Outcome::duplicate);
  EXPECT_EQ(second.state, CopyState::acknowledged);
  EXPECT_EQ(server.waiting("box"), 1u);
}

TEST_F(ClientTest, A9_exactly_once_draws_a_key_and_keeps_it_when_it_is_sent_again) {
  with_client([&](Client& bus) -> asio::awaitable<void> {
    server.hold_confirms = true;
    auto once = message("box", "x");
    once.mode = DeliveryMode::exactly_once;
    auto first = bus.publish(once, asio::use_future);
    value(co_await bus.ping());
    server.hold_confirms = false;
    server.cut_all();
    value(co_await bus.ping());
    EXPECT_TRUE(first.get());
    const auto kept = server.peek("box").key;
    EXPECT_TRUE(Uuid::parse(kept)) << kept;
    value(co_await bus.publish(once));
    EXPECT_EQ(server.waiting("box"), 2u);  // another publish is another message
  });
}

TEST_F(ClientTest, A4_a_holder_is_told_that_the_work_is_not_wanted_any_more) {
  SyncClient client(options());
  std::promise<Withdrawal> told;
  client.on_withdrawn([&](const Withdrawal& withdrawal) { told.set_value(withdrawal); });
  ASSERT_TRUE(client.connect());
  ASSERT_TRUE(client.publish(message("box", "work")));
  auto inbox = client.consume("box");
  const auto task = value(inbox->next());
  EXPECT_FALSE(task.withdrawn());
  server.withdraw_all();
  const auto withdrawal = told.get_future().get();
  EXPECT_EQ(withdrawal.lease, task.lease);
  EXPECT_EQ(withdrawal.message, task.message.id);
  EXPECT_TRUE(task.withdrawn());
  EXPECT_TRUE(Delivery(task).withdrawn());
  EXPECT_FALSE(Delivery{}.withdrawn());
}

TEST_F(ClientTest, A15_a_large_content_travels_compressed_and_arrives_as_it_was) {
  for (const auto compression : {Compression::zstd, Compression::gzip}) {
    auto with = options();
    with.compress_above = 100;
    with.compression = compression;
    SyncClient client(with);
    ASSERT_TRUE(client.connect());
    const std::string content(10'000, 'x');
    ASSERT_TRUE(client.publish(message("box", content)));
    const auto sent = server.peek("box");
    EXPECT_LT(sent.content.size(), 1'000u);
    EXPECT_EQ(sent.encoding, compression == Compression::zstd ? "zstd" : "gzip");
    const auto got = value(client.receive("box"));
    EXPECT_EQ(got.at(0).content(), content);
    EXPECT_EQ(got.at(0).message.encoding, "");
    EXPECT_FALSE(got.at(0).content_error);
    ASSERT_TRUE(client.ack(got.at(0)));
  }
}

TEST_F(ClientTest, A15_what_does_not_get_smaller_or_is_small_goes_as_it_is) {
  auto with = options();
  with.compress_above = 8;
  SyncClient client(with);
  ASSERT_TRUE(client.connect());
  ASSERT_TRUE(client.publish(message("short", "aaaaaaa")));
  ASSERT_TRUE(client.publish(message("random", "q8Zk2LxWv")));
  EXPECT_EQ(server.peek("short").encoding, "");
  EXPECT_EQ(server.peek("random").encoding, "");
}

TEST_F(ClientTest, A15_a_bomb_stays_compressed_and_says_why) {
  auto with = options();
  with.content_bytes_max = 1'000;
  SyncClient client(with);
  ASSERT_TRUE(client.connect());
  auto bomb = message("box", value(compress(kZstd, as_bytes(std::string(1 << 20, '\0')))));
  bomb.encoding = kZstd;
  ASSERT_TRUE(client.publish(bomb));
  const auto got = value(client.receive("box"));
  ASSERT_TRUE(got.at(0).content_error);
  EXPECT_EQ(got.at(0).content_error->code, ErrorCode::content_too_large);
  EXPECT_EQ(got.at(0).content(), bomb.content);
  EXPECT_EQ(got.at(0).message.encoding, kZstd);
}

TEST_F(ClientTest, A11_dead_letters_are_read_from_the_answer_of_the_call) {
  SyncClient client(options());
  ASSERT_TRUE(client.connect());
  EXPECT_EQ(client.call(ListDead{}).error().code, ErrorCode::not_found);
  server.answer_call(
      "dead.list", R"({"dead":[{"id":"0193f2c4-0000-7000-8000-000000000001","mailbox":"box","reason":"rejected",)"
                   R"("text":"cannot be read","at":17,"deliveries":3,"message":{"from":"a","to":"box","priority":3}}],)"
                   R"("next":"0193f2c4-0000-7000-8000-000000000001"})");
  const auto page = value(client.call(ListDead{.which = {.mailbox = "box", .reason = "rejected"}, .limit = 1}));
  EXPECT_EQ(server.called(), R"({"mailbox":"box","reason":"rejected","limit":1})");
  ASSERT_EQ(page.dead.size(), 1u);
  const auto& dead = page.dead[0];
  EXPECT_EQ(dead.id, page.next);
  EXPECT_EQ(dead.reason, "rejected");
  EXPECT_EQ(dead.text, "cannot be read");
  EXPECT_EQ(dead.at_ms, 17);
  EXPECT_EQ(dead.deliveries, 3u);
  EXPECT_EQ(dead.message.priority, high);

  server.answer_call("dead.redrive", R"({"count":7,"ids":["0193f2c4-0000-7000-8000-000000000001"]})");
  const auto dry = value(
      client.call(RedriveDead{.which = {.mailbox = "box"}, .changes = json_text({{"to", "other"}}), .dry_run = true}));
  EXPECT_EQ(dry.count, 7u);
  EXPECT_EQ(dry.ids.size(), 1u);
  EXPECT_EQ(server.called(), R"({"mailbox":"box","changes":{"to":"other"},"dry_run":true})");
}

TEST_F(ClientTest, X5_X15_schedules_costs_and_any_call_are_asked_by_name) {
  SyncClient client(options());
  ASSERT_TRUE(client.connect());
  server.answer_call("schedule.set", "");
  ASSERT_TRUE(client.call(SetSchedule{.name = "nightly", .cron = "0 3 * * *", .message = message("box", "sweep")}));
  EXPECT_NE(server.called().find(R"("cron":"0 3 * * *")"), std::string::npos) << server.called();
  server.answer_call("schedule.list", R"({"schedules":[{"name":"nightly","cron":"0 3 * * *","next":99,"fired":2}]})");
  const auto all = value(client.call(ListSchedules{})).schedules;
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].next_ms, 99);
  EXPECT_EQ(all[0].fired, 2u);
  server.answer_call("conversation.cost", R"({"conversation":"c","messages":4,"tokens":1200,"money":0.25})");
  const auto cost = value(client.call(ShowCost{"c"}));
  EXPECT_EQ(cost.messages, 4u);
  EXPECT_EQ(cost.tokens, 1200);
  EXPECT_EQ(cost.money, 0.25);
  EXPECT_EQ(value(client.call("conversation.cost", R"({"conversation":"c"})")).substr(0, 17), R"({"conversation":")");
  EXPECT_EQ(client.call("no.such").error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace folkmoot
