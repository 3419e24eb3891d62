// The client against a server that speaks frames: operations, bounds, and what a lost connection does to each of them.
#include <boost/asio/use_future.hpp>

#include "client_fixture.hpp"

namespace folkmoot {
namespace {

TEST_F(ClientTest, U2_connecting_to_nobody_is_told_with_the_address) {
  ClientOptions nowhere;
  nowhere.address = "127.0.0.1:1";
  SyncClient client(nowhere);
  const auto done = client.connect();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::connection_lost);
  EXPECT_NE(done.error().text.find("127.0.0.1:1"), std::string::npos) << done.error().text;
}

TEST_F(ClientTest, U13_a_wrong_token_ends_connecting_for_good) {
  auto with = options();
  with.token = "wrong";
  with.patience = 10s;
  SyncClient client(with);
  EXPECT_EQ(client.connect().error().code, ErrorCode::unauthorized);
  EXPECT_EQ(client.ping().error().code, ErrorCode::unauthorized);
  EXPECT_EQ(server.connections, 1);
}

TEST_F(ClientTest, P3_patience_waits_for_a_server_that_comes_up) {
  auto spare = std::make_unique<FakeServer>();
  const auto port = spare->port();
  spare.reset();
  ClientOptions with = options();
  with.address = "127.0.0.1:" + std::to_string(port);
  with.patience = 10s;
  SyncClient client(with);
  auto connected = std::async(std::launch::async, [&] { return client.connect(); });
  std::this_thread::sleep_for(60ms);
  FakeServer late(port);
  EXPECT_TRUE(connected.get());
}

TEST_F(ClientTest, U2_operations_before_connect_are_refused) {
  SyncClient client(options());
  EXPECT_EQ(client.publish(message("a", "x")).error().code, ErrorCode::not_connected);
}

TEST_F(ClientTest, A1_a_publish_is_confirmed_by_coroutine_callback_and_future) {
  with_client([&](Client& bus) -> asio::awaitable<void> {
    auto first = value(co_await bus.publish(message("analyst", "one")));
    EXPECT_FALSE(first.id.is_nil());
    EXPECT_EQ(first.unread, 1u);
    EXPECT_EQ(first.outcome, Outcome::queued);
    EXPECT_FALSE(first.last_read_age);
    bool called = false;
    bus.publish(message("analyst", "two"),
                [&](Result<PublishReceipt> receipt) { called = receipt && receipt->unread == 2; });
    auto third = bus.publish(message("analyst", "three"), asio::use_future);
    co_await bus.ping();
    EXPECT_TRUE(called);
    EXPECT_EQ(value(third.get()).unread, 3u);
  });
}

TEST_F(ClientTest, A1_messages_reach_the_server_in_the_order_they_were_published_in) {
  SyncClient client(options());
  ASSERT_TRUE(client.connect());
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(client.publish_nowait(message("analyst", std::to_string(i))));
  ASSERT_TRUE(client.ping());
  const auto got = client.receive("analyst", {.max = 1000});
  ASSERT_TRUE(got);
  ASSERT_EQ(got->size(), 500u);
  for (int i = 0; i < 500; ++i) EXPECT_EQ((*got)[i].content(), std::to_string(i));
}

TEST_F(ClientTest, A1_the_window_bounds_what_is_in_flight_and_more_than_waits_is_busy) {
  server.hold_confirms = true;
  auto with = options();
  with.limits.in_flight = 4;
  with.limits.waiting = 6;
  int busy = 0;  // outlives the coroutine: close() completes what still waits
  with_client(with, [&](Client& bus) -> asio::awaitable<void> {
    for (int i = 0; i < 30; ++i) {
      bus.publish(message("a", "x"),
                  [&](Result<PublishReceipt> receipt) { busy += !receipt && receipt.error().code == ErrorCode::busy; });
      co_await asio::post(bus.get_executor(), asio::use_awaitable);
    }
    for (int i = 0; i < 1000 && server.publishes < 4; ++i)
      co_await asio::post(bus.get_executor(), asio::use_awaitable), std::this_thread::sleep_for(1ms);
    EXPECT_EQ(server.most_in_flight, 4);
    EXPECT_EQ(busy, 20);
    bus.close();
  });
}

constexpr const char* kRecipients[] = {"a", "full", "a"};

TEST_F(ClientTest, A13_a_batch_answers_for_each_message) {
  with_client([&](Client& bus) -> asio::awaitable<void> {
    std::vector<Message> batch;
    for (const auto* to : kRecipients) batch.push_back(message(to, "x"));
    auto results = value(co_await bus.publish_batch(batch));
    EXPECT_EQ(results.size(), 3u);
    EXPECT_TRUE(results[0]);
    EXPECT_EQ(results[1].error().code, ErrorCode::mailbox_full);
    EXPECT_EQ(results[2]->unread, 2u);
    EXPECT_EQ((co_await bus.publish_batch({})).error().code, ErrorCode::out_of_range);
  });
}

TEST_F(ClientTest, A1_what_cannot_be_encoded_is_refused_before_it_is_sent) {
  with_client([&](Client& bus) -> asio::awaitable<void> {
    auto bad = message(std::string(300, 'x'), "x");
    EXPECT_EQ((co_await bus.publish(bad)).error().code, ErrorCode::invalid_name);
    EXPECT_EQ((co_await bus.publish(message("a", std::string(5u << 20, 'x')))).error().code,
              ErrorCode::frame_too_large);
    EXPECT_EQ(server.publishes, 0);
  });
}

TEST_F(ClientTest, A1_a_refused_quiet_publish_is_counted_and_told) {
  asio::io_context context;
  Client bus(context.get_executor(), options());
  std::vector<ErrorCode> told;
  bus.on_refused([&](const Error& error) { told.push_back(error.code); });
  asio::co_spawn(
      context,
      [&]() -> asio::awaitable<void> {
        value(co_await bus.connect());
        value(co_await bus.publish_nowait(message("full", "x")));
        value(co_await bus.ping());
        bus.close();
      },
      [](std::exception_ptr thrown) { EXPECT_FALSE(thrown); });
  context.run_for(10s);
  EXPECT_EQ(bus.refused(), 1u);
  EXPECT_EQ(told, std::vector{ErrorCode::mailbox_full});
}

TEST_F(ClientTest, A2_a_subscription_gets_events_gives_credit_back_and_counts_what_it_missed) {
  with_client([&](Client& bus) -> asio::awaitable<void> {
    auto events = value(co_await bus.subscribe("news.*", {.credit = 4}));
    for (int i = 0; i < 3; ++i) EXPECT_EQ(value(co_await bus.publish(event("news.now"))).outcome, Outcome::sent);
    server.lag(7);
    value(co_await bus.publish(event("news.later")));
    for (int i = 0; i < 3; ++i) EXPECT_EQ(value(co_await events.next()).missed, 0u);
    const auto after = value(co_await events.next());
    EXPECT_EQ(after.message.topic, "news.later");
    EXPECT_EQ(after.missed, 7u);
    EXPECT_EQ(events.missed(), 7u);
    value(co_await bus.ping());
    EXPECT_EQ(server.granted(), 4u);
    EXPECT_EQ((co_await bus.subscribe("a..b")).error().code, ErrorCode::invalid_topic);
  });
}

TEST_F(ClientTest, A2_a_subscription_without_credit_keeps_a_bounded_number_of_events) {
  auto with = options();
  with.limits.subscription_events = 10;
  with_client(with, [&](Client& bus) -> asio::awaitable<void> {
    auto events = value(co_await bus.subscribe(">", {.credit = 0}));
    for (int i = 0; i < 25; ++i) value(co_await bus.publish(event("t")));
    EXPECT_EQ(events.missed(), 15u);
    for (int i = 0; i < 10; ++i) value(co_await events.next());
    value(co_await bus.publish(event("t")));
    EXPECT_EQ(value(co_await events.next()).missed, 15u);
  });
}

TEST_F(ClientTest, A7_a_consumer_is_fed_up_to_its_credit_and_settles) {
  with_client([&](Client& bus) -> asio::awaitable<void> {
    for (int i = 0; i < 5; ++i) value(co_await bus.publish(message("box", std::to_string(i))));
    auto inbox = value(co_await bus.consume("box", {.credit = 2}));
    auto first = value(co_await inbox.next());
    EXPECT_EQ(first.content(), "0");
    EXPECT_EQ(server.waiting("box"), 3u);
    value(co_await bus.ack(first));
    EXPECT_EQ((co_await bus.ack(first)).error().code, ErrorCode::lease_lost);
    auto second = value(co_await inbox.next());
    value(co_await bus.extend(second, 10s));
    value(co_await bus.nack(second, {.delay = 0ms, .reason = "not now"}));
    bus.ack_nowait(value(co_await inbox.next()));
    value(co_await bus.ping());
    EXPECT_EQ(bus.refused(), 0u);
    EXPECT_EQ((co_await bus.consume("box", {.credit = 0})).error().code, ErrorCode::out_of_range);
  });
}

TEST_F(ClientTest, A7_a_dropped_consumer_gives_back_what_nobody_took) {
  with_client([&](Client& bus) -> asio::awaitable<void> {
    {
      auto inbox = value(co_await bus.consume("box", {.credit = 8}));
      for (int i = 0; i < 5; ++i) value(co_await bus.publish(message("box", "x")));
      value(co_await bus.ack(value(co_await inbox.next())));
      EXPECT_EQ(server.waiting("box"), 0u);
    }
    value(co_await bus.ping());
    EXPECT_EQ(server.waiting("box"), 4u);
  });
}

TEST_F(ClientTest, A7_receive_takes_what_is_there) {
  with_client([&](Client& bus) -> asio::awaitable<void> {
    EXPECT_TRUE(value(co_await bus.receive("box")).empty());
    for (int i = 0; i < 3; ++i) value(co_await bus.publish(message("box", "x")));
    auto got = value(co_await bus.receive("box", {.max = 2}));
    EXPECT_EQ(got.size(), 2u);
    std::vector<std::uint64_t> leases;
    for (const auto& delivery : got) leases.push_back(delivery.lease);
    value(co_await bus.ack(leases));
    EXPECT_EQ(server.waiting("box"), 1u);
  });
}

TEST_F(ClientTest, A4_a_request_gets_the_response_that_reply_addresses) {
  with_client([&](Client& bus) -> asio::awaitable<void> {
    auto inbox = value(co_await bus.consume("adder"));
    auto asked = message("adder", "2+3");
    asked.conversation = "sums";
    auto answer = bus.request(asked, 5s, asio::use_future);
    auto task = value(co_await inbox.next());
    Message response;
    response.content = "5";
    value(co_await bus.reply(task, response));
    value(co_await bus.ping());
    const auto got = value(answer.get());
    EXPECT_EQ(got.content, "5");
    EXPECT_EQ(got.type, "response");
    EXPECT_EQ(got.conversation, "sums");
    EXPECT_EQ(got.correlation, task.message.id.text());
  });
}

TEST_F(ClientTest, X10_X11_receipts_wait_and_stats_are_read) {
  with_client([&](Client& bus) -> asio::awaitable<void> {
    const auto id = *Uuid::parse("0193f2c4-0000-7000-8000-000000000001");
    auto receipts = value(co_await bus.receipts(std::vector<Uuid>(1, id)));
    EXPECT_EQ(receipts.at(0).id, id);
    EXPECT_EQ(receipts.at(0).state, CopyState::retrieved);
    EXPECT_EQ(receipts.at(0).at_ms, 17);
    const auto ready = value(co_await bus.wait("box", 1s));
    EXPECT_EQ(ready.ready, 2u);
    EXPECT_EQ(ready.first_priority, high);
    EXPECT_EQ(value(co_await bus.stats()), R"({"server":"fake"})");
    value(co_await bus.configure_mailbox("box", {.max_messages = 5}));
  });
}

TEST_F(ClientTest, P3_A9_after_a_lost_connection_streams_go_on_and_keyed_messages_are_sent_again) {
  with_client([&](Client& bus) -> asio::awaitable<void> {
    auto events = value(co_await bus.subscribe("t"));
    auto inbox = value(co_await bus.consume("box"));
    value(co_await bus.publish(message("box", "before")));
    const auto held = value(co_await inbox.next());

    server.hold_confirms = true;
    auto keyed = message("box", "keyed");
    keyed.key = "k1";
    auto kept = bus.publish(keyed, asio::use_future);
    auto lost = bus.publish(message("box", "plain"), asio::use_future);
    value(co_await bus.ping());
    server.hold_confirms = false;
    server.cut_all();

    value(co_await bus.ping());  // waits for the new connection
    EXPECT_EQ(lost.get().error().code, ErrorCode::connection_lost);
    EXPECT_TRUE(kept.get());
    EXPECT_EQ(server.connections, 2);
    EXPECT_EQ((co_await bus.ack(held)).error().code, ErrorCode::lease_lost);
    EXPECT_EQ(value(co_await inbox.next()).content(), "before");
    EXPECT_EQ(value(co_await inbox.next()).content(), "keyed");
    value(co_await bus.publish(event("t")));
    EXPECT_EQ(value(co_await events.next()).message.topic, "t");
  });
}

TEST_F(ClientTest, P3_without_reconnect_a_lost_connection_ends_everything) {
  auto with = options();
  with.reconnect = false;
  with_client(with, [&](Client& bus) -> asio::awaitable<void> {
    auto events = value(co_await bus.subscribe("t"));
    server.cut_all();
    EXPECT_EQ((co_await events.next()).error().code, ErrorCode::connection_lost);
    EXPECT_FALSE(bus.is_connected());
    EXPECT_EQ((co_await bus.ping()).error().code, ErrorCode::connection_lost);
    value(co_await bus.connect());
    value(co_await bus.ping());
  });
}

TEST_F(ClientTest, P3_a_silent_server_is_given_up_and_an_operation_times_out) {
  auto with = options();
  with.heartbeat = 100ms;
  with.connect_timeout = 300ms;
  with.request_timeout = 2s;
  with.breaker.failures_to_open = 0;
  with_client(with, [&](Client& bus) -> asio::awaitable<void> {
    server.silent = true;
    const auto lost = (co_await bus.publish(message("a", "x"))).error();
    EXPECT_EQ(lost.code, ErrorCode::connection_lost);
    EXPECT_NE(lost.text.find("no sign of life"), std::string::npos) << lost.text;
    EXPECT_EQ((co_await bus.ping()).error().code, ErrorCode::timed_out);
    server.silent = false;
    value(co_await bus.ping());
  });
}

TEST_F(ClientTest, P3_an_idle_connection_is_asked_for_a_sign_of_life) {
  auto with = options();
  with.heartbeat = 50ms;
  SyncClient client(with);
  ASSERT_TRUE(client.connect());
  EXPECT_TRUE(eventually([&] { return server.pings >= 3; }));
  EXPECT_EQ(server.connections, 1);
}

TEST_F(ClientTest, P3_a_program_that_keeps_its_executor_busy_does_not_lose_its_connection) {
  auto with = options();
  with.heartbeat = 100ms;
  with_client(with, [&](Client& bus) -> asio::awaitable<void> {
    for (int i = 0; i < 2; ++i) {
      std::this_thread::sleep_for(1'200ms);
      value(co_await bus.publish(message("a", "done")));
    }
  });
  EXPECT_EQ(server.connections, 1);
}

TEST_F(ClientTest, U2_close_cancels_what_waits) {
  SyncClient client(options());
  ASSERT_TRUE(client.connect());
  auto inbox = client.consume("box");
  ASSERT_TRUE(inbox);
  EXPECT_EQ(inbox->next(20ms).error().code, ErrorCode::timed_out);
  server.put("box", message("box", "late"));
  EXPECT_EQ(value(inbox->next(5s)).content(), "late");
  auto waiting = std::async(std::launch::async, [&] { return inbox->next(); });
  std::this_thread::sleep_for(20ms);
  client.close();
  EXPECT_EQ(waiting.get().error().code, ErrorCode::cancelled);
  EXPECT_EQ(client.ping().error().code, ErrorCode::cancelled);
}

// (g++ 12 does not compile initialiser lists inside coroutines reliably.)
constexpr const char* kTypes[] = {"task", "query", "command", "strange"};
const std::vector<std::string> kSeen = {"other strange", "query x", "task x"};

TEST_F(ClientTest, U2_A2_handlers_by_type_ack_when_they_return_and_nack_when_they_fail) {
  with_client([&](Client& bus) -> asio::awaitable<void> {
    std::vector<std::string> seen;
    int failures = 0;
    bus.on("task", [&](const Delivery& task) { seen.push_back("task " + task.content()); });
    bus.on("query", [&](Delivery query) -> asio::awaitable<Result<void>> {
      seen.push_back("query " + query.content());
      co_return Result<void>{};
    });
    bus.on("command", [&](Delivery) -> asio::awaitable<void> {
      if (++failures < 3) throw std::runtime_error("not yet");
      co_return;
    });
    bus.on("", [&](const Delivery& other) { seen.push_back("other " + other.message.type); });
    for (const auto* type : kTypes) {
      auto one = message("box", "x");
      one.type = type;
      value(co_await bus.publish(one));
    }
    auto ended = bus.run("box", {.parallel = 2}, asio::use_future);
    while (failures < 3 || seen.size() < 3) value(co_await bus.ping());
    value(co_await bus.ping());
    std::ranges::sort(seen);
    EXPECT_EQ(seen, kSeen);
    EXPECT_EQ(server.waiting("box"), 0u);
    bus.close();
    while (ended.wait_for(0s) != std::future_status::ready)
      co_await asio::post(bus.get_executor(), asio::use_awaitable);
    EXPECT_EQ(ended.get().error().code, ErrorCode::cancelled);
  });
}

TEST_F(ClientTest, U2_several_threads_may_use_one_client) {
  SyncClient client(options());
  ASSERT_TRUE(client.connect());
  std::vector<std::thread> threads;
  std::atomic<int> confirmed = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) confirmed += client.publish(message("box", "x")).has_value();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(confirmed, 800);
  EXPECT_EQ(server.waiting("box"), 800u);
}

}  // namespace
}  // namespace folkmoot
