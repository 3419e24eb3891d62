// Values at stable small numbers.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/assert.hpp"

namespace folkmoot {

constexpr std::uint32_t kNoSlot = ~0u;

template <class T>
class Slab {
 public:
  std::uint32_t insert(T value) {
    ++used_;
    if (free_ == kNoSlot) {
      slots_.push_back({std::move(value), kInUse});
      return static_cast<std::uint32_t>(slots_.size() - 1);
    }
    const auto at = free_;
    free_ = slots_[at].next;
    slots_[at] = {std::move(value), kInUse};
    return at;
  }

  void erase(std::uint32_t at) {
    FOLKMOOT_ASSERT(holds(at));
    if constexpr (!std::is_trivially_destructible_v<T>) slots_[at].value = T{};
    slots_[at].next = free_;
    free_ = at;
    if (--used_ == 0 && slots_.capacity() > 1024) {
      slots_ = std::vector<Slot>();
      free_ = kNoSlot;
    }
  }

  bool holds(std::uint32_t at) const { return at < slots_.size() && slots_[at].next == kInUse; }
  T& operator[](std::uint32_t at) { return slots_[at].value; }
  const T& operator[](std::uint32_t at) const { return slots_[at].value; }
  std::size_t size() const { return used_; }

 private:
  static constexpr std::uint32_t kInUse = ~0u - 1;
  struct Slot {
    T value;
    std::uint32_t next;
  };
  std::vector<Slot> slots_;
  std::uint32_t free_ = kNoSlot;
  std::size_t used_ = 0;
};

}  // namespace folkmoot
