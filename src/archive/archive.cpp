#include "archive/archive.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/strong_format.hpp"

namespace folkmoot {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

constexpr std::size_t kRoundBytes = std::size_t{4} << 20;  // of one journal, and so of a transaction
constexpr auto kBetweenRounds = 20ms;                      // so that facts which come one by one make few transactions
constexpr std::chrono::milliseconds kRetry = 1s, kRetryMax = 15s;
constexpr std::int64_t kSyncEveryMs = 1'000, kForgetEveryMs = 60'000;
constexpr std::int64_t kForgetMost = 1'000;
constexpr std::uint64_t kFreshBytes = std::uint64_t{1} << 20;  // so near to the end a fact was written just now
constexpr std::size_t kQuestionsMax = 64;
constexpr int kNiceness = 10;
constexpr auto kLastReading = 5s;
constexpr std::int64_t kStopMs = 6'000, kStopAskingMs = 100;  // for what is waited for when the server stops

std::int64_t steady_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Steady::now().time_since_epoch()).count();
}

Instant wall_clock() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return Instant{std::chrono::duration_cast<std::chrono::milliseconds>(since).count()};
}

// The messages' own threads come first. Of this thread alone, as Linux has it.
void step_back() { (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNiceness); }

}  // namespace

void Archive::Feed::tell(Lsn durable) {
  durable_.store(durable);
  archive_.ring();
}

void Archive::Feed::skip(Lsn to) {
  skip_.store(to);
  kept_.store(std::max(kept(), to), std::memory_order_release);
  archive_.ring();
}

std::unique_ptr<Archive> Archive::make(const ArchiveOptions& options) {
  return std::unique_ptr<Archive>(new Archive(options));
}

Archive::~Archive() { stop(); }

Result<Archive::Feed*> Archive::add(const std::string& folder, std::size_t segment_bytes, Lsn begin, Lsn end) {
  const ShardNumber shard(static_cast<std::uint32_t>(feeds_.size()));
  auto disk = PosixDisk::open(folder, PosixDisk::Access::read_only);
  if (!disk) return std::unexpected(disk.error());
  auto& feed = *feeds_.emplace_back(new Feed(*this, shard, begin));
  feed.folder_ = std::move(*disk);
  feed.follower_ = std::make_unique<Follower>(*feed.folder_, segment_bytes, begin, options_.keys);
  const auto journal = feed.follower_->journal();
  if (!journal) return std::unexpected(journal.error());
  feed.journal_ = Uuid{*journal}.text();
  feed.begin_ = begin;
  feed.end_ = end + segment_bytes;  // a position may be where the next segment will begin
  feed.written_ = begin;
  return &feed;
}

Result<void> Archive::connect() {
  if (store_) return {};
  auto store = HistoryStore::open(options_.place);
  if (!store) return std::unexpected(store.error());
  store_ = std::move(*store);
  {
    const std::lock_guard guard(mutex_);
    writes_ = &store_->database();
    if (stopping_) writes_->hurry(kStopMs);
  }
  for (const auto& feed : feeds_) {
    auto connected = connect(*feed);
    if (connected) continue;
    disconnect();
    return connected;
  }
  return {};
}

// The database knows how far it is, for how the last commit ended may not have been heard. It may know less than it
// once said, too, if an older state of it was put back.
Result<void> Archive::connect(Feed& feed) {
  const auto known = store_->position(feed.shard_);
  if (!known) return std::unexpected(known.error());
  const auto durable = std::max(feed.end_, feed.durable_.load());
  const bool is_another = !known->journal.empty() && known->journal != feed.journal_;
  if (is_another || known->lsn > durable) {
    return failure(
        ErrorCode::damaged,
        fmt::format("{}: it has followed another data folder (shard {}: the journal {} up to {}; here is {}, up to {})",
                    options_.place.postgres.empty() ? options_.place.file : store_->database().called(), feed.shard_,
                    known->journal, known->lsn, feed.journal_, durable),
        options_.place.postgres.empty() ? "move it away: a new history begins with what the journal still has"
                                        : "name a database of its own: a new history begins with what the journal "
                                          "still has");
  }
  feed.reader_ = std::make_unique<FactReader>(*store_, feed.shard_);
  const auto kept = feed.kept();
  // What it knows may have come from a run before, or a connection, that ended before it was on the database's disk:
  // the journal keeps it until make_durable() has seen to that, or a crash of the database now would lose it.
  feed.written_ = std::max(known->lsn, kept);
  feed.follower_->jump(feed.written_);
  const auto read_to = known->lsn == 0 ? feed.begin_ : known->lsn;  // of what came before it began it knows nothing
  if (read_to >= kept) return {};
  auto noted = store_->begin();
  if (noted) noted = store_->gap(feed.shard_, read_to, kept, wall_clock());
  if (noted) noted = store_->commit(feed.shard_, kept, feed.journal_);
  if (!noted) return noted;
  feed.lost_bytes_ += kept - read_to;
  spdlog::warn("history: the journal of shard {} has gone on without it: what stood from {} to {} is missing",
               feed.shard_, read_to, kept);
  return {};
}

