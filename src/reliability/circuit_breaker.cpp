#include "reliability/circuit_breaker.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.hpp"

namespace folkmoot {
namespace {

Result<void> check_range(std::string_view option, std::int64_t value, std::int64_t max) {
  if (value >= 1 && value <= max) return {};
  return failure(ErrorCode::out_of_range,
                 fmt::format("circuit breaker: {} is {}; it may be 1 to {}", option, value, max));
}

}  // namespace

Result<void> check(const BreakerOptions& options) {
  auto checked = check_range("open_ms", options.open_ms, kBreakerOpenMsMax);
  if (checked && options.open_ms_max != 0) checked = check_range("open_ms_max", options.open_ms_max, kBreakerOpenMsMax);
  if (checked) checked = check_range("failures_to_open", options.failures_to_open, kBreakerCountMax);
  if (checked) checked = check_range("probes_max", options.probes_max, kBreakerCountMax);
  if (checked) checked = check_range("successes_to_close", options.successes_to_close, kBreakerCountMax);
  return checked;
}

CircuitBreaker::CircuitBreaker(const BreakerOptions& options) : options_(options) { FOLKMOOT_ASSERT(check(options)); }

bool CircuitBreaker::allow(std::int64_t now_ms) {
  look_at_time(now_ms);
  const bool allowed = state_ == State::closed || (state_ == State::half_open && allow_probe(now_ms));
  if (!allowed) ++rejected_;
  return allowed;
}

void CircuitBreaker::success(std::int64_t now_ms) {
  look_at_time(now_ms);
  if (state_ == State::closed) failures_ = 0;
  if (state_ != State::half_open || probes_ == 0) return;
  --probes_;
  if (++successes_ < options_.successes_to_close) return;
  state_ = State::closed;
  failures_ = 0;
  probes_ = 0;
}

void CircuitBreaker::failure(std::int64_t now_ms) {
  look_at_time(now_ms);
  if (state_ == State::closed && ++failures_ >= options_.failures_to_open) open(now_ms);
  if (state_ == State::half_open && probes_ > 0) {
    ++failures_;
    open(now_ms);
  }
}

CircuitBreaker::State CircuitBreaker::state(std::int64_t now_ms) const {
  const bool over = state_ == State::open && now_ms - *opened_at_ms_ >= open_ms_;
  return over ? State::half_open : state_;
}

void CircuitBreaker::look_at_time(std::int64_t now_ms) {
  if (state(now_ms) == state_) return;
  state_ = State::half_open;
  probes_ = 0;
  successes_ = 0;
}

void CircuitBreaker::open(std::int64_t now_ms) {
  const bool again = state_ == State::half_open;
  open_ms_ = again ? std::max(options_.open_ms, std::min(open_ms_ * 2, options_.open_ms_max)) : options_.open_ms;
  state_ = State::open;
  opened_at_ms_ = now_ms;
  ++times_opened_;
  probes_ = 0;
}

bool CircuitBreaker::allow_probe(std::int64_t now_ms) {
  if (probes_ == options_.probes_max && now_ms - probed_at_ms_ >= open_ms_) probes_ = 0;
  if (probes_ == options_.probes_max) return false;
  ++probes_;
  probed_at_ms_ = now_ms;
  return true;
}

std::string_view name(CircuitBreaker::State state) {
  switch (state) {
    case CircuitBreaker::State::closed:
      return "closed";
    case CircuitBreaker::State::open:
      return "open";
    case CircuitBreaker::State::half_open:
      return "half_open";
  }
  return "unknown";
}

}  // namespace folkmoot
