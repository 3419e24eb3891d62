// Requests and their responses: the address a response is sent to, the wait for it, and requests that wait in memory
// alone.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>

#include "engine/agenda.hpp"
#include "engine/causality.hpp"
#include "engine/inbox.hpp"
#include "engine/names.hpp"
#include "engine/part.hpp"
#include "engine/placer.hpp"
#include "engine/post.hpp"
#include "engine/references.hpp"
#include "engine/replies.hpp"
#include "engine/responder.hpp"
#include "engine/run.hpp"
#include "engine/serials.hpp"
#include "engine/sessions.hpp"
#include "engine/slab.hpp"
#include "engine/stamper.hpp"
#include "engine/tracing.hpp"
#include "engine/transient_store.hpp"

namespace folkmoot {

class Census;

class Requests final : public Part, public Responder {
 public:
  /// What requests are given.
  struct Ports {
    Run& run;
    Agenda& agenda;
    Names& names;
    Sessions& sessions;
    Serials& serials;
    Stamper& stamper;
    TransientStore& transient;
    Replies& replies;
    Causality& causality;
    References& references;
    Post& post;
    Inbox& inbox;
    Placer& placer;
    Tracing& tracing;
    Effects& effects;
    EngineCounters& counters;
  };
  Requests(const EngineOptions& options, const Ports& ports) : options_(options), to_(ports) {}

  /// Whether the cause that an answer names is leased to who sends it, and asks for answers at that address: the
  /// request was handed on to it.
  bool holds_cause(Session& session, const IncomingMessage& message);

  /// `stream`: messages of type status to the reply address reach the requester and leave the request open. What is
  /// addressed to a capability goes to an agent that is there now, or is refused if it waits in memory.
  void ask(Session& session, RequestNumber request, Duration timeout_ms, const IncomingMessage& message, bool stream);
  /// Whoever asked has taken its request back, in `slot`: what was asked is taken back if nobody has it yet, else its
  /// holder is told.
  void withdraw(Slot slot) { withdraw(requests_[slot]); }
  /// Whoever asked has gone. What waits in memory lives as long as who asked it; a durable request is work for its own
  /// sake.
  void abandon(Slot slot, SessionId session);

  // Responder
  Result<Confirm> publish(Session& session, const IncomingMessage& message) override;
  Result<Confirm> respond(std::string_view from, const IncomingMessage& message, const Lineage* lineage,
                          ConnectionId answerer, bool is_owed) override;
  Result<ConnectionId> check_output(Session& session, const IncomingMessage& message, const Lineage& caused) override;
  void note_holder(const Entry& entry, const Holder& holder) override;

  // Part: what waits here is promised to nobody
  Result<void> enter(const Fact& fact) override { return cannot_be(fact.kind, "is none of a request"); }
  bool keep(const Fact&) override { return true; }
  bool is_live(const Timer& timer) const override { return slots_.contains(timer.id); }
  void due(const Timer& timer) override;
  void close(Session& session, Slot slot) override;
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;

 private:
  void ask_mailbox(Session& session, RequestNumber request, Duration timeout_ms, const IncomingMessage& message,
                   bool stream);
  // Where a response is sent: the number of the request, which begins with its shard, and what proves that the address
  // was given and not guessed.
  struct Address {
    std::uint64_t number = 0, proof = 0;

    std::string text() const;
    static std::optional<Address> parse(std::string_view text);
  };
  // A request without its answer yet; lives as long as its number is open in its session.
  struct Waiting {
    SessionId session = 0;
    RequestNumber request = 0;
    Address address{};
    bool stream = false;
    MessageKey message = 0;  // what was asked; 0: nothing yet
    NameId mailbox = 0;
    bool in_memory = false;  // it has no lease by which its holder could be found
    Holder holder{};         // of one in memory: who got it; else who has settled it
  };

  // A request that waits in memory. With a time-out of 0 (`slot` is kNoSlot) it is answered by its hand-over, and
  // refused if nobody can take it. On error nothing has changed but what is in `slot`.
  Result<void> ask_in_memory(Session& session, Slot slot, Duration timeout_ms, const IncomingMessage& message);
  // One that nobody can guess, whatever other addresses he knows.
  Address next_address();
  // The slot of the request that waits at this address; kNoSlot if none does, or it is none.
  Slot find(const std::optional<Address>& address) const;
  // What is bound to a connection is that connection's. What is not, or was bound to one that is gone, is its agent's,
  // whichever connection it comes by: HTTP has none that lasts. One that named no agent acts for its mailbox's.
  bool is_held_by(const Holder& holder, ConnectionId connection, std::string_view agent) const;
  // Whether what was asked is, or was last, in this one's hands.
  bool may_answer(const Waiting& asked, ConnectionId connection, std::string_view agent) const;
  // Or whether this one holds the message it names as its cause, and that was asked to be answered there.
  bool holds_cause(const IncomingMessage& message, ConnectionId connection, std::string_view agent) const;
  void keep_answerer(Slot slot, const Holder& holder) override { requests_[slot].holder = holder; }
  // Closes its request, by which the slot is erased: what is needed of it is copied before.
  void end(Slot slot);
  // Who asked wants it no more: taken from its mailbox, or from whoever has it.
  void withdraw(const Waiting& asked);
  // Whoever has what was asked learns that it is wanted no more. False if nobody has it.
  bool tell_holder(const Waiting& asked);
  Result<Confirm> respond_elsewhere(ShardNumber shard, std::string_view from, const IncomingMessage& message,
                                    const Lineage* lineage, ConnectionId answerer, bool is_owed);

  const EngineOptions& options_;
  const Ports to_;
  Slab<Waiting> requests_;
  boost::unordered_flat_map<std::uint64_t, Slot> slots_;  // by number
};

}  // namespace folkmoot
