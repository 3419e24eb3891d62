// A message on its way into a mailbox: all that was decided of it before its facts are written.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/siphash.hpp"
#include "engine/commands.hpp"
#include "engine/fact_log.hpp"
#include "engine/lineage.hpp"
#include "folkmoot/message.hpp"

namespace folkmoot {

/// One whose envelope the server has changed, with the bytes it points to.
struct RewrittenMessage {
  std::string envelope;
  IncomingMessage message;
};

/// A message to a mailbox that may be published: looked up and checked, nothing changed yet.
struct Prepared {
  const IncomingMessage* message = nullptr;
  NameId mailbox = 0;
  NameId sender = 0;
  bool keyed = false;
  MessageKey first = 0;                  // the message that has used its key, by then perhaps forgotten
  std::optional<std::size_t> repeats{};  // the one of this command, by place, that uses its key before it
  Hash128 key{};
  std::unique_ptr<Lineage> lineage{};  // null: nothing caused it
  bool has_costs = false;
  ConnectionId answerer = 0;           // of an output that is an answer; 0: one who is known to hold what it answers
  DeadReason doom = DeadReason::none;  // why it is dead before it lives; `verdict` in words
  std::unique_ptr<const std::string> verdict{};
  std::unique_ptr<const RewrittenMessage> rewritten{};  // what `message` points to, if the sender's had to be changed

  // It is answered, and takes no room.
  bool is_duplicate() const { return first != 0 || repeats.has_value(); }
  bool lives() const { return doom == DeadReason::none; }
  bool several_facts() const { return keyed || has_costs || !lives(); }
};

/// Makes it dead before it lives, and says why.
void doom(Prepared& prepared, DeadReason reason, std::string verdict);
/// Gives it these fields, an envelope that has only what changes, instead of those that came. Errors: those of the
/// changed envelope; nothing has changed then.
Result<void> rewrite(Prepared& prepared, Bytes changes);

}  // namespace folkmoot
