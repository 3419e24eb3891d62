// StreamStore over files. The owner (the reactor) asks and is told; the work is done between the two, on a thread of
// its own (stream_thread.hpp) or, when there is none, by the owner's hand:
//
//     owner:   append append read ... submit -> append ... collect -> on_stored, on_read, submit -> ...
//     thread:                         work ------------>
//
// One work() trims, writes what was handed over in as few writes as there are streams, syncs once a file, and then
// reads. When the disk is full, what was handed over stays and is tried again; nothing is lost meanwhile, since the log
// has it as long as it is not said to be stored.
#pragma once

#include <atomic>
#include <deque>
#include <mutex>

#include "stream/stream_files.hpp"

namespace folkmoot {

class FileStreamStore final : public StreamStore {
 public:
  /// Chunks that were read and not yet collected: reading goes on when there are fewer bytes.
  static constexpr std::size_t kChunkBytesMax = std::size_t{16} << 20;

  /// `disk` must outlive it. Errors: disk_full, limit_reached, io_error.
  static Result<std::unique_ptr<FileStreamStore>> open(Disk& disk, const StreamFilesOptions& options = {});

  // StreamStore; the owner's.
  void each(const std::function<void(StreamNumber, const StreamExtent&)>& each) const override;
  StreamExtent extent(StreamNumber stream) const override;
  std::span<const StreamFile> files(StreamNumber stream) const override;
  void set_file_bytes(StreamNumber stream, std::uint64_t bytes) override;
  bool append(StreamNumber stream, Sequence sequence, Instant at, MessageParts message) override;
  void trim(StreamNumber stream, Sequence first) override;
  void remove(StreamNumber stream) override;
  void read(const StreamRead& what, ReadTicket ticket) override;
  std::optional<std::string> refusal() const override { return refusal_; }

  /// Bytes of torn ends that were cut, and what cannot be read, as open() found it.
  std::uint64_t cut_bytes() const { return files_->cut_bytes(); }
  const std::vector<Error>& problems() const { return files_->problems(); }

  /// A file as it was when they were held.
  struct HeldFile {
    StreamNumber stream = 0;
    Sequence first = 0;
    std::uint64_t bytes = 0;  // up to here it does not change any more
  };
  /// From now on until let_go() no file goes: they can be read as they are at this moment. By stream and first event.
  void hold();
  void let_go();
  /// Those that are held; nothing if none are.
  const std::optional<std::vector<HeldFile>>& held() const { return held_; }

  /// Hands over what was asked for since the last time. False if that was nothing. The owner's.
  bool submit();
  /// Does what was handed over. On the thread or, when there is none, on the owner's; the only function, with the two
  /// below, that may run beside the others.
  void work();
  /// Whether work() has something to do now, and whether it has something that the disk had no room for.
  bool has_work() const;
  bool wants_retry() const;
  /// Whether it has something that ought not to wait for more to come: a read, much to write.
  bool is_pressed() const;

  /// What the engine is to be told, in this order.
  struct News {
    std::vector<std::pair<StreamNumber, Sequence>> stored;   // Engine::on_stored
    std::vector<std::pair<ReadTicket, StreamChunk>> chunks;  // Engine::on_read
  };
  /// What work() has come to since the last time. An error is fatal: what is on disk is no longer known, and nothing is
  /// done any more. The owner's.
  Result<News> collect();

  /// Stores what there is room for and seals the files, so that the next start need not read them. Requires: no other
  /// thread in work().
  Result<void> close();

 private:
  // Events of one stream, laid out one behind the other.
  class Run {
   public:
    std::uint8_t* add(std::size_t bytes);
    std::span<std::uint8_t> left() { return {memory_.get() + taken_, used_ - taken_}; }
    std::size_t bytes() const { return used_; }
    void take(std::size_t bytes) { taken_ += bytes; }

   private:
    std::unique_ptr<std::uint8_t[]> memory_;
    std::size_t used_ = 0, capacity_ = 0, taken_ = 0;
  };
  using Runs = std::map<StreamNumber, std::deque<Run>>;
  // What was asked for, and not yet begun.
  struct Orders {
    std::map<StreamNumber, std::uint64_t> file_bytes;
    std::map<StreamNumber, Sequence> trims;
    std::set<StreamNumber> removals;
    Runs runs;
    std::size_t run_bytes = 0;
    std::optional<bool> hold;
    std::deque<std::pair<ReadTicket, StreamRead>> reads;

    bool empty() const {
      return file_bytes.empty() && trims.empty() && removals.empty() && runs.empty() && !hold && reads.empty();
    }
  };
  struct Stored {
    std::vector<StreamFile> files;  // from the first that has changed
    Sequence end = 0;               // behind the last event that needs the log no more; 0: nothing new
  };
  // What came of it, and was not yet collected.
  struct Results {
    std::map<StreamNumber, Stored> stored;
    std::vector<std::pair<ReadTicket, StreamChunk>> chunks;
    std::size_t chunk_bytes = 0;
    std::size_t taken_bytes = 0;  // of what was handed over
    std::optional<std::string> refusal;
    std::optional<Error> error;
  };
  // A stream as the owner knows it.
  struct Known {
    std::vector<StreamFile> files;
    Sequence trimmed{1};
  };

  explicit FileStreamStore(std::unique_ptr<StreamFiles> files) : files_(std::move(files)) {}

  // The owner's.
  static StreamExtent extent_of(const Known& known);
  static void drop_trimmed(Known& known);
  void take_notice(const Stored& stored, Known& known);

  // The thread's.
  Orders take_orders();
  Result<void> carry_out(Orders orders, Results& results);
  Result<void> write(Results& results);
  void read_next();

  std::map<StreamNumber, Known> streams_;  // the owner's, as are the next four
  Orders next_;
  std::size_t handed_bytes_ = 0;  // handed over and not yet known to be stored
  std::optional<std::string> refusal_;
  std::optional<std::vector<HeldFile>> held_;

  mutable std::mutex mutex_;
  Orders orders_;            // guarded by mutex_
  Results results_;          // guarded by mutex_
  bool has_failed_ = false;  // guarded by mutex_
  std::atomic<bool> retries_ = false;

  const std::unique_ptr<StreamFiles> files_;  // the thread's, as is the next
  Runs pending_;                              // not yet written
};

}  // namespace folkmoot
