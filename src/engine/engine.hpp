// The engine: everything that decides who gets which message when. Pure and deterministic: it is told the time and the
// commands, appends facts to the log it was given, and calls effects; it does no I/O, reads no clock and draws no
// random number.
//
// The way of a durable message through it:
//   publish()      decided, its fact appended, kept as pending        publish.cpp
//   on_durable()   its fact is on disk: confirmed, made ready         durable.cpp
//   dispatch()     leased to a consumer with credit, delivered        dispatch.cpp
//   ack()          settled: its fact appended, answered when durable  settle.cpp
// Beside it: complete() and atomic batches (group.cpp), dead letters (dead.cpp, bounce.cpp, redrive.cpp), causes and
// limits on loops (lineage.cpp), repeated messages (schedule.cpp), content by reference (content.cpp). Recovery feeds
// the facts of the log through recover(), which enters them by the same functions.   recover.cpp
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/commands.hpp"
#include "engine/contents.hpp"
#include "engine/dedup_window.hpp"
#include "engine/effects.hpp"
#include "engine/fact_log.hpp"
#include "engine/groups.hpp"
#include "engine/guard.hpp"
#include "engine/lease_table.hpp"
#include "engine/mailbox.hpp"
#include "engine/options.hpp"
#include "engine/parties.hpp"
#include "engine/pending.hpp"
#include "engine/prepared.hpp"
#include "engine/receipts.hpp"
#include "engine/ring.hpp"
#include "engine/routes.hpp"
#include "engine/schedules.hpp"
#include "engine/timers.hpp"
#include "engine/topic_index.hpp"
#include "engine/transient_store.hpp"
#include "engine/views.hpp"
#include "message/envelope.hpp"

namespace folkmoot {

class JsonWriter;

/// The sender of what the server says by itself.
constexpr std::string_view kServerName = "$bus";
/// The mailbox whose dead letters are the messages that no route fitted.
constexpr std::string_view kUnrouted = "$unrouted";

class Engine {
 public:
  Engine(const EngineOptions& options, FactLog& log, Effects& effects);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // -- life
  /// Enters one fact of the log; all of them in order, before start(). Errors: damaged, if it cannot follow from the
  /// facts before.
  Result<void> recover(FactKind kind, FactPlace place, Bytes body);
  /// Ends recovery. `now` in Unix ms, `seed` any number that differs between data folders, `clean`: the last run ended
  /// with stop(). Appends the started fact.
  void start(std::int64_t now, std::uint64_t seed, bool clean);
  /// Ends the run: what is leased is marked redelivered for the next one. No command may follow.
  void stop();
  /// Whether the log has all that stop() had to say. Else the stop must not count as clean: messages would pass for
  /// never handed out.
  bool stopped_clean() const { return stopped_clean_; }
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
  /// Copy-forward: appends the fact at `place` again if it still matters (FactLog of the journal's compaction). False:
  /// there is no room now for all that goes with it.
  bool keep(FactKind kind, FactPlace place, Bytes body);

  // -- sessions
  /// `of_shard`: it is another shard of this server, or the server itself: it may open as much as it likes, and gets an
  /// event once however many of its subscriptions match.
  void open_session(SessionId id, std::string_view agent, bool of_shard = false);
  void close_session(SessionId id);
  void session_writable(SessionId id);

