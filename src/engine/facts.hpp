// The bodies of facts, as the journal keeps them (docs/journal.md lists them for readers of a data folder).
// Fixed layouts, little-endian; what a version adds goes behind, so that older bodies stay readable.
#pragma once

#include <cstdint>

#include "base/time.hpp"
#include "base/uuid.hpp"
#include "folkmoot/message.hpp"

namespace folkmoot {

/// Why a message is dead.
enum class DeadReason : std::uint8_t {
  none = 0,
  expired = 1,
  overflow = 2,        // dropped for newer ones
  max_deliveries = 3,  // failed too often
  rejected = 4,        // its receiver refused it
  guard = 5,           // a limit on loops (X13)
  no_route = 6,        // no route fits
};

constexpr std::size_t kDeadReasons = 7;

constexpr std::string_view name(DeadReason reason) {
  switch (reason) {
    case DeadReason::none:
      break;
    case DeadReason::expired:
      return "expired";
    case DeadReason::overflow:
      return "overflow";
    case DeadReason::max_deliveries:
      return "max_deliveries";
    case DeadReason::rejected:
      return "rejected";
    case DeadReason::guard:
      return "guard";
    case DeadReason::no_route:
      return "no_route";
  }
  return "";
}

/// Noted again now and then while the run lasts, since the ids of events and responses leave no other trace: the next
/// run must not give them out again, whatever its clock says.
struct StartedFact {
  std::uint32_t run = 0;   // counts the servers that took this log up: part of lease numbers and reply addresses
  std::uint32_t node = 0;  // part of message ids
  Instant at = 0;
  MessageKey keys_end = 0;       // keys below may have been given out
  MessageKey suspect_until = 0;  // messages up to this key may have been handed out by a run that was cut off
  std::uint64_t secret[2] = {};  // of the folder: what hashes of outside names are keyed with
};
static_assert(sizeof(StartedFact) == 48);

/// Followed by the name.
struct NameAddedFact {
  NameId number = 0;
};
static_assert(sizeof(NameAddedFact) == 4);

/// Followed by the stamped envelope and the content: exactly the bytes a consumer gets.
struct AcceptedFact {
  MessageKey key = 0;
  Instant not_before = 0;  // 0: at once
  Instant expires_at = 0;  // 0: never
  NameId mailbox = 0;      // name id
  NameId sender = 0;       // name id
  std::uint16_t deliveries = 0;
  Priority priority = normal;
  DeliveryMode mode = DeliveryMode::at_least_once;
  DeadReason dead = DeadReason::none;
  // Of Entry: kRedelivered (of a copy: it was handed out before), kRefers, kGrouped, kPolicy, kBounce; and those below.
  std::uint8_t flags = 0;
  std::uint16_t hops = 0;  // causes that stand before it

  static constexpr std::uint8_t kSilent = 4;  // its sender expects no reply
  static constexpr std::uint8_t kTraced = 8;  // Entry::kTraced
};
static_assert(sizeof(AcceptedFact) == 40);

/// The idempotency key of the message accepted next, in the same group of facts: remembered for longer than the
/// message.
struct KeyUsedFact {
  std::uint64_t hash[2] = {};  // SipHash-2-4-128 of mailbox, sender and key
  MessageKey message = 0;
  NameId mailbox = 0;
  std::uint32_t zero = 0;
};
static_assert(sizeof(KeyUsedFact) == 32);

/// Which message a later fact speaks of; one settled fact holds one or more of them.
struct MessageRef {
  MessageKey key = 0;
  NameId mailbox = 0;
  std::uint32_t sender_and_lane = 0;  // sender << 4 | (priority - 1): finds the queue without a search

