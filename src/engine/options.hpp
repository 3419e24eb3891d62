// The engine's settings and bounds.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/facts.hpp"

namespace folkmoot {

struct MailboxLimits {
  std::uint64_t max_messages = 1'000'000;  // waiting, scheduled and leased together
  std::int64_t default_ttl_ms = 0;         // 0: none
  std::uint16_t max_deliveries = 20;       // then to the dead letters
  Overflow overflow = Overflow::reject;
};

struct EngineOptions {
  MailboxLimits mailbox;
  std::size_t parties_max = 1'000'000;         // names: agents and mailboxes
  std::size_t subscriptions_max = 1'000'000;   // of all sessions
  std::size_t session_subscriptions_max = 10'000;  // subscriptions and consumers of one session
  std::size_t session_requests_max = 65'536;   // unanswered REQUEST, RECEIVE and WAIT of one session
  std::size_t transient_bytes_max = 256 * 1024 * 1024;  // requests waiting in memory
  std::size_t dead_max = 10'000;               // dead letters a mailbox keeps; then the oldest goes
  std::size_t receipts_max = 65'536;           // settled messages whose receipts are remembered
};

constexpr std::size_t kLanes = kPriorityMax;
constexpr std::int64_t kKeysAheadMs = 2'000;      // ids are reserved in the log for so long ahead
constexpr std::int64_t kRetryMs = 1'000;          // between tries of what had no room
constexpr std::size_t kOverflowDropsMax = 64;  // messages dropped to make room for one

}  // namespace folkmoot
