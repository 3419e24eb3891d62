// A first-in-first-out queue in one block that grows by doubling and is given back when it has become empty and large.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace folkmoot {

template <class T>
class Ring {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  T& front() { return slots_[head_]; }
  T& back() { return at(size_ - 1); }
  /// The index-th from the front. Requires: index < size().
  T& at(std::size_t index) { return slots_[(head_ + index) & (slots_.size() - 1)]; }

  void push(const T& value) { push(T(value)); }
  void push(T&& value) {
    if (size_ == slots_.size()) grow();
    slots_[(head_ + size_++) & (slots_.size() - 1)] = std::move(value);
  }

  void pop() {
    slots_[head_] = T{};
    head_ = (head_ + 1) & (slots_.size() - 1);
    if (--size_ == 0 && slots_.size() > kKept) {
      slots_ = std::vector<T>();
      head_ = 0;
    }
  }

 private:
  static constexpr std::size_t kFirst = 64, kKept = 8192;

  void grow() {
    std::vector<T> larger(slots_.empty() ? kFirst : slots_.size() * 2);
    for (std::size_t i = 0; i < size_; ++i) larger[i] = std::move(slots_[(head_ + i) & (slots_.size() - 1)]);
    slots_ = std::move(larger);
    head_ = 0;
  }

  std::vector<T> slots_;
  std::size_t head_ = 0;
  std::size_t size_ = 0;
};

}  // namespace folkmoot
