// Fetches a backup from a running server, piece by piece, and checks what it fetches: each record of each segment, and
// the hash of each content. Files of streams are checked when they are in their folder.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cli/backup/backup_files.hpp"
#include "cli/session.hpp"
#include "cli/terminal.hpp"
#include "folkmoot/operation/backup.hpp"

namespace folkmoot::cli {

/// What was copied.
struct BackupTotals {
  std::uint64_t shards = 0, segments = 0, facts = 0, contents = 0, stream_files = 0, bytes = 0;
  std::uint64_t contents_damaged = 0;  // on the server: told on stderr
};

class BackupCopy {
 public:
  /// Begins it. `rate`: bytes a second, 0: as it goes. All must outlive it. Throws Failure, as do all here.
  BackupCopy(Session& session, BackupTarget& target, std::uint64_t rate);
  BackupCopy(const BackupCopy&) = delete;
  /// Ends it on the server.
  ~BackupCopy();

  BackupTotals run();

 private:
  class SegmentStream;

  void copy_segment(std::uint32_t shard, const BackupJournal& journal, std::uint64_t number);
  void copy_contents();
  void copy_content(const BackupContent& content);
  void copy_streams();
  void copy_stream_file(const BackupStreamFile& file);
  std::string fetch(ReadBackup piece);

  Session& session_;
  BackupTarget& target_;
  const std::uint64_t rate_;
  const BackupBegun begun_;
  Manifest manifest_;
  BackupTotals totals_;
  std::uint64_t all_ = 0, done_ = 0;              // bytes to fetch, as far as they are known, and fetched
  std::chrono::steady_clock::time_point next_{};  // the rate allows the next piece
  Progress progress_{"backing up"};
};

}  // namespace folkmoot::cli
