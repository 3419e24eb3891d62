// A14: clients that are used again, bounded for each address.
#include "folkmoot/client_pool.hpp"

#include <boost/asio/steady_timer.hpp>

#include "client_fixture.hpp"

namespace folkmoot {
namespace {

class PoolTest : public ClientTest {
 protected:
  /// Runs `body(pool)` in a coroutine until it is done.
  template <class Body>
  void with_pool(ClientPoolOptions with, Body body) {
    with.client = options();
    asio::io_context context;
    ClientPool pool(context.get_executor(), std::move(with));
    bool done = false;
    asio::co_spawn(
        context,
        [&]() -> asio::awaitable<void> {
          co_await body(pool);
          done = true;
        },
        [&](std::exception_ptr thrown) {
          pool.close();
          EXPECT_FALSE(thrown);
        });
    context.run_for(20s);
    EXPECT_TRUE(done) << "the test's coroutine did not come to its end";
  }
};

TEST_F(PoolTest, A14_a_client_that_came_back_is_used_again) {
  with_pool({}, [&](ClientPool& pool) -> asio::awaitable<void> {
    for (int i = 0; i < 3; ++i) {
      auto bus = value(co_await pool.acquire(server.address()));
      value(co_await bus->publish(message("box", "x")));
    }
    EXPECT_EQ(server.connections, 1);
    EXPECT_EQ(pool.metrics().at(0).idle, 1u);
    EXPECT_EQ(pool.metrics().at(0).in_use, 0u);
  });
}

TEST_F(PoolTest, A14_there_are_so_many_for_each_address_and_no_more) {
  FakeServer other;
  with_pool({.per_address = 2}, [&](ClientPool& pool) -> asio::awaitable<void> {
    auto first = value(co_await pool.acquire(server.address()));
    auto second = value(co_await pool.acquire(server.address()));
    EXPECT_EQ((co_await pool.acquire(server.address())).error().code, ErrorCode::limit_reached);
    auto elsewhere = value(co_await pool.acquire(other.address()));
    EXPECT_EQ(server.connections, 2);
    EXPECT_EQ(pool.metrics().size(), 2u);
  });
}

TEST_F(PoolTest, A14_one_that_cannot_connect_leaves_its_place) {
  with_pool({.per_address = 1}, [&](ClientPool& pool) -> asio::awaitable<void> {
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ((co_await pool.acquire("127.0.0.1:1")).error().code, ErrorCode::connection_lost);
  });
}

TEST_F(PoolTest, A14_one_that_is_idle_for_long_is_closed) {
  with_pool({.idle = 20ms}, [&](ClientPool& pool) -> asio::awaitable<void> {
    value(co_await pool.acquire(server.address()));
    asio::steady_timer pause(co_await asio::this_coro::executor);
    for (int i = 0; i < 1'000 && pool.metrics().at(0).idle > 0; ++i) {
      pause.expires_after(5ms);
      co_await pause.async_wait(asio::use_awaitable);
    }
    EXPECT_EQ(pool.metrics().at(0).idle, 0u);
  });
}

TEST_F(PoolTest, A14_a_lost_connection_is_not_given_out_again) {
  with_pool({.per_address = 1}, [&](ClientPool& pool) -> asio::awaitable<void> {
    value(co_await pool.acquire(server.address()));
    server.cut_all();
    asio::steady_timer pause(co_await asio::this_coro::executor, 50ms);
    co_await pause.async_wait(asio::use_awaitable);
    auto bus = value(co_await pool.acquire(server.address()));
    value(co_await bus->ping());
  });
}

TEST_F(PoolTest, A14_a_closed_pool_gives_nothing) {
  with_pool({.per_address = 0}, [&](ClientPool& pool) -> asio::awaitable<void> {
    EXPECT_EQ((co_await pool.acquire(server.address())).error().code, ErrorCode::out_of_range);
    pool.close();
    EXPECT_EQ((co_await pool.acquire(server.address())).error().code, ErrorCode::cancelled);
  });
}

}  // namespace
}  // namespace folkmoot
