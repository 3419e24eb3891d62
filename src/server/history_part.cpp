#include "server/history_part.hpp"

#include <algorithm>

namespace folkmoot {
namespace {

constexpr std::size_t kRoomBytes = 4096;  // of a journal that has room

}  // namespace

void HistoryPart::hold() { hold_ = journal_.hold(held_ = journal_.begin()); }

void HistoryPart::follow(Archive& archive, Archive::Feed& feed) {
  archive_ = &archive;
  feed_ = &feed;
  look();
}

void HistoryPart::look() {
  const auto durable = journal_.durable_end();
  if (durable != told_) feed_->tell(told_ = durable);
  // It may stand where the next segment will begin.
  const auto kept = std::min(feed_->kept(), durable);
  if (kept > held_) journal_.move_hold(*hold_, held_ = kept);
  if (durable - held_ > behind_bytes_max_) skip(Lsn{durable.value - behind_bytes_max_ / 2});
  const bool is_in_the_way = held_.value / journal_.segment_bytes() < durable.value / journal_.segment_bytes();
  if (is_in_the_way && !journal_.takes_durable(kRoomBytes) && frees_something()) skip(durable);
}

// If all that is there is live, letting go makes no room: the mail is the journal's bytes, not what waits for the
// history.
bool HistoryPart::frees_something() const {
  const auto use = journal_.stats();
  return use.bytes >= use.live_bytes + journal_.segment_bytes();
}

// To the segment in which `to` stands.
void HistoryPart::skip(Lsn to) {
  const Lsn begin{to.value / journal_.segment_bytes() * journal_.segment_bytes()};
  if (begin <= held_) return;
  feed_->skip(begin);
  missed_bytes_ += begin - held_;
  journal_.move_hold(*hold_, held_ = begin);
}

}  // namespace folkmoot
