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
constexpr auto kRetry = 1s;
constexpr std::int64_t kSyncEveryMs = 1'000, kForgetEveryMs = 60'000;
constexpr std::int64_t kForgetMost = 1'000;
constexpr std::uint64_t kFreshBytes = std::uint64_t{1} << 20;  // so near to the end a fact was written just now
constexpr std::size_t kQuestionsMax = 64;
constexpr int kNiceness = 10;
constexpr auto kLastReading = 5s;

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

Result<std::unique_ptr<Archive>> Archive::open(const ArchiveOptions& options) {
  std::unique_ptr<Archive> archive(new Archive(options));
  auto store = HistoryStore::open(options.path);
  if (!store) return std::unexpected(store.error());
  archive->store_ = std::move(*store);
  auto reader = HistoryReader::open(options.path);
  if (!reader) return std::unexpected(reader.error());
  archive->reader_ = std::move(*reader);
  return archive;
}

Archive::~Archive() { stop(); }

Result<Archive::Feed*> Archive::add(const std::string& folder, std::size_t segment_bytes, Lsn begin, Lsn end) {
  const ShardNumber shard(static_cast<std::uint32_t>(feeds_.size()));
  const auto known = store_->position(shard);
  if (!known) return std::unexpected(known.error());
  if (*known > end + segment_bytes) {
    return failure(
        ErrorCode::damaged,
        fmt::format("{}: it has read the journal of shard {} up to {}, which ends at {}: it belongs to another "
                    "data folder",
                    options_.path, shard, *known, end),
        "move it away: a new history begins with what the journal still has");
  }
  auto disk = PosixDisk::open(folder, PosixDisk::Access::read_only);
  if (!disk) return std::unexpected(disk.error());
  const auto position = std::max(*known, begin);
  auto& feed = *feeds_.emplace_back(new Feed(*this, shard, position));
  feed.folder_ = std::move(*disk);
  feed.follower_ = std::make_unique<Follower>(*feed.folder_, segment_bytes, position);
  feed.reader_ = std::make_unique<FactReader>(*store_, shard);
  feed.written_ = position;
  if (*known != 0 && *known < begin) {
    auto noted = store_->begin();
    if (noted) noted = store_->gap(shard, *known, begin, wall_clock());
    if (noted) noted = store_->commit(shard, begin);
    if (!noted) return std::unexpected(noted.error());
    spdlog::warn("history: the journal of shard {} has gone on without it: what stood from {} to {} is missing", shard,
                 *known, begin);
  }
  return &feed;
}

Result<void> Archive::start() {
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
  spdlog::error("history: it does not go on, and is tried again every second; messages are not concerned: {}", text);
}

void Archive::follow() {
  step_back();
  std::optional<Steady::time_point> last_at;
  for (;;) {
    sleeps_.store(true);  // what comes from here on rings
    auto read = read_on();
    if (read) {
      if (auto durable = make_durable(); !durable) read = std::unexpected(durable.error());
    }
    note(read ? nullptr : &read.error());
    if (read && !*read) forget();
    std::unique_lock lock(mutex_);
    if (stopping_) {
      // One that is far behind goes on where it is with the next start.
      if (!last_at) last_at = Steady::now() + kLastReading;
      if (!read || !*read || Steady::now() > *last_at) return;
      continue;
    }
    if (!read) {
      bell_.wait_for(lock, kRetry, [this] { return stopping_; });
    } else if (*read) {
      bell_.wait_for(lock, kBetweenRounds, [this] { return stopping_; });
    } else {
      bell_.wait_for(lock, std::chrono::milliseconds(kForgetEveryMs), [this] { return rung_; });
      rung_ = stopping_;
    }
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
  // Its segment was given up while it was being read: the next round skips it.
  if (!done && feed.skip_.load(std::memory_order_acquire) > follower.position()) {
    store_->roll_back();
    return true;
  }
  if (done) done = store_->commit(feed.shard_, follower.position());
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
  if (done) done = store_->commit(feeds_.front()->shard_, feeds_.front()->written_);
  if (auto back = store_->sync_commits(false); done && !back) done = back;
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
  if (!gone) return note(&gone.error());
  if (*gone < kForgetMost) forgot_at_ms_ = steady_ms();
}

bool Archive::ask(std::function<void(HistoryReader&)> ask) {
  {
    const std::lock_guard guard(mutex_);
    if (stopping_ || questions_.size() >= kQuestionsMax) return false;
    questions_.push_back(std::move(ask));
  }
  question_.notify_one();
  return true;
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
    ask(*reader_);
    lock.lock();
  }
}

}  // namespace folkmoot
