// A client and the server that it talks to.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "fake_server.hpp"
#include "folkmoot/folkmoot.hpp"

namespace folkmoot {

using namespace std::chrono_literals;

class ClientTest : public ::testing::Test {
 protected:
  ClientOptions options() {
    ClientOptions out;
    out.address = server.address();
    out.agent = "tester";
    out.backoff_min = 5ms;
    out.backoff_max = 20ms;
    out.request_timeout = 5s;
    return out;
  }

  /// Runs `body(bus)` in a coroutine on a connected client, until it is done.
  template <class Body>
  void with_client(ClientOptions with, Body body) {
    asio::io_context context;
    Client bus(context.get_executor(), std::move(with));
    bool done = false;
    asio::co_spawn(
        context,
        [&]() -> asio::awaitable<void> {
          value(co_await bus.connect());
          co_await body(bus);
          done = true;
        },
        [&](std::exception_ptr thrown) {
          bus.close();
          try {
            if (thrown) std::rethrow_exception(thrown);
          } catch (const std::exception& error) {
            ADD_FAILURE() << error.what();
          }
        });
    context.run_for(20s);
    EXPECT_TRUE(done) << "the test's coroutine did not come to its end";
  }

  template <class Body>
  void with_client(Body body) {
    with_client(options(), std::move(body));
  }

  static Message message(std::string to, std::string content) {
    Message out;
    out.to = std::move(to);
    out.content = std::move(content);
    return out;
  }
  static Message event(std::string topic) {
    Message out;
    out.topic = std::move(topic);
    return out;
  }

  template <class Condition>
  static bool eventually(Condition condition) {
    for (int i = 0; i < 1'000 && !condition(); ++i) std::this_thread::sleep_for(5ms);
    return condition();
  }

  FakeServer server;
};

}  // namespace folkmoot