void Archive::disconnect() {
  {
    const std::lock_guard guard(mutex_);
    writes_ = nullptr;
  }
  for (const auto& feed : feeds_) feed->reader_.reset();
  store_.reset();
}

Result<void> Archive::start() {
  auto connected = connect();
  if (!connected && connected.error().code != ErrorCode::connection_lost) return connected;
  if (!connected) note(&connected.error());
  following_ = std::thread([this] { follow(); });
  answering_ = std::thread([this] { answer(); });
  pthread_setname_np(following_.native_handle(), "history");
  pthread_setname_np(answering_.native_handle(), "history-ask");
  return {};
}

void Archive::stop() {
  {
    const std::lock_guard guard(mutex_);
    stopping_ = rung_ = true;
    questions_.clear();
    if (writes_ != nullptr) writes_->hurry(kStopMs);
    if (reads_ != nullptr) reads_->hurry(kStopAskingMs);
  }
  bell_.notify_all();
  question_.notify_all();
  if (following_.joinable()) following_.join();
  if (answering_.joinable()) answering_.join();
}

// One look and no lock while the thread is at work. Either this sees that it is about to sleep, or it sees what was
// told before it does: both sides write first and look then, in one order that all see.
void Archive::ring() {
  if (!sleeps_.exchange(false)) return;
  {
    const std::lock_guard guard(mutex_);
    rung_ = true;
  }
  bell_.notify_one();
}

std::uint64_t Archive::lag() const {
  std::uint64_t lag = 0;
  for (const auto& feed : feeds_) {
    const auto durable = feed->durable_.load(std::memory_order_acquire), kept = feed->kept();
    if (durable > kept) lag += durable - kept;
  }
  return lag;
}

std::string Archive::problem() const {
  const std::lock_guard guard(mutex_);
  return problem_;
}

// Told once, and once when it is over.
void Archive::note(const Error* error) {
  const auto text = error == nullptr ? std::string() : error->describe();
  {
    const std::lock_guard guard(mutex_);
    if (problem_ == text) return;
    problem_ = text;
  }
  if (text.empty()) return spdlog::info("history: it goes on");
  spdlog::error("history: it does not go on, and is tried again every few seconds; messages are not concerned: {}",
                text);
}

Result<void> Archive::check_file() const {
  if (!options_.place.postgres.empty() || store_->database().is_open()) return {};
  return failure(
      ErrorCode::io_error, fmt::format("{} was removed or replaced while the server runs", options_.place.file),
      "it goes on in the file that is there now, or a new one; what was in the other is missing (`folkmoot history "
      "status`). For all that is live to be in it, stop the server, move the file away, and start again");
}

// One round, with whatever has to be done for it.
Result<bool> Archive::round() {
  if (store_) {
    if (auto there = check_file(); !there) {
      note(&there.error());
      disconnect();
    }
  }
  if (auto connected = connect(); !connected) return std::unexpected(connected.error());
  {
    const std::lock_guard guard(mutex_);
    store_->obey(policy_);
  }
  auto read = read_on();
  if (read) {
    if (auto durable = make_durable(); !durable) read = std::unexpected(durable.error());
  }
  if (!read && !options_.place.postgres.empty()) disconnect();
  return read;
}

void Archive::follow() {
  step_back();
  std::optional<Steady::time_point> last_at;
  for (;;) {
    sleeps_.store(true);  // what comes from here on rings
    auto read = round();
    note(read ? nullptr : &read.error());
    retry_ = read ? std::chrono::milliseconds(0) : std::clamp(retry_ * 2, kRetry, kRetryMax);
    if (read && !*read) forget();
    std::unique_lock lock(mutex_);
    if (stopping_) {
      // One that is far behind goes on where it is with the next start.
      if (!last_at) last_at = Steady::now() + kLastReading;
      if (!read || !*read || Steady::now() > *last_at) return;
      continue;
    }
    if (!read) {
      bell_.wait_for(lock, retry_, [this] { return stopping_; });
    } else if (*read) {
      bell_.wait_for(lock, kBetweenRounds, [this] { return stopping_; });
    } else {
      bell_.wait_for(lock, std::chrono::milliseconds(kForgetEveryMs), [this] { return rung_; });
      rung_ = stopping_;
    }
    if (stopping_ && !store_) return;  // what it cannot be told now it reads after the next start
  }
}

