#include "simulation/world.hpp"

#include "engine/census.hpp"
#include "simulation/workload.hpp"

namespace folkmoot::simulation {
namespace {

/// All that a run can ask for comes within it: the longest are a retry, four times the one before, five times over, and
/// the ends of days that budgets of wakes are for.
constexpr std::int64_t kDrainMsMax = 7 * 24 * 3'600'000;

// What production bounds so high that nobody meets it.
void draw_bounds(Random& random, std::size_t content_bytes_max, EngineOptions& engine) {
  if (random.one_in(2)) engine.timers_least = static_cast<std::size_t>(random.between(4, 40));
  if (random.one_in(2)) engine.attempts_kept = static_cast<std::size_t>(random.between(1, 4));
  if (random.one_in(2)) engine.redrive_at_once = static_cast<std::size_t>(random.between(1, 3));
  if (random.one_in(3)) engine.guard_entries_max = static_cast<std::uint32_t>(random.between(1, 4));
  if (random.one_in(2)) engine.receipts_max = static_cast<std::size_t>(random.between(1, 30));
  // What is delivered at most once must fit, or it never is.
  if (random.one_in(2))
    engine.transient_bytes_max = content_bytes_max + static_cast<std::size_t>(random.between(1'500, 6'000));
}

RunOptions draw(Random& random) {
  RunOptions options;
  auto& engine = options.engine;
  engine.mailbox.max_messages = static_cast<std::uint64_t>(random.between(4, 60));
  engine.mailbox.default_ttl_ms = Duration{random.one_in(4) ? random.between(200, 20'000) : 0};
  engine.mailbox.retry.attempts = static_cast<std::uint16_t>(random.between(2, 6));
  engine.mailbox.overflow = random.one_in(2) ? Overflow::drop_oldest : Overflow::reject;
  engine.mailbox.retry.backoff = static_cast<Backoff>(random.below(4));
  engine.mailbox.retry.initial_ms = random.one_in(2) ? random.between(1, 2'000) : 0;
  engine.mailbox.retry.max_ms = random.one_in(2) ? random.between(100, 10'000) : 0;
  engine.content_grace_ms = Duration{random.between(100, 5'000)};
  engine.dead_max = static_cast<std::size_t>(random.between(2, 12));
  engine.dead_ttl_ms = Duration{random.one_in(3) ? random.between(1'000, 90'000) : 0};
  engine.keys_max = random.one_in(3) ? static_cast<std::size_t>(random.between(1, 20)) : 1'000'000;
  if (engine.keys_max <= 20 && random.one_in(2)) engine.keys_kept_ms = Duration{random.between(50, 20'000)};
  engine.keys_ms = Duration{random.one_in(3) ? random.between(100, 60'000) : 86'400'000};
  if (random.one_in(3)) engine.guard.hops_max = static_cast<std::uint32_t>(random.between(1, 5));
  if (random.one_in(3)) engine.guard.pair_per_minute = static_cast<std::uint32_t>(random.between(1, 12));
  if (random.one_in(3)) engine.guard.conversation_per_minute = static_cast<std::uint32_t>(random.between(2, 20));
  auto& journal = options.journal;
  journal.segment_bytes = kSegmentBytesMin;
  journal.cache_bytes = random.one_in(2) ? 0 : 512 * 1024;
  journal.sync = random.one_in(10) ? SyncPolicy::never : SyncPolicy::always;
  journal.bytes_max = random.one_in(6) ? static_cast<std::uint64_t>(random.between(3, 6)) * kSegmentBytesMin : 0;
  journal.id.emplace();
  for (auto& byte : *journal.id) byte = static_cast<std::uint8_t>(random.next());
  // Drawn with the id: every third journal.
  if (journal.id->front() % 3 == 0) journal.keys = seal_keys(NewSegments::first_key);
  options.power_fails = journal.sync == SyncPolicy::always && !random.one_in(10);
  options.sync_fails_one_in = random.one_in(3) ? static_cast<std::uint32_t>(random.between(20, 300)) : 0;
  options.full_percent = random.one_in(3) ? 60 : 0;
  options.write_refused_percent = random.one_in(3) ? 30 : 0;
  options.content_bytes_max = static_cast<std::size_t>(random.one_in(2) ? 12'000 : random.between(16, 1'000));
  draw_bounds(random, options.content_bytes_max, engine);
  options.mailboxes = static_cast<std::size_t>(random.between(1, 5));
  options.senders = static_cast<std::size_t>(random.between(1, 6));
  options.pace_ms = random.one_in(3) ? 500 : 20;
  return options;
}

std::vector<std::string> make_names(const RunOptions& options) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::max(options.mailboxes, options.senders); ++i)
    names.push_back(fmt::format("agent-{}", i));
  names.emplace_back(kServerName);
  names.emplace_back(kUnrouted);
  return names;
}

}  // namespace

std::string World::describe() const {
  const auto& options = options_;
  const auto& mailbox = options.engine.mailbox;
  return fmt::format(
      "mailboxes {} of {} messages ({}), ttl {} ms, {} deliveries, {} dead for {} ms, {} keys for {} ms (kept for {}); "
      "senders {}; "
      "content to {} bytes; pace {} ms; "
      "sync {}, cache {}, bytes_max {}, {}; power fails {}, sync fails 1 in {}, full disk in {}% of lives, writes "
      "refused "
      "{}%",
      options.mailboxes, mailbox.max_messages, mailbox.overflow == Overflow::reject ? "reject" : "drop oldest",
      mailbox.default_ttl_ms, mailbox.retry.attempts, options.engine.dead_max, options.engine.dead_ttl_ms,
      options.engine.keys_max, options.engine.keys_ms, options.engine.keys_kept_ms, options.senders,
      options.content_bytes_max, options.pace_ms, options.journal.sync == SyncPolicy::always ? "always" : "never",
      options.journal.cache_bytes, options.journal.bytes_max, options.journal.keys ? "sealed" : "plain",
      options.power_fails, options.sync_fails_one_in, options.full_percent, options.write_refused_percent);
}

World::World(std::uint64_t seed)
    : seed_(seed),
      random_(seed),
      options_(draw(random_)),
      disk_(random_.next()),
      model_(make_names(options_), options_.engine, rules_),
      promises_(model_.names(), options_.engine),
      order_(model_, rules_),
      agents_(model_, promises_, order_, leases_, rules_, random_),
      views_(model_, agents_, rules_, random_) {
  model_.memory_limited = options_.engine.transient_bytes_max < EngineOptions{}.transient_bytes_max;
}

World::~World() = default;

RunTally World::tally() const {
  auto tally = tally_;
  tally.operations = agents_.operations();
  tally.disk = disk_.tally();
  return tally;
}

bool World::has_room(Urgency urgency, std::size_t bytes) const {
  return note_room(urgency, journal_->has_room(urgency, bytes));
}

bool World::has_room(Urgency urgency, GroupBound bound) const {
  return note_room(urgency, journal_->has_room(urgency, bound));
}

bool World::note_room(Urgency urgency, bool room) const {
  auto& self = const_cast<World&>(*this);
  room = room && !without_room_;
  if (!room && urgency == Urgency::settling) self.model_.room_refused = true;
  // A sync that failed while a segment was made: the journal takes nothing more, and says why at the next collect().
  if (!room && disk_.tally().sync_failures > failures_before_) self.model_.disk_limited = true;
  return room;
}

// What is wrong with a fact is told after the command: some are appended where the engine must not be left by an
// exception.
void World::overhear(const std::function<void()>& what) {
  try {
    what();
  } catch (const Violation& violation) {
    if (!model_.broken) model_.broken = violation;
  }
}

void World::begin_group(GroupBound bound) {
  journal_->begin_group(bound);
  model_.begin_group();
}

void World::end_group() {
  journal_->end_group();
  overhear([&] { model_.end_group(); });
}

FactPlace World::append(FactKind kind, std::span<const Bytes> parts, Life life) {
  const auto place = journal_->append(kind, parts, life);
  overhear([&] { live_.appended(kind, place, life, journal_->bytes_in_log(place)); });
  std::string body;
  for (const auto& part : parts) body.append(as_text(part));
  ++tally_.facts;
  if (kind == FactKind::started && started_at_ == 0) started_at_ = place.lsn;
  overhear([&] { agents_.on_fact(kind, place, as_bytes(body)); });
  return place;
}

// Opens, recovers and starts. False when the disk failed meanwhile: then as after any crash.
bool World::start() {
  auto options = options_.journal;
  if (healed_) options.bytes_max = 0;
  options.run = ++journal_runs_;
  if (options.keys) rules_.saw(Rule::journal_sealed);
  auto journal = Journal::open(disk_, options);
  if (!journal) {
    const auto code = journal.error().code;
    expect(code == ErrorCode::io_error || (code == ErrorCode::disk_full && disk_.faults.full),
           "the journal does not open: {}", journal.error().text);
    if (code == ErrorCode::disk_full) disk_.faults.full = false;  // a first start needs room
    return false;
  }
  journal_ = std::move(*journal);
  engine_ = std::make_unique<Engine>(options_.engine, *this, agents_);
  agents_.attach(engine_.get());
  const auto report = journal_->recover([&](FactKind kind, FactPlace place, Bytes body) {
    model_.on_recovered_fact(kind, body);
    live_.met(kind, place);
    return engine_->recover(kind, place, body);
  });
  if (!report) {
    // Recovery writes the end again; a full disk that copies on write may refuse even that, and the server does not
    // start.
    const bool no_room =
        report.error().code == ErrorCode::disk_full && disk_.faults.full && disk_.faults.write_refused_percent > 0;
    expect(report.error().code == ErrorCode::io_error || no_room, "recovery refuses: {}", report.error().text);
    if (no_room) disk_.faults.full = false;
    return false;
  }
  expect(report->clean_stop || !after_clean_stop_, "an orderly stop was not recognised");
  after_clean_stop_ = false;
  if (report->cut_bytes > 0) rules_.saw(Rule::torn_tail_cut);
  model_.recovered(*engine_);
  agents_.contents().recover(*engine_);
  started_at_ = 0;
  model_.starting(now_);
  live_.started();
  engine_->start(Instant{now_}, seed_, report->clean_stop);
  if (model_.room_refused) model_.resync(*engine_);
  model_.advanced(*engine_, engine_->now().ms);
  ++tally_.lives;
  return true;
}

void World::tick() {
  const auto ms = random_.one_in(30) ? random_.between(0, 30'000) : random_.between(0, options_.pace_ms);
  now_ += ms;
  steady_ += ms;
  agents_.advance(std::max(now_, engine_->now().ms));
}

void World::submit() {
  const auto segments = journal_->stats().segments;
  journal_->submit(steady_);
  if (journal_->stats().segments < segments) rules_.saw(Rule::segment_removed);
}

// The journal thread's part, in one go or with the owner's turns in the middle of it.
bool World::write(bool interleave) {
  if (!journal_->submitted()) return true;
  bool good = true;
  journal_->write_and_sync([&] {
    if (!interleave) return;
    good = collect();
    if (!good) return;
    commands();
    submit();
  });
  return good;
}

bool World::collect() {
  const auto end = journal_->collect();
  if (!end) {
    expect(end.error().code == ErrorCode::io_error, "the journal gives up: {}", end.error().text);
    return false;
  }
  agents_.serving = started_at_ != 0 && started_at_ < *end;
  agents_.on_durable(*end);
  agents_.dispatch();
  return true;
}

bool World::compact() {
  if (!journal_->compaction_due()) return true;
  const auto done = journal_->compact_step(
      static_cast<std::size_t>(random_.between(1'000, 40'000)),
      [&](FactKind kind, FactPlace place, Bytes body) { return engine_->keep(kind, place, body); });
  expect(done.has_value() || done.error().code == ErrorCode::io_error, "compaction fails: {}",
         done ? "" : done.error().text);
  return done.has_value();
}

void World::commands() {
  const auto count = random_.between(1, 4);
  for (std::int64_t i = 0; i < count; ++i) one_command(random_, options_, agents_, model_, *engine_);
  agents_.dispatch();
}

World::End World::turn() {
  ++step_;
  const auto what = random_.below(100);
  if (what < 50) {
    commands();
  } else if (what < 65) {
    tick();
    agents_.dispatch();
  } else if (what < 78) {
    submit();
  } else if (what < 88) {
    if (!write(random_.one_in(4))) return End::process;
  } else if (what < 92) {
    if (!collect()) return End::process;
  } else if (!compact()) {
    return End::process;
  }
  if (random_.one_in(8) && (!write(false) || !collect())) return End::process;
  const bool deep = random_.one_in(20);
  model_.compare(*engine_, deep);
  if (deep) views_.compare(*engine_);
  expect(journal_->stats().live_bytes == live_.bytes(), "the journal counts {} live bytes, and the engine keeps {}",
         journal_->stats().live_bytes, live_.bytes());
  agents_.contents().compare(*engine_);
  return End::none;
}

World::End World::live_once() {
  try {
    if (options_.power_fails && random_.one_in(10))
      disk_.fail_power_in(static_cast<std::uint64_t>(random_.between(1, 12)));
    if (!start()) return options_.power_fails && random_.one_in(2) ? End::power : End::process;
    const bool fills_up = random_.percent(options_.full_percent);
    failures_before_ = disk_.tally().sync_failures;
    model_.disk_limited = fills_up || disk_.faults.full || options_.journal.bytes_max != 0;
    disk_.faults.sync_fails_one_in = options_.sync_fails_one_in;
    disk_.faults.write_refused_percent = options_.write_refused_percent;
    const auto steps = random_.between(options_.steps_min, options_.steps_max);
    const auto power_goes = options_.power_fails && !random_.one_in(4) ? random_.between(0, steps) : -1;
    for (std::int64_t i = 0; i < steps; ++i) {
      if (i == power_goes) disk_.fail_power_in(static_cast<std::uint64_t>(random_.between(1, 10)));
      if (fills_up && random_.one_in(25)) disk_.faults.full = !disk_.faults.full;
      agents_.disk_full = disk_.faults.full;
      if (const auto how = turn(); how != End::none) {
        rules_.saw(Rule::sync_failed);
        return options_.power_fails && random_.one_in(2) ? End::power : how;
      }
    }
    if (random_.one_in(6)) {
      disk_.keep_power();
      return stop_clean() ? End::clean : End::process;
    }
    return options_.power_fails && random_.one_in(2) ? End::power : End::process;
  } catch (const PowerLoss&) {
    rules_.saw(agents_.serving || started_at_ != 0 ? Rule::crash_in_write : Rule::crash_in_recovery);
    return End::power;
  }
}

bool World::stop_clean() {
  disk_.faults.sync_fails_one_in = 0;
  agents_.stop();
  if (const auto closed = journal_->close(engine_->stopped_clean()); !closed) {
    const auto code = closed.error().code;
    expect((code == ErrorCode::disk_full && model_.disk_limited) ||
               (code == ErrorCode::io_error && disk_.tally().sync_failures > 0),
           "the journal does not close: {}", closed.error().text);
    return false;
  }
  agents_.on_durable(journal_->durable_end());
  after_clean_stop_ = engine_->stopped_clean();
  if (after_clean_stop_) rules_.saw(Rule::clean_stop);
  return true;
}

void World::end(End how) {
  disk_.keep_power();
  engine_.reset();
  journal_.reset();
  if (how == End::power) disk_.lose_power();
  if (how != End::clean) ++tally_.crashes;
  if (how == End::power) rules_.saw(Rule::crash_power);
  if (how == End::process) rules_.saw(Rule::crash_process);
  disk_.faults.sync_fails_one_in = 0;
  if (random_.one_in(2)) disk_.faults.full = false;
  model_.crash();
  agents_.crash();
  live_.crash();
  started_at_ = 0;
  if (random_.one_in(10)) {
    now_ -= random_.between(1, 60'000);
    rules_.saw(Rule::clock_back);
  }
  now_ += random_.between(0, 2'000);
  steady_ += 2'000;
}

void World::live(std::uint64_t crashes) {
  while (tally_.crashes < crashes) end(live_once());
}

bool World::commit() {
  submit();
  return write(false) && collect();
}

// Phase two. Every message that the model still holds must come to a consumer, or be dead; and when nobody wants
// anything any more, nothing is left of all of it. Now and then the disk is full when that begins, and has room a
// moment later; nobody publishes to bring that about.
void World::drain() {
  healed_ = true;
  disk_.faults = {};
  disk_.faults.full = random_.one_in(3);
  const bool was_full = disk_.faults.full;
  if (!start()) {
    expect(was_full, "a healed disk fails");
    disk_.faults.full = false;
    end(End::process);
    expect(start(), "a healed disk fails");
  }
  model_.disk_limited = agents_.disk_full = disk_.faults.full;
  // A while as ever, so that the engine that is looked into at the end has done all that engines do.
  for (int i = 0; i < 60; ++i) {
    tick();
    commands();
    expect(commit(), "a healed disk fails");
  }
  agents_.calm = true;
  const auto began = now_;
  take_all();
  model_.compare(*engine_, true);
  promises_.drained();
  rules_.saw(Rule::drained);
  if (was_full) rules_.saw(Rule::drained_from_full);
  end_of_all();
  check_empty("when all was taken out");
  for (std::size_t turns = 0; journal_->compaction_due(); ++turns) {
    expect(turns < 2'000, "compaction has no end");
    expect(compact() && commit(), "a healed disk fails");
  }
  // The oldest segments go as soon as most of them is dead; below four they stay (Journal::compaction_due).
  expect(journal_->stats().segments <= 4, "{} segments are left of an empty server", journal_->stats().segments);
  check_empty("after compaction");
  idle_without_room();
  expect(now_ - began < kDrainMsMax, "phase two took {} ms", now_ - began);
  const bool is_unsure = !model_.unnoted_contents.empty();
  expect(stop_clean(), "a healed disk fails");
  end(End::clean);
  expect(start(), "a healed disk fails");
  pass(1);
  // A dead letter that went while there was no room to say so is back after a restart, as it was before it died if
  // there was none for that, either.
  if (was_full || is_unsure) {
    take_all();
    end_of_all();
  }
  check_empty("after a restart");
  expect(stop_clean(), "a healed disk fails");
  end(End::clean);
  rules_.saw(Rule::emptied);
}

void World::pass(std::int64_t ms) {
  now_ = std::max(now_, engine_->now().ms) + ms;
  steady_ += 1'100;
  agents_.advance(now_);
  agents_.dispatch();
  expect(commit(), "a healed disk fails");
}

void World::take_all() {
  auto& session = agents_.open(0);
  for (std::size_t i = 0; i < model_.bus(); ++i) agents_.consume(session, i, 100);
  const auto left = [&] {
    return model_.count(Stand::pending) + model_.count(Stand::ready) + model_.count(Stand::scheduled) +
           model_.count(Stand::blocked) + model_.count(Stand::leased) + model_.count(Stand::handing);
  };
  std::size_t turns = 0;
  for (; left() > 0 || agents_.unanswered() > 0 || turns < 8; ++turns) {
    expect(turns < 2'000, "{} messages are left after {} turns, and {} answers", left(), turns, agents_.unanswered());
    if (turns == 4) disk_.faults.full = false;  // a full disk has room again
    if (turns == 6) {                           // and the log has asked for it again
      model_.disk_limited = agents_.disk_full = false;
      for (const auto& name : model_.checkers.schedules.names()) agents_.remove_schedule(session, name);
    }
    const bool waits = left() > 0 || agents_.unanswered() > 0;
    now_ = std::max(now_ + 1, turns < 4 ? now_ + 1'000 : waits ? engine_->next_timer().ms : 0);
    steady_ += 1'100;
    agents_.advance(std::max(now_, engine_->now().ms));
    agents_.dispatch();
    std::vector<LeaseToken> held;
    for (const auto& [token, lease] : leases_.held()) held.push_back(token);
    if (!held.empty()) agents_.ack(session, held, false);
    for (auto& [request, consumer] : session.consumers) {
      if (consumer.credit < 50) agents_.credit(session, request, 50);
    }
    agents_.dispatch();
    submit();
    expect((write(false) && collect()), "a healed disk fails");
  }
}

// What stays for a time goes when that is over: dead letters that nobody purges, contents that nothing refers to.
void World::end_of_all() {
  auto& session = agents_.sessions().begin()->second;
  // One by one and a while later, so that a next segment is asked for before this one is full.
  for (const auto& name : model_.checkers.schedules.names()) {
    pass(1);
    agents_.remove_schedule(session, name);
  }
  for (const auto& name : model_.checkers.routes.names()) {
    pass(1);
    agents_.remove_route(session, name);
  }
  for (const auto& key : model_.checkers.access.there()) {
    pass(1);
    model_.checkers.access.asking = key;
    model_.checkers.access.wanted.reset();
    agents_.keep(session, true, [&](Engine& engine, Asker asker) {
      auto& accounts = engine.accounts();
      const auto blank = key.find(' ');
      const auto name = key.substr(blank + 1);
      key.starts_with("account ") ? accounts.remove(asker, name) : accounts.remove_rule(asker, name);
    });
    model_.checkers.access.asking.clear();
  }
  for (const auto& agent : model_.checkers.webhooks.there()) {
    pass(1);
    model_.checkers.webhooks.asking = agent;
    model_.checkers.webhooks.wanted.reset();
    agents_.keep(session, true, [&](Engine& engine, Asker asker) { engine.webhooks().remove(asker, agent); });
    model_.checkers.webhooks.asking.clear();
  }
  for (std::size_t i = 0; i < model_.bus(); ++i) {
    if (model_.checkers.wakes.has(model_.names()[i])) agents_.remove_wake(session, i);
  }
  expect(commit(), "a healed disk fails");
  if (options_.engine.dead_ttl_ms != 0) {
    pass(options_.engine.dead_ttl_ms.ms + 120'000);
    expect(model_.count(Stand::dead) == 0, "{} dead letters are there that are too old", model_.count(Stand::dead));
  }
  for (std::size_t i = 0; i < model_.names().size(); ++i) agents_.purge(session, i, 100'000);
  expect(commit(), "a healed disk fails");
  expect(agents_.unanswered() == 0, "{} requests are not answered", agents_.unanswered());
  while (!agents_.sessions().empty()) agents_.close(agents_.sessions().begin()->second);
  agents_.dispatch();
  expect(commit(), "a healed disk fails");
  auto& last = agents_.open(0);
  for (std::size_t i = 0; i < model_.names().size(); ++i) agents_.delete_mailbox(last, i);
  expect(commit(), "a healed disk fails");
  agents_.close(last);
  pass(options_.engine.content_grace_ms.ms + 60'000);
  pass(1);
  agents_.contents().check_gone();
}

// A content whose grace ends while the log has no room goes when there is some again, though nobody does anything.
void World::idle_without_room() {
  auto& contents = agents_.contents();
  contents.store(*engine_, 1);
  without_room_ = true;
  pass(options_.engine.content_grace_ms.ms);
  without_room_ = false;
  pass(kRetryMs.ms);
  pass(1);
  contents.check_gone();
  check_empty("after what was idle without room");
}

// Names, keys, the costs of conversations and what became of messages are kept on purpose, each within a bound of its
// own; all else is as in an engine that has just begun.
void World::check_empty(std::string_view when) {
  std::map<std::string, std::uint64_t> kept = {{"conversations", 0}, {"keys", 0}};
  if (!model_.unnoted_contents.empty()) kept.insert({{"contents", 0}, {"messages that refer to contents", 0}});
  std::string found;
  const auto census = engine_->census();
  for (const auto& [what, number] : census.found()) {
    if (const auto known = kept.find(what); known != kept.end()) {
      known->second = number;
    } else {
      found.append(fmt::format(" {} {},", number, what));
    }
  }
  expect(found.empty(), "{} there are still{}", when, found);
  std::map<FactKind, std::size_t> most = {{FactKind::started, 1},
                                          {FactKind::name_added, model_.names().size()},
                                          {FactKind::key_used, kept["keys"]},
                                          {FactKind::conversation_summed, kept["conversations"]},
                                          {FactKind::message_linked, engine_->trail().steps()}};
  for (const auto& [kind, number] : live_.by_kind())
    expect(number <= most[kind], "{} {} {} facts still matter", when, number, folkmoot::name(kind));
  expect(journal_->stats().live_bytes == live_.bytes(), "{} the journal counts {} live bytes instead of {}", when,
         journal_->stats().live_bytes, live_.bytes());
}

}  // namespace folkmoot::simulation
