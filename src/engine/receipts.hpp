// What became of messages that are no longer waiting: remembered for the newest of them.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/uuid.hpp"
#include "engine/ring.hpp"
#include "message/frame.hpp"

namespace folkmoot {

class SettledReceipts {
 public:
  struct Settled {
    std::int64_t at = 0;
    std::uint32_t deliveries = 0;
    std::uint16_t hops = 0;
    ReceiptState state = ReceiptState::acknowledged;
  };

  explicit SettledReceipts(std::size_t max) : max_(max) {}

  void add(MessageKey key, Settled settled) {
    if (max_ == 0) return;
    if (order_.size() >= max_) {
      by_key_.erase(order_.front());
      order_.pop();
    }
    if (by_key_.insert_or_assign(key, settled).second) order_.push(key);
  }

  const Settled* find(MessageKey key) const {
    const auto found = by_key_.find(key);
    return found == by_key_.end() ? nullptr : &found->second;
  }

 private:
  const std::size_t max_;
  Ring<MessageKey> order_;
  boost::unordered_flat_map<MessageKey, Settled> by_key_;
};

}  // namespace folkmoot