Result<bool> Archive::read_on() {
  bool any = false;
  for (const auto& feed : feeds_) {
    auto read = read_on(*feed);
    if (!read) return read;
    any = any || *read;
  }
  return any;
}

Result<bool> Archive::read_on(Feed& feed) {
  auto& follower = *feed.follower_;
  const auto durable = feed.durable_.load(), skip = feed.skip_.load();
  if (follower.position() >= durable && follower.position() >= skip) return false;
  if (auto begun = store_->begin(); !begun) return std::unexpected(begun.error());
  Result<void> done;
  if (follower.position() < skip) {
    const auto from = follower.position();
    done = store_->gap(feed.shard_, from, skip, wall_clock());
    if (done) follower.jump(skip);
    spdlog::warn("history: too far behind the journal of shard {}, which goes on: what stood from {} to {} is missing",
                 feed.shard_, from, skip);
  }
  const bool is_fresh = durable - std::min(durable, follower.position()) < kFreshBytes;
  const auto now = wall_clock();
  if (done) {
    done = follower.follow(durable, kRoundBytes,
                           [&](const RecordView& record) { return feed.reader_->read(record, now, is_fresh); });
  }
  // Its segment was given up while it was being read: the next round skips it, with all that this one has not kept.
  if (!done && feed.skip_.load(std::memory_order_acquire) > follower.position()) {
    store_->roll_back();
    follower.jump(feed.written_);
    return true;
  }
  if (done) done = store_->commit(feed.shard_, follower.position(), feed.journal_);
  if (!done) {
    store_->roll_back();
    follower.jump(feed.written_);
    return std::unexpected(done.error());
  }
  feed.written_ = follower.position();
  return true;
}

// What was committed goes to the disk about every second, and when there is nothing else to do: from then on the
// journals need not keep it.
Result<void> Archive::make_durable() {
  const bool is_owed = std::ranges::any_of(feeds_, [](const auto& feed) { return feed->written_ > feed->kept(); });
  const bool is_behind = std::ranges::any_of(
      feeds_, [](const auto& feed) { return feed->written_ < feed->durable_.load(std::memory_order_acquire); });
  if (!is_owed || (is_behind && steady_ms() - synced_at_ms_ < kSyncEveryMs)) return {};
  auto done = store_->sync_commits(true);
  if (done) done = store_->begin();
  if (done) done = store_->commit(feeds_.front()->shard_, feeds_.front()->written_, feeds_.front()->journal_);
  if (auto back = store_->sync_commits(false); done && !back) done = back;
  if (done) done = check_file();  // or the journals would let go of what nobody has
  if (!done) {
    store_->roll_back();
    return done;
  }
  synced_at_ms_ = steady_ms();
  for (const auto& feed : feeds_) feed->kept_.store(std::max(feed->kept(), feed->written_), std::memory_order_release);
  return {};
}

void Archive::forget() {
  if (options_.keep_ms == 0 || steady_ms() - forgot_at_ms_ < kForgetEveryMs) return;
  const auto gone = store_->forget(Instant{wall_clock().ms - options_.keep_ms}, kForgetMost);
  if (!gone) {
    note(&gone.error());
    if (!options_.place.postgres.empty()) disconnect();
    return;
  }
  if (*gone < kForgetMost) forgot_at_ms_ = steady_ms();
}

void Archive::change(HistoryPolicy policy) {
  const std::lock_guard guard(mutex_);
  policy_ = std::move(policy);
}

bool Archive::ask(Question question) {
  {
    const std::lock_guard guard(mutex_);
    if (stopping_ || questions_.size() >= kQuestionsMax) return false;
    questions_.push_back(std::move(question));
  }
  question_.notify_one();
  return true;
}

// Anew, if its connection was lost meanwhile.
Result<HistoryReader*> Archive::open_reader() {
  if (reader_ && reader_->database().is_open()) return reader_.get();
  {
    const std::lock_guard guard(mutex_);
    reads_ = nullptr;
  }
  reader_.reset();
  auto opened = HistoryReader::open(options_.place);
  if (!opened) {
    ring();  // it may be the file that is gone, of which who follows has not heard while there was nothing to write
    return std::unexpected(opened.error());
  }
  reader_ = std::move(*opened);
  const std::lock_guard guard(mutex_);
  reads_ = &reader_->database();
  if (stopping_) reads_->hurry(kStopAskingMs);
  return reader_.get();
}

void Archive::answer() {
  step_back();
  std::unique_lock lock(mutex_);
  for (;;) {
    question_.wait(lock, [this] { return stopping_ || !questions_.empty(); });
    if (stopping_) return;
    const auto ask = std::move(questions_.front());
    questions_.pop_front();
    lock.unlock();
    ask(open_reader());
    lock.lock();
  }
}

}  // namespace folkmoot