  // -- commands; each is answered through Effects under (session, request), at once or later
  void publish(SessionId session, std::uint32_t request, bool quiet, const IncomingMessage& message) {
    const bool again = message.version != 0 && message.version == event_.version && session == event_.session &&
                       topics_.version() == event_.topics;
    if (!again || !repeat_event(request, quiet, message)) publish_anew(session, request, quiet, message);
  }
  /// One answer for all of them. A message that did not parse is given as its error.
  void publish_batch(SessionId session, std::uint32_t request, bool quiet,
                     std::span<const Result<IncomingMessage>> messages);
  /// The same, all or none: on any error (which names the message by its place) nothing is published. Messages to
  /// mailboxes only.
  void publish_atomic(SessionId session, std::uint32_t request, bool quiet,
                      std::span<const Result<IncomingMessage>> messages);
  /// `stream`: messages of type status to the reply address reach the requester and leave the request open.
  void request(SessionId session, std::uint32_t request, std::int64_t timeout_ms, const IncomingMessage& message,
               bool stream = false);
  void subscribe(SessionId session, std::uint32_t request, std::string_view pattern, std::uint32_t credit, bool echo,
                 std::string_view filter = {});
  void consume(SessionId session, std::uint32_t request, std::string_view mailbox, std::uint32_t credit);
  void credit(SessionId session, std::uint32_t target, std::uint32_t amount);
  void cancel(SessionId session, std::uint32_t request, std::uint32_t target);
  void receive(SessionId session, std::uint32_t request, const ReceiveCommand& command);
  void wait(SessionId session, std::uint32_t request, std::string_view mailbox, std::int64_t timeout_ms);
  void ack(SessionId session, std::uint32_t request, bool quiet, std::span<const LeaseToken> leases);
  /// `delay_ms`: -1 as the retry policy says.
  void nack(SessionId session, std::uint32_t request, bool quiet, std::span<const LeaseToken> leases,
            std::int64_t delay_ms, std::string_view reason);
  /// To the dead letters, at once and whatever the retry policy.
  void reject(SessionId session, std::uint32_t request, bool quiet, std::span<const LeaseToken> leases,
              std::string_view reason);
  /// Settles the lease and publishes the outputs, caused by its message, both or neither. Answered like a batch.
  void complete(SessionId session, std::uint32_t request, LeaseToken lease,
                std::span<const Result<IncomingMessage>> outputs);
  /// Takes a message back that nobody has had yet. Errors: not_found, lease_lost (somebody has it).
  void cancel_message(SessionId session, std::uint32_t request, const Uuid& id);
  void extend(SessionId session, std::uint32_t request, bool quiet, std::span<const LeaseToken> leases,
              std::int64_t lease_ms);
  /// Whether all of these leases are current, and this message's. Errors: lease_lost.
  Result<void> check_leases(std::span<const LeaseToken> leases, const Uuid& id);
  /// The envelope of a message that names its cause, with what is known of it here: hops, chain and trace context. For
  /// another shard, which takes that as it stands (IncomingMessage::has_causes). Errors: no_reply_wanted, and those of
  /// a field that grows too large.
  Result<std::string> with_causes(const IncomingMessage& message);
  /// An event that another shard has accepted and stamped, for this one's own subscriptions.
  void forward_event(std::string_view topic, const MessageParts& event);
  void configure_mailbox(SessionId session, std::uint32_t request, const MailboxCommand& command);
  /// Sends a dead letter again as a new message; it is no dead letter any more. Answered by a confirmation. Errors:
  /// not_found, and those of publishing.
  void resubmit(SessionId session, std::uint32_t request, const Uuid& id, const Resubmission& how);
  /// Sends all again that fit now, at the rate given, and is answered when done: two u32, sent and refused (those stay
  /// dead). Ends early with its connection. Errors: limit_reached.
  void redrive(SessionId session, std::uint32_t request, const RedriveCommand& command);
  /// The server stops: no more is sent again than has been.
  void end_redrives() { ends_redrives_ = true; }
  /// Answered with the number (u32) of dead letters that are gone: up to `limit` of those that fit.
  void purge_dead(SessionId session, std::uint32_t request, const DeadQuery& query, std::size_t limit);
  /// A message that is sent again and again; in the place of one of the same name. Errors: invalid_field,
  /// limit_reached, disk_full.
  void set_schedule(SessionId session, std::uint32_t request, const ScheduleCommand& command,
                    const IncomingMessage& message);
  void remove_schedule(SessionId session, std::uint32_t request, std::string_view name);
  /// A rule that finds recipients for messages without one; in the place of one of the same name. Errors:
  /// invalid_filter, invalid_field, invalid_name, out_of_range, limit_reached, disk_full.
  void set_route(SessionId session, std::uint32_t request, const RouteCommand& command);
  void remove_route(SessionId session, std::uint32_t request, std::string_view name);
  /// How busy an agent says it is, in messages: counts for least_loaded until it says otherwise. `agent` empty: the
  /// session's.
  void report_load(SessionId session, std::uint32_t request, std::string_view agent, double load);

