// What an account has in use and how fast it goes, over all its connections, at every shard and door. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "access/pace.hpp"

namespace folkmoot::access {

struct AccountUse {
  Pace messages{}, bytes{};  // that it sends
  std::atomic<std::uint32_t> connections = 0;
};

/// One of an account's connections, for as long as this is there.
class ConnectionSlot {
 public:
  ConnectionSlot() = default;
  ConnectionSlot(ConnectionSlot&& other) noexcept : use_(std::exchange(other.use_, nullptr)) {}
  ConnectionSlot& operator=(ConnectionSlot&& other) noexcept {
    std::swap(use_, other.use_);
    return *this;
  }
  ~ConnectionSlot() {
    if (use_) use_->connections.fetch_sub(1, std::memory_order_relaxed);
  }

  /// Counts one more, unless there are `most` (0: no bound); then it holds none.
  static ConnectionSlot take(std::shared_ptr<AccountUse> use, std::uint32_t most) {
    auto taken = use->connections.load(std::memory_order_relaxed);
    do {
      if (most != 0 && taken >= most) return {};
    } while (!use->connections.compare_exchange_weak(taken, taken + 1, std::memory_order_relaxed));
    ConnectionSlot slot;
    slot.use_ = std::move(use);
    return slot;
  }
  bool is_held() const { return use_ != nullptr; }

 private:
  std::shared_ptr<AccountUse> use_;
};

}  // namespace folkmoot::access
