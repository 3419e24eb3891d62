// The connections of a reactor, by their numbers.
#pragma once

#include <memory>
#include <vector>

#include "server/connection.hpp"

namespace folkmoot {

class Connections {
 public:
  /// Null if it is gone.
  Connection* find(SessionId id) const {
    const auto slot = session_slot(id).value;
    if (slot >= slots_.size() || !slots_[slot] || slots_[slot]->id != id) return nullptr;
    return slots_[slot].get();
  }
  /// A socket, or a link if that is -1.
  Connection& add(int socket, std::shared_ptr<Link> link) {
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(slots_.size()));
      slots_.emplace_back();
    }
    const auto slot = free_.back();
    free_.pop_back();
    slots_[slot] = std::make_unique<Connection>();
    auto& connection = *slots_[slot];
    connection.id = session_id(next_serial_, Slot{slot});
    next_serial_ = next_serial_ == kSerialMax ? 1 : next_serial_ + 1;
    connection.socket = socket;
    connection.link = std::move(link);
    return connection;
  }
  void remove(SessionId id) {
    const auto slot = session_slot(id).value;
    slots_[slot].reset();
    free_.push_back(slot);
  }

  std::size_t size() const { return slots_.size() - free_.size(); }
  /// All of them, by slots; `visit` may remove any, and add some, which it may see or not.
  template <class Visit>
  void each(Visit visit) const {
    for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
      if (slots_[slot]) visit(*slots_[slot]);
    }
  }

 private:
  static constexpr std::uint32_t kSerialMax = (1u << 30) - 1;  // events of sockets need the bits above

  std::vector<std::unique_ptr<Connection>> slots_;
  std::vector<std::uint32_t> free_;
  std::uint32_t next_serial_ = 1;
};

}  // namespace folkmoot
