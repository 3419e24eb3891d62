// Handing out: consumers take turns, pulls are served first, leases are made. Leases live with connections or to a
// deadline.
#pragma once

#include <functional>
#include <vector>

#include "engine/mailroom/lease_table.hpp"
#include "engine/mailroom/shelves.hpp"

namespace folkmoot {

class Census;

class Dispatch {
 public:
  Dispatch(const MailroomPorts& ports, Shelves& shelves) : to_(ports), shelves_(shelves) {}

  LeaseTable leases;

  void consume(Session& session, RequestNumber request, Mailbox& mailbox, std::uint32_t credit);
  /// More messages for a consumer.
  void credit(const Session& session, Slot slot, std::uint32_t amount);
  void receive(Session& session, RequestNumber request, Mailbox& mailbox, const ReceiveCommand& command);
  void wait(Session& session, RequestNumber request, Mailbox& mailbox, Duration timeout_ms);

  /// Hands out what can be handed out.
  void run();
  /// At most once: the log knows that it went out, now it may.
  void on_durable(const waiting::HandedOut& item);

  /// The session takes no more for now; or does again.
  void set_unwritable(Session& session);
  void set_writable(Session& session);
  /// A lease of a message that stands nowhere (any more), for a session that holds it until it ends that.
  Slot hold(Mailbox& mailbox, const QueuedMessage& message, Session& session);
  /// Ends the lease; its holder's credit comes back.
  Lease end_lease(Slot slot);
  /// Ties a lease to the session, as long as that is open (`lease_ms` 0), or to a deadline.
  void extend(Slot slot, Session& session, Duration lease_ms);
  /// The lease ends with its deadline, and not with the session any more that is about to end.
  void untie(Slot slot, Session& session) { leases.rebind(slot, 0, &session.lease_head, nullptr); }
  /// Whether somebody would take a message at once.
  bool is_waited_at(const Mailbox& mailbox) const;
  /// Of clients: those that shards have of each other are not counted.
  std::size_t consumers() const { return consumers_.size() - of_shards_; }

  /// What it has.
  SessionView view_of(const Session& session) const;
  /// Calls `each` for all agents that hold a message, once each; those that are not named are one.
  void each_holder(const std::function<void(const HolderView&)>& each) const;
  /// Calls `each` for those who take from a mailbox as messages come, up to `limit`, then for those who wait there.
  void each_consumer(const Mailbox& mailbox, std::size_t limit,
                     const std::function<void(const ConsumerView&)>& each) const;

  bool is_live(const Timer& timer) const;
  void due(const Timer& timer);
  void close_consumer(Session& session, Slot slot);
  void close_waiter(Slot slot);
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;

 private:
  enum class Handed { more, enough, stuck };
  // To whom a message goes, and how.
  struct To {
    SessionId session = 0;
    RequestNumber request = 0;
    Slot consumer = kNoSlot;
    Duration lease_ms = 0;  // 0: the lease lives with the connection
    bool retrieved = false;
  };

  // Those who wait first, then consumers in turns, until nothing is ready, nobody takes it, or the log has no room.
  void dispatch(Mailbox& mailbox);
  // Serves the first RECEIVE or WAIT that waits; false if none of them can take anything now.
  bool serve_waiter(Mailbox& mailbox);
  // One RECEIVE: as many as it asked for and are there, then its answer. Requires: its waiter is ended already.
  void serve(Session& session, Mailbox& mailbox, const Waiter& waiter);
  // Hands the mailbox's next message out: `enough` when the session wants no more for now, `stuck` when it could not go
  // out and is back in its place. Puts what at_most_once messages wait for into `settled`. Requires: one is ready.
  Handed hand_out(Mailbox& mailbox, const To& to, Durable& settled);
  // Requires: somebody looks on.
  // "": not named.
  std::string_view agent_of(NameId number) const;
  Uuid id_of(const Lease& lease) const {
    return make_uuid({.key = lease.entry.key, .mailbox = lease.mailbox, .node = to_.run.node()});
  }
  void tap_delivered(const Mailbox& mailbox, const QueuedMessage& message, const To& to);
  // The three ways: in memory alone, at most once, under a lease.
  Handed hand_out_transient(Mailbox& mailbox, const Entry& entry, const To& to);
  Handed settle_and_hand_out(Mailbox& mailbox, const QueuedMessage& message, const To& to, Durable& settled);
  Handed lease_out(Mailbox& mailbox, const QueuedMessage& message, const To& to);
  // The mailbox's next message could not go out for want of room: tried again in a while, as nothing else may ever ask
  // for it.
  void set_stuck(Mailbox& mailbox);
  // One timer for all that are stuck.
  void retry_later();
  // All that were stuck are looked at again, in the next run(); they may be stuck again.
  void retry();
  // Lists a consumer among those that take messages, or takes it out, as its credit and connection are.
  void update_ready(Slot consumer, const Session& session);
  // Answers at once what can be answered at once. Errors, told to the caller: limit_reached, a number in use.
  void add_waiter(Session& session, Mailbox& mailbox, const Waiter& waiter);
  // Closes its request, by which the slot is erased: what is needed of it is copied before.
  void end_waiter(Slot slot);
  // The same, with the answer that there was nothing.
  void time_out(Slot slot);

  const MailroomPorts& to_;
  Shelves& shelves_;
  Slab<MailboxConsumer> consumers_;
  Slab<Waiter> waiters_;
  std::size_t of_shards_ = 0;        // consumers
  std::uint32_t last_consumer_ = 0;  // serial
  std::uint64_t last_turn_ = 0;      // hand-outs to consumers
  std::vector<NameId> stuck_;
  Instant retry_at_ = 0;  // 0: nothing to try again
};

}  // namespace folkmoot
