// Lets coroutines of one strand sleep until something may have changed. Spurious wake-ups happen: wait in a loop that
// looks.
#pragma once

#include "gateway/context.hpp"

namespace folkmoot {

class Wakeup {
 public:
  explicit Wakeup(asio::any_io_executor strand) : timer_(strand, Clock::time_point::max()) {}

  /// On the strand only.
  void notify() { timer_.cancel(); }
  asio::awaitable<void> wait(Clock::time_point until = Clock::time_point::max()) {
    if (timer_.expiry() != until) timer_.expires_at(until);
    co_await timer_.async_wait(kAwait);
  }

 private:
  asio::steady_timer timer_;
};

/// What Hub::connect wants as on_ready: wakes `wakeup` on its strand, from any thread, for as long as it lives.
inline std::function<void()> notifier(const Context& context, asio::any_io_executor strand,
                                      std::weak_ptr<Wakeup> wakeup) {
  return [io = context.io, strand, wakeup = std::move(wakeup)] {
    asio::post(strand, [wakeup] {
      if (const auto alive = wakeup.lock()) alive->notify();
    });
  };
}

}  // namespace folkmoot