  // -- content by reference
  /// The content is on disk, whole: messages may refer to it. Before start() for all that is there, then as each upload
  /// ends.
  void content_stored(const ContentRef& ref);
  /// The size of a stored content, which stays for a while then; nothing if it is not stored.
  std::optional<std::uint64_t> ask_for_content(const ContentHash& hash);
  /// Calls `each` for the contents that messages refer to and that are not there, or not with the size that they say.
  void each_missing_content(const std::function<void(const ContentRef& ref, std::uint32_t references)>& each) const;
  const Contents::Totals& contents() const { return contents_.totals(); }

  // -- questions
  ReceiptView receipt(const Uuid& id);
  /// False if there is no such mailbox.
  bool mailbox_stats(std::string_view name, MailboxStats& out) const;
  /// The name of each mailbox that was made since the last call, in the order they were made; only if there are several
  /// shards.
  void each_new_mailbox(const std::function<void(std::string_view name)>& each);
  /// Calls `each` for up to `limit` mailboxes in the order they were made.
  void each_mailbox(std::size_t limit, const std::function<void(const MailboxStats&)>& each) const;
  /// Calls `each` for the dead letters that fit, mailbox by mailbox, oldest first, those after `after` (nil: from the
  /// start), until it returns false.
  void each_dead(const DeadQuery& query, const Uuid& after, const std::function<bool(const DeadView&)>& each);
  /// The attempts made at a message that is waiting, leased or dead, oldest first.
  void each_attempt(const Uuid& id, const std::function<void(const AttemptView&)>& each);
  void each_schedule(const std::function<void(const Schedule&)>& each) const;
  void each_route(const std::function<void(const Route&)>& each) const;
  /// Nothing if no message of this conversation has reported a cost.
  std::optional<ConversationSums> conversation(std::string_view name) const;
  const EngineCounters& counters() const { return counters_; }
  /// Of a party that a fact or a schedule names; "" for a number that is none.
  std::string_view name_of(std::uint32_t party) const {
    return parties_.holds(party) ? std::string_view(parties_[party].name) : "";
  }
  /// Of a session; "" if it named none.
  std::string_view agent_of(SessionId id) const {
    const auto slot = session_slot(id);
    const bool is_open = slot < sessions_.size() && sessions_[slot] && sessions_[slot]->id == id;
    return is_open && sessions_[slot]->party != 0 ? name_of(sessions_[slot]->party) : std::string_view();
  }
  /// Of clients: those that shards have of each other are not counted.
  std::size_t subscriptions() const { return topics_.size() - shards_subscriptions_; }
  std::size_t consumers() const { return consumers_.size() - shards_consumers_; }
  std::uint32_t node() const { return node_; }
  std::uint32_t run() const { return run_; }
  std::int64_t now() const { return now_; }

