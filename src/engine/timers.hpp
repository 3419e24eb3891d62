// All that is due at a time, in one heap: O(log n) to add, O(1) to look. Entries are not taken out when what they wait
// for is gone; the engine checks each as it comes up, and rebuilds the heap when most of it is stale, so it stays
// bounded.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/time.hpp"
#include "base/uuid.hpp"
#include "engine/ids.hpp"

namespace folkmoot {

/// Each kind is one part's.
enum class TimerKind : std::uint8_t {
  expiry,
  due,
  lease,
  waiter,
  request,
  retry,
  dead,
  schedule,
  redrive,
  content,
  run,
  event,
  stream,
  stream_read,
  stream_consumer,
  stream_play,
  wake,
  wake_taker,
  agent,
  held
};
constexpr std::size_t kTimerKinds = 20;

struct Timer {
  Instant at = 0;
  std::uint64_t id = 0;     // a message key, lease token, waiter or request number
  std::uint32_t place = 0;  // a mailbox or a slot, as the kind says
  TimerKind kind{};

  NameId mailbox() const { return NameId{place}; }
  Slot slot() const { return Slot{place}; }

  /// Earliest on top of a heap; ties in an order that does not depend on how the heap was built.
  bool operator<(const Timer& other) const {
    if (at != other.at) return at > other.at;
    if (kind != other.kind) return kind > other.kind;
    return id > other.id;
  }
};

class Timers {
 public:
  void add(const Timer& timer) {
    heap_.push_back(timer);
    std::push_heap(heap_.begin(), heap_.end());
  }

  /// True and the timer, if one is due at `now`.
  bool pop_due(Instant now, Timer& out) {
    if (heap_.empty() || heap_.front().at > now) return false;
    out = heap_.front();
    std::pop_heap(heap_.begin(), heap_.end());
    heap_.pop_back();
    return true;
  }

  /// The time of the first timer; kNoTime if there is none.
  Instant next_at() const { return heap_.empty() ? kNoTime : heap_.front().at; }
  std::size_t size() const { return heap_.size(); }

  /// Calls `each` for all of them, stale ones too, in no order that means anything, though the same every time.
  template <class Each>
  void each(Each each) const {
    for (const auto& timer : heap_) each(timer);
  }

  template <class IsLive>
  void drop_stale(IsLive is_live) {
    std::erase_if(heap_, [&](const Timer& timer) { return !is_live(timer); });
    std::make_heap(heap_.begin(), heap_.end());
    if (heap_.capacity() > 4 * heap_.size()) heap_.shrink_to_fit();
  }

 private:
  std::vector<Timer> heap_;
};

}  // namespace folkmoot
