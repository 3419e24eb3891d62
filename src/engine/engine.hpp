// The engine: everything that decides who gets which message when. Pure and deterministic: it is told the time and the commands,
// appends facts to the log it was given, and calls effects; it does no I/O, reads no clock and draws no random number.
//
// The way of a durable message through it:
//   publish()      decided, its fact appended, kept as pending        publish.cpp
//   on_durable()   its fact is on disk: confirmed, made ready         durable.cpp
//   dispatch()     leased to a consumer with credit, delivered        dispatch.cpp
//   ack()          settled: its fact appended, answered when durable  settle.cpp
// Recovery feeds the facts of the log through recover(), which enters them by the same functions.   recover.cpp
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/effects.hpp"
#include "engine/fact_log.hpp"
#include "engine/lease_table.hpp"
#include "engine/mailbox.hpp"
#include "engine/options.hpp"
#include "engine/parties.hpp"
#include "engine/receipts.hpp"
#include "engine/ring.hpp"
#include "engine/timers.hpp"
#include "engine/topic_index.hpp"
#include "engine/transient_store.hpp"
#include "message/envelope.hpp"

namespace folkmoot {

struct EngineCounters {
  std::uint64_t published = 0, confirmed = 0, delivered = 0, acknowledged = 0, redelivered = 0, returned = 0, expired = 0,
                dead = 0, refused = 0, requests = 0, responses = 0, events_published = 0, events_delivered = 0,
                events_dropped = 0;
  std::uint64_t ready = 0, scheduled = 0, leased = 0, pending = 0, dead_now = 0;
};

struct MailboxStats {
  std::string_view name;
  std::uint64_t ready = 0, scheduled = 0, leased = 0, dead = 0, consumers = 0;
  std::int64_t last_read = -1;  // Unix ms; -1: never
};

struct ReceiptView {
  Uuid id;
  std::string_view recipient;
  ReceiptState state = ReceiptState::unknown;
  std::uint32_t deliveries = 0;
  std::int64_t at = 0;
  std::string_view reason;
};

struct ReceiveCommand {
  std::string_view mailbox;
  std::uint32_t max = 1;
  std::int64_t wait_ms = 0;
  std::int64_t lease_ms = 0;  // 0: the lease lives with the connection
};

struct MailboxCommand {
  std::string_view name;
  MailboxLimits limits;
};

/// A message as it comes from outside, envelope read and checked by read_routing().
struct IncomingMessage {
  Routing routing;
  Bytes envelope;
  Bytes content;
};

class Engine {
 public:
  Engine(const EngineOptions& options, FactLog& log, Effects& effects);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // -- life
  /// Enters one fact of the log; all of them in order, before start(). Errors: damaged, if it cannot follow from the facts before.
  Result<void> recover(FactKind kind, FactPlace place, Bytes body);
  /// Ends recovery. `now` in Unix ms, `seed` any number that differs between data folders, `clean`: the last run ended with
  /// stop(). Appends the started fact.
  void start(std::int64_t now, std::uint64_t seed, bool clean);
  /// Ends the run: what is leased is marked redelivered for the next one. No command may follow.
  void stop();
  /// Moves the time on and does what has become due. Time that goes back is ignored.
  void advance(std::int64_t now);
  /// When advance() is next needed: Unix ms, -1 if nothing waits for a time.
  std::int64_t next_timer() const { return timers_.next_at(); }
  /// All facts below `end` are on disk: releases the answers and messages that waited for it.
  void on_durable(Lsn end);
  /// Hands out what can be handed out. To be called after each turn of commands.
  void dispatch();
  /// Whether dispatch() has something to look at.
  bool wants_dispatch() const { return handing_out_ && !dirty_.empty(); }
  /// Copy-forward: appends the fact at `place` again if it still matters (FactLog of the journal's compaction).
  void keep(FactKind kind, FactPlace place, Bytes body);

  // -- sessions
  void open_session(SessionId id, std::string_view agent);
  void close_session(SessionId id);
  void session_writable(SessionId id);