 private:
  enum class OpenKind : std::uint8_t { subscription, consumer, waiter, request, redrive };
  struct Open {
    OpenKind kind{};
    std::uint32_t slot = 0;
  };
  struct Session {
    SessionId id = 0;
    std::uint32_t party = 0;  // of the agent; 0: none given
    std::uint32_t lease_head = kNoSlot;
    bool writable = true;
    bool of_shard = false;
    std::uint32_t last_mailbox = 0;  // party number of the last recipient: saves a look-up
    std::uint32_t last_sender = 0;
    std::uint32_t subscriptions = 0;     // of those in `open`
    std::map<std::uint32_t, Open> open;  // what its request numbers stand for; ordered, as the engine walks over it
  };
  struct PendingRequest {
    SessionId session = 0;
    std::uint32_t request = 0;
    std::uint64_t number = 0;  // of the reply address
    std::int64_t deadline = 0;
    bool stream = false;
    MessageKey message = 0;  // what was asked
    std::uint32_t mailbox = 0;
    bool in_memory = false;  // it has no lease by which its holder could be found
    SessionId holder = 0;    // of one in memory: who got it; 0: nobody yet
  };
  struct Redrive {
    SessionId session = 0;
    std::uint32_t request = 0;
    std::uint64_t number = 0;
    std::vector<Uuid> ids;  // of the dead letters that fitted when it began
    std::size_t next = 0;
    std::uint32_t sent = 0, refused = 0, per_second = 0;
    std::int64_t began = 0;
    std::string changes;
    std::optional<std::string> content;
  };
  struct Scheduled {
    QueuedMessage message;
    std::uint32_t mailbox = 0;
    std::int64_t due = 0;
  };
  /// One that failed: its message_returned fact, or the copy of it.
  struct Attempt {
    FactPlace place;
    std::uint16_t deliveries = 0;
  };
  struct Expiry {
    std::int64_t at = 0;
    std::uint32_t sender = 0;
  };
  struct Batch {
    SessionId session = 0;
    std::uint32_t request = 0;
    std::string body;
  };

  Session* find_session(SessionId id) {
    const auto slot = session_slot(id);
    if (slot >= sessions_.size() || !sessions_[slot] || sessions_[slot]->id != id) return nullptr;
    return sessions_[slot].get();
  }
  bool open_number(Session& session, std::uint32_t request, Open open);
  void close_open(Session& session, std::uint32_t request, const Open& open);
  void refuse(SessionId session, std::uint32_t request, Error error);

  // names
  Result<std::uint32_t> party_number(std::string_view name);
  std::uint32_t memo_party(std::uint32_t& memo, std::string_view name);
  void journal_party(std::uint32_t number);
  bool journal_party_if_room(std::uint32_t number);
  const MailboxLimits& limits(const Mailbox& mailbox) const;
  void set_limits(Mailbox& mailbox, const MailboxLimits& limits, FactPlace place);
  Result<Mailbox*> mailbox_named(std::string_view name);

  // publishing
  Result<Prepared> prepare(Session& session, const IncomingMessage& message, const Lineage* caused,
                           CommandTally* together = nullptr);
  Result<void> check_room(const Mailbox& mailbox, std::uint64_t more) const;
  /// Appends the facts of a message and lists it as pending; how it is answered is in `as`. A duplicate is listed as
  /// such. Requires: the log has room for it. Returns its key; 0 for a duplicate. Within a CommitGroup, unless it is a
  /// single fact.
  MessageKey commit(const Prepared& prepared, std::string_view reply_to, Pending&& as);
  void commit_of(std::vector<Prepared>& all, std::size_t place, Pending&& as);
  class CommitGroup;
  void doom(Prepared& prepared, DeadReason reason, std::string verdict);
  void remember_key(const Prepared& prepared, MessageKey message);
  void forget_keys(std::size_t more);
  void push_pending(Pending&& item);
  Result<MessageKey> accept(Session& session, const IncomingMessage& message, std::string_view reply_to, Pending&& as);
  bool find_first(Prepared& prepared, const CommandTally* together);
  Hash128 key_hash(std::uint32_t mailbox, std::uint32_t sender, const Routing& routing) const;
  Stamp stamp_of(const Uuid& id, std::string_view from, std::string_view reply_to, std::string_view key,
                 const Lineage* lineage) const;
  void resolve(Pending& item);
  void answer_confirm(const Pending& item, const Confirm& confirm);
  Confirm confirm_duplicate(const AcceptedFact& first);
  void publish_held(const Pending& item);
  void enter_stillborn(const Pending& item);
  bool is_now(const Routing& routing) const { return !routing.topic.empty() || routing.to.starts_with('@'); }
  Result<Confirm> publish_now(Session& session, const IncomingMessage& message);
  Confirm publish_event(SessionId session, std::string_view from, const IncomingMessage& message,
                        const Lineage* lineage);
  void publish_anew(SessionId session, std::uint32_t request, bool quiet, const IncomingMessage& message);
  bool repeat_event(std::uint32_t request, bool quiet, const IncomingMessage& message);
  enum class Whose { all, own };
  std::span<const EventTarget> choose_targets(const TopicIndex::Match& match, SessionId publisher,
                                              const MessageParts& message, Whose whose);
  /// `is_owed`: what it is the output of is settled already.
  Result<Confirm> respond(std::string_view from, const IncomingMessage& message, const Lineage* lineage,
                          bool is_owed = false);
  Result<void> check_now(const IncomingMessage& message) const;
  void announce(std::string_view topic, std::string_view json);
  std::uint64_t drops_for(const Mailbox& mailbox, std::uint64_t more) const;
  bool make_room(const Prepared& prepared, const GroupBound& bound);
  bool make_room(std::span<const Prepared> all, FactLog::Urgency urgency, const GroupBound& bound);
  bool make_room(const std::map<std::uint32_t, std::uint32_t>& newcomers, FactLog::Urgency urgency,
                 const GroupBound& bound);
  void drop_oldest(Mailbox& mailbox, const GroupBound& spared);

