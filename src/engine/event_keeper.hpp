// Who keeps an event beyond the moment it is published: streams, and durable subscriptions.
//
// Topics asks each keeper, in the order they were given to it:
//
//   keeps      of this topic at all? remembered by topic until changed()
//   measure    what will it write of this very event?
//   make_room  is there room besides the log's?
//   keep       writes the facts, in the group that Topics has opened; or
//   missed     an event that was published at most once, and could not be kept
#pragma once

#include <string_view>

#include "engine/commands.hpp"
#include "engine/ledger.hpp"
#include "engine/lineage.hpp"

namespace folkmoot {

/// An event that is about to be published. Views live until the call returns.
struct KeptEvent {
  const IncomingMessage& message;    // as it came, but for its causes
  std::string_view from;             // who publishes it
  const Lineage* lineage = nullptr;  // null: nothing caused it
  Uuid id{};
  Instant at = 0;
  bool must = false;       // published at least once: it is refused unless all that keep it can
  MessageParts stamped{};  // as who listens gets it; keeping one copy does not change it for the next

  std::string_view topic() const { return message.routing.topic; }
};

class EventKeeper {
 public:
  /// Who remembers what keeps() has answered.
  class Listener {
   public:
    virtual void on_keeper_changed() = 0;

   protected:
    ~Listener() = default;
  };
  /// Requires: nobody listens yet; it lives as long as the keeper is used.
  void listen(Listener& listener) { listener_ = &listener; }
  /// Whether anything of this keeper takes events of this topic; filters are not looked at.
  virtual bool keeps(std::string_view topic) = 0;
  /// What keep() will write of this event, at most; nothing if it does not want it. Errors: those that refuse the event
  /// (limit_reached, mailbox_full, ...); what is not `must` is rather passed over where it cannot be kept, and counted.
  virtual Result<Draft> measure(const KeptEvent& event) = 0;
  /// For what was measured last, besides the log's, which has room for `all`. False, and nothing has changed, if there
  /// is none.
  virtual bool make_room(const Draft& /*all*/) { return true; }
  /// Writes the facts of what was measured last; adds to `copies` in how many places it is kept. What must be durable
  /// before it counts as kept; empty: nothing was written. Requires: room for measure(), in a group that is open.
  virtual Durable keep(const KeptEvent& event, std::uint32_t& copies) = 0;
  /// An event that need not be kept was not: measure() refused it, or there was no room. To be counted.
  virtual void missed(const KeptEvent& event) = 0;

 protected:
  ~EventKeeper() = default;
  /// To be called whenever keeps() may answer otherwise than before.
  void changed() {
    if (listener_ != nullptr) listener_->on_keeper_changed();
  }

 private:
  Listener* listener_ = nullptr;
};

}  // namespace folkmoot
