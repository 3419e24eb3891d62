#include "engine/engine.hpp"

#include <fmt/format.h>

#include "base/strong_format.hpp"
#include "base/utf8.hpp"
#include "engine/checks.hpp"

namespace folkmoot {
namespace {

template <class... Each>
struct Overloaded : Each... {
  using Each::operator()...;
};

// Null for a kind that a newer version has written.
Part* owner(std::span<Part* const> owners, FactKind kind) {
  const auto index = static_cast<std::size_t>(kind);
  return index < owners.size() ? owners[index] : nullptr;
}

}  // namespace

Engine::Engine(const EngineOptions& options, FactLog& log, Effects& effects, StreamStore* store)
    : options_(options),
      effects_(effects),
      ledger_(log, effects, *this),
      agenda_(options.timers_least),
      names_(ledger_, options.names_max),
      run_(options_, ledger_, agenda_),
      transient_(options.transient_bytes_max),
      stamper_(run_),
      replies_(effects, counters_),
      outputs_(ledger_, names_, stamper_, transient_),
      attempts_(ledger_, options.attempts_kept),
      trail_(ledger_, options.receipts_max),
      tap_(run_),
      tracing_(run_, effects),
      accounts_(options_, ledger_, sessions_, replies_, effects),
      contents_(options_, run_, ledger_, agenda_, effects, counters_),
      routes_(options_, run_, ledger_, names_, replies_, mailroom_, loads_),
      causes_(options_, run_, ledger_, names_, mailroom_, topics_, tracing_, effects, counters_),
      // What each is given, in the order of its Ports.
      subscriptions_(options_, ledger_, names_, replies_, mailroom_),
      topics_(options_,
              {run_, ledger_, agenda_, names_, sessions_, stamper_, transient_, replies_, causes_, contents_, mailroom_,
               tracing_, effects, counters_},
              {&subscriptions_, &streams_}),
      requests_(options_, {run_, agenda_, names_, sessions_, serials_, stamper_, transient_, replies_, causes_,
                           contents_, mailroom_, mailroom_, registry_, tracing_, effects, counters_}),
      dead_(options_, {run_, ledger_, agenda_, names_, sessions_, serials_, replies_, outputs_, attempts_, trail_,
                       contents_, mailroom_, mailroom_, topics_, effects, counters_}),
      schedules_(options_, {run_, ledger_, agenda_, names_, replies_, outputs_, contents_, mailroom_, topics_, effects,
                            counters_}),
      streams_(options_,
               {run_, ledger_, agenda_, sessions_, serials_, replies_, topics_, contents_, mailroom_, effects, store}),
      registry_(options_, {run_, ledger_, agenda_, names_, replies_, loads_, mailroom_, mailroom_, topics_, effects}),
      mailroom_({options_, run_,     ledger_,   agenda_, names_,  sessions_, serials_,  stamper_,  transient_,
                 replies_, outputs_, attempts_, trail_,  tap_,    tracing_,  causes_,   contents_, routes_,
                 dead_,    topics_,  requests_, wakes_,  effects, counters_, registry_, streams_}),
      wakes_(options_, {run_, ledger_, agenda_, names_, sessions_, serials_, replies_, mailroom_, effects}),
      webhooks_(options_, run_, ledger_, replies_),
      waiters_(mailroom_.dispatch()) {
  assign();
}

void Engine::change(const EngineOptions& options) {
  options_.mailbox = options.mailbox;
  options_.keys_max = options.keys_max;
  options_.keys_ms = options.keys_ms;
  options_.keys_kept_ms = options.keys_kept_ms;
  options_.dead_max = options.dead_max;
  options_.dead_ttl_ms = options.dead_ttl_ms;
  options_.names_max = options.names_max;
  options_.content_grace_ms = options.content_grace_ms;
  options_.guard = options.guard;
  options_.agent_stale_ms = options.agent_stale_ms;
  options_.agent_grace_ms = options.agent_grace_ms;
  names_.set_max(options.names_max);
  mailroom_.on_options();
  dead_.on_options();
  contents_.on_options();
  registry_.on_options();
}

// Whose a fact, a timer or an open request is, by its kind.
void Engine::assign() {
  topics_.listen_to_keepers();
  const auto facts = [this](Part& part, std::initializer_list<FactKind> kinds) {
    for (const auto kind : kinds) owners_[static_cast<std::size_t>(kind)] = &part;
  };
  facts(run_, {FactKind::started});
  facts(names_, {FactKind::name_added});
  facts(mailroom_,
        {FactKind::message_accepted, FactKind::message_settled, FactKind::message_returned, FactKind::message_dead,
         FactKind::mailbox_configured, FactKind::dead_purged, FactKind::message_cancelled, FactKind::key_used,
         FactKind::attempt_noted, FactKind::mailbox_deleted, FactKind::mailbox_read, FactKind::result_noted});
  facts(schedules_, {FactKind::schedule_set, FactKind::schedule_fired, FactKind::schedule_removed});
  facts(routes_, {FactKind::route_set, FactKind::route_removed});
  facts(causes_, {FactKind::conversation_summed});
  facts(trail_, {FactKind::message_linked});
  facts(subscriptions_, {FactKind::subscription_set, FactKind::subscription_removed});
  facts(streams_, {FactKind::stream_set, FactKind::stream_removed, FactKind::stream_event, FactKind::stream_trimmed,
                   FactKind::stream_refers});
  facts(streams_.consumers(), {FactKind::consumer_set, FactKind::consumer_moved, FactKind::consumer_removed});
  facts(wakes_, {FactKind::wake_set, FactKind::wake_removed});
  facts(webhooks_, {FactKind::webhook_set, FactKind::webhook_removed});
  facts(registry_, {FactKind::agent_set, FactKind::agent_removed});
  facts(accounts_, {FactKind::account_set, FactKind::account_removed, FactKind::role_set, FactKind::role_removed,
                    FactKind::rule_set, FactKind::rule_removed});

  const auto timers = [this](Part& part, std::initializer_list<TimerKind> kinds) {
    for (const auto kind : kinds) agenda_.assign(kind, part);
  };
  timers(run_, {TimerKind::run});
  timers(mailroom_, {TimerKind::expiry, TimerKind::due, TimerKind::lease, TimerKind::waiter, TimerKind::retry});
  timers(requests_, {TimerKind::request});
  timers(dead_, {TimerKind::dead, TimerKind::redrive});
  timers(schedules_, {TimerKind::schedule});
  timers(contents_, {TimerKind::content});
  timers(topics_, {TimerKind::event});
  timers(streams_, {TimerKind::stream});
  timers(streams_.reads(), {TimerKind::stream_read});
  timers(streams_.consumers(), {TimerKind::stream_consumer});
  timers(streams_.plays(), {TimerKind::stream_play});
  timers(wakes_, {TimerKind::wake, TimerKind::wake_taker});
  timers(registry_, {TimerKind::agent, TimerKind::held});

  sessions_.assign(OpenKind::subscription, topics_);
  sessions_.assign(OpenKind::consumer, mailroom_);
  sessions_.assign(OpenKind::waiter, waiters_);
  sessions_.assign(OpenKind::request, requests_);
  sessions_.assign(OpenKind::redrive, dead_);
  sessions_.assign(OpenKind::stream_read, streams_.reads());
  sessions_.assign(OpenKind::stream_consumer, streams_.consumers());
  sessions_.assign(OpenKind::stream_play, streams_.plays());
  sessions_.assign(OpenKind::wakes, wakes_);
}

// -- life

Result<void> Engine::recover(FactKind kind, FactPlace place, Bytes body) {
  FOLKMOOT_ASSERT(!run_.is_started());
  auto* const part = owner(owners_, kind);
  if (part != nullptr) return part->enter({kind, place, body});
  return failure(ErrorCode::damaged,
                 fmt::format("a fact of kind {}, which this version does not know: it was written by a newer one",
                             static_cast<int>(kind)));
}

bool Engine::keep(FactKind kind, FactPlace place, Bytes body) {
  auto* const part = owner(owners_, kind);
  return part == nullptr || part->keep({kind, place, body});
}

void Engine::start(Instant now, std::uint64_t seed, bool clean) {
  run_.start(now, seed, clean);
  if (const auto number = names_.nameless(); number != 0) {
    effects_.unreadable({ErrorCode::damaged,
                         fmt::format("messages have the name id {}, and no fact of the log says who that is", number)});
  }
  accounts_.start();
  mailroom_.start();
  dead_.start();
  schedules_.start();
  contents_.start();
  if (const auto done = streams_.start(); !done) effects_.unreadable(done.error());
  wakes_.start();
  webhooks_.start();
  run_.note();
  registry_.start();
  advance(run_.now());
}

void Engine::stop() {
  registry_.stop();
  mailroom_.stop();
  stopped_clean_ = run_.stop();
}

void Engine::advance(Instant now) {
  run_.advance(now);
  tap_.tidy();
  while (agenda_.step(run_.now())) {
  }
}

void Engine::on_durable(Lsn end) {
  ledger_.on_durable(end);
  streams_.on_durable(end);
}

// By the ledger, in the order of the log: what waited for the disk happens now. May write facts, which wait in turn.
void Engine::resolve(Waiting& what) {
  std::visit(Overloaded{[this](waiting::RunNoted&) { run_.on_noted(); },
                        [this](waiting::Accepted& item) { mailroom_.publishing().on_durable(item); },
                        [this](waiting::Duplicate& item) { mailroom_.publishing().on_durable(item); },
                        [this](waiting::Output& item) { go_out(item); },
                        [this](waiting::HandedOut& item) { mailroom_.dispatch().on_durable(item); },
                        [this](waiting::Settled& item) { replies_.settled(item); },
                        [this](waiting::Batch& item) { replies_.finish(item); },
                        [this](waiting::Answer& item) { replies_.answer(item.to, item.reply); },
                        [this](waiting::ContentsIdle&) { contents_.remove_idle(); },
                        [this](waiting::SentSome& item) { dead_.go_on(item); },
                        [this](waiting::Kept& item) { topics_.on_durable(item); },
                        [this](waiting::StreamNoted& item) { streams_.on_durable(item); },
                        [this](waiting::StreamGone& item) { streams_.on_durable(item); },
                        [this](waiting::PlayedSome& item) { streams_.plays().go_on(item); },
                        [this](waiting::WakesTaken& item) { wakes_.on_durable(item); },
                        [this](waiting::AccessChanged& item) { accounts_.on_durable(item); },
                        [this](waiting::AgentChanged& item) { registry_.tell(item); },
                        [this](waiting::WebhooksChanged& item) { webhooks_.on_durable(item); }},
             what);
}

// What was kept until that which it came of was durable. Whoever waited for it may have gone meanwhile: then that is
// its result.
void Engine::go_out(const waiting::Output& item) {
  const std::string bytes(as_text(transient_.get(item.stored)));
  transient_.drop(item.stored);
  IncomingMessage message;
  const auto read = read_routing(as_bytes(bytes), message.routing);
  FOLKMOOT_ASSERT(read.has_value());
  message.envelope = as_bytes(bytes).first(message.routing.bytes);
  message.content = as_bytes(bytes).subspan(message.routing.bytes);
  const Lineage lineage{.cause = message.routing.cause,
                        .hops = message.routing.hops,
                        .chain = std::string(as_text(message.routing.chain))};
  const auto& from = names_[item.sender];
  if (!message.routing.topic.empty()) {
    return replies_.confirm(item.to, topics_.publish_event(item.to.caller.session, from, message, &lineage));
  }
  const auto done = requests_.respond(from, message, &lineage, item.answerer, true);
  if (done) return replies_.confirm(item.to, *done);
  if (item.to.batch != kNoSlot) replies_.refuse(item.to.batch, item.to.place, done.error());
}

// -- sessions

void Engine::open_session(SessionId id, std::string_view agent, bool of_shard, ConnectionId connection) {
  auto& session = sessions_.add(id);
  session.connection = connection != 0 ? connection : connection_id(options_.shard, id);
  session.of_shard = of_shard;
  if (const auto name_id = agent.empty() ? Result<NameId>(0) : names_.number(agent)) session.name_id = *name_id;
}

void Engine::close_session(SessionId id) {
  auto* const session = sessions_.find(id);
  if (session == nullptr) return;
  while (!session->open.empty()) {
    const auto [request, what] = *session->open.begin();
    if (what.kind == OpenKind::request) requests_.abandon(what.slot, id);
    sessions_.close(*session, request);
  }
  mailroom_.settling().give_back_all(*session);
  wakes_.give_back_all(*session);
  sessions_.remove(*session);
}

void Engine::session_writable(SessionId id) {
  if (auto* const session = sessions_.find(id)) mailroom_.dispatch().set_writable(*session);
}

void Engine::cancel(SessionId id, RequestNumber request, RequestNumber target) {
  auto* const session = sessions_.find(id);
  if (session == nullptr) return;
  if (const auto found = session->open.find(target); found != session->open.end()) {
    const auto open = found->second;
    if (open.kind == OpenKind::request) requests_.withdraw(open.slot);
    const bool is_owed = open.kind == OpenKind::waiter || open.kind == OpenKind::request ||
                         open.kind == OpenKind::stream_read || open.kind == OpenKind::stream_consumer ||
                         open.kind == OpenKind::stream_play;
    if (open.kind == OpenKind::wakes) wakes_.cancel(open.slot);
    if (is_owed) {
      replies_.refuse({id, target}, {ErrorCode::cancelled, "cancelled by its own connection"});
    }
    sessions_.close(*session, target);
    // What it is given at most once may wait for the log: it comes under that number, which is free only then.
    if (open.kind == OpenKind::consumer) return ledger_.when_or_now({}, waiting::Answer{{id, request}});
  }
  replies_.answer({id, request});
}

void Engine::credit(SessionId id, RequestNumber target, std::uint32_t amount) {
  auto* const session = sessions_.find(id);
  if (session == nullptr) return;
  const auto found = session->open.find(target);
  if (found == session->open.end()) return;
  const auto open = found->second;
  if (open.kind == OpenKind::consumer) mailroom_.dispatch().credit(*session, open.slot, amount);
  if (open.kind == OpenKind::subscription) topics_.credit(*session, target, open.slot, amount);
}

// -- commands: of a session that is open, to the part that carries them out

// What is not the last message over again. Apart, since publish() is inlined where it is called.
void Engine::publish_anew(SessionId id, RequestNumber request, bool quiet, const IncomingMessage& message) {
  auto* const session = sessions_.find(id);
  if (session == nullptr) return;
  const Asker caller{id, request};
  if (wants_keeping(message.routing)) {
    const auto done = topics_.publish_kept(*session, message, {.caller = caller, .quiet = quiet});
    if (!done) replies_.refuse(caller, done.error());
    return;
  }
  if (is_now(message.routing)) {
    const auto done = mailroom_.publishing().publish_now(*session, message);
    if (!done) return replies_.refuse(caller, done.error());
    if (!quiet) effects_.confirm(id, request, *done);
    return;
  }
  const auto done = mailroom_.publishing().accept(*session, message, {}, {.caller = caller, .quiet = quiet});
  if (!done) replies_.refuse(caller, done.error());
}

void Engine::publish_batch(SessionId id, RequestNumber request, bool quiet,
                           std::span<const Result<IncomingMessage>> messages) {
  if (auto* const session = sessions_.find(id))
    mailroom_.publishing().publish_batch(*session, request, quiet, messages);
}

void Engine::publish_atomic(SessionId id, RequestNumber request, bool quiet,
                            std::span<const Result<IncomingMessage>> messages) {
  if (auto* const session = sessions_.find(id))
    mailroom_.publishing().publish_atomic(*session, request, quiet, messages);
}

void Engine::complete(SessionId id, RequestNumber request, LeaseToken lease,
                      std::span<const Result<IncomingMessage>> outputs) {
  if (auto* const session = sessions_.find(id)) mailroom_.publishing().complete(*session, request, lease, outputs);
}

void Engine::request(SessionId id, RequestNumber request, Duration timeout_ms, const IncomingMessage& message,
                     bool stream) {
  if (auto* const session = sessions_.find(id)) requests_.ask(*session, request, timeout_ms, message, stream);
}

void Engine::subscribe(SessionId id, RequestNumber request, std::string_view pattern, std::uint32_t credit, bool echo,
                       std::string_view filter) {
  if (auto* const session = sessions_.find(id)) topics_.subscribe(*session, request, pattern, credit, echo, filter);
}

void Engine::set_filter(SessionId id, RequestNumber request, RequestNumber target, std::string_view filter) {
  if (auto* const session = sessions_.find(id)) topics_.set_filter(*session, request, target, filter);
}

void Engine::consume(SessionId id, RequestNumber request, std::string_view mailbox, std::uint32_t credit) {
  if (auto* const session = sessions_.find(id)) mailroom_.consume(*session, request, mailbox, credit);
}

void Engine::receive(SessionId id, RequestNumber request, const ReceiveCommand& command) {
  if (auto* const session = sessions_.find(id)) mailroom_.receive(*session, request, command);
}

void Engine::wait(SessionId id, RequestNumber request, std::string_view mailbox, Duration timeout_ms) {
  if (auto* const session = sessions_.find(id)) mailroom_.wait(*session, request, mailbox, timeout_ms);
}

void Engine::ack(SessionId id, RequestNumber request, bool quiet, std::span<const LeaseToken> leases) {
  mailroom_.settling().ack({id, request}, quiet, leases);
}

void Engine::nack(SessionId id, RequestNumber request, bool quiet, std::span<const LeaseToken> leases,
                  Duration delay_ms, std::string_view reason) {
  mailroom_.settling().nack({id, request}, quiet, leases, delay_ms, reason);
}

void Engine::reject(SessionId id, RequestNumber request, bool quiet, std::span<const LeaseToken> leases,
                    std::string_view reason) {
  mailroom_.settling().reject({id, request}, quiet, leases, reason);
}

void Engine::extend(SessionId id, RequestNumber request, bool quiet, std::span<const LeaseToken> leases,
                    Duration lease_ms) {
  if (auto* const session = sessions_.find(id)) mailroom_.settling().extend(*session, request, quiet, leases, lease_ms);
}

Result<void> Engine::check_leases(std::span<const LeaseToken> leases, const Uuid& id) {
  return mailroom_.settling().check(leases, id);
}

bool Engine::holds_what_it_answers(SessionId id, const IncomingMessage& message) {
  auto* const session = sessions_.find(id);
  return session != nullptr && requests_.holds_cause(*session, message);
}

void Engine::configure_mailbox(SessionId id, RequestNumber request, const MailboxCommand& command) {
  mailroom_.configure({id, request}, command);
}

void Engine::delete_mailbox(SessionId id, RequestNumber request, const DeleteMailboxCommand& command) {
  mailroom_.remove({id, request}, command);
}

void Engine::resubmit(SessionId id, RequestNumber request, const Uuid& letter, const Resubmission& how) {
  if (sessions_.find(id) != nullptr) dead_.resubmit({id, request}, letter, how);
}

void Engine::redrive(SessionId id, RequestNumber request, const RedriveCommand& command) {
  if (auto* const session = sessions_.find(id)) dead_.redrive(*session, request, command);
}

void Engine::end_redrives() {
  dead_.end_redrives();
  streams_.plays().end_all();
}

void Engine::set_schedule(SessionId id, RequestNumber request, const ScheduleCommand& command,
                          const IncomingMessage& message) {
  if (auto* const session = sessions_.find(id)) schedules_.set(*session, request, command, message);
}

// -- questions

SessionView Engine::session(SessionId id) const {
  const auto* const session = sessions_.find(id);
  return session != nullptr ? mailroom_.dispatch().view_of(*session) : SessionView{};
}

std::string_view Engine::name_of(NameId name_id) const {
  return names_.holds(name_id) ? std::string_view(names_[name_id]) : "";
}

std::string_view Engine::agent_of(SessionId id) const {
  const auto* const session = sessions_.find(id);
  return session != nullptr && session->name_id != 0 ? name_of(session->name_id) : std::string_view();
}

}  // namespace folkmoot