  // what caused what
  Result<Lineage> lineage_of(const IncomingMessage& message);
  Lineage caused_by(const Lease& lease);
  void check_guards(Prepared& prepared, CommandTally* together);
  std::string guard_verdict(std::uint32_t sender, std::uint32_t mailbox, const Routing& routing, std::uint32_t hops,
                            const CommandTally* together) const;
  void count_for_guards(std::uint32_t sender, std::uint32_t mailbox, const Routing& routing);
  Result<void> pass_guards(std::uint32_t sender, std::uint32_t mailbox, const Routing& routing, const Lineage& lineage);
  Result<Prepared> with_lineage(const IncomingMessage& message);
  std::uint64_t conversation_hash(std::string_view name) const;
  static void hand_on_trace(Prepared& prepared);
  static bool has_costs(const IncomingMessage& message);
  void sum_conversation(const IncomingMessage& message);
  void restore_conversation(std::string_view name, const ConversationFact& fact, FactPlace place);

  // several at once
  std::uint32_t open_batch(SessionId session, std::uint32_t request);
  void add_error(std::uint32_t batch, const Error& error);
  std::uint32_t add_confirm(std::uint32_t batch, const Confirm& confirm);
  Result<std::vector<Prepared>> prepare_all(Session& session, std::span<const Result<IncomingMessage>> messages,
                                            const Lineage* caused);
  void hold_output(Pending&& as, std::uint32_t sender, const IncomingMessage& message, const Lineage& lineage);
  Result<void> check_from(const IncomingMessage& message) const;
  Result<std::uint32_t> sender_of(Session& session, const IncomingMessage& message);
  MessageKey next_key();
  void note_run();
  // The node in ids of what is in memory alone. They go out before the log knows that they were given, and a run whose
  // clock was set back may give the same keys again: so the run is in them.
  std::uint32_t memory_node() const { return (node_ ^ run_ << kShardBits) & kNodeMask; }
  bool is_ours(const MessageAddress& address) const { return address.node == node_ || address.node == memory_node(); }
  Bytes stamped(const IncomingMessage& message, const Stamp& stamp);
  Confirm confirm_of(const AcceptedFact& fact);
  void request_transient(Session& session, std::uint32_t request, std::int64_t timeout_ms,
                         const IncomingMessage& message);