  MessageRef() = default;
  MessageRef(MessageKey k, NameId box, NameId sender, Priority priority)
      : key(k), mailbox(box), sender_and_lane(sender.value << 4 | (priority - 1u)) {}
  NameId sender() const { return NameId{sender_and_lane >> 4}; }
  unsigned lane() const { return sender_and_lane & 15; }
};
static_assert(sizeof(MessageRef) == 16);
constexpr NameId kNameIdMax{(1u << 28) - 1};

/// How an attempt ended that did not settle its message.
enum class AttemptEnd : std::uint8_t {
  none = 0,  // not counted: how servers noted once that they stopped in good order
  nacked = 1,
  connection_lost = 2,
  lease_expired = 3,
  rejected = 4,
  server_stopped = 5,
};

constexpr std::size_t kAttemptEnds = 6;

constexpr std::string_view name(AttemptEnd end) {
  switch (end) {
    case AttemptEnd::none:
      break;
    case AttemptEnd::nacked:
      return "nacked";
    case AttemptEnd::connection_lost:
      return "connection_lost";
    case AttemptEnd::lease_expired:
      return "lease_expired";
    case AttemptEnd::rejected:
      return "rejected";
    case AttemptEnd::server_stopped:
      return "server_stopped";
  }
  return "";
}

/// Followed by the reason given, if any. Also kept as the record of an attempt for as long as its message is.
struct ReturnedFact {
  MessageRef message;
  Instant not_before = 0;
  Instant at = 0;
  NameId holder = 0;  // name id of the agent that had it; 0: none was named
  std::uint16_t deliveries = 0;
  AttemptEnd end = AttemptEnd::none;
  std::uint8_t zero = 0;
};
static_assert(sizeof(ReturnedFact) == 40);

/// Followed by the reason in words, if any.
struct DeadFact {
  MessageRef message;
  Instant at = 0;
  std::uint16_t deliveries = 0;
  DeadReason reason = DeadReason::none;
  std::uint8_t zero[5] = {};
};
static_assert(sizeof(DeadFact) == 32);

/// What came of a message whose settlement follows in the same group of facts: JSON text follows. Or, with a code, what
/// somebody answered to whom the message was handed on, at this attempt: the beginning of that answer follows. It moves
/// nothing: who follows the journal keeps it.
struct ResultFact {
  MessageRef message;
  Instant at = 0;
  NameId holder = 0;  // name id of the agent that settles it; 0: none was named
  std::uint16_t deliveries = 0;
  std::uint16_t code = 0;  // of HTTP; 0: it is the result
};
static_assert(sizeof(ResultFact) == 32);

enum class Overflow : std::uint8_t { reject = 0, drop_oldest = 1 };

struct MailboxConfiguredFact {
  std::uint64_t max_messages = 0;
  Duration default_ttl_ms = 0;
  NameId mailbox = 0;
  Overflow overflow = Overflow::reject;
  Backoff backoff{};
  std::uint16_t attempts = 0;
  Duration initial_ms = 0;
  Duration max_ms = 0;
  std::uint32_t multiplier_permille = 0;
  std::uint8_t own =
      0;  // which of them are the mailbox's own (MailboxSetting), and kSaysOwn; 0: all, of older versions
  std::uint8_t zero[3] = {};

  static constexpr std::uint8_t kSaysOwn = 128;
};
static_assert(sizeof(MailboxConfiguredFact) == 48);

/// The mailbox is gone, with its settings; what waited in it was taken back before.
struct MailboxDeletedFact {
  NameId mailbox = 0;
  std::uint32_t zero = 0;
};
static_assert(sizeof(MailboxDeletedFact) == 8);

/// How one message became another.
enum class StepKind : std::uint8_t {
  caused = 0,  // it names the other as its cause
  resent = 1,  // a dead letter was sent again
  moved = 2,   // it was carried to another shard
};

struct MessageLinkedFact {
  Uuid from{};
  Uuid next{};
  StepKind kind{};
  std::uint8_t zero[7] = {};
};
static_assert(sizeof(MessageLinkedFact) == 40);

/// When a mailbox was last read. Noted now and then, and at the end of a run in good order.
struct MailboxReadFact {
  Instant at = 0;
  NameId mailbox = 0;
  std::uint32_t zero = 0;
};
static_assert(sizeof(MailboxReadFact) == 16);

/// Followed by u16 length and name, u16 length and cron expression (empty: every `every_ms`), envelope and content of
/// the message.
struct ScheduleSetFact {
  std::uint64_t number = 0;  // never used twice
  Instant next = 0;
  Duration every_ms = 0;    // 0: by the cron expression
  Instant until = 0;        // 0: for ever
  std::uint64_t left = 0;   // times; 0: no end
  std::uint64_t fired = 0;  // how often so far
  NameId sender = 0;        // name id
  std::uint32_t zero = 0;
};
static_assert(sizeof(ScheduleSetFact) == 56);

/// A schedule's message went out: in one group with its message_accepted fact.
struct ScheduleFiredFact {
  std::uint64_t number = 0;
  Instant next = 0;
  std::uint64_t left = 0;
  std::uint64_t fired = 0;
};
static_assert(sizeof(ScheduleFiredFact) == 32);

/// What the messages of one conversation reported (X15). Followed by the conversation's name. The newest holds the
/// sums.
struct ConversationFact {
  double tokens = 0;
  double money = 0;
  std::uint64_t messages = 0;
};
static_assert(sizeof(ConversationFact) == 24);

/// What is registered of an agent. Followed by a MessagePack map of registry/record.hpp.
struct AgentSetFact {
  Uuid id{};
  Instant registered_at = 0;
  Instant quarantined_at = 0;  // 0: it is not in quarantine
  NameId agent = 0;            // name id
  std::uint32_t zero = 0;
};
static_assert(sizeof(AgentSetFact) == 40);

struct AgentRemovedFact {
  Uuid id{};
  NameId agent = 0;
  std::uint32_t zero = 0;
};
static_assert(sizeof(AgentRemovedFact) == 24);

}  // namespace folkmoot
