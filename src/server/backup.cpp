#include "server/backup.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/random.h>

#include <algorithm>
#include <chrono>

#include "folkmoot/operation/backup.hpp"

namespace folkmoot {

// With the lock held. Nobody stands when it is left but for another phase.
void Backup::enter(Phase phase) {
  phase_.store(phase, std::memory_order_release);
  changed_.notify_all();
  wake_all_();
}

bool Backup::all(bool Journal::* is) const {
  return std::ranges::all_of(journals_, [is](const Journal& each) { return each.*is; });
}

Result<std::uint64_t> Backup::begin() {
  const std::lock_guard guard(lock_);
  if (phase() != Phase::none) {
    return failure(ErrorCode::busy, "another backup of this server is being taken",
                   "wait until it has ended; one that nobody reads ends by itself (backup.idle)");
  }
  // Not guessed, and none of an earlier run's.
  if (::getrandom(&number_, sizeof number_, 0) != sizeof number_)
    return failure(ErrorCode::io_error, "no random numbers from the system");
  number_ = std::max<std::uint64_t>(number_ & kBackupNumberMax, 1);
  why_.reset();
  journals_.assign(journals_.size(), {});
  enter(Phase::quieting);
  return number_;
}

void Backup::quiet(ShardNumber shard) {
  const std::lock_guard guard(lock_);
  if (phase() != Phase::quieting) return;
  journals_[shard.value].is_quiet = true;
  if (all(&Journal::is_quiet)) enter(Phase::standing);
}

bool Backup::meet(ShardNumber shard, Lsn begin, Lsn end, std::uint64_t segment_bytes) {
  std::unique_lock lock(lock_);
  if (phase() != Phase::standing) return false;
  auto& own = journals_[shard.value];
  own = {.begin = begin, .end = end, .segment_bytes = segment_bytes, .copied = begin, .is_here = true};
  if (all(&Journal::is_here)) {
    enter(Phase::settling);
    return true;
  }
  const auto is_over = [this] { return phase() != Phase::standing; };
  if (!changed_.wait_for(lock, std::chrono::milliseconds(kStandMsMax), is_over)) {
    why_ = Error{ErrorCode::busy,
                 fmt::format("a shard did not come to rest in {} ms: the backup was not begun", kStandMsMax),
                 "try again when the server has less to do"};
    enter(Phase::none);
  }
  return phase() != Phase::none;
}

void Backup::durable(ShardNumber shard) {
  const std::lock_guard guard(lock_);
  if (phase() != Phase::settling) return;
  journals_[shard.value].is_durable = true;
  if (all(&Journal::is_durable)) enter(Phase::open);
}

Lsn Backup::copied(ShardNumber shard) {
  const std::lock_guard guard(lock_);
  return journals_[shard.value].copied;
}

void Backup::let_go(ShardNumber shard, Lsn position) {
  const std::lock_guard guard(lock_);
  bool is_more = false;
  for (ShardNumber each = 0; each <= shard && each.value < journals_.size(); ++each) {
    auto& journal = journals_[each.value];
    const auto now = each < shard ? journal.end : std::min(position, journal.end);
    is_more = is_more || now > journal.copied;
    journal.copied = std::max(journal.copied, now);
  }
  if (is_more) wake_all_();
}

std::vector<Backup::Journal> Backup::journals() {
  const std::lock_guard guard(lock_);
  return journals_;
}

Result<void> Backup::check(std::uint64_t number) {
  const std::lock_guard guard(lock_);
  if (number == number_ && phase() == Phase::open) return {};
  if (number == number_ && why_) return std::unexpected(*why_);
  return failure(ErrorCode::not_found, fmt::format("no backup {} is being taken here", number),
                 "it has ended, or the server was started anew: begin another");
}

void Backup::give_up(Error why) {
  const std::lock_guard guard(lock_);
  if (phase() == Phase::none) return;
  spdlog::warn("{}", why.describe());
  why_ = std::move(why);
  enter(Phase::none);
}

void Backup::end() {
  const std::lock_guard guard(lock_);
  if (phase() != Phase::none) enter(Phase::none);
}

}  // namespace folkmoot
