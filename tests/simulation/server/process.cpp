#include "simulation/server/process.hpp"

#include <algorithm>

#include "simulation/violation.hpp"

namespace folkmoot::simulation {

Process::Lives::Lives(const ServerOptions& options, std::size_t count)
    : ring(static_cast<std::uint32_t>(count)),
      frame_room(options.partial_frames.total_bytes_max, options.frame_bytes_max),
      backup(static_cast<std::uint32_t>(count), [this] {
        for (auto* const reactor : ring.reactors) reactor->postbox().wake();
      }) {}

Process::Lives::~Lives() {
  for (const auto& shard : shards) {
    if (shard.reactor) shard.reactor->end_links();
  }
}

Process::Process(const ServerOptions& options, std::uint64_t seed, Time& time, std::function<void(std::int64_t)> pass)
    : options_(options), random_(seed), time_(time), pass_(std::move(pass)), wires_(random_.next()) {
  for (std::uint32_t number = 0; number < options.shards; ++number) grounds_.emplace_back(random_.next());
}

Process::~Process() { crash(false); }

Result<RecoveryReport> Process::open(std::size_t number, std::vector<ContentRef>& contents) {
  auto& its = grounds_[number];
  auto& shard = lives_->shards.emplace_back();
  auto net = std::make_unique<VirtualNet>(wires_, time_, random_.next(), [this] { work_on_all(); }, pass_);
  lives_->nets.push_back(net.get());
  auto options = options_;
  options.engine.shard = ShardNumber{static_cast<std::uint32_t>(number)};
  options.engine.shards = options.shards;
  options.engine.secret = {random_.next(), random_.next()};
  auto& id = options.journal.id.emplace();
  for (auto& byte : id) byte = static_cast<std::uint8_t>(random_.next());
  ShardGround ground{.journal = its.journal,
                     .contents = its.contents,
                     .streams = number == 0 ? &its.streams : nullptr,
                     .net = std::move(net),
                     .clock = Clock([this] { return Clock::Reading{time_.now * 1'000'000, time_.now * 1'000'000}; }),
                     .seed = random_.next(),
                     .is_without_threads = true};
  if (number != 0) ground.stream_interests = lives_->shards.front().reactor->engine().streams().interests();
  return shard.open(options, std::move(ground), contents, lives_->frame_room, lives_->backup, lives_->readiness);
}

bool Process::start() {
  lives_ = std::make_unique<Lives>(options_, grounds_.size());
  std::vector<ContentRef> contents;
  for (std::size_t number = 0; number < grounds_.size(); ++number) {
    const auto opened = open(number, contents);
    if (!opened) {
      expect(opened.error().code == ErrorCode::io_error || opened.error().code == ErrorCode::disk_full,
             "the server does not start: {}", opened.error().text);
      return false;
    }
    lives_->ring.reactors[number] = lives_->shards[number].reactor.get();
  }
  if (grounds_.size() > 1) {
    for (std::size_t number = 0; number < grounds_.size(); ++number)
      reactor(number).join(lives_->ring, ShardNumber{static_cast<std::uint32_t>(number)});
    for (const auto& content : contents) lives_->ring.tell_of_content(content);
    for (const auto& shard : lives_->shards) shard.reactor->connect_shards();
  }
  (void)reactor(0).add_listener(Wires::kListener, false);
  lives_->readiness.set_running(true);
  up_ = true;
  return true;
}

void Process::crash(bool power) {
  up_ = false;
  wires_.die();
  lives_.reset();
  each_disk([&](VirtualDisk& disk) { power ? disk.lose_power() : disk.end_process(); });
}

// As Server::run() does with threads: all have settled before any takes the others' answers, and so on.
bool Process::stop() {
  const auto all = [&](auto each) {
    return std::ranges::all_of(lives_->shards, [&](Shard& shard) { return each(shard); });
  };
  bool good = all([](Shard& shard) { return shard.reactor->settle().has_value(); });
  if (good) all([](Shard& shard) { return shard.reactor->take_answers(), true; });
  good = good && all([](Shard& shard) { return shard.reactor->farewell().has_value(); });
  if (!good) return false;
  work_on_all();
  pass_(0);
  up_ = false;
  good = all([](Shard& shard) { return shard.close(), shard.result.has_value(); });
  wires_.die();
  lives_.reset();
  return good;
}

std::int64_t Process::due() const {
  auto due = VirtualNet::kNever;
  for (const auto* const net : lives_->nets) due = std::min(due, net->due());
  if (lives_->shards.front().stream_thread->store().wants_retry()) due = std::min(due, time_.now + 1'000);
  return due;
}

bool Process::turn(std::size_t shard) {
  ++turns_;
  auto& net = *lives_->nets[shard];
  const auto rest_ms = reactor(shard).turn(net.events());
  if (rest_ms) net.rest(*rest_ms);
  return rest_ms.has_value();
}

bool Process::has_work() const {
  return std::ranges::any_of(lives_->shards, [](const Shard& shard) {
    return shard.journal->submitted() || shard.content_thread->has_work() ||
           (shard.stream_thread && shard.stream_thread->store().has_work());
  });
}

void Process::work(std::size_t number) {
  if (number >= lives_->shards.size()) return;
  const auto& shard = lives_->shards[number];
  if (shard.journal_thread && shard.journal->submitted()) shard.journal_thread->work();
  if (shard.content_thread) (void)shard.content_thread->work();
  if (shard.stream_thread && (shard.stream_thread->store().has_work() || shard.stream_thread->store().wants_retry()))
    shard.stream_thread->work();
}

void Process::work_on_all() {
  for (std::size_t number = 0; number < grounds_.size(); ++number) work(number);
}

std::vector<Reactor::Holdings> Process::holdings() const {
  std::vector<Reactor::Holdings> all;
  for (const auto& shard : lives_->shards) all.push_back(shard.reactor->holdings());
  return all;
}

void Process::each_disk(const std::function<void(VirtualDisk&)>& each) {
  for (auto& ground : grounds_) {
    for (auto* const disk : {&ground.journal, &ground.contents, &ground.streams}) each(*disk);
  }
}

void Process::set_faults(const DiskFaults& faults) {
  each_disk([&](VirtualDisk& disk) { disk.faults = faults; });
}

void Process::fail_power_in(std::uint64_t operations, std::size_t shard) {
  grounds_[shard].journal.fail_power_in(operations);
}

void Process::keep_power() {
  each_disk([](VirtualDisk& disk) { disk.keep_power(); });
}

DiskTally Process::disk() const {
  DiskTally sum;
  for (const auto& ground : grounds_) {
    for (const auto* const disk : {&ground.journal, &ground.contents, &ground.streams}) {
      sum.operations += disk->tally().operations;
      sum.syncs += disk->tally().syncs;
      sum.sync_failures += disk->tally().sync_failures;
      sum.refusals += disk->tally().refusals;
      sum.sectors_lost += disk->tally().sectors_lost;
    }
  }
  return sum;
}

}  // namespace folkmoot::simulation
