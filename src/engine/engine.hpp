// The engine: who gets which message when. Pure and deterministic: told the time and the commands it appends facts to
// its log and calls effects. It owns the parts, wires them and decides nothing. A command's errors stand with its part.
#pragma once

#include <functional>
#include <span>

#include "engine/accounts/accounts.hpp"
#include "engine/causes/causes.hpp"
#include "engine/contents/contents.hpp"
#include "engine/dead/dead_letters.hpp"
#include "engine/mailroom/mailroom.hpp"
#include "engine/registry/registry.hpp"
#include "engine/requests/requests.hpp"
#include "engine/routes/routes.hpp"
#include "engine/schedules/schedules.hpp"
#include "engine/streams/streams.hpp"
#include "engine/subscriptions/subscriptions.hpp"
#include "engine/topics/topics.hpp"
#include "engine/wakes/wakes.hpp"
#include "engine/webhooks/webhook_table.hpp"

namespace folkmoot {

class Engine final : Ledger::Resolver {
 public:
  /// `store`: of the events of streams; null: they stay in the log.
  Engine(const EngineOptions& options, FactLog& log, Effects& effects, StreamStore* store = nullptr);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // -- life
  /// From now on limits are these. What is more than one stays until it ends, but for what is kept for a time.
  void change(const EngineOptions& options);
  /// Enters one fact of the log; all in order, before start(). Errors: damaged, if it cannot follow from those before.
  Result<void> recover(FactKind kind, FactPlace place, Bytes body);
  /// Ends recovery, appends the started fact. `seed`: of the data folder; `clean`: the last run ended by stop().
  void start(Instant now, std::uint64_t seed, bool clean);
  /// Ends the run: what is leased goes back, delivered once more, as when its holder is gone. No command may follow.
  void stop();
  /// Whether the log has all that stop() had to say: else it must not count as clean, as if nothing was handed out.
  bool stopped_clean() const { return stopped_clean_; }
  /// Moves the time on and does what has become due. Time that goes back is ignored.
  void advance(Instant now);
  /// When advance() is next needed: kNoTime if nothing waits for a time.
  Instant next_timer() const { return agenda_.next_at(); }
  /// All facts below `end` are on disk: releases the answers and messages that waited for it.
  void on_durable(Lsn end);
  /// The files of the stream have its events below `end`, synced.
  void on_stored(StreamNumber stream, Sequence end) { streams_.on_stored(stream, end); }
  void on_read(ReadTicket ticket, const StreamChunk& chunk) { streams_.reads().on_read(ticket, chunk); }
  /// Hands out what can be handed out. To be called after each turn of commands.
  void dispatch() { mailroom_.dispatch().run(); }
  bool wants_dispatch() const { return mailroom_.wants_dispatch(); }
  /// Compaction: appends the fact at `place` again if it still matters. False: there is no room now for all it needs.
  bool keep(FactKind kind, FactPlace place, Bytes body);

  // -- sessions
  /// `of_shard`: another shard, or the server itself: it opens as much as it likes, and gets an event once however many
  /// of its subscriptions match. `connection`: whose session it is, if its home is another shard.
  void open_session(SessionId id, std::string_view agent, bool of_shard = false, ConnectionId connection = 0);
  void close_session(SessionId id);
  void session_writable(SessionId id);

