// A waiting message, in 24 bytes: what must be in memory while its bytes are in the log.
#pragma once

#include "engine/fact_log.hpp"
#include "engine/facts.hpp"
#include "engine/ids.hpp"

namespace folkmoot {

class Entry {
 public:
  /// Those below 256 stand in AcceptedFact too, but for kOnce, kTransient and kExpires, which follow from the rest.
  enum Flag : std::uint16_t {
    kRedelivered = 1,  // was handed out before, or a restart cannot exclude it
    kOnce = 2,         // at_most_once: settled before it is handed out
    kTransient = 4,    // not in the log: its bytes are in the engine's memory, `place().lsn` is their slot
    kExpires = 8,      // has an entry in the table of expiries
    kRefers = 16,      // its content is stored by reference
    kGrouped = 32,     // one of a group: in order, one at a time
    kPolicy = 64,      // its envelope has a retry policy
    kBounce = 128,     // its sender wants to hear if it ends dead
    kGone = 256,       // taken out of the middle of a queue; passed over when its turn comes
    kTraced = 512,     // belongs to a trace that is kept: tracing.hpp
  };

  Entry() = default;
  Entry(MessageKey message_key, FactPlace place, Priority message_priority, std::uint16_t entry_flags)
      : key(message_key), lsn_(place.lsn.value), priority(message_priority), bytes_(place.bytes), flags(entry_flags) {}

  FactPlace place() const { return {Lsn{lsn_}, bytes_}; }
  /// Requires: has(kTransient).
  Slot stored() const { return Slot{static_cast<std::uint32_t>(lsn_)}; }
  void move_to(FactPlace place) {
    lsn_ = place.lsn.value;
    bytes_ = place.bytes;
  }
  bool has(Flag flag) const { return (flags & flag) != 0; }

  MessageKey key = 0;

 private:
  std::uint64_t lsn_ : 56 = 0;

 public:
  Priority priority : 8 = normal;

 private:
  std::uint32_t bytes_ : 24 = 0;

 public:
  std::uint16_t flags = 0;
  std::uint16_t deliveries = 0;  // settled as failed so far
};
static_assert(sizeof(Entry) == 24);
struct QueuedMessage {
  Entry entry;
  NameId sender = 0;  // name id
};
static_assert(kLsnMax.value >> 56 == 0 && kFactBytesMax >> 24 == 0);

}  // namespace folkmoot
