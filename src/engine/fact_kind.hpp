// The kinds of facts, as numbered in the journal. Numbers are never used twice. Bodies: engine/facts.hpp.
#pragma once

#include <cstdint>
#include <string_view>

namespace folkmoot {

enum class FactKind : std::uint8_t {
  started = 1,             // a server took the log up: run number, node tag
  party_named = 2,         // a name got its number: agents and mailboxes share one table
  message_accepted = 3,    // a durable message, with where it stands (also when it is copied forward)
  message_settled = 4,     // acknowledged, or handed out at most once: gone for good
  message_returned = 5,    // given back: delivery count, not before
  message_dead = 6,        // moved to the mailbox's dead letters, with the reason
  mailbox_configured = 7,  // limits of one mailbox
  dead_purged = 8,         // a dead letter dropped: the bound on their count was reached
};

constexpr std::string_view name(FactKind kind) {
  switch (kind) {
    case FactKind::started: return "started";
    case FactKind::party_named: return "party_named";
    case FactKind::message_accepted: return "message_accepted";
    case FactKind::message_settled: return "message_settled";
    case FactKind::message_returned: return "message_returned";
    case FactKind::message_dead: return "message_dead";
    case FactKind::mailbox_configured: return "mailbox_configured";
    case FactKind::dead_purged: return "dead_purged";
  }
  return "unknown";
}

}  // namespace folkmoot
