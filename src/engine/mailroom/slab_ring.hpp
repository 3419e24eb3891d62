// A ring of slots of a slab, linked through the values themselves: it takes one number where it is kept, and whoever
// leaves it is not searched for. Each value is in one ring at most.
#pragma once

#include <cstdint>

#include "engine/slab.hpp"

namespace folkmoot {

struct RingLinks {
  Slot previous = kNoSlot, next = kNoSlot;
  bool in_ring() const { return next != kNoSlot; }
};

/// T has `RingLinks links`.
template <class T>
class SlabRing {
 public:
  bool empty() const { return first_ == kNoSlot; }
  /// kNoSlot if it is empty.
  Slot first() const { return first_; }
  /// The one behind `at`; kNoSlot if `at` is the last.
  Slot after(const Slab<T>& slab, Slot at) const {
    const auto next = slab[at].links.next;
    return next == first_ ? kNoSlot : next;
  }

  template <class Holds>
  bool any_of(const Slab<T>& slab, Holds holds) const {
    for (auto at = first(); at != kNoSlot; at = after(slab, at)) {
      if (holds(slab[at])) return true;
    }
    return false;
  }

  /// The first, which becomes the last. Requires: !empty().
  Slot take_turn(const Slab<T>& slab) {
    const auto at = first_;
    first_ = slab[at].links.next;
    return at;
  }

  void push_back(Slab<T>& slab, Slot at) {
    if (empty()) {
      slab[at].links = {at, at};
      first_ = at;
      return;
    }
    const auto last = slab[first_].links.previous;
    slab[at].links = {last, first_};
    slab[last].links.next = at;
    slab[first_].links.previous = at;
  }

  /// Requires: it is in this ring.
  void remove(Slab<T>& slab, Slot at) {
    const auto [previous, next] = slab[at].links;
    slab[at].links = {};
    if (next == at) {
      first_ = kNoSlot;
      return;
    }
    slab[previous].links.next = next;
    slab[next].links.previous = previous;
    if (first_ == at) first_ = next;
  }

 private:
  Slot first_ = kNoSlot;
};

}  // namespace folkmoot
