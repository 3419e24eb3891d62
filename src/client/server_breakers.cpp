#include "client/server_breakers.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace folkmoot {

std::string_view name(BreakerState state) { return name(static_cast<CircuitBreaker::State>(state)); }

namespace detail {
namespace {

// The public enumeration repeats the state machine's.
static_assert(static_cast<int>(BreakerState::closed) == static_cast<int>(CircuitBreaker::State::closed));
static_assert(static_cast<int>(BreakerState::open) == static_cast<int>(CircuitBreaker::State::open));
static_assert(static_cast<int>(BreakerState::half_open) == static_cast<int>(CircuitBreaker::State::half_open));

std::int64_t now_ms() {
  return std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

BreakerState public_state(CircuitBreaker::State state) { return static_cast<BreakerState>(state); }

BreakerOptions options_of(const ClientBreaker& given) {
  return {.open_ms = given.open_time.count(),
          .failures_to_open = std::max(given.failures_to_open, 1u),
          .probes_max = given.probes_max,
          .successes_to_close = given.successes_to_close};
}

BreakerOptions usable(const ClientBreaker& given) {
  const auto options = options_of(given);
  return folkmoot::check(options) ? options : BreakerOptions{};
}

}  // namespace

Result<void> ServerBreakers::check(const ClientBreaker& options) { return folkmoot::check(options_of(options)); }

ServerBreakers::ServerBreakers(const ClientBreaker& options, const std::vector<std::string>& addresses)
    : enabled_(options.failures_to_open > 0), options_(usable(options)) {
  for (const auto& address : addresses) all_.push_back({address, CircuitBreaker(options_)});
}

template <class Action>
auto ServerBreakers::act(std::size_t address, Action action) {
  std::unique_lock guard(lock_);
  auto& one = all_[address];
  const auto from = one.breaker.last_state();
  const auto result = action(one);
  const auto to = one.breaker.last_state();
  guard.unlock();
  if (from != to && on_change) on_change({one.address, public_state(from), public_state(to)});
  return result;
}

bool ServerBreakers::allow(std::size_t address) {
  if (!enabled_) return true;
  return act(address, [](One& one) { return one.breaker.allow(now_ms()); });
}

void ServerBreakers::success(std::size_t address) {
  if (!enabled_) return;
  act(address, [](One& one) { return one.breaker.success(now_ms()), 0; });
}

void ServerBreakers::failure(std::size_t address) {
  if (!enabled_) return;
  act(address, [](One& one) { return one.breaker.failure(now_ms()), 0; });
}

void ServerBreakers::reset(std::size_t address) {
  if (!enabled_) return;
  act(address, [this](One& one) {
    one.times_opened += one.breaker.times_opened();
    one.rejected += one.breaker.rejected();
    one.breaker = CircuitBreaker(options_);
    return 0;
  });
}

bool ServerBreakers::is_open(std::size_t address) const {
  if (!enabled_) return false;
  const std::lock_guard guard(lock_);
  return all_[address].breaker.state(now_ms()) == CircuitBreaker::State::open;
}

bool ServerBreakers::is_closed(std::size_t address) const {
  if (!enabled_) return true;
  const std::lock_guard guard(lock_);
  return all_[address].breaker.state(now_ms()) == CircuitBreaker::State::closed;
}

std::vector<BreakerStatus> ServerBreakers::snapshot() const {
  const std::lock_guard guard(lock_);
  std::vector<BreakerStatus> out;
  for (const auto& one : all_) {
    const auto& breaker = one.breaker;
    out.push_back({one.address, public_state(breaker.state(now_ms())), breaker.failures(),
                   one.times_opened + breaker.times_opened(), one.rejected + breaker.rejected()});
  }
  return out;
}

}  // namespace detail
}  // namespace folkmoot
