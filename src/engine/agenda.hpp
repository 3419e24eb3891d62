// What is due when, and which part it is for.
#pragma once

#include <array>

#include "base/assert.hpp"
#include "engine/options.hpp"
#include "engine/part.hpp"
#include "engine/timers.hpp"

namespace folkmoot {

class Census;

class Agenda {
 public:
  /// `timers_least`: fewer are not looked through for stale ones.
  explicit Agenda(std::size_t timers_least) : least_(timers_least), rebuilt_at_(timers_least) {}

  /// The timers of a kind are that part's. Before the first of them is added.
  void assign(TimerKind kind, Part& part) { owners_[static_cast<std::size_t>(kind)] = &part; }

  void add(const Timer& timer) {
    timers_.add(timer);
    if (timers_.size() >= rebuilt_at_) [[unlikely]]
      rebuild();
  }
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;
  /// When there is something to do next: kNoTime if nothing waits for a time.
  Instant next_at() const { return timers_.next_at(); }
  /// Calls `each` for all timers of a kind, those that mean nothing any more too.
  template <class Each>
  void each(TimerKind kind, Each each) const {
    timers_.each([&](const Timer& timer) {
      if (timer.kind == kind) each(timer);
    });
  }
  /// Hands the first timer that is due at `now` to its part, unless it means nothing any more. False: none is due.
  bool step(Instant now) {
    Timer timer;
    if (!timers_.pop_due(now, timer)) return false;
    auto& part = owner(timer);
    if (part.is_live(timer)) part.due(timer);
    return true;
  }

 private:
  // Requires: Engine::assign() gave its kind to a part.
  Part& owner(const Timer& timer) const { return *owners_[static_cast<std::size_t>(timer.kind)]; }
  // Without timers that are stale by now: asks every part of each.
  [[gnu::noinline]] void rebuild() {
    timers_.drop_stale([this](const Timer& each) { return owner(each).is_live(each); });
    rebuilt_at_ = std::max(least_, 2 * timers_.size());
  }

  Timers timers_;
  const std::size_t least_;
  std::size_t rebuilt_at_;  // when there are so many, those that mean nothing any more are dropped
  std::array<Part*, kTimerKinds> owners_{};
};

}  // namespace folkmoot
