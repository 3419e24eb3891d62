// What can be asked of the engine, as it answers: numbers, and views of what it keeps.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/bytes.hpp"
#include "engine/effects.hpp"
#include "engine/options.hpp"
#include "engine/time_counts.hpp"
#include "message/frame.hpp"

namespace folkmoot {

struct EngineCounters {
  std::uint64_t published = 0, confirmed = 0, delivered = 0, acknowledged = 0, redelivered = 0, returned = 0,
                expired = 0, dead = 0, refused = 0, requests = 0, responses = 0, events_published = 0,
                events_delivered = 0, events_dropped = 0, duplicates = 0, completed = 0, cancelled = 0, bounced = 0,
                resubmitted = 0, guarded = 0, schedules_fired = 0, contents_removed = 0;
  std::array<std::uint64_t, kDeadReasons> dead_by_reason{};
  std::array<std::uint64_t, kAttemptEnds> failed_by_end{};  // attempts
  TimeCounts queue_time;     // of a message, from when it might go out until it first did
  TimeCounts delivery_time;  // ... until it was settled
  std::uint64_t ready = 0, scheduled = 0, leased = 0, pending = 0, blocked = 0, dead_now = 0;
};

struct MailboxStats {
  std::string_view name;
  std::uint64_t ready = 0, scheduled = 0, leased = 0, dead = 0, consumers = 0;
  Instant last_read = kNoTime;  // kNoTime: never
  Instant oldest = 0;           // of what is ready or leased: when it came; 0: there is none
  bool is_misplaced = false;    // of another shard: what comes here is carried on
};

/// Where a message of a mailbox stands, as it is shown.
enum class PeekState : std::uint8_t { waiting, blocked, scheduled, leased };

/// A message that is looked at. Views live until the call they were given in returns.
struct PeekView {
  Uuid id;
  PeekState state{};
  std::uint32_t deliveries = 0;  // the one that is under way included
  Instant due = 0;               // 0: it waits for no time
  Instant expires_at = 0;        // 0: never
  std::string_view holder{};     // of a leased one; empty: not named
  Instant since = 0;             // likewise: handed out then
  Instant until = 0;             // likewise: comes back then; 0: with its holder's connection
  bool retrieved = false;        // likewise: its holder has asked for it, or said a word of it
  Bytes message;                 // envelope and content
};

/// One that takes from a mailbox as messages come, or waits there for the next.
struct ConsumerView {
  SessionId session = 0;
  std::uint32_t credit = 0;  // deliveries it takes now
  std::uint32_t held = 0;    // that it has
  bool waits = false;        // it takes once: RECEIVE
};

/// What a session has.
struct SessionView {
  std::string_view agent;  // empty: it gave no name
  std::uint32_t consumers = 0, subscriptions = 0, held = 0;
  Instant held_since = 0;  // of the first of what it holds; 0: nothing
};

/// Who holds how much.
struct HolderView {
  std::string_view agent;  // empty: not named
  std::uint64_t held = 0;
  Instant since = 0;  // of the first
};

/// How a mailbox is bounded, and which of that it says itself (MailboxSetting).
struct MailboxSettings {
  MailboxLimits limits;
  std::uint8_t own = 0;
};

struct ReceiptView {
  Uuid id;
  std::string_view recipient;
  ReceiptState state = ReceiptState::unknown;
  std::uint32_t deliveries = 0;
  Instant at = 0;
  std::string_view reason;
  std::string_view holder{};  // who has it; empty: nobody, or not named
  Instant since = 0;          // since when; 0: nobody has it
};

/// One dead letter as it is shown. Views live until the call they were given in returns.
struct DeadView {
  Uuid id;
  std::string_view mailbox;
  DeadReason reason{};
  std::string_view text;  // why, in words
  Instant at = 0;
  std::uint32_t deliveries = 0;
  Bytes message;  // envelope and content
};

struct AttemptView {
  Instant at = 0;
  std::string_view holder;  // "": not named
  AttemptEnd end{};
  std::string_view reason;
};

struct ConversationSums {
  double tokens = 0, money = 0;
  std::uint64_t messages = 0;
};

/// Of contents by reference.
struct ContentTotals {
  std::uint64_t stored = 0, stored_bytes = 0;
  std::uint64_t missing = 0;  // that messages refer to
};

}  // namespace folkmoot
