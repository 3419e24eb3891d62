// One shard's part in the history: it tells how far its journal is on disk, keeps of it what the history has not got
// yet, and lets that go rather than fill the disk or grow without bound. Its reactor's thread only.
#pragma once

#include "archive/archive.hpp"
#include "folkmoot/operation/stats.hpp"
#include "journal/journal.hpp"

namespace folkmoot {

class HistoryPart {
 public:
  /// `behind_bytes_max`: of the journal, that may wait for the history. The journal outlives it.
  HistoryPart(Journal& journal, std::uint64_t behind_bytes_max)
      : journal_(journal), behind_bytes_max_(behind_bytes_max) {}

  /// The journal keeps what it has: nobody knows yet how much of it the history has got. Requires: the journal is
  /// recovered, and nothing was written since.
  void hold();
  /// From now on. Both outlive it. Requires: hold().
  void follow(Archive& archive, Archive::Feed& feed);
  Archive* archive() { return archive_; }
  HistoryCounts counts() const {
    const auto kept = feed_ != nullptr ? std::min(feed_->kept(), told_) : told_;
    return {.behind_bytes = told_ - kept,
            .missed_bytes = missed_bytes_ + (feed_ != nullptr ? feed_->lost_bytes() : 0),
            .kept = archive_ != nullptr,
            .reachable = archive_ == nullptr || archive_->problem().empty()};
  }
  /// Between two turns.
  void turn() {
    if (feed_ != nullptr) look();
  }

 private:
  void look();
  void skip(Lsn to);
  bool frees_something() const;

  Journal& journal_;
  const std::uint64_t behind_bytes_max_;
  Archive* archive_ = nullptr;
  Archive::Feed* feed_ = nullptr;
  std::optional<Journal::HoldId> hold_;
  Lsn held_ = 0, told_ = 0;
  std::uint64_t missed_bytes_ = 0;
};

}  // namespace folkmoot
