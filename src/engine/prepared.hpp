// A message on its way into a mailbox: all that was decided of it before its facts are written.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/siphash.hpp"
#include "engine/commands.hpp"
#include "engine/fact_log.hpp"
#include "engine/guard.hpp"
#include "folkmoot/message.hpp"

namespace folkmoot {

/// Of one message's facts (two names, the run's note, key, conversation, message), all but names, chain, envelope and
/// content: 152 bytes of fixed parts, and 132 that stamping adds.
constexpr std::size_t kFixedBytesMax = 320;
/// The same of a notice or a death, names included.
constexpr std::size_t kNoticeBytesMax = 2'048;

/// One whose envelope the server has changed, with the bytes it points to.
struct RewrittenMessage {
  std::string envelope;
  IncomingMessage message;
};

/// A message of the server's own.
struct Notice {
  Message message;
  std::string envelope;

  /// Of its facts: two names, the run's note, the message.
  GroupBound bound() const {
    return {.facts = 4, .body_bytes = kNoticeBytesMax + envelope.size() + kStampBytesMax + message.content.size()};
  }
};

/// A message to a mailbox that may be published: looked up and checked, nothing changed yet.
struct Prepared {
  const IncomingMessage* message = nullptr;
  std::uint32_t mailbox = 0;
  std::uint32_t sender = 0;
  bool keyed = false;
  MessageKey first = 0;                  // the message that has used its key, by then perhaps forgotten
  std::optional<std::size_t> repeats{};  // the one of this command, by place, that uses its key before it
  Hash128 key{};
  std::unique_ptr<Lineage> lineage{};  // null: nothing caused it
  bool has_costs = false;
  DeadReason doom = DeadReason::none;  // why it is dead before it lives; `verdict` in words
  std::unique_ptr<const std::string> verdict{};
  std::size_t bytes = 0;                                // of its facts' bodies, at most
  std::unique_ptr<const RewrittenMessage> rewritten{};  // what `message` points to, if the sender's had to be changed

  // It is answered, and takes no room.
  bool is_duplicate() const { return first != 0 || repeats.has_value(); }
  bool lives() const { return doom == DeadReason::none; }
  // Two names, the run's note, key, conversation, message; its death, and what its sender is told: two names, the run's
  // note, message.
  GroupBound bound() const { return {.facts = lives() ? 6u : 11u, .body_bytes = bytes}; }
  bool several_facts() const { return keyed || has_costs || !lives(); }
};

}  // namespace folkmoot
