// What is asked of the backup that is being taken: the first shard's, which answers for all of them. Pieces are read
// by the content thread, so that no disk holds the reactor up.
#pragma once

#include <deque>

#include "content/content_job.hpp"
#include "engine/engine.hpp"
#include "folkmoot/operation/backup.hpp"
#include "server/backup.hpp"
#include "server/options.hpp"
#include "stream/file_stream_store.hpp"

namespace folkmoot {

struct Call;

/// Whom to answer, later.
struct LateAnswer {
  SessionId session = 0;
  RequestNumber request = 0;
  const OperationInfo* operation = nullptr;
};

class BackupReader {
 public:
  static constexpr std::size_t kReadsMax = 16;  // under way

  struct Calls {
    std::function<void(const LateAnswer&, const void*)> answer;
    std::function<void(const LateAnswer&, const Error&)> refuse;
  };
  /// `streams`: null but in the first shard. All must outlive it.
  BackupReader(const ServerOptions& options, Engine& engine, Backup& backup, ContentWorker& worker,
               FileStreamStore* streams, Calls calls)
      : options_(options),
        engine_(engine),
        backup_(backup),
        worker_(worker),
        streams_(streams),
        calls_(std::move(calls)) {}

  /// `lives`: whether the backup ends with the session. (One of HTTP says nothing of whoever asks.)
  enum class Lives : bool { on, with_session };
  // Answered later; errors are the answer.
  Result<void> begin(LateAnswer to, Lives lives);
  Result<void> read(LateAnswer to, const ReadBackup& piece);
  // At once.
  Result<BackupContents> contents(const ListBackupContents& page);
  Result<BackupStreams> streams(const ListBackupStreams& page);
  Result<void> end(const EndBackup& which);

  /// The session has ended.
  void close(SessionId session);
  /// The content thread has read a piece.
  void on_read(ContentDone& done);
  /// Once a turn, and `next_look()` at the latest: whether it can be read now, or has been left alone too long.
  void look(std::int64_t now);
  /// Whether look() has something to see to, though no backup may be under way.
  bool is_concerned() const { return begun_by_ || open_file_; }
  /// Unix milliseconds; -1: never.
  std::int64_t next_look() const { return backup_.phase() == Backup::Phase::none ? -1 : looked_at_ + Backup::kLookMs; }

 private:
  Result<std::shared_ptr<DiskFile>> open_segment(const ReadBackup& piece);
  Result<std::shared_ptr<DiskFile>> open_content(const ReadBackup& piece);
  Result<std::shared_ptr<DiskFile>> open_stream(const ReadBackup& piece);
  std::span<const FileStreamStore::HeldFile> stream_files() const;
  Result<std::shared_ptr<DiskFile>> open(const std::string& folder, const std::string& name);

  const ServerOptions& options_;
  Engine& engine_;
  Backup& backup_;
  ContentWorker& worker_;
  FileStreamStore* const streams_;
  const Calls calls_;
  std::uint64_t number_ = 0;
  SessionId owner_ = 0;                    // with which it ends; 0: none
  std::vector<Backup::Journal> journals_;  // once it is open
  std::optional<LateAnswer> begun_by_;     // until it is open
  std::deque<LateAnswer> reads_;           // under way, in their order
  std::int64_t asked_at_ = 0;
  std::int64_t looked_at_ = 0;
  std::string open_name_;  // of the file that was read last, most often read again
  std::shared_ptr<DiskFile> open_file_;
};

}  // namespace folkmoot
