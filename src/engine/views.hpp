// What can be asked of the engine, as it answers: numbers, and views of what it keeps.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/bytes.hpp"
#include "engine/facts.hpp"
#include "message/frame.hpp"

namespace folkmoot {

struct EngineCounters {
  std::uint64_t published = 0, confirmed = 0, delivered = 0, acknowledged = 0, redelivered = 0, returned = 0,
                expired = 0, dead = 0, refused = 0, requests = 0, responses = 0, events_published = 0,
                events_delivered = 0, events_dropped = 0, duplicates = 0, completed = 0, cancelled = 0, bounced = 0,
                resubmitted = 0, guarded = 0, schedules_fired = 0, contents_removed = 0;
  std::array<std::uint64_t, kDeadReasons> dead_by_reason{};
  std::uint64_t ready = 0, scheduled = 0, leased = 0, pending = 0, blocked = 0, dead_now = 0;
};

struct MailboxStats {
  std::string_view name;
  std::uint64_t ready = 0, scheduled = 0, leased = 0, dead = 0, consumers = 0;
  std::int64_t last_read = -1;  // Unix ms; -1: never
};

struct ReceiptView {
  Uuid id;
  std::string_view recipient;
  ReceiptState state = ReceiptState::unknown;
  std::uint32_t deliveries = 0;
  std::int64_t at = 0;
  std::string_view reason;
};

/// One dead letter as it is shown. Views live until the call they were given in returns.
struct DeadView {
  Uuid id;
  std::string_view mailbox;
  DeadReason reason{};
  std::string_view text;  // why, in words
  std::int64_t at = 0;    // Unix ms
  std::uint32_t deliveries = 0;
  Bytes message;  // envelope and content
};

struct AttemptView {
  std::int64_t at = 0;
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
