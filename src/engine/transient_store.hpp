// The bytes of messages that wait in memory alone (requests), bounded in all.
#pragma once

#include <string>

#include "base/bytes.hpp"
#include "engine/slab.hpp"

namespace folkmoot {

class TransientStore {
 public:
  explicit TransientStore(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  bool has_room(std::size_t bytes) const { return bytes_ + bytes <= bytes_max_; }

  std::uint32_t put(Bytes head, Bytes rest) {
    std::string bytes;
    bytes.reserve(head.size() + rest.size());
    bytes.append(as_text(head)).append(as_text(rest));
    bytes_ += bytes.size();
    return slots_.insert(std::move(bytes));
  }

  Bytes get(std::uint32_t slot) const { return as_bytes(slots_[slot]); }

  void drop(std::uint32_t slot) {
    bytes_ -= slots_[slot].size();
    slots_.erase(slot);
  }

 private:
  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  Slab<std::string> slots_;
};

}  // namespace folkmoot
