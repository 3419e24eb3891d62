// The archive: a thread that follows the journals of all shards into the history, and one that answers questions to it.
// Nobody waits for either. What a shard and the archive tell each other is a Feed: how far the journal is on disk, and
// how far the history has it for good, before which the journal may give segments up.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "archive/fact_reader.hpp"
#include "archive/follower.hpp"
#include "journal/disk.hpp"

namespace folkmoot {

struct ArchiveOptions {
  std::string path;          // of the database
  std::int64_t keep_ms = 0;  // how long what has ended is kept; 0: for ever
};

class Archive {
 public:
  /// One shard's side of it; its reactor's.
  class Feed {
   public:
    /// Everything before `durable` is on disk.
    void tell(Lsn durable);
    /// What stands before it is in the history for good.
    Lsn kept() const { return kept_.load(std::memory_order_acquire); }
    /// The journal goes on without what the history has not read before `to`, where a segment begins.
    void skip(Lsn to);

   private:
    friend class Archive;
    Feed(Archive& archive, ShardNumber shard, Lsn position) : archive_(archive), shard_(shard), kept_(position) {}

    Archive& archive_;
    const ShardNumber shard_;
    std::atomic<Lsn> durable_{Lsn{0}}, kept_, skip_{Lsn{0}};
    // The archive's thread's:
    std::unique_ptr<PosixDisk> folder_;
    std::unique_ptr<Follower> follower_;
    std::unique_ptr<FactReader> reader_;
    Lsn written_{0};  // committed, and perhaps not on disk yet
  };
  using Answer = std::function<void(Result<HistoryPage>)>;

  /// Errors: those of HistoryStore::open().
  static Result<std::unique_ptr<Archive>> open(const ArchiveOptions& options);
  ~Archive();

  /// The next shard's journal, recovered, from `begin` to `end`. Before start(). Errors: those of the folder.
  Result<Feed*> add(const std::string& folder, std::size_t segment_bytes, Lsn begin, Lsn end);
  Result<void> start();
  /// Reads what is durable to its end, as far as that takes no longer than a few seconds, and ends the threads. May be
  /// called twice.
  void stop();

  /// Asks by `ask`, on a thread of its own. False: too many wait already. Any thread.
  bool ask(std::function<void(HistoryReader&)> ask);
  /// Bytes of the journals that were not read yet. Any thread.
  std::uint64_t lag() const;
  /// Why it does not go on; empty: it does. Any thread.
  std::string problem() const;

 private:
  explicit Archive(ArchiveOptions options) : options_(std::move(options)) {}
  void ring();
  void follow();
  // One round over all shards. False: there was nothing. Errors: those of the store, the journal or its folder.
  Result<bool> read_on();
  Result<bool> read_on(Feed& feed);
  Result<void> make_durable();
  void forget();
  void note(const Error* error);
  void answer();

  const ArchiveOptions options_;
  std::unique_ptr<HistoryStore> store_;
  std::unique_ptr<HistoryReader> reader_;
  std::vector<std::unique_ptr<Feed>> feeds_;

  mutable std::mutex mutex_;
  std::condition_variable bell_, question_;
  bool rung_ = false, stopping_ = false;                       // guarded by mutex_
  std::string problem_;                                        // guarded by mutex_
  std::deque<std::function<void(HistoryReader&)>> questions_;  // guarded by mutex_
  std::atomic<bool> sleeps_ = false;
  std::int64_t synced_at_ms_ = 0, forgot_at_ms_ = 0;  // the following thread's, by the steady clock
  std::thread following_, answering_;
};

}  // namespace folkmoot
