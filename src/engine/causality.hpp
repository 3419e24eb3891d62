// What caused what, and what conversations cost, as those see it who publish; and what of the messages that are here
// has to be known for it.
#pragma once

#include <optional>

#include "engine/ledger.hpp"
#include "engine/prepared.hpp"

namespace folkmoot {

class Causality {
 public:
  /// Of a message that names its cause: what is known of that, else what the sender says. Errors: no_reply_wanted.
  virtual Result<Lineage> lineage_of(const IncomingMessage& message) = 0;
  /// Of what is caused by this message, envelope and content, which was handed out for the `delivery`th time.
  virtual Lineage caused_by(const Uuid& id, Bytes message, std::uint32_t delivery) = 0;
  /// A message that no log keeps, with its causes, if it names one, and the trace context of that. Errors:
  /// no_reply_wanted.
  Result<Prepared> with_lineage(const IncomingMessage& message) {
    if (message.routing.cause.is_nil()) return Prepared{.message = &message};
    return with_named_cause(message);
  }
  /// A message without a trace context of its own goes on with that of its cause. Requires: it has a lineage.
  virtual void hand_on_trace(Prepared& prepared) = 0;

  // -- limits on loops
  /// Dooms a message that is beyond one. `together`: what the others of its command count. Requires: it has a lineage.
  virtual void check_guards(Prepared& prepared, CommandTally* together) = 0;
  /// It was published.
  virtual void count_for_guards(NameId sender, NameId mailbox, const Routing& routing) = 0;
  /// What waits in memory or is an event: refused when it is beyond a limit, as nothing of it can be kept. `mailbox`: 0
  /// for an event.
  virtual Result<void> pass_guards(NameId sender, NameId mailbox, const Routing& routing, const Lineage& lineage) = 0;

  // -- costs
  static bool has_costs(const IncomingMessage& message) {
    if (message.routing.conversation.empty() || message.routing.metadata.empty()) return false;
    return reports_costs(message);
  }
  /// Adds what the message reports to the sums of its conversation. Requires: has_costs(message).
  virtual void sum_costs(const IncomingMessage& message) = 0;
  /// What that writes.
  static void measure_costs(const IncomingMessage& message, Draft& draft) {
    draft.add(sizeof(ConversationFact) + message.routing.conversation.size());
  }

 protected:
  ~Causality() = default;
  virtual Result<Prepared> with_named_cause(const IncomingMessage& message) = 0;
  static bool reports_costs(const IncomingMessage& message);
};

/// The messages that are here, as possible causes.
class KnownMessages {
 public:
  struct Settled {
    std::uint32_t hops = 0;
    NameId silent_for = 0;  // the name that sent it and expects no reply; 0: an answer is welcome
  };
  struct Leased {
    NameId mailbox = 0;
    std::uint32_t delivery = 0;  // which it is
    Bytes message;               // envelope and content; they live until the next look at the log
  };
  /// The message with that key, if it is leased.
  virtual std::optional<Leased> leased(MessageKey key) = 0;
  virtual std::optional<Settled> settled(MessageKey key) = 0;

 protected:
  ~KnownMessages() = default;
};

}  // namespace folkmoot
