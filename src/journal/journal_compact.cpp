// compaction of the oldest segment. Only the oldest: what is removed from the middle could take the fact that settles
// a message away while the message itself still stands before it.
#include <fmt/format.h>

#include "journal/journal.hpp"

namespace folkmoot {

namespace {
/// A copy may be a little longer than its original (a count that grew).
constexpr std::size_t kCopyGrowthBytes = 256;
}  // namespace

bool Journal::compaction_due() const {
  if (failed_ || segments_.size() < 2) return false;
  const auto& oldest = segments_.front();
  // Without a live byte it goes by itself; held, it stays whatever is copied. And it must have been written, since it
  // is read back from its file.
  if (oldest.live_bytes == 0 || is_held(oldest) || begin_of(segments_[1].number) > written_end_.load()) return false;
  if (maker_.full()) {
    // Now space itself is the aim: one segment back, if the copies fit into what is left with room for settling beside
    // them.
    const auto left = segment_bytes_ - std::min(segment_bytes_, offset() + kSegmentTailBytes);
    return oldest.live_bytes + oldest.live_bytes / 4 + reserve_bytes() / 4 <= left;
  }
  // What is sealed otherwise than what is written now, or not at all, does not wait until it is dead.
  return compaction_.has_value() || is_foreign(oldest) ||
         (segments_.size() > 3 && used_bytes() - live_bytes_ > live_bytes_);
}

Result<void> Journal::compact_step(std::size_t budget_bytes, const Keep& keep) {
  if (!compaction_due()) return {};
  const auto& oldest = segments_.front();  // a deque: stays where it is while `keep` appends
  if (!compaction_) compaction_.emplace(*oldest.file, header_of(oldest), kSegmentHeaderBytes, seals());
  const auto begin = compaction_->offset();
  while (oldest.live_bytes > 0 && compaction_->offset() - begin < budget_bytes) {
    const auto at = compaction_->offset();
    const auto found = compaction_->next();
    if (!found) return std::unexpected(*(failed_ = found.error()));
    if (!*found) {
      return std::unexpected(*(failed_ = damage(oldest.number, at, compaction_->problem())));
    }
    const auto& record = compaction_->record();
    if (record.is(MarkKind::segment_end)) {
      compaction_.reset();
      return failure(ErrorCode::internal,
                     fmt::format("{} bytes of journal segment {} were not released when all of it was "
                                 "copied forward",
                                 oldest.live_bytes, oldest.number));
    }
    if (record.is_mark()) continue;
    const auto copy_bytes = std::min(record.body.size() + kCopyGrowthBytes, body_bytes_max(segment_bytes_));
    // What goes along with a fact may be longer than it: on a full disk there must be room for settling behind each
    // step.
    const bool room = has_room(Urgency::settling, copy_bytes) && (!maker_.full() || compaction_due());
    if (!room || !keep(static_cast<FactKind>(record.kind), record.place(), record.body)) {
      compaction_->jump(at);
      return {};
    }
  }
  if (oldest.live_bytes == 0) compaction_.reset();
  return {};
}

}  // namespace folkmoot
