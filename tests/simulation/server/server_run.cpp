#include "simulation/server/server_run.hpp"

#include <algorithm>

namespace folkmoot::simulation {
namespace {

constexpr std::int64_t kRestMs = 6 * 60'000;   // within which all that waits for a time has ended
constexpr std::uint64_t kRoundsMax = 200'000;  // without time passing
constexpr std::int64_t kMomentMs = 100;

}  // namespace

void ServerTally::add(const ServerTally& other) {
  const auto sum = [](auto& mine, auto theirs) { mine += theirs; };
  sum(runs, other.runs), sum(steps, other.steps), sum(turns, other.turns), sum(lives, other.lives);
  sum(kills, other.kills), sum(power_losses, other.power_losses), sum(stops, other.stops);
  sum(connections, other.connections), sum(cuts, other.cuts), sum(goodbyes, other.goodbyes);
  sum(frames_sent, other.frames_sent), sum(frames_read, other.frames_read), sum(deliveries, other.deliveries);
  sum(events, other.events), sum(answers, other.answers), sum(refusals, other.refusals);
  sum(messages, other.messages), sum(syncs, other.syncs), sum(sync_failures, other.sync_failures);
  sum(disk_refusals, other.disk_refusals), sum(ms, other.ms);
  digest = digest * 1'099'511'628'211 + other.digest;
}

ServerRun::ServerRun(std::uint64_t seed, std::size_t shards) : random_(seed) {
  draw(shards);
  process_ = std::make_unique<Process>(options_, random_.next(), time_, [this](std::int64_t ms) { pass(ms); });
  around_ = std::make_unique<Surroundings>(
      Surroundings{.judge = judge_,
                   .wires = process_->wires(),
                   .time = time_,
                   .agents = {},
                   .mailboxes = {},
                   .topics = {"work.new", "work.done", "news", "work.new.urgent"},
                   .patterns = {"work.new", "work.*", "work.>", "news", "*", ">", "work.new.urgent"},
                   .token = options_.token,
                   .shards = options_.shards,
                   .content_bytes_max = options_.content_bytes_max,
                   .frame_bytes_max = options_.frame_bytes_max,
                   .login_timeout_ms = options_.login.timeout_ms,
                   .is_bounded = options_.engine.mailbox.max_messages < 1'000,
                   .disk_may_fill = full_percent_ > 0});
  const auto clients = static_cast<std::size_t>(random_.between(2, 9));
  for (std::size_t i = 0; i < clients; ++i) around_->agents.push_back(fmt::format("agent-{}", i));
  const auto mailboxes = random_.between(2, 6);
  for (std::int64_t i = 0; i < mailboxes; ++i) around_->mailboxes.push_back(fmt::format("box-{}", i));
  around_->mailboxes.push_back("archive");
  for (std::size_t i = 0; i < clients; ++i) clients_.emplace_back(*around_, random_.next(), around_->agents[i]);
  began_ = time_.now;
}

ServerRun::~ServerRun() = default;

void ServerRun::draw(std::size_t shards) {
  auto& options = options_;
  options.data = "(virtual)";
  options.alerts.every_ms = 0;  // whoever hears everything would hear of them, and nobody here has said them
  options.shards = static_cast<std::uint32_t>(shards != 0 ? shards : 1 + random_.below(3));
  options.content_bytes_max =
      static_cast<std::size_t>(random_.one_in(2) ? random_.between(2, 12) : random_.between(20, 100)) * 1024;
  options.frame_bytes_max = options.content_bytes_max + 140 * 1024;
  if (random_.one_in(3)) options.token = "open sesame";
  options.pending_bytes_high = static_cast<std::size_t>(random_.between(2, random_.one_in(2) ? 8 : 64)) * 1024;
  // Mail goes above the one by a message at most, and is no answer.
  options.pending_bytes_max = options.pending_bytes_high + 2 * options.content_bytes_max + 16 * 1024;
  options.slow_consumer_ms = random_.between(300, 5'000);
  options.staged_bytes_max = static_cast<std::size_t>(random_.between(16, 1'000)) * 1024;
  options.host_timeout_ms = random_.between(5'000, 60'000);
  options.partial_frames.total_bytes_max = static_cast<std::size_t>(random_.between(64, 2'000)) * 1024;
  options.partial_frames.timeout_ms = random_.between(1'000, 15'000);
  options.drain_timeout_ms = random_.between(100, 3'000);
  auto& mailbox = options.engine.mailbox;
  mailbox.retry.attempts = 10'000;
  if (random_.one_in(4)) mailbox.max_messages = static_cast<std::uint64_t>(random_.between(3, 40));
  options.journal.segment_bytes = 1 << 20;
  options.journal.cache_bytes = random_.one_in(2) ? 0 : 512 * 1024;
  steps_ = static_cast<std::uint64_t>(random_.between(1'500, 7'000));
  crash_one_in_ = random_.one_in(3) ? 0 : static_cast<std::uint64_t>(random_.between(300, 2'500));
  full_percent_ = random_.one_in(4) ? 50 : 0;
  sync_fails_one_in_ = random_.one_in(4) ? static_cast<std::uint32_t>(random_.between(100, 1'000)) : 0;
  power_fails_ = random_.one_in(2);
  idle_turns_percent_ = random_.one_in(2) ? 0 : 5;
}

std::string ServerRun::describe() const {
  return fmt::format(
      "{} shards, {} clients, {} mailboxes of {}; content {}, pending {} to {}, staged {}, frames {} in {} ms; {} "
      "steps, crash 1 in {}, power fails {}, sync fails 1 in {}, full disk in {}% of lives, turns for nothing {}%",
      options_.shards, clients_.size(), around_->mailboxes.size(), options_.engine.mailbox.max_messages,
      options_.content_bytes_max, options_.pending_bytes_high, options_.pending_bytes_max, options_.staged_bytes_max,
      options_.partial_frames.total_bytes_max, options_.partial_frames.timeout_ms, steps_, crash_one_in_, power_fails_,
      sync_fails_one_in_, full_percent_, idle_turns_percent_);
}

ServerTally ServerRun::tally() const {
  auto tally = tally_;
  tally.runs = 1;
  tally.turns = process_->turns();
  tally.connections = process_->wires().connections();
  tally.cuts = around_->cuts;
  tally.goodbyes = around_->goodbyes;
  tally.frames_sent = around_->frames_sent;
  tally.frames_read = around_->frames_read;
  tally.deliveries = around_->deliveries;
  tally.events = around_->events;
  tally.answers = around_->answers;
  tally.refusals = around_->refusals;
  tally.messages = judge_.size();
  tally.digest = around_->digest;
  const auto disk = process_->disk();
  tally.syncs = disk.syncs;
  tally.sync_failures = disk.sync_failures;
  tally.disk_refusals = disk.refusals;
  tally.ms = time_.now - began_;
  return tally;
}

// -- phase one

void ServerRun::pass(std::int64_t ms) {
  time_.now += ms;
  if (ms >= kMomentMs) around_->jumped_at = time_.now;
  for (auto& client : clients_) {
    if (client.is_prompt()) client.listen();
  }
}

void ServerRun::start() {
  DiskFaults faults{.sync_fails_one_in = sync_fails_one_in_, .full = random_.percent(full_percent_)};
  process_->set_faults(faults);
  if (power_fails_ && random_.one_in(8)) process_->fail_power_in(1 + random_.below(30), random_.below(options_.shards));
  if (process_->start()) {
    ++tally_.lives;
    return;
  }
  crash(false);
}

void ServerRun::crash(bool power) {
  ++(power ? tally_.power_losses : tally_.kills);
  process_->crash(power);
  process_->keep_power();
  for (auto& client : clients_) client.on_crash();
  time_.now += random_.between(1, 2'000);
}

void ServerRun::stop() {
  ++tally_.stops;
  around_->is_stopping = true;
  const bool good = process_->stop();
  if (good) {
    for (auto& client : clients_) client.expect_farewell();
  }
  if (good) {
    process_->keep_power();
    for (auto& client : clients_) client.on_crash();
    time_.now += random_.between(1, 2'000);
  } else {
    crash(false);
  }
  around_->is_stopping = false;
}

void ServerRun::step_once() {
  ++tally_.steps;
  try {
    if (!process_->is_up()) return start();
    happen();
  } catch (const PowerLoss&) {
    crash(true);
    around_->is_stopping = false;
  }
}

void ServerRun::happen() {
  const auto dice = random_.below(100);
  if (dice < 40) {
    const auto shard = random_.below(options_.shards);
    if ((process_->is_due(shard) || random_.percent(idle_turns_percent_)) && !process_->turn(shard))
      return crash(power_fails_ && random_.one_in(2));
  } else if (dice < 55) {
    process_->work(random_.below(options_.shards));
  } else if (dice < 92) {
    clients_[random_.below(clients_.size())].act(true);
  } else if (dice < 99 || !random_.one_in(4)) {
    time_.now += random_.between(0, 15);
  } else {
    time_.now += random_.between(kMomentMs, 5'000);
    around_->jumped_at = time_.now;
  }
  if (crash_one_in_ == 0 || !random_.one_in(crash_one_in_)) return;
  const auto how = random_.below(4);
  if (how == 0) return stop();
  if (how == 1 || !power_fails_) return crash(false);
  if (how == 2) return crash(true);
  process_->fail_power_in(1 + random_.below(20), random_.below(options_.shards));
}

// -- phase two

bool ServerRun::all_at_once() {
  bool happened = false;
  for (std::size_t shard = 0; shard < options_.shards; ++shard) {
    if (!process_->is_due(shard)) continue;
    expect(process_->turn(shard), "a disk that is healed has failed");
    happened = true;
  }
  if (process_->has_work()) {
    process_->work_on_all();
    happened = true;
  }
  for (auto& client : clients_) happened |= client.calm();
  if (drainer_) happened |= drainer_->calm();
  return happened;
}

void ServerRun::rest() {
  const auto until = time_.now + kRestMs;
  for (;;) {
    std::uint64_t rounds = 0;
    while (all_at_once()) expect(++rounds < kRoundsMax, "it does not come to rest: something happens for ever");
    const auto next = process_->due();
    if (next > until) break;
    time_.now = std::max(next, time_.now + 1);
    around_->jumped_at = time_.now;
    process_->work_on_all();
  }
}

void ServerRun::expect_empty(std::string_view when) {
  const auto now = process_->holdings();
  for (std::size_t shard = 0; shard < now.size(); ++shard) {
    const auto& is = now[shard];
    const auto& was = empty_[shard];
    const auto compare = [&](std::string_view what, std::size_t held, std::size_t once) {
      expect(held == once, "{}, shard {} has {} {}; it had {} when nobody had come", when, shard, held, what, once);
    };
    compare("connections", is.connections, was.connections);
    compare("newcomers", is.newcomers, was.newcomers);
    compare("unsent bytes", is.unsent_bytes, was.unsent_bytes);
    compare("paused connections", is.paused, was.paused);
    compare("congested connections", is.congested, was.congested);
    compare("bytes of frames that are not whole", is.frame_bytes, was.frame_bytes);
    compare("frames that wait for room", is.frames_waiting, was.frames_waiting);
    compare("patterns of other shards", is.patterns, was.patterns);
    compare("subscriptions", is.subscriptions, was.subscriptions);
    compare("consumers", is.consumers, was.consumers);
    compare("leases", is.leased, was.leased);
  }
  expect(process_->wires().open() == 0, "{}, {} sockets are open", when, process_->wires().open());
}

void ServerRun::conclude(bool is_told) {
  for (auto& client : clients_) client.conclude();
  for (const auto& client : clients_) client.expect_all_heard(is_told);
  for (const auto& mailbox : around_->mailboxes) {
    if (std::ranges::none_of(clients_, [&](const Client& client) { return client.wants_more_of(mailbox); })) continue;
    for (Tag tag = 1; tag <= judge_.size(); ++tag) {
      expect(judge_.at(tag).to != mailbox || !judge_.is_owed(tag),
             "message {} waits in {}, and a consumer there has credit", tag, mailbox);
    }
  }
}

void ServerRun::heal() {
  process_->keep_power();
  process_->set_faults({});
  for (const auto& wire : around_->vanished) {  // keep-alive notices where nothing is on its way
    if (wire->to_client.empty()) wire->reset = true;
  }
  sync_fails_one_in_ = 0;
  full_percent_ = 0;
  power_fails_ = false;
  if (!process_->is_up()) start();
  expect(process_->is_up(), "it does not start on disks that are healed");
  for (std::size_t i = 0; i < 20 * options_.shards; ++i) {
    process_->work_on_all();
    time_.now += 100;
    around_->jumped_at = time_.now;
    if (process_->turn(i % options_.shards)) continue;
    crash(false);
    start();
  }
}

void ServerRun::drain() {
  heal();
  rest();
  conclude(false);
  for (auto& client : clients_) client.grant();
  rest();
  for (auto& client : clients_) client.say_last();
  rest();
  conclude(true);
  const auto held = process_->holdings();
  for (std::size_t shard = 0; shard < held.size(); ++shard) {
    expect(held[shard].newcomers == empty_[shard].newcomers, "all have said who they are, and shard {} has newcomers",
           shard);
  }
  for (auto& client : clients_) client.leave();
  rest();
  expect_empty("after the last client has gone");

  drainer_ = std::make_unique<Client>(*around_, random_.next(), "the judge");
  for (const auto& mailbox : around_->mailboxes) {
    drainer_->drain(mailbox, static_cast<std::uint32_t>(random_.between(1, 5)));
    rest();
    // To a mailbox that was full something may be on its way all the time.
    expect(around_->is_bounded || std::ranges::is_sorted(drainer_->priorities),
           "mail of {} does not come by its priorities", mailbox);
  }
  drainer_->conclude();
  for (Tag tag = 1; tag <= judge_.size(); ++tag) {
    const auto& sent = judge_.at(tag);
    expect(!judge_.is_owed(tag), "message {} to {} was confirmed, and is lost", tag, sent.to);
    const bool waited =
        sent.kind == Sent::Kind::mail && sent.to == "archive" && sent.fate == Sent::Fate::confirmed && sent.has_own_id;
    expect(!waited || sent.deliveries > 0, "message {} was confirmed, nobody asked for it, and it is lost", tag);
  }
  drainer_->leave();
  rest();
  expect_empty("after all was drained");
  for (std::size_t shard = 0; shard < options_.shards; ++shard) {
    const auto& counters = process_->reactor(shard).engine().counters();
    const auto left = counters.ready + counters.pending + counters.scheduled + counters.leased + counters.blocked;
    expect(left == 0, "all mail was taken, and shard {} counts {} more", shard, left);
  }
}

void ServerRun::run() {
  expect(process_->start(), "it does not start on empty disks");
  ++tally_.lives;
  rest();
  empty_ = process_->holdings();
  while (tally_.steps < steps_) step_once();
  drain();
}

}  // namespace folkmoot::simulation
