// The circuit breakers of the addresses that a client may use. Beyond CircuitBreaker: a connection that comes about
// proves that the server is there again, so it closes the breaker whatever its state. From any thread.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "folkmoot/options.hpp"
#include "reliability/circuit_breaker.hpp"

namespace folkmoot::detail {

class ServerBreakers {
 public:
  /// `addresses`: one at least. Options outside their limits are taken for their defaults; see check().
  ServerBreakers(const ClientBreaker& options, const std::vector<std::string>& addresses);
  /// Errors: out_of_range, naming the option, its value and its limits.
  static Result<void> check(const ClientBreaker& options);

  /// Whether an operation may be sent to, or wait for, this address.
  bool allow(std::size_t address);
  void success(std::size_t address);
  void failure(std::size_t address);
  /// A connection to it came about.
  void reset(std::size_t address);

  bool is_open(std::size_t address) const;
  bool is_closed(std::size_t address) const;
  bool is_enabled() const { return enabled_; }
  const std::string& address(std::size_t address) const { return all_[address].address; }
  std::size_t size() const { return all_.size(); }
  std::vector<BreakerStatus> snapshot() const;

  /// Called without the lock by whoever made the change; must not throw. Set before the first use.
  std::function<void(const BreakerEvent&)> on_change;

 private:
  struct One {
    std::string address;  // constant
    CircuitBreaker breaker;
    std::uint64_t times_opened = 0, rejected = 0;  // of breakers before this one
  };
  template <class Action>
  // Calls `action` under the lock, and then, without it, on_change if the state is another.
  auto act(std::size_t address, Action action);

  const bool enabled_;
  const BreakerOptions options_;
  mutable std::mutex lock_;
  std::vector<One> all_;  // guarded by lock_, but for the addresses
};

}  // namespace folkmoot::detail