  // -- commands; each is answered through Effects under (session, request), at once or later
  void publish(SessionId session, RequestNumber request, bool quiet, const IncomingMessage& message) {
    const bool again = topics_.is_again(session, message) && topics_.repeat(request, quiet, message);
    if (!again) publish_anew(session, request, quiet, message);
  }
  /// One answer for all of them. A message that did not parse is given as its error.
  void publish_batch(SessionId session, RequestNumber request, bool quiet,
                     std::span<const Result<IncomingMessage>> messages);
  /// The same, all or none: on any error (which names the message by its place) nothing is published.
  void publish_atomic(SessionId session, RequestNumber request, bool quiet,
                      std::span<const Result<IncomingMessage>> messages);
  /// `stream`: messages of type status to the reply address reach the requester, and it stays open.
  void request(SessionId session, RequestNumber request, Duration timeout_ms, const IncomingMessage& message,
               bool stream = false);
  void subscribe(SessionId session, RequestNumber request, std::string_view pattern, std::uint32_t credit, bool echo,
                 std::string_view filter = {});
  /// Another filter for the subscription of that number, from the next event on.
  void set_filter(SessionId session, RequestNumber request, RequestNumber target, std::string_view filter);
  void consume(SessionId session, RequestNumber request, std::string_view mailbox, std::uint32_t credit);
  void credit(SessionId session, RequestNumber target, std::uint32_t amount);
  void cancel(SessionId session, RequestNumber request, RequestNumber target);
  void receive(SessionId session, RequestNumber request, const ReceiveCommand& command);
  void wait(SessionId session, RequestNumber request, std::string_view mailbox, Duration timeout_ms);
  void ack(SessionId session, RequestNumber request, bool quiet, std::span<const LeaseToken> leases);
  /// `delay_ms`: kByPolicy, or how long until it may go out again.
  void nack(SessionId session, RequestNumber request, bool quiet, std::span<const LeaseToken> leases, Duration delay_ms,
            std::string_view reason);
  /// To the dead letters, at once and whatever the retry policy.
  void reject(SessionId session, RequestNumber request, bool quiet, std::span<const LeaseToken> leases,
              std::string_view reason);
  /// Settles the lease and publishes the outputs, caused by its message, both or neither. Answered like a batch.
  void complete(SessionId session, RequestNumber request, LeaseToken lease,
                std::span<const Result<IncomingMessage>> outputs);
  void extend(SessionId session, RequestNumber request, bool quiet, std::span<const LeaseToken> leases,
              Duration lease_ms);
  /// Whether all of these leases are current, and this message's. Errors: lease_lost.
  Result<void> check_leases(std::span<const LeaseToken> leases, const Uuid& id);
  /// Whether this answer names a message as its cause that its sender holds, and that says to answer there.
  bool holds_what_it_answers(SessionId session, const IncomingMessage& message);
  /// An event that another shard has accepted and stamped, for this one's own subscriptions.
  void forward_event(std::string_view topic, const MessageParts& event) { topics_.forward(topic, event); }
  void configure_mailbox(SessionId session, RequestNumber request, const MailboxCommand& command);
  void delete_mailbox(SessionId session, RequestNumber request, const DeleteMailboxCommand& command);
  /// Sends a dead letter again as a new message; it is no dead letter any more. Answered by a confirmation.
  void resubmit(SessionId session, RequestNumber request, const Uuid& id, const Resubmission& how);
  /// Sends all again that fit now, at the rate given; answered when done (Resent), and ended by its connection's end.
  void redrive(SessionId session, RequestNumber request, const RedriveCommand& command);
  /// The server stops: no more is sent again than has been.
  void end_redrives();
  void set_schedule(SessionId session, RequestNumber request, const ScheduleCommand& command,
                    const IncomingMessage& message);

  // -- parts and what stands below them: their own commands and questions stand there
  Accounts& accounts() { return accounts_; }
  const Accounts& accounts() const { return accounts_; }
  Causes& causes() { return causes_; }
  const Causes& causes() const { return causes_; }
  /// What is stored is told before start(), then as each upload ends.
  Contents& contents() { return contents_; }
  const Contents& contents() const { return contents_; }
  DeadLetters& dead() { return dead_; }
  Questions& mailboxes() { return mailroom_.questions(); }
  const Questions& mailboxes() const { return mailroom_.questions(); }
  Peeking& peeking() { return mailroom_.peeking(); }
  Settling& settling() { return mailroom_.settling(); }
  Registry& registry() { return registry_; }
  Routes& routes() { return routes_; }
  Schedules& schedules() { return schedules_; }
  const Schedules& schedules() const { return schedules_; }
  Streams& streams() { return streams_; }
  Subscriptions& durable_subscriptions() { return subscriptions_; }
  Tap& tap() { return tap_; }
  Tracing& tracing() { return tracing_; }
  Announcer& announcer() { return topics_; }
  Trail& trail() { return trail_; }
  Wakes& wakes() { return wakes_; }
  WebhookTable& webhooks() { return webhooks_; }
  SessionView session(SessionId id) const;
  void each_holder(const std::function<void(const HolderView&)>& each) const { mailroom_.dispatch().each_holder(each); }
  const EngineCounters& counters() const { return counters_; }
  Census census() const;
  /// Of a name that a fact or a schedule names; "" for a number that is none.
  std::string_view name_of(NameId name_id) const;
  /// Of a session; "" if it named none.
  std::string_view agent_of(SessionId session) const;
  /// Of clients: those that shards have of each other are not counted.
  std::size_t subscriptions() const { return topics_.subscriptions(); }
  std::size_t consumers() const { return mailroom_.dispatch().consumers(); }
  std::uint32_t node() const { return run_.node(); }
  Instant now() const { return run_.now(); }

 private:
  void assign();
  void resolve(Waiting& what) override;
  void go_out(const waiting::Output& item);
  void publish_anew(SessionId session, RequestNumber request, bool quiet, const IncomingMessage& message);

  EngineOptions options_;
  Effects& effects_;
  EngineCounters counters_;
  Ledger ledger_;
  Agenda agenda_;
  Names names_;
  Run run_;
  Sessions sessions_;
  Serials serials_;
  TransientStore transient_;
  Stamper stamper_;
  Replies replies_;
  Outputs outputs_;
  Attempts attempts_;
  Trail trail_;
  Tap tap_;
  Tracing tracing_;
  Accounts accounts_;
  Contents contents_;
  Loads loads_;
  Routes routes_;
  Causes causes_;
  Subscriptions subscriptions_;
  Topics topics_;
  Requests requests_;
  DeadLetters dead_;
  Schedules schedules_;
  Streams streams_;
  Registry registry_;
  Mailroom mailroom_;
  Wakes wakes_;
  WebhookTable webhooks_;
  Waiters waiters_;
  std::array<Part*, kFactKinds> owners_{};  // of facts
  bool stopped_clean_ = false;
};

}  // namespace folkmoot
