// One shard's part in a backup: it comes to rest when the backup begins, holds its journal until that was read and the
// files of streams until the backup's end, and
// gives the backup up rather than let its journal grow without bound. Its reactor's thread only.
#pragma once

#include "journal/journal.hpp"
#include "server/backup.hpp"
#include "stream/file_stream_store.hpp"

namespace folkmoot {

class ShardLinks;

class BackupPart {
 public:
  /// `streams`: null but in the first shard. `growth_max`: bytes that may be appended while the journal is held.
  /// All must outlive it.
  BackupPart(Backup& backup, Journal& journal, FileStreamStore* streams, ShardNumber shard, std::uint64_t growth_max)
      : backup_(backup), journal_(journal), streams_(streams), shard_(shard), growth_max_(growth_max) {}

  /// Another bound, also for a backup that is being taken.
  void change(std::uint64_t growth_max) { growth_max_ = growth_max; }
  /// Whether turn() has something to see to.
  bool is_concerned() const {
    return is_resting_ || hold_ || holds_streams() || backup_.phase() != Backup::Phase::none;
  }
  /// Between two turns, when no group of facts is open. `links`: null if this is the only shard.
  void turn(ShardLinks* links);

 private:
  void stand();
  void follow();
  bool holds_streams() const { return streams_ != nullptr && streams_->held(); }

  Backup& backup_;
  Journal& journal_;
  FileStreamStore* const streams_;
  const ShardNumber shard_;
  std::uint64_t growth_max_;
  std::optional<Journal::HoldId> hold_;
  Lsn end_ = 0;  // of what is held
  bool is_resting_ = false;
};

}  // namespace folkmoot
