// Handlers by type: run() consumes a mailbox, and one or more loops take a message each, call the handler and settle.
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <exception>
#include <utility>

#include "client/connection.hpp"
#include "folkmoot/client.hpp"

namespace folkmoot {

namespace {

constexpr Milliseconds kBusyPause{100};

Client::Handler find_handler(detail::Connection& connection, const std::string& type) {
  const std::lock_guard guard(connection.handlers_lock);
  auto found = connection.handlers.find(type);
  if (found == connection.handlers.end()) found = connection.handlers.find("");
  return found == connection.handlers.end() ? nullptr : found->second;
}

asio::awaitable<Result<void>> handle(std::shared_ptr<detail::Connection> connection, Delivery delivery) {
  const auto handler = find_handler(*connection, delivery.message.type);
  if (!handler) co_return failure(ErrorCode::not_found, "no handler for messages of type " + delivery.message.type);
  try {
    co_return co_await handler(std::move(delivery));
  } catch (const Failure& thrown) {
    co_return std::unexpected(thrown.error());
  } catch (const std::exception& thrown) {
    co_return failure(ErrorCode::internal, thrown.what());
  } catch (...) {
    co_return failure(ErrorCode::internal, "the handler threw something that is not a std::exception");
  }
}

}  // namespace

/// One run(): its consumer, and what its loops have in common.
struct Client::Run {
  Shared connection;
  Consumer consumer;
  RunOptions options;
  std::mutex lock{};
  std::uint32_t loops = 0;  // guarded by lock
  Completion<void> done{};  // guarded by lock

  // Not a coroutine: g++ 12 destroys a lambda with captures wrongly when it stands inside a co_await expression.
  static asio::awaitable<Result<void>> settle(const std::shared_ptr<Run>& run, std::uint64_t lease,
                                              const Result<void>& handled) {
    return detail::initiate<void>(
        asio::use_awaitable, run->connection->executor(), [run, lease, handled](Completion<void> done) {
          if (handled) return start_ack(run->connection, {lease}, std::move(done));
          const auto reason = handled.error().describe();
          start_nack(run->connection, {lease}, {.delay = run->options.retry_delay, .reason = reason}, std::move(done));
        });
  }

  static asio::awaitable<Error> loop(std::shared_ptr<Run> run) {
    for (;;) {
      auto delivery = co_await run->consumer.next();
      if (!delivery) co_return delivery.error();
      const auto lease = delivery->lease;
      // What nobody wants any more is done without being handled.
      Result<void> handled;
      if (!delivery->withdrawn()) handled = co_await handle(run->connection, std::move(*delivery));
      // A settlement that is refused or lost changes nothing here: the message comes again, or somebody else has it.
      // One that found no room on its way is tried again: the lease would stay as long as the connection.
      for (;;) {
        const auto settled = co_await settle(run, lease, handled);
        if (settled || settled.error().code != ErrorCode::busy) break;
        asio::steady_timer pause(co_await asio::this_coro::executor, kBusyPause);
        co_await pause.async_wait(asio::use_awaitable);
      }
    }
  }

  static void ended(Run& run, Error why) {
    Completion<void> last;
    {
      const std::lock_guard guard(run.lock);
      if (--run.loops == 0) last = std::move(run.done);
    }
    if (last) last(std::unexpected(std::move(why)));
  }
};

void Client::set_handler(std::string type, Handler handler) {
  const std::lock_guard guard(connection_->handlers_lock);
  if (handler) {
    connection_->handlers[std::move(type)] = std::move(handler);
  } else {
    connection_->handlers.erase(type);
  }
}

void Client::start_run(const Shared& c, const std::string& mailbox, const RunOptions& options, Completion<void> done) {
  const auto parallel = std::clamp(options.parallel, 1u, 1'000u);
  start_consume(c, mailbox, {.credit = parallel},
                [c, options, parallel, done = std::move(done)](Result<Consumer> consumer) mutable {
                  if (!consumer) return done(std::unexpected(consumer.error()));
                  const auto run = std::make_shared<Run>(c, std::move(*consumer), options);
                  run->loops = parallel;
                  run->done = std::move(done);
                  for (std::uint32_t i = 0; i < parallel; ++i) {
                    asio::co_spawn(c->executor(), Run::loop(run), [run](std::exception_ptr thrown, Error why) {
                      if (thrown) why = {ErrorCode::internal, "a loop of run() ended by an exception"};
                      Run::ended(*run, std::move(why));
                    });
                  }
                });
}

}  // namespace folkmoot