  // where messages stand: used live and by recovery
  void enter_accepted(const AcceptedFact& fact, FactPlace place, std::string_view group);
  void enter_ready(Mailbox& mailbox, const QueuedMessage& message, std::string_view group);
  void enter_scheduled(Mailbox& mailbox, const QueuedMessage& message, std::int64_t due);
  void enter_returned(Mailbox& mailbox, const QueuedMessage& message, std::int64_t not_before);
  void enter_dead(Mailbox& mailbox, const QueuedMessage& message, DeadReason reason, std::int64_t at, FactPlace place);
  void leave(Mailbox& mailbox, const Entry& entry, std::optional<ReceiptState> as, std::uint32_t deliveries,
             const Lease* settled = nullptr);
  void leave_group(Mailbox& mailbox, const Entry& entry);
  void enter_head(Mailbox& mailbox, const QueuedMessage& message);
  bool take_back(Mailbox& mailbox, MessageKey key);
  std::string_view group_of(const Entry& entry);
  void forget_attempts(MessageKey key);
  void drop_dead(Mailbox& mailbox, std::map<MessageKey, DeadLetter>::iterator dead);
  std::optional<QueuedMessage> take_waiting(const MessageRef& ref);
  /// How a message died, and what else belongs into the same group of facts.
  struct Death {
    DeadReason reason{};
    std::string_view text{};                // in words
    const ReturnedFact* attempt = nullptr;  // that failed last, and is not noted yet
    GroupBound spared{};                    // room in the log that is spoken for: nobody is told at its expense
  };
  void bury(Mailbox& mailbox, const QueuedMessage& message, const Death& death);
  void append_chain(JsonWriter& out, const Entry& entry);
  static void write_chain(JsonWriter& out, std::uint32_t hops, Bytes chain);
  Notice notice_of(const Routing& routing, const Uuid& id, std::uint32_t deliveries, DeadReason reason,
                   std::string_view text) const;
  void post(const Notice& notice);
  static std::string chain_text(const Message& message);
  void purge(Mailbox& mailbox, std::map<MessageKey, DeadLetter>::iterator dead);
  void drop_old_dead(Mailbox& mailbox);
  bool fits(const DeadQuery& query, Mailbox& mailbox, MessageKey key, const DeadLetter& letter);
  Result<void> resend_dead(const Uuid& id, const Resubmission& how, Pending as);
  void redrive_some(std::uint32_t slot);
  template <class Each>
  void walk_dead(const DeadQuery& query, std::uint32_t box, MessageKey key, Each each);
  static Result<void> resubmitted_envelope(Bytes envelope, const Resubmission& how, bool without_causes,
                                           std::string& out);
  void tell_of_dead(Mailbox& mailbox, const QueuedMessage& message, DeadReason reason, std::string_view text);
  void bound_dead(Mailbox& mailbox);
  void watch_dead(Mailbox& mailbox);
  void give_back(std::uint32_t lease_slot, std::int64_t delay_ms, AttemptEnd end, std::string_view reason);
  void note_attempt(MessageKey key, FactPlace place, std::uint16_t deliveries);
  void copy_history(MessageKey key, DeadLetter* letter, FactPlace* pending_death);
  RetryPolicy policy_of(const Mailbox& mailbox, const Entry& entry);
  std::uint64_t chance();
  /// `sender`: whose it is, if that is known; 0 looks through all, and tells it.
  Entry* find_entry(Mailbox& mailbox, MessageKey key, std::uint32_t& sender);
  FactPlace append_fact(FactKind kind, std::initializer_list<Bytes> parts, FactLog::Life life = FactLog::Life::dead);

