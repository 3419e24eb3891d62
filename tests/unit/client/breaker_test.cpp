// The circuit breaker of a client: a server that is down is told from one that is slow, and what becomes of operations
// meanwhile.
#include "client_fixture.hpp"

namespace folkmoot {
namespace {

class BreakerTest : public ClientTest {
 protected:
  ClientOptions fast(WhileOpen while_open) {
    auto with = options();
    with.breaker = {.failures_to_open = 3, .open_time = 60s};
    with.while_open = while_open;
    return with;
  }
  static BreakerState state(const SyncClient& client, std::size_t address = 0) {
    return client.metrics().breakers.at(address).state;
  }

  /// A server that can go away and come back under the same address.
  std::unique_ptr<FakeServer> other = std::make_unique<FakeServer>();
  const std::uint16_t port = other->port();
  const std::string there = other->address();
};

TEST_F(BreakerTest, U8_A12_a_server_that_is_down_opens_it_and_publishing_fails_at_once) {
  auto with = fast(WhileOpen::reject);
  with.address = there;
  SyncClient client(with);
  std::mutex lock;
  std::vector<BreakerEvent> events;
  client.on_breaker([&](const BreakerEvent& event) {
    const std::lock_guard guard(lock);
    events.push_back(event);
  });
  ASSERT_TRUE(client.connect());
  EXPECT_EQ(state(client), BreakerState::closed);
  other.reset();
  ASSERT_TRUE(eventually([&] { return state(client) == BreakerState::open; }));
  const auto refused = client.publish(message("a", "x"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::circuit_open);
  EXPECT_NE(refused.error().text.find(there), std::string::npos) << refused.error().text;
  const auto status = client.metrics().breakers.at(0);
  EXPECT_EQ(status.times_opened, 1u);
  EXPECT_GE(status.rejected, 1u);
  const std::lock_guard guard(lock);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].address, there);
  EXPECT_EQ(events[0].to, BreakerState::open);
}

TEST_F(BreakerTest, U8_a_connection_that_comes_about_closes_it) {
  auto with = fast(WhileOpen::reject);
  with.address = there;
  SyncClient client(with);
  ASSERT_TRUE(client.connect());
  other.reset();
  ASSERT_TRUE(eventually([&] { return state(client) == BreakerState::open; }));
  other = std::make_unique<FakeServer>(port);
  ASSERT_TRUE(eventually([&] { return client.metrics().connected; }));
  EXPECT_EQ(state(client), BreakerState::closed);
  EXPECT_TRUE(client.publish(message("a", "x")));
  EXPECT_EQ(client.metrics().breakers.at(0).times_opened, 1u);
  EXPECT_EQ(client.metrics().connections, 2u);
}

TEST_F(BreakerTest, U8_with_buffer_operations_wait_for_the_server) {
  auto with = fast(WhileOpen::buffer);
  with.address = there;
  SyncClient client(with);
  ASSERT_TRUE(client.connect());
  other.reset();
  ASSERT_TRUE(eventually([&] { return state(client) == BreakerState::open; }));
  auto waiting = std::async(std::launch::async, [&] { return client.publish(message("a", "x")); });
  ASSERT_TRUE(eventually([&] { return client.metrics().waiting == 1; }));
  other = std::make_unique<FakeServer>(port);
  EXPECT_TRUE(waiting.get());
}

TEST_F(BreakerTest, U8_U9_with_an_alternative_the_client_goes_over_to_it) {
  auto with = fast(WhileOpen::alternative);
  with.address = there;
  with.alternatives = {server.address()};
  SyncClient client(with);
  ASSERT_TRUE(client.connect());
  auto inbox = client.consume("box");
  other.reset();
  ASSERT_TRUE(eventually([&] { return client.metrics().address == server.address() && client.metrics().connected; }));
  EXPECT_TRUE(client.publish(message("box", "x")));
  EXPECT_EQ(value(inbox->next(10s)).content(), "x");
  EXPECT_EQ(state(client, 0), BreakerState::open);
  EXPECT_EQ(state(client, 1), BreakerState::closed);
}

TEST_F(BreakerTest, U8_operations_that_time_out_open_it_though_the_connection_stands) {
  auto with = fast(WhileOpen::reject);
  with.request_timeout = 50ms;
  SyncClient client(with);
  ASSERT_TRUE(client.connect());
  server.hold_confirms = true;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.publish(message("a", "x")).error().code, ErrorCode::timed_out);
  EXPECT_TRUE(eventually([&] { return state(client) == BreakerState::open; }));
  EXPECT_EQ(client.publish(message("a", "x")).error().code, ErrorCode::circuit_open);
  EXPECT_EQ(server.publishes, 3);
}

TEST_F(BreakerTest, U8_an_answer_while_it_is_open_does_not_keep_it_from_closing) {
  auto with = fast(WhileOpen::reject);
  with.request_timeout = 50ms;
  with.breaker.open_time = 500ms;
  SyncClient client(with);
  ASSERT_TRUE(client.connect());
  server.put("box", message("box", "x"));
  const auto held = value(client.receive("box"));
  ASSERT_EQ(held.size(), 1u);
  SyncClient peer(options());
  ASSERT_TRUE(peer.connect());
  auto asked = value(peer.consume("peer"));
  auto asking = std::async(std::launch::async, [&] { return client.request(message("peer", "?"), 10s); });
  const auto question = value(asked.next(5s));
  server.hold_confirms = true;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.publish(message("a", "x")).error().code, ErrorCode::timed_out);
  ASSERT_TRUE(eventually([&] { return state(client) == BreakerState::open; }));
  server.hold_confirms = false;
  peer.publish_nowait(make_reply(question, "!"));
  EXPECT_TRUE(asking.get());
  EXPECT_TRUE(client.ack(held.front())) << "a lease is given back, whatever the breaker thinks";
  ASSERT_TRUE(eventually([&] { return state(client) == BreakerState::half_open; }));
  client.publish_nowait(message("a", "unanswered"));  // says nothing: no probe
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(client.publish(message("a", "x"))) << i;
  EXPECT_EQ(state(client), BreakerState::closed);
}

TEST_F(BreakerTest, U8_options_outside_their_limits_are_refused_by_connect) {
  auto with = options();
  with.breaker.probes_max = 0;
  SyncClient client(with);
  EXPECT_EQ(client.connect().error().code, ErrorCode::out_of_range);
}

}  // namespace
}  // namespace folkmoot
