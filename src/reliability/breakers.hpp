// All circuit breakers of a program, by what they guard: a destination, reached by a transport. One is made by the
// first failure, so a destination that never failed costs nothing. There are at most `breakers_max`; then the one that
// was used least recently goes, and its destination counts as healthy until it fails again.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "reliability/circuit_breaker.hpp"

namespace folkmoot {

struct BreakerName {
  std::string transport;    // "tcp", "http", ...
  std::string destination;  // an address, an agent or whatever the transport reaches

  auto operator<=>(const BreakerName&) const = default;
};

inline constexpr std::size_t kBreakersMax = 1'000'000;

struct BreakersOptions {
  BreakerOptions breaker;
  std::size_t breakers_max = 10'000;  // 1 to kBreakersMax
};

/// Errors: out_of_range, naming the option, its value and its limits.
Result<void> check(const BreakersOptions& options);

struct BreakerChange {
  BreakerName name;
  CircuitBreaker::State from, to;
  std::int64_t at_ms;
};

struct BreakerInfo {
  BreakerName name;
  CircuitBreaker::State state;
  std::uint32_t failures;
  std::optional<std::int64_t> opened_at_ms;
  std::uint64_t times_opened;
  std::uint64_t rejected;
};

struct BreakersSnapshot {
  std::vector<BreakerInfo> breakers;  // by name
  // Since the start, breakers that are gone included: these never fall.
  std::uint64_t times_opened = 0;
  std::uint64_t rejected = 0;
  std::uint64_t evicted = 0;
};

/// Safe to call from any thread. `now_ms` is milliseconds of one steady clock.
class Breakers {
 public:
  using OnChange = std::function<void(const BreakerChange&)>;

  /// `on_change` is called for each change of a state, by the thread whose call made it and without the lock, so it may
  /// call back; changes that two threads make may come in either order. A breaker becomes half open when somebody asks
  /// it. Requires: `check(options)` holds; `on_change` does not throw.
  explicit Breakers(const BreakersOptions& options = {}, OnChange on_change = {});

  /// As those of CircuitBreaker. The names are held as they are: they must have been bounded where they came in.
  bool allow(const BreakerName& name, std::int64_t now_ms);
  void success(const BreakerName& name, std::int64_t now_ms);
  void failure(const BreakerName& name, std::int64_t now_ms);

  /// Closed for a name that has no breaker.
  CircuitBreaker::State state(const BreakerName& name, std::int64_t now_ms) const;
  /// All breakers, for metrics. Cost: a copy of each, under the lock.
  BreakersSnapshot snapshot(std::int64_t now_ms) const;

 private:
  using ByUse = std::list<const BreakerName*>;  // the keys of `breakers_`, most recently used first
  struct Entry {
    CircuitBreaker breaker;
    ByUse::iterator use;
  };

  enum class IfMissing : std::uint8_t { pass, make };

  template <class Action>
  void act(const BreakerName& name, IfMissing if_missing, std::int64_t now_ms, Action action);
  Entry* find_and_touch(const BreakerName& name);
  Entry& make(const BreakerName& name);
  void evict_least_recent();

  const BreakersOptions options_;
  const OnChange on_change_;
  mutable std::mutex mutex_;  // guards what follows
  std::map<BreakerName, Entry> breakers_;
  ByUse by_use_;
  std::uint64_t times_opened_ = 0;
  std::uint64_t rejected_ = 0;
  std::uint64_t evicted_ = 0;
};

}  // namespace folkmoot
