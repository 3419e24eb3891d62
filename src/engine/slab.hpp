// Values at stable small numbers.
#pragma once

#include <type_traits>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "engine/ids.hpp"

namespace folkmoot {

template <class T>
class Slab {
 public:
  Slot insert(T value) {
    ++used_;
    if (free_ == kNoSlot) {
      slots_.push_back({std::move(value), kInUse});
      return Slot{static_cast<std::uint32_t>(slots_.size() - 1)};
    }
    const auto at = free_;
    free_ = slots_[at.value].next;
    slots_[at.value] = {std::move(value), kInUse};
    return at;
  }

  void erase(Slot at) {
    FOLKMOOT_ASSERT(holds(at));
    if constexpr (!std::is_trivially_destructible_v<T>) slots_[at.value].value = T{};
    slots_[at.value].next = free_;
    free_ = at;
    if (--used_ == 0 && slots_.capacity() > 1024) {
      slots_ = std::vector<Cell>();
      free_ = kNoSlot;
    }
  }

  bool holds(Slot at) const { return at.value < slots_.size() && slots_[at.value].next == kInUse; }
  T& operator[](Slot at) { return slots_[at.value].value; }
  const T& operator[](Slot at) const { return slots_[at.value].value; }
  std::size_t size() const { return used_; }

 private:
  static constexpr Slot kInUse{~0u - 1};
  struct Cell {
    T value;
    Slot next;
  };
  std::vector<Cell> slots_;
  Slot free_ = kNoSlot;
  std::size_t used_ = 0;
};

}  // namespace folkmoot
