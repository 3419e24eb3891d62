// The messages of a client whose senders took back what they had asked for. A bounded set: the oldest go first; by then
// they are long settled. From any thread.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <set>

#include "folkmoot/uuid.hpp"

namespace folkmoot::detail {

class Withdrawals {
 public:
  static constexpr std::size_t kMax = 65'536;

  void add(const Uuid& message) {
    const std::lock_guard guard(lock_);
    if (!messages_.insert(message).second) return;
    order_.push_back(message);
    if (order_.size() <= kMax) return;
    messages_.erase(order_.front());
    order_.pop_front();
  }
  bool contains(const Uuid& message) const {
    const std::lock_guard guard(lock_);
    return messages_.contains(message);
  }

 private:
  mutable std::mutex lock_;
  std::set<Uuid> messages_;  // this and the next: guarded by lock_
  std::deque<Uuid> order_;   // the same, oldest first
};

}  // namespace folkmoot::detail