  // -- commands; each is answered through Effects under (session, request), at once or later
  void publish(SessionId session, std::uint32_t request, bool quiet, const IncomingMessage& message);
  /// One answer for all of them. A message that did not parse is given as its error.
  void publish_batch(SessionId session, std::uint32_t request, bool quiet, std::span<const Result<IncomingMessage>> messages);
  void request(SessionId session, std::uint32_t request, std::int64_t timeout_ms, const IncomingMessage& message);
  void subscribe(SessionId session, std::uint32_t request, std::string_view pattern, std::uint32_t credit, bool echo);
  void consume(SessionId session, std::uint32_t request, std::string_view mailbox, std::uint32_t credit);
  void credit(SessionId session, std::uint32_t target, std::uint32_t amount);
  void cancel(SessionId session, std::uint32_t request, std::uint32_t target);
  void receive(SessionId session, std::uint32_t request, const ReceiveCommand& command);
  void wait(SessionId session, std::uint32_t request, std::string_view mailbox, std::int64_t timeout_ms);
  void ack(SessionId session, std::uint32_t request, bool quiet, std::span<const LeaseToken> leases);
  void nack(SessionId session, std::uint32_t request, bool quiet, std::span<const LeaseToken> leases, std::int64_t delay_ms,
            std::string_view reason);
  void extend(SessionId session, std::uint32_t request, bool quiet, std::span<const LeaseToken> leases, std::int64_t lease_ms);
  void configure_mailbox(SessionId session, std::uint32_t request, const MailboxCommand& command);

  // -- questions
  ReceiptView receipt(const Uuid& id);
  /// False if there is no such mailbox.
  bool mailbox_stats(std::string_view name, MailboxStats& out) const;
  /// Calls `each` for up to `limit` mailboxes in the order they were made.
  void each_mailbox(std::size_t limit, const std::function<void(const MailboxStats&)>& each) const;
  const EngineCounters& counters() const { return counters_; }
  std::size_t subscriptions() const { return topics_.size(); }
  std::size_t consumers() const { return consumers_.size(); }
  std::uint32_t node() const { return node_; }
  std::uint32_t run() const { return run_; }
  std::int64_t now() const { return now_; }

 private:
  enum class OpenKind : std::uint8_t { subscription, consumer, waiter, request };
  struct Open {
    OpenKind kind{};
    std::uint32_t slot = 0;
  };
  struct Session {
    SessionId id = 0;
    std::uint32_t party = 0;       // of the agent; 0: none given
    std::uint32_t lease_head = kNoSlot;
    bool writable = true;
    std::uint32_t last_mailbox = 0;  // party number of the last recipient: saves a look-up
    std::uint32_t last_sender = 0;
    std::map<std::uint32_t, Open> open;  // what its request numbers stand for; ordered, as the engine walks over it
  };
  struct PendingRequest {
    SessionId session = 0;
    std::uint32_t request = 0;
    std::uint64_t number = 0;  // of the reply address
    std::int64_t deadline = 0;
  };
  struct Scheduled {
    QueuedMessage message;
    std::uint32_t mailbox = 0;
    std::int64_t due = 0;
  };
  struct Batch {
    SessionId session = 0;
    std::uint32_t request = 0;
    std::string body;
  };
  // What waits for the disk, in the order of the log.
  struct Pending {
    enum class Kind : std::uint8_t { started, accepted, settled, handed_out, received, batch, done };
    Lsn lsn = 0;
    SessionId session = 0;
    std::uint32_t request = 0;
    Kind kind{};
    bool quiet = false;
    bool in_batch = false;
    std::uint32_t batch = kNoSlot;   // slot; of settled and received: count
    std::uint32_t offset = 0;        // accepted in a batch: where its confirm stands in the batch's body
    FactPlace place;
    AcceptedFact fact;
    std::vector<LeaseToken> refused;
  };

  Session* find_session(SessionId id);
  bool open_number(Session& session, std::uint32_t request, Open open);
  void close_open(Session& session, std::uint32_t request, const Open& open);
  void refuse(SessionId session, std::uint32_t request, Error error);

  // names
  Result<std::uint32_t> party_number(std::string_view name);
  std::uint32_t memo_party(std::uint32_t& memo, std::string_view name);
  void journal_party(std::uint32_t number);
  const MailboxLimits& limits(const Mailbox& mailbox) const;
  Result<Mailbox*> mailbox_named(std::string_view name);

  // publishing
  struct Accepted {
    AcceptedFact fact;
    FactPlace place;
  };
  Result<Accepted> accept(Session& session, const IncomingMessage& message, std::string_view reply_to);
  Result<Confirm> publish_now(Session& session, const IncomingMessage& message);
  Confirm publish_event(Session& session, const IncomingMessage& message);
  Result<Confirm> respond(Session& session, const IncomingMessage& message);
  Result<void> make_room(Mailbox& mailbox);
  void drop_oldest(Mailbox& mailbox);
  Result<void> check_from(const Routing& routing) const;
  Result<std::uint32_t> sender_of(Session& session, const Routing& routing);
  MessageKey next_key();
  void note_run();
  Bytes stamped(const IncomingMessage& message, const Stamp& stamp);
  Confirm confirm_of(const AcceptedFact& fact);
  void request_transient(Session& session, std::uint32_t request, std::int64_t timeout_ms, const IncomingMessage& message);

