// The bodies of facts, as the journal keeps them (docs/journal.md lists them for readers of a data folder).
// Fixed layouts, little-endian; what a version adds goes behind, so that older bodies stay readable.
#pragma once

#include <cstdint>

#include "base/uuid.hpp"
#include "folkmoot/message.hpp"

namespace folkmoot {

/// Why a message is dead.
enum class DeadReason : std::uint8_t { none = 0, expired = 1, overflow = 2, max_deliveries = 3 };

constexpr std::string_view name(DeadReason reason) {
  switch (reason) {
    case DeadReason::none: break;
    case DeadReason::expired: return "expired";
    case DeadReason::overflow: return "overflow";
    case DeadReason::max_deliveries: return "max_deliveries";
  }
  return "";
}

/// Noted again now and then while the run lasts, since the ids of events and responses leave no other trace: the next run must
/// not give them out again, whatever its clock says.
struct StartedFact {
  std::uint32_t run = 0;   // counts the servers that took this log up: part of lease numbers and reply addresses
  std::uint32_t node = 0;  // part of message ids
  std::int64_t at = 0;
  MessageKey keys_end = 0;       // keys below may have been given out
  MessageKey suspect_until = 0;  // messages up to this key may have been handed out by a run that was cut off
};
static_assert(sizeof(StartedFact) == 32);

/// Followed by the name.
struct PartyNamedFact {
  std::uint32_t number = 0;
};

/// Followed by the stamped envelope and the content: exactly the bytes a consumer gets.
struct AcceptedFact {
  MessageKey key = 0;
  std::int64_t not_before = 0;  // Unix ms; 0: at once
  std::int64_t expires_at = 0;  // Unix ms; 0: never
  std::uint32_t mailbox = 0;    // party number
  std::uint32_t sender = 0;     // party number
  std::uint16_t deliveries = 0;
  Priority priority = normal;
  DeliveryMode mode = DeliveryMode::at_least_once;
  DeadReason dead = DeadReason::none;
  bool redelivered = false;  // of a copy: it was handed out before
  std::uint8_t zero[2] = {};
};
static_assert(sizeof(AcceptedFact) == 40);

/// Which message a later fact speaks of; one settled fact holds one or more of them.
struct MessageRef {
  MessageKey key = 0;
  std::uint32_t mailbox = 0;
  std::uint32_t sender_and_lane = 0;  // sender << 4 | (priority - 1): finds the queue without a search

  MessageRef() = default;
  MessageRef(MessageKey k, std::uint32_t box, std::uint32_t sender, Priority priority)
      : key(k), mailbox(box), sender_and_lane(sender << 4 | (priority - 1u)) {}
  std::uint32_t sender() const { return sender_and_lane >> 4; }
  unsigned lane() const { return sender_and_lane & 15; }
};
static_assert(sizeof(MessageRef) == 16);
constexpr std::uint32_t kPartyNumberMax = (1u << 28) - 1;

/// Followed by the reason given, if any.
struct ReturnedFact {
  MessageRef message;
  std::int64_t not_before = 0;
  std::uint16_t deliveries = 0;
  std::uint8_t zero[6] = {};
};
static_assert(sizeof(ReturnedFact) == 32);

struct DeadFact {
  MessageRef message;
  std::int64_t at = 0;
  std::uint16_t deliveries = 0;
  DeadReason reason = DeadReason::none;
  std::uint8_t zero[5] = {};
};
static_assert(sizeof(DeadFact) == 32);

enum class Overflow : std::uint8_t { reject = 0, drop_oldest = 1 };

struct MailboxConfiguredFact {
  std::uint64_t max_messages = 0;
  std::int64_t default_ttl_ms = 0;
  std::uint32_t mailbox = 0;
  std::uint16_t max_deliveries = 0;
  Overflow overflow = Overflow::reject;
  std::uint8_t zero = 0;
};
static_assert(sizeof(MailboxConfiguredFact) == 24);

}  // namespace folkmoot
