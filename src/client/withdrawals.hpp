// The leases of a client whose senders took back what they had asked for. A bounded set: the oldest go first; by then they are long
// settled. From any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <unordered_set>

namespace folkmoot::detail {

class Withdrawals {
 public:
  static constexpr std::size_t kMax = 65'536;

  void add(std::uint64_t lease) {
    const std::lock_guard guard(lock_);
    if (!leases_.insert(lease).second) return;
    order_.push_back(lease);
    if (order_.size() <= kMax) return;
    leases_.erase(order_.front());
    order_.pop_front();
  }
  bool contains(std::uint64_t lease) const {
    const std::lock_guard guard(lock_);
    return leases_.contains(lease);
  }

 private:
  mutable std::mutex lock_;
  std::unordered_set<std::uint64_t> leases_;  // this and the next: guarded by lock_
  std::deque<std::uint64_t> order_;           // the same, oldest first
};

}  // namespace folkmoot::detail