  // where messages stand: used live and by recovery
  void enter_accepted(const AcceptedFact& fact, FactPlace place);
  void enter_ready(Mailbox& mailbox, const QueuedMessage& message, bool in_order);
  void enter_scheduled(Mailbox& mailbox, const QueuedMessage& message, std::int64_t due);
  void enter_returned(Mailbox& mailbox, const QueuedMessage& message, std::int64_t not_before);
  void enter_dead(Mailbox& mailbox, const QueuedMessage& message, DeadReason reason, std::int64_t at);
  void leave(const Entry& entry, bool acknowledged, std::uint32_t deliveries);
  std::optional<QueuedMessage> take_waiting(const MessageRef& ref);
  void bury(Mailbox& mailbox, const QueuedMessage& message, DeadReason reason);
  void give_back(std::uint32_t lease_slot, std::int64_t delay_ms, std::string_view reason);
  void lost_lease(std::uint32_t lease_slot);
  Entry* find_entry(Mailbox& mailbox, MessageKey key, std::uint32_t& sender);
  void append_fact(FactKind kind, std::initializer_list<Bytes> parts);

  // handing out
  void mark_dirty(Mailbox& mailbox);
  void dispatch_mailbox(Mailbox& mailbox);
  bool serve_waiter(Mailbox& mailbox);
  std::uint32_t next_consumer(Mailbox& mailbox);
  enum class Handed { more, enough, stuck };
  Handed hand_out(Mailbox& mailbox, SessionId session, std::uint32_t request, std::uint32_t consumer, std::int64_t lease_ms,
                bool retrieved);
  void set_stuck(Mailbox& mailbox);
  void retry_later();
  void retry();
  MessageParts bytes_of_message(const Entry& entry);
  void update_ready(Consumer& consumer, const Session& session);
  void set_unwritable(Session& session);
  void add_waiter(Session& session, Mailbox& mailbox, const Waiter& waiter);
  void end_waiter(std::uint32_t slot);
  Lease end_lease(std::uint32_t slot);
  void answer_settled(SessionId session, std::uint32_t request, bool quiet, Lsn lsn, std::uint32_t settled,
                      std::vector<LeaseToken> refused);
  void end_request(std::uint32_t slot);

  // time
  void on_timer(const Timer& timer);
  bool is_live(const Timer& timer) const;
  void on_expiry(std::uint32_t mailbox, MessageKey key);
  void add_timer(const Timer& timer);

  Result<void> recover_accepted(FactPlace place, Bytes body);
  bool await_party(std::uint32_t number);
  bool recover_copy(Mailbox& mailbox, const MessageRef& ref, const AcceptedFact& fact, FactPlace place);
  void keep_message(AcceptedFact fact, FactPlace place, Bytes body);
  Result<void> recover_configured(FactPlace place, Bytes body);

  const EngineOptions options_;
  FactLog& log_;
  Effects& effects_;

  std::int64_t now_ = 0;
  MessageKey last_key_ = 0;
  MessageKey newest_recovered_ = 0;
  MessageKey suspect_until_ = 0;  // up to here a crash may have cut leases off
  Lsn last_fact_ = 0;             // of the last fact appended by append_fact()
  std::uint32_t run_ = 0;
  std::uint32_t node_ = 0;
  FactPlace started_place_;
  bool started_ = false;
  bool noted_ = false;        // the log holds this run's number
  bool handing_out_ = false;  // and durably so: lease numbers and reply addresses are made of it
  MessageKey keys_end_ = 0;   // keys below are reserved for this run

  Parties parties_;
  std::vector<std::unique_ptr<Session>> sessions_;
  Slab<Consumer> consumers_;
  Slab<std::unique_ptr<Subscription>> subscriptions_;
  Slab<Waiter> waiters_;
  Slab<PendingRequest> requests_;
  Slab<Batch> batches_;
  std::uint64_t next_serial_ = 1;  // of waiters and requests
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> request_slots_;
  LeaseTable leases_;
  TopicIndex topics_;
  Timers timers_;
  boost::unordered_flat_map<MessageKey, std::int64_t> expiries_;
  boost::unordered_flat_map<MessageKey, Scheduled> scheduled_;
  std::size_t lease_deadlines_ = 0;  // an upper bound of live lease timers
  TransientStore transient_;
  SettledReceipts settled_;
  Ring<Pending> pending_;
  std::vector<std::uint32_t> dirty_;
  std::vector<std::uint32_t> stuck_;
  std::int64_t retry_at_ = 0;  // 0: nothing to try again
  std::vector<std::uint8_t> scratch_;
  std::vector<MessageRef> refs_;
  EngineCounters counters_;
};

}  // namespace folkmoot
