#include "server/backup_part.hpp"

#include <fmt/format.h>

#include "server/shard_links.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kRoomBytes = 4096;  // of a journal that has room

}  // namespace

void BackupPart::turn(ShardLinks* links) {
  const auto phase = backup_.phase();
  const bool rests = phase == Backup::Phase::quieting || phase == Backup::Phase::standing;
  if (links != nullptr && rests && !is_resting_) links->rest();
  is_resting_ = is_resting_ || rests;
  if (phase == Backup::Phase::quieting && (links == nullptr || links->is_quiet())) backup_.quiet(shard_);
  if (backup_.phase() == Backup::Phase::standing) stand();
  if (is_resting_ && backup_.phase() != Backup::Phase::quieting && backup_.phase() != Backup::Phase::standing) {
    is_resting_ = false;
    if (links != nullptr) links->carry_on();
  }
  if (hold_) follow();
  if (holds_streams() && backup_.phase() == Backup::Phase::none) streams_->let_go();
}

void BackupPart::stand() {
  end_ = journal_.appended_end();
  hold_ = journal_.hold(journal_.begin());
  if (streams_ != nullptr) streams_->hold();
  if (backup_.meet(shard_, journal_.begin(), end_, journal_.segment_bytes())) return;
  journal_.let_go(*hold_);
  hold_.reset();
}

void BackupPart::follow() {
  const auto phase = backup_.phase();
  if (phase == Backup::Phase::settling && journal_.durable_end() >= end_) backup_.durable(shard_);
  const auto grown = journal_.appended_end() - end_;
  if (grown > growth_max_) {
    backup_.give_up(
        {ErrorCode::limit_reached,
         fmt::format("the backup was given up: {} bytes were written to the journal of shard {} while it was "
                     "being copied, {} may be (backup.journal_growth)",
                     grown, shard_.value, growth_max_),
         "copy faster (`--rate`), or raise backup.journal_growth"});
  } else if (!journal_.has_room(FactLog::Urgency::durable, kRoomBytes)) {
    backup_.give_up({ErrorCode::disk_full,
                     "the backup was given up: the server's disk is full, and what the backup holds could make room",
                     "make room on the server's disk, then begin it again"});
  }
  const auto copied = backup_.copied(shard_);
  if (backup_.phase() == Backup::Phase::none || copied >= end_) {
    journal_.let_go(*hold_);
    hold_.reset();
  } else if (phase == Backup::Phase::open) {
    journal_.move_hold(*hold_, copied);
  }
}

}  // namespace folkmoot
