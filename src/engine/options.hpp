// The engine's settings and bounds.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/siphash.hpp"
#include "engine/facts.hpp"

namespace folkmoot {

struct MailboxLimits {
  std::uint64_t max_messages = 1'000'000;  // waiting, scheduled and leased together
  Duration default_ttl_ms = 0;             // 0: none
  Overflow overflow = Overflow::reject;
  RetryPolicy retry{.attempts = 20};  // of messages without their own; then to the dead letters
};

/// Which of a mailbox's limits are its own: bits. The others are the server's, whatever that says by now.
enum MailboxSetting : std::uint8_t {
  kOwnMaxMessages = 1,
  kOwnDefaultTtl = 2,
  kOwnOverflow = 4,
  kOwnAttempts = 8,
  kOwnRetry = 16,  // but for its attempts
  kOwnAll = 31,
};

/// The limits in force: the `own` of `mine`, the rest of `others`.
constexpr MailboxLimits in_force(const MailboxLimits& mine, std::uint8_t own, const MailboxLimits& others) {
  auto limits = others;
  if (own & kOwnMaxMessages) limits.max_messages = mine.max_messages;
  if (own & kOwnDefaultTtl) limits.default_ttl_ms = mine.default_ttl_ms;
  if (own & kOwnOverflow) limits.overflow = mine.overflow;
  if (own & kOwnRetry) limits.retry = mine.retry;
  limits.retry.attempts = own & kOwnAttempts ? mine.retry.attempts : others.retry.attempts;
  return limits;
}

/// Limits on loops (X13); 0: none. Only messages that name a cause count: a loop is made of answers.
struct GuardLimits {
  std::uint32_t hops_max = 64;
  std::uint32_t pair_per_minute = 0;  // from one agent to one mailbox
  std::uint32_t conversation_per_minute = 0;
};

struct EngineOptions {
  ShardNumber shard = 0;     // which of the server's engines this is
  std::uint32_t shards = 1;  // how many it has: 1 to kShardsMax
  MailboxLimits mailbox;
  SipKey secret{};                    // drawn anew for each run: what addresses are made with that nobody can guess
  std::size_t names_max = 1'000'000;  // names: agents and mailboxes
  std::size_t subscriptions_max = 1'000'000;            // of all sessions
  std::size_t session_subscriptions_max = 10'000;       // subscriptions and consumers of one session
  std::size_t session_requests_max = 65'536;            // unanswered REQUEST, RECEIVE and WAIT of one session
  std::size_t transient_bytes_max = 256 * 1024 * 1024;  // requests waiting in memory
  std::size_t dead_max = 10'000;                        // dead letters a mailbox keeps; then the oldest goes
  Duration dead_ttl_ms{14 * 86'400'000};                // how long they are kept; 0: no bound
  std::size_t receipts_max = 65'536;                    // settled messages whose receipts are remembered
  std::size_t keys_max = 1'000'000;                     // idempotency keys remembered
  Duration keys_ms{86'400'000};                         // for how long
  Duration keys_kept_ms{0};  // no newer one makes it forget one sooner: what has a new one is refused; <= keys_ms
  std::size_t schedules_max = 100'000;
  std::size_t routes_max = 1'000;
  std::size_t durable_subscriptions_max = 10'000;
  std::size_t wakes_max = 100'000;
  std::size_t webhooks_max = 10'000;
  std::size_t accounts_max = 10'000;
  std::size_t roles_max = 100;
  std::size_t access_rules_max = 10'000;
  std::size_t conversations_max = 100'000;  // whose costs are summed; those of later ones are not
  std::size_t contents_max = 1'000'000;     // stored by reference
  std::size_t streams_max = 1'000;
  std::size_t stream_references_max = 1'000'000;  // events of streams that refer to content
  std::size_t stream_consumers_max = 10'000;      // of all streams
  Duration content_grace_ms{600'000};             // how long one stays that nothing refers to
  GuardLimits guard;
  std::size_t agents_max = 250'000;  // registered, or there without that
  Duration agent_stale_ms{300'000};  // a heartbeat is good for so long
  Duration agent_grace_ms{30'000};   // after the last connection of an agent has gone
  // Bounds that are no setting of anybody's; tests reach them with small ones.
  std::size_t timers_least = 1'024;          // the heap of timers is not looked through for stale ones below that
  std::size_t attempts_kept = 32;            // attempts remembered with a message; the oldest go
  std::size_t overflow_drops_max = 64;       // messages dropped to make room for one
  std::size_t redrive_at_once = 256;         // dead letters sent again before the disk has those before them
  std::size_t tombstones_max = 65'536;       // agents that are gone, for who watches
  std::uint32_t guard_entries_max = 65'536;  // pairs, and conversations, counted a minute
};

constexpr std::size_t kLanes = kPriorityMax;
constexpr Duration kKeysAheadMs{2'000};         // ids are reserved in the log for so long ahead
constexpr Duration kRetryMs{1'000};             // between tries of what had no room
constexpr std::size_t kRedriveMax = 1'000'000;  // dead letters sent again by one command
constexpr std::size_t kAgentBytesMax = 65'536;  // of what is registered of one

}  // namespace folkmoot
