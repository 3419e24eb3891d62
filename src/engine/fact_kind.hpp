// The kinds of facts, as numbered in the journal. Numbers are never used twice. Bodies: engine/facts.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace folkmoot {

enum class FactKind : std::uint8_t {
  started = 1,             // a server took the log up: run number, node tag
  name_added = 2,          // a name got its number: agents and mailboxes share one table
  message_accepted = 3,    // a durable message, with where it stands (also when it is copied forward)
  message_settled = 4,     // acknowledged, or handed out at most once: gone for good
  message_returned = 5,    // given back: delivery count, not before
  message_dead = 6,        // moved to the mailbox's dead letters, with the reason
  mailbox_configured = 7,  // limits of one mailbox
  dead_purged = 8,         // a dead letter is gone: dropped, purged, or resubmitted as a new message
  message_cancelled = 9,   // taken back by its sender before anybody had it
  key_used = 10,           // an idempotency key, for as long as it is remembered
  attempt_noted = 11,      // a copy of message_returned that is history: it moves nothing
  schedule_set = 12,       // a repeated message
  schedule_fired = 13,     // it went out once more
  schedule_removed = 14,
  route_set = 15,
  route_removed = 16,
  conversation_summed = 17,  // what a conversation has cost so far
  mailbox_deleted = 18,
  mailbox_read = 19,    // when it was last read, as of now and then
  message_linked = 20,  // how one message became another
  agent_set = 21,       // an agent of the registry
  agent_removed = 22,
  stream_set = 24,
  stream_removed = 25,
  stream_event = 26,    // an event, until it is in the stream's files
  stream_trimmed = 27,  // how far a stream is
  consumer_set = 28,    // one of a stream, with its position
  consumer_moved = 29,
  consumer_removed = 30,
  subscription_set = 31,  // a durable one
  subscription_removed = 32,
  wake_set = 33,  // how an agent is woken
  wake_removed = 34,
  stream_refers = 35,  // an event of a stream refers to content
  account_set = 40,    // who may speak to the server
  account_removed = 41,
  role_set = 42,
  role_removed = 43,
  rule_set = 44,  // who may do what
  rule_removed = 45,
  result_noted = 46,  // what came of a message, as it is settled: for the history
  webhook_set = 47,   // to which endpoint the mail of an agent is posted
  webhook_removed = 48,
};

constexpr std::size_t kFactKinds = 49;  // one above the largest number

// By number; empty: none has it.
constexpr std::string_view kFactKindNames[kFactKinds] = {
    "",
    "started",
    "name_added",
    "message_accepted",
    "message_settled",
    "message_returned",
    "message_dead",
    "mailbox_configured",
    "dead_purged",
    "message_cancelled",
    "key_used",
    "attempt_noted",
    "schedule_set",
    "schedule_fired",
    "schedule_removed",
    "route_set",
    "route_removed",
    "conversation_summed",
    "mailbox_deleted",
    "mailbox_read",
    "message_linked",
    "agent_set",
    "agent_removed",
    "",
    "stream_set",
    "stream_removed",
    "stream_event",
    "stream_trimmed",
    "consumer_set",
    "consumer_moved",
    "consumer_removed",
    "subscription_set",
    "subscription_removed",
    "wake_set",
    "wake_removed",
    "stream_refers",
    "",
    "",
    "",
    "",
    "account_set",
    "account_removed",
    "role_set",
    "role_removed",
    "rule_set",
    "rule_removed",
    "result_noted",
    "webhook_set",
    "webhook_removed",
};

constexpr std::string_view name(FactKind kind) {
  const auto number = static_cast<std::size_t>(kind);
  return number < kFactKinds && !kFactKindNames[number].empty() ? kFactKindNames[number] : "unknown";
}

}  // namespace folkmoot
