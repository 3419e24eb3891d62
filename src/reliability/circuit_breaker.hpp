// A circuit breaker: after enough failures in a row it refuses calls to a destination for a while, so that callers do
// not wait for what is down, and it can recover in peace. Then a few calls are let through to see.
//
//   closed     calls pass; `failures_to_open` failures in a row open it
//   open       calls are refused; after `open_ms` it is half open; twice as long each time that it opens again from
//              there, up to `open_ms_max`
//   half_open  at most `probes_max` calls at a time pass, as probes; `successes_to_close` successes close it, one
//   failure
//              opens it again
//
// A state machine and no more: time is handed in, there is no lock and no callback (client/server_breakers.hpp has
// both).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/error.hpp"

namespace folkmoot {

struct BreakerOptions {
  std::int64_t open_ms = 60'000;       // 1 to kBreakerOpenMsMax
  std::int64_t open_ms_max = 0;        // likewise; less than `open_ms`: it is always that
  std::uint32_t failures_to_open = 5;  // this and the next two: 1 to kBreakerCountMax
  std::uint32_t probes_max = 1;
  std::uint32_t successes_to_close = 1;
};

inline constexpr std::int64_t kBreakerOpenMsMax = 86'400'000;
inline constexpr std::uint32_t kBreakerCountMax = 1'000'000;

/// Errors: out_of_range, naming the option, its value and its limits.
Result<void> check(const BreakerOptions& options);

class CircuitBreaker {
 public:
  enum class State : std::uint8_t { closed, open, half_open };

  /// Requires: `check(options)` holds.
  explicit CircuitBreaker(const BreakerOptions& options = {});

  // `now_ms` is milliseconds of any clock that never goes back.

  /// Whether a call may be made now. After true the caller reports `success` or `failure`. A probe of which nothing was
  /// heard for `open_ms` is given up, so that a lost report does not keep the breaker half open for ever.
  bool allow(std::int64_t now_ms);
  /// The outcome of a call that was allowed. A breaker that is open, or half open with no probe under way, does not
  /// heed it: the call began before the breaker opened, and says nothing of how the destination is now. While a probe
  /// is under way such a late outcome is taken for the probe's.
  void success(std::int64_t now_ms);
  void failure(std::int64_t now_ms);

  State state(std::int64_t now_ms) const;
  /// The state as of the last call that could change it: it is half open only once somebody has asked.
  State last_state() const { return state_; }
  /// Failures in a row, those of probes included.
  std::uint32_t failures() const { return failures_; }
  /// When it was opened last; nothing if it never was.
  std::optional<std::int64_t> opened_at_ms() const { return opened_at_ms_; }
  /// When it becomes half open; nothing unless it is open.
  std::optional<std::int64_t> open_until_ms() const {
    return state_ == State::open ? std::optional(*opened_at_ms_ + open_ms_) : std::nullopt;
  }
  std::uint64_t times_opened() const { return times_opened_; }
  std::uint64_t rejected() const { return rejected_; }

 private:
  void look_at_time(std::int64_t now_ms);
  void open(std::int64_t now_ms);
  bool allow_probe(std::int64_t now_ms);

  BreakerOptions options_;
  std::int64_t open_ms_ = options_.open_ms;  // the last time, or the next one
  std::optional<std::int64_t> opened_at_ms_;
  std::int64_t probed_at_ms_ = 0;
  std::uint64_t times_opened_ = 0;
  std::uint64_t rejected_ = 0;
  std::uint32_t failures_ = 0;
  std::uint32_t probes_ = 0;     // under way; 0 unless half open
  std::uint32_t successes_ = 0;  // of probes since it became half open
  State state_ = State::closed;
};

/// "closed", "open", "half_open".
std::string_view name(CircuitBreaker::State state);

}  // namespace folkmoot