  // handing out
  void mark_dirty(Mailbox& mailbox);
  void dispatch_mailbox(Mailbox& mailbox);
  bool serve_waiter(Mailbox& mailbox);
  enum class Handed { more, enough, stuck };
  Handed hand_out(Mailbox& mailbox, SessionId session, std::uint32_t request, std::uint32_t consumer,
                  std::int64_t lease_ms, bool retrieved);
  void set_stuck(Mailbox& mailbox);
  void retry_later();
  void retry();
  MessageParts bytes_of_message(const Entry& entry, AcceptedFact* fact = nullptr);
  void update_ready(std::uint32_t consumer, const Session& session);
  void set_unwritable(Session& session);
  void add_waiter(Session& session, Mailbox& mailbox, const Waiter& waiter);
  void end_waiter(std::uint32_t slot);
  Lease end_lease(std::uint32_t slot);
  void answer_settled(SessionId session, std::uint32_t request, bool quiet, Lsn lsn, std::uint32_t settled,
                      std::vector<LeaseToken> refused);
  void end_request(std::uint32_t slot);
  void withdraw(const PendingRequest& asked);
  bool tell_holder(const PendingRequest& asked);
  void note_holder(const Entry& entry, SessionId session);

  // routes
  struct Candidate {
    std::size_t target = 0;
    std::uint32_t party = 0;
  };
  void enter_route(Route route, FactPlace place);
  bool forget_route(std::string_view name);
  Result<void> recover_route(FactPlace place, Bytes body);
  Result<void> find_route(Prepared& prepared);
  std::size_t choose(Route& route, const std::vector<Candidate>& able, const FilterInput& message);
  double load_of(std::uint32_t party);
  static Result<void> rewrite(Prepared& prepared, Bytes changes);

  // content by reference
  Result<void> check_content(const IncomingMessage& message);
  void watch_contents(std::int64_t least_ms = 1);
  void on_content_timer();
  void remove_idle_contents();
  void drop_content(MessageKey message);

  // repeated messages
  void watch(const Schedule& schedule);
  void fire(std::uint64_t number);
  void drop_schedule(std::uint64_t number);
  void forget_schedule(std::uint64_t number);
  static void apply_fired(Schedule& schedule, const ScheduleFiredFact& fact);
  Result<void> recover_schedule(FactPlace place, Bytes body);

  // time
  void come_due(MessageKey key);
  void on_timer(const Timer& timer);
  bool is_live(const Timer& timer) const;
  void on_expiry(std::uint32_t mailbox, MessageKey key);
  void add_timer(const Timer& timer);

  Result<void> recover_accepted(FactPlace place, Bytes body);
  bool await_party(std::uint32_t number);
  void recover_returned(Mailbox& mailbox, const QueuedMessage& message, std::int64_t not_before);
  bool recover_copy(Mailbox& mailbox, const MessageRef& ref, const AcceptedFact& fact, FactPlace place);
  Result<void> recover_moved(FactKind kind, FactPlace place, Bytes body);
  bool keep_message(AcceptedFact fact, FactPlace place, Bytes body);
  Result<void> recover_configured(FactPlace place, Bytes body);

  const EngineOptions options_;
  FactLog& log_;
  Effects& effects_;

  std::int64_t now_ = 0;
  MessageKey last_key_ = 0;
  MessageKey newest_recovered_ = 0;
  MessageKey suspect_until_ = 0;  // up to here a crash may have cut leases off
  SipKey secret_{};
  std::uint64_t chance_ = 0;  // state of the generator behind the retry policies' jitter
  Lsn last_fact_ = 0;         // of the last fact appended by append_fact()
  std::uint32_t run_ = 0;
  std::uint32_t node_ = 0;
  FactPlace started_place_;
  bool started_ = false;
  bool stopped_clean_ = false;
  bool lost_fact_ = false;    // one had no room in this run: the log does not say all
  bool noted_ = false;        // the log holds this run's number
  bool handing_out_ = false;  // and durably so: lease numbers and reply addresses are made of it
  MessageKey keys_end_ = 0;   // keys below are reserved for this run

