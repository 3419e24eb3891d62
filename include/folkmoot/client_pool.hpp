// Connected clients that are used again, so many for each server address at most: for programs that talk to many
// servers, or that want several connections to one.
//
//   auto bus = folkmoot::value(co_await pool.acquire("10.0.0.7:7470"));
//   co_await bus->publish(message);                                      // goes back to the pool with `bus`
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "folkmoot/client.hpp"

namespace folkmoot {

struct ClientPoolOptions {
  ClientOptions client{};        // of all of them, but for the address
  std::size_t per_address = 16;  // idle and in use, 1 to 65,536
  Milliseconds idle{60'000};     // one that nobody used for so long is closed; 1 ms to 24 h
};

/// What a pool holds for an address.
struct PoolStatus {
  std::string address{};
  std::size_t in_use = 0, idle = 0;
};

/// A client out of a pool; it goes back when this ends. One whose connection is lost by then is closed.
class PooledClient {
 public:
  PooledClient(PooledClient&&) noexcept = default;
  PooledClient& operator=(PooledClient&& other) noexcept;
  ~PooledClient();

  Client& operator*() const { return *client_; }
  Client* operator->() const { return client_.get(); }

 private:
  friend class ClientPool;
  struct State;
  PooledClient(std::shared_ptr<State> state, std::string address, std::unique_ptr<Client> client);
  void give_back();

  std::shared_ptr<State> state_;
  std::string address_;
  std::unique_ptr<Client> client_;
};

/// From any thread. The executor's context must outlive the pool and what came out of it.
class ClientPool {
 public:
  explicit ClientPool(asio::any_io_executor executor, ClientPoolOptions options = {});
  ClientPool(ClientPool&&) noexcept = default;
  ClientPool& operator=(ClientPool&&) = delete;
  /// close().
  ~ClientPool();

  /// An idle client of this address ("" is the default address), or a new one, connected. Errors: limit_reached (all
  /// are in use, or too many addresses), out_of_range (options), cancelled (closed), as Client::connect.
  template <class Token = asio::use_awaitable_t<>>
  auto acquire(std::string address = {}, Token&& token = {}) {
    return detail::initiate<PooledClient>(
        std::forward<Token>(token), executor_,
        [state = state_, address = std::move(address)](auto done) { start_acquire(state, address, std::move(done)); });
  }

  /// Closes what is idle, and what is in use when it comes back. May be called twice.
  void close();
  std::vector<PoolStatus> metrics() const;

 private:
  using Shared = std::shared_ptr<PooledClient::State>;
  static void start_acquire(const Shared& state, const std::string& address, Completion<PooledClient> done);

  asio::any_io_executor executor_;
  Shared state_;
};

}  // namespace folkmoot
