#include "reliability/breakers.hpp"

#include <fmt/format.h>

#include <utility>

#include "base/assert.hpp"

namespace folkmoot {

Result<void> check(const BreakersOptions& options) {
  if (options.breakers_max < 1 || options.breakers_max > kBreakersMax) {
    return failure(ErrorCode::out_of_range, fmt::format("circuit breakers: breakers_max is {}; it may be 1 to {}",
                                                        options.breakers_max, kBreakersMax));
  }
  return check(options.breaker);
}

Breakers::Breakers(const BreakersOptions& options, OnChange on_change)
    : options_(options), on_change_(std::move(on_change)) {
  FOLKMOOT_ASSERT(check(options));
}

// Calls the breaker of that name, if there is one or `if_missing` says to make it, and tells of its change of state.
template <class Action>
void Breakers::act(const BreakerName& name, IfMissing if_missing, std::int64_t now_ms, Action action) {
  std::unique_lock lock(mutex_);
  auto* entry = find_and_touch(name);
  if (!entry && if_missing == IfMissing::make) entry = &make(name);
  if (!entry) return;
  auto& breaker = entry->breaker;
  const auto from = breaker.last_state();
  const auto opened = breaker.times_opened(), rejected = breaker.rejected();
  action(breaker);
  const auto to = breaker.last_state();
  times_opened_ += breaker.times_opened() - opened;
  rejected_ += breaker.rejected() - rejected;
  lock.unlock();
  if (from != to && on_change_) on_change_({name, from, to, now_ms});
}

bool Breakers::allow(const BreakerName& name, std::int64_t now_ms) {
  bool allowed = true;
  act(name, IfMissing::pass, now_ms, [&](CircuitBreaker& breaker) { allowed = breaker.allow(now_ms); });
  return allowed;
}

void Breakers::success(const BreakerName& name, std::int64_t now_ms) {
  act(name, IfMissing::pass, now_ms, [&](CircuitBreaker& breaker) { breaker.success(now_ms); });
}

void Breakers::failure(const BreakerName& name, std::int64_t now_ms) {
  act(name, IfMissing::make, now_ms, [&](CircuitBreaker& breaker) { breaker.failure(now_ms); });
}

CircuitBreaker::State Breakers::state(const BreakerName& name, std::int64_t now_ms) const {
  const std::lock_guard lock(mutex_);
  const auto found = breakers_.find(name);
  return found == breakers_.end() ? CircuitBreaker::State::closed : found->second.breaker.state(now_ms);
}

BreakersSnapshot Breakers::snapshot(std::int64_t now_ms) const {
  const std::lock_guard lock(mutex_);
  BreakersSnapshot all{{}, times_opened_, rejected_, evicted_};
  all.breakers.reserve(breakers_.size());
  for (const auto& [name, entry] : breakers_) {
    const auto& breaker = entry.breaker;
    all.breakers.push_back({name, breaker.state(now_ms), breaker.failures(), breaker.opened_at_ms(),
                            breaker.times_opened(), breaker.rejected()});
  }
  return all;
}

Breakers::Entry* Breakers::find_and_touch(const BreakerName& name) {
  const auto found = breakers_.find(name);
  if (found == breakers_.end()) return nullptr;
  by_use_.splice(by_use_.begin(), by_use_, found->second.use);
  return &found->second;
}

Breakers::Entry& Breakers::make(const BreakerName& name) {
  if (breakers_.size() == options_.breakers_max) evict_least_recent();
  const auto [made, is_new] = breakers_.try_emplace(name, Entry{CircuitBreaker(options_.breaker), {}});
  FOLKMOOT_ASSERT(is_new);
  made->second.use = by_use_.insert(by_use_.begin(), &made->first);
  return made->second;
}

void Breakers::evict_least_recent() {
  const auto least = breakers_.find(*by_use_.back());
  by_use_.pop_back();
  breakers_.erase(least);
  ++evicted_;
}

}  // namespace folkmoot