  Parties parties_;
  std::vector<std::unique_ptr<Session>> sessions_;
  Slab<MailboxConsumer> consumers_;
  Slab<std::unique_ptr<TopicSubscription>> subscriptions_;
  Slab<Waiter> waiters_;
  Slab<PendingRequest> requests_;
  Slab<Batch> batches_;
  Slab<std::unique_ptr<Redrive>> redrives_;
  std::uint64_t next_serial_ = 1;  // of waiters and requests
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> request_slots_;
  LeaseTable leases_;
  TopicIndex topics_;
  Timers timers_;
  boost::unordered_flat_map<MessageKey, Expiry> expiries_;
  boost::unordered_flat_map<MessageKey, Scheduled> scheduled_;
  std::size_t timers_rebuilt_at_ =
      kTimersLeast;  // when there are so many, those that mean nothing any more are dropped
  bool ends_redrives_ = false;
  std::uint32_t last_consumer_ = 0;  // serial
  std::uint64_t last_turn_ = 0;      // hand-outs to consumers
  TransientStore transient_;
  SettledReceipts settled_;
  DedupWindow keys_;
  Groups groups_;
  Guard guard_;
  Schedules schedules_;
  Contents contents_;
  static constexpr std::int64_t kContentsLeave = -1;
  std::int64_t content_timer_ = 0;  // when to look for contents that may go; 0: not set; kContentsLeave: some do
  std::int64_t contents_due_ = 0;   // those whose grace was over then
  std::vector<Route> routes_;       // by order, then name
  std::map<std::string, Conversation, std::less<>> conversations_;
  boost::unordered_flat_map<MessageKey, std::vector<Attempt>> attempts_;  // of messages that failed and are still here
  Ring<Pending> pending_;
  std::vector<std::uint32_t> dirty_;
  std::vector<std::uint32_t> stuck_;
  std::size_t shards_subscriptions_ = 0, shards_consumers_ = 0;
  std::int64_t retry_at_ = 0;    // 0: nothing to try again
  std::vector<Notice> notices_;  // of deaths within the group of facts that is open
  std::vector<std::uint8_t> scratch_;
  struct {
    std::uint64_t version =
        0;  // of the message that was stamped last into scratch_, by nobody but server and sender; 0: none
    std::size_t bytes = 0;
    std::string from;
  } stamped_;
  std::vector<EventTarget> targets_;
  struct {
    std::uint64_t version = 0;  // of the last event whose targets a next one of its publisher has too; 0: none
    SessionId session = 0;
    std::uint64_t topics = 0;  // TopicIndex::version() at that time
    std::span<const EventTarget> targets;
  } event_;
  std::vector<MessageRef> refs_;
  EngineCounters counters_;
};

// The group of facts of messages that are committed together. What is to be said of those among them that are dead
// already comes last, so that it takes no room that others were promised.
class Engine::CommitGroup {
 public:
  CommitGroup(Engine& engine, const GroupBound& bound) : engine_(engine), group_(engine.log_, bound) {}
  ~CommitGroup() {
    for (const auto& notice : engine_.notices_) engine_.post(notice);
    engine_.notices_.clear();
  }
  CommitGroup(const CommitGroup&) = delete;
  CommitGroup& operator=(const CommitGroup&) = delete;

 private:
  Engine& engine_;
  const FactGroup group_;
};

// Calls `each(mailbox, iterator)` for the dead letters that fit, from the one after (box, key) on, until it says false.
// `each` may drop the one it is given.
template <class Each>
void Engine::walk_dead(const DeadQuery& query, std::uint32_t box, MessageKey key, Each each) {
  auto number = std::max<std::uint32_t>(box, 1), end = parties_.end();
  if (!query.mailbox.empty()) {
    const auto only = parties_.find(query.mailbox);
    if (only == 0 || only < number) return;
    if (only > number) key = 0;
    number = only;
    end = only + 1;
  }
  for (; number < end; ++number, key = 0) {
    if (!parties_[number].mailbox || !parties_[number].mailbox->dead) continue;
    auto& mailbox = *parties_[number].mailbox;
    for (auto at = mailbox.dead->upper_bound(key); at != mailbox.dead->end();) {
      const auto dead = at++;
      if (fits(query, mailbox, dead->first, dead->second) && !each(mailbox, dead)) return;
    }
  }
}

}  // namespace folkmoot
