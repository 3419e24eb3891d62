// The bytes of messages that wait in memory alone (requests), bounded in all.
#pragma once

#include <string>

#include "base/bytes.hpp"
#include "engine/slab.hpp"

namespace folkmoot {

class Census;

class TransientStore {
 public:
  explicit TransientStore(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;
  bool has_room(std::size_t bytes) const { return bytes_ + bytes <= bytes_max_; }

  /// `asked_by`: the slot of the request that waits for its answer, if there is one.
  Slot put(Bytes head, Bytes rest, Slot asked_by = kNoSlot) {
    std::string bytes;
    bytes.reserve(head.size() + rest.size());
    bytes.append(as_text(head)).append(as_text(rest));
    bytes_ += bytes.size();
    return slots_.insert({std::move(bytes), asked_by});
  }

  Bytes get(Slot slot) const { return as_bytes(slots_[slot].bytes); }
  Slot asked_by(Slot slot) const { return slots_[slot].asked_by; }

  void drop(Slot slot) {
    bytes_ -= slots_[slot].bytes.size();
    slots_.erase(slot);
  }

 private:
  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  struct Message {
    std::string bytes;
    Slot asked_by = kNoSlot;
  };
  Slab<Message> slots_;
};

}  // namespace folkmoot
