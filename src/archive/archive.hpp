// The archive: a thread that follows the journals of all shards into the history, and one that answers questions to it.
// Nobody waits for either. What a shard and the archive tell each other is a Feed: how far the journal is on disk, and
// how far the history has it for good, before which the journal may give segments up.
#pragma once

#include <atomic>
#include <chrono>
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
  HistoryPlace place;
  std::int64_t keep_ms = 0;  // how long what has ended is kept; 0: for ever
  HistoryPolicy policy{};
  std::shared_ptr<const JournalKeys> keys{};  // of sealed journals; null: they are plain
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
    /// Bytes of the journal that a database which was put in the place of another did not have any more.
    std::uint64_t lost_bytes() const { return lost_bytes_.load(std::memory_order_relaxed); }
    /// The journal goes on without what the history has not read before `to`, where a segment begins.
    void skip(Lsn to);

   private:
    friend class Archive;
    Feed(Archive& archive, ShardNumber shard, Lsn position) : archive_(archive), shard_(shard), kept_(position) {}

    Archive& archive_;
    const ShardNumber shard_;
    std::atomic<Lsn> durable_{Lsn{0}}, kept_, skip_{Lsn{0}};
    std::atomic<std::uint64_t> lost_bytes_ = 0;
    // The archive's thread's:
    std::unique_ptr<PosixDisk> folder_;
    std::unique_ptr<Follower> follower_;
    std::unique_ptr<FactReader> reader_;  // of the store that is open
    std::string journal_;                 // its id
    Lsn begin_{0}, end_{0};               // as it was when it was added; the end a segment later
    Lsn written_{0};                      // committed, and perhaps not on disk yet
  };
  /// What asks, or is told why nothing can be asked now.
  using Question = std::function<void(const Result<HistoryReader*>& reader)>;

  static std::unique_ptr<Archive> make(const ArchiveOptions& options);
  ~Archive();

  /// The next shard's journal, recovered, from `begin` to `end`. Before start(). Errors: those of the folder.
  Result<Feed*> add(const std::string& folder, std::size_t segment_bytes, Lsn begin, Lsn end);
  /// A database that is elsewhere and cannot be reached now is waited for. Errors: those of HistoryStore::open(),
  /// damaged (it has followed other journals).
  Result<void> start();
  /// Reads what is durable to its end, as far as that takes no longer than a few seconds, and ends the threads. May be
  /// called twice.
  void stop();

  /// What is read from now on goes by it. Any thread.
  void change(HistoryPolicy policy);
  /// Asks by `ask`, on a thread of its own. False: too many wait already. Any thread.
  bool ask(Question question);
  /// Bytes of the journals that were not read yet. Any thread.
  std::uint64_t lag() const;
  /// Why it does not go on; empty: it does. Any thread.
  std::string problem() const;

 private:
  explicit Archive(const ArchiveOptions& options) : options_(options), policy_(options.policy) {}
  void ring();
  void follow();
  // Opens the store if it is not, and goes on where it is.
  Result<void> connect();
  Result<void> connect(Feed& feed);
  // After what went wrong: how a commit ended is known by the database alone.
  void disconnect();
  // Errors: io_error, if its file was removed or replaced.
  Result<void> check_file() const;
  Result<bool> round();
  // One round over all shards. False: there was nothing. Errors: those of the store, the journal or its folder.
  Result<bool> read_on();
  Result<bool> read_on(Feed& feed);
  Result<void> make_durable();
  void forget();
  void note(const Error* error);
  void answer();
  Result<HistoryReader*> open_reader();

  const ArchiveOptions options_;
  std::unique_ptr<HistoryStore> store_;    // the following thread's; null: it is to be opened
  std::unique_ptr<HistoryReader> reader_;  // the answering thread's; likewise
  std::vector<std::unique_ptr<Feed>> feeds_;

  mutable std::mutex mutex_;
  std::condition_variable bell_, question_;
  bool rung_ = false, stopping_ = false;  // guarded by mutex_
  std::string problem_;                   // guarded by mutex_
  HistoryPolicy policy_;                  // guarded by mutex_
  std::deque<Question> questions_;        // guarded by mutex_
  Database* writes_ = nullptr;            // guarded by mutex_: whom a stop hurries
  Database* reads_ = nullptr;             // likewise
  std::atomic<bool> sleeps_ = false;
  std::chrono::milliseconds retry_{0};                // the following thread's
  std::int64_t synced_at_ms_ = 0, forgot_at_ms_ = 0;  // the following thread's, by the steady clock
  std::thread following_, answering_;
};

}  // namespace folkmoot
