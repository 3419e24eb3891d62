// The kinds of facts, as numbered in the journal. Numbers are never used twice. Bodies: engine/facts.hpp.
#pragma once

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
  agent_set = 21,       // what is registered of an agent
  agent_removed = 22,
};

constexpr std::size_t kFactKinds = 35;  // one above the largest number

constexpr std::string_view name(FactKind kind) {
  switch (kind) {
    case FactKind::started:
      return "started";
    case FactKind::name_added:
      return "name_added";
    case FactKind::message_accepted:
      return "message_accepted";
    case FactKind::message_settled:
      return "message_settled";
    case FactKind::message_returned:
      return "message_returned";
    case FactKind::message_dead:
      return "message_dead";
    case FactKind::mailbox_configured:
      return "mailbox_configured";
    case FactKind::dead_purged:
      return "dead_purged";
    case FactKind::message_cancelled:
      return "message_cancelled";
    case FactKind::key_used:
      return "key_used";
    case FactKind::attempt_noted:
      return "attempt_noted";
    case FactKind::schedule_set:
      return "schedule_set";
    case FactKind::schedule_fired:
      return "schedule_fired";
    case FactKind::schedule_removed:
      return "schedule_removed";
    case FactKind::route_set:
      return "route_set";
    case FactKind::route_removed:
      return "route_removed";
    case FactKind::conversation_summed:
      return "conversation_summed";
    case FactKind::mailbox_deleted:
      return "mailbox_deleted";
    case FactKind::mailbox_read:
      return "mailbox_read";
    case FactKind::message_linked:
      return "message_linked";
    case FactKind::agent_set:
      return "agent_set";
    case FactKind::agent_removed:
      return "agent_removed";
  }
  return "unknown";
}

}  // namespace folkmoot
