// The journal over files: facts in the order they were decided, on disk before anybody is told of them.
//
// Three words for how far a fact is, each an LSN: appended (in a block of memory), written (the operating system has
// it), durable (synced; under the policies `interval` and `never`: written). The owner appends while one batch at most
// is being written by another thread:
//
//     owner:   append append append submit -> append append ... collect -> on_durable, submit -> ...
//     thread:                       write_and_sync ------------>
//
// Memory: blocks of 256 KiB that are filled, written from where they are, kept a while for reading, then used again.
// What recovery does with which damage, and why, is in docs/journal.md.
#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <optional>

#include "journal/disk.hpp"
#include "journal/format.hpp"
#include "journal/read_windows.hpp"
#include "journal/sealing.hpp"
#include "journal/segment_maker.hpp"
#include "journal/segment_scanner.hpp"

namespace folkmoot {

enum class SyncPolicy { always, interval, never };

struct JournalOptions {
  std::size_t segment_bytes = std::size_t{64} << 20;  // of a new journal: a multiple of 4096 from 64 KiB to 1 GiB
  std::size_t cache_bytes = std::size_t{4} << 20;     // of what was written last, kept in memory for reading
  SyncPolicy sync = SyncPolicy::always;
  std::int64_t sync_interval_ms = 1000;               // for SyncPolicy::interval
  std::size_t reserve_bytes = std::size_t{4} << 20;   // of the last segment, for settling when the disk is full
  std::uint64_t bytes_max = 0;                        // all segments together; 0: as the disk allows
  std::optional<JournalId> id;                        // of a new journal, instead of a random one (simulation)
  std::shared_ptr<const JournalKeys> keys = nullptr;  // null: segments are plain, and sealed ones cannot be read
  std::optional<std::uint64_t> run = std::nullopt;    // instead of a random one: never twice for a journal (simulation)
};

struct RecoveryReport {
  std::uint64_t facts = 0;  // applied
  std::uint64_t bytes = 0;  // of their records, with the headers
  std::uint64_t segments = 0;
  std::uint64_t cut_bytes = 0;  // of a torn tail: written but never synced, so never confirmed
  std::uint64_t cut_segment = 0;
  std::size_t cut_offset = 0;
  bool clean_stop = false;
  std::uint64_t foreign_segments = 0;  // sealed otherwise than new ones are: copied forward, and removed
};

struct JournalStats {
  std::uint64_t segments = 0;
  std::uint64_t bytes = 0;         // used by records, dead and live
  std::uint64_t live_bytes = 0;    // of those that recovery would still need
  std::uint64_t staged_bytes = 0;  // appended, not yet durable
  std::uint64_t held_bytes = 0;    // of the segments that stay for readers which are behind
  std::uint64_t memory_bytes = 0;  // blocks
  std::uint64_t syncs = 0;
  std::uint64_t synced_bytes = 0;
  std::uint64_t last_sync_us = 0;
  std::uint64_t disk_reads = 0;
  bool disk_full = false;
};

class Journal final : public FactLog {
 public:
  using Apply = std::function<Result<void>(FactKind, FactPlace, Bytes)>;

  /// Opens the journal in `disk`, or makes a new one in an empty folder. The folder must be locked (folder_lock.hpp).
  /// Then call recover(), once, before anything else. Errors: damaged, disk_full, io_error, invalid_field (options),
  /// not_permitted (a segment is sealed with a key that is not among options.keys; nothing was changed).
  static Result<std::unique_ptr<Journal>> open(Disk& disk, const JournalOptions& options);
  ~Journal() override;

  /// Hands every fact to `apply` in order, those of a group once all of it was read; cuts a torn tail, and makes ready
  /// for appending. `apply` may call retain() and release(). Errors: damaged (nothing was changed), io_error, and
  /// whatever `apply` returns.
  Result<RecoveryReport> recover(const Apply& apply);

  // FactLog; the owner's.
  bool has_room(Urgency urgency, std::size_t bytes) const override;
  bool has_room(Urgency urgency, GroupBound bound) const override;
  /// Whether durable facts are taken, of up to `bytes` (a quarter of a segment at most) and as many as were refused
  /// since this was last true. False from the first refusal on, whatever its size, until there is room for all of them:
  /// does not go to and fro. Makes a segment only if none could be made when it was last tried.
  bool takes_durable(std::size_t bytes) const;
  std::size_t group_bytes_max() const override { return folkmoot::group_bytes_max(segment_bytes_); }
  FactPlace append(FactKind kind, std::span<const Bytes> parts, Life life) override;
  void begin_group(GroupBound bound) override;
  void end_group() override;
  Result<Bytes> read(FactPlace place) override;
  void retain(FactPlace place) override;
  void release(FactPlace place) override;
  /// Bytes of the record of a fact that is there, with all that is around its body.
  std::size_t bytes_in_log(FactPlace place) const;

  /// A reader that is behind holds a position: the segment it is in and all after it stay, whether anything in them is
  /// live or not, and can be read; as long as the oldest segment is held, nothing is copied forward either. How far a
  /// reader may fall behind is for whoever holds to bound (JournalStats::held_bytes). Holds end with the journal
  /// object.
  class HoldId {
   public:
    bool operator==(const HoldId&) const = default;

   private:
    friend class Journal;
    explicit HoldId(std::uint64_t number) : number_(number) {}
    std::uint64_t number_;
  };
  /// Requires: begin() <= position <= appended_end().
  HoldId hold(Lsn position);
  /// The reader has come to `position`. Requires: the hold stands, and that is not before where it was.
  void move_hold(HoldId hold, Lsn position);
  void let_go(HoldId hold);
  /// The first byte that is still there. Requires: recovered.
  Lsn begin() const { return begin_of(segments_.front().number); }

  Lsn appended_end() const { return end_; }
  Lsn durable_end() const { return durable_end_; }
  /// Appended and not yet durable: what a server bounds before it reads more commands.
  std::uint64_t staged_bytes() const { return end_ - durable_end_; }

  /// Hands what was appended over for writing, unless a write is under way. True if one is under way afterwards: then
  /// write_and_sync() must be called. Ends the life of bytes from read(). `now_ms`: any clock that does not go back.
  /// Requires: no group open.
  bool submit(std::int64_t now_ms);
  /// Writes what was submitted and syncs once; then, after `on_completed`, makes the next segment when the last is half
  /// full and removes what became free. On the journal's thread or, when there is none, on the owner's; the only
  /// function (with sync_written()) that may run beside the others.
  void write_and_sync(const std::function<void()>& on_completed = {});
  /// Whether write_and_sync() has something to do / has done it. Any thread.
  bool submitted() const { return flight_.load(std::memory_order_acquire) == Flight::submitted; }
  bool completed() const { return flight_.load(std::memory_order_acquire) == Flight::completed; }
  /// Takes notice of a write_and_sync() that returned (of nothing otherwise); the new durable end. Ends the life of
  /// bytes from read(). An error is fatal: what is on disk is no longer known, and the journal refuses all from now on.
  Result<Lsn> collect();
  /// Syncs what was written and not synced (SyncPolicy::interval). On the thread of write_and_sync(), not beside it.
  void sync_written();
  bool sync_pending() const { return synced_end_ != written_end_; }  // the thread's question

  /// Whether more bytes are dead than live, so that the oldest segment is worth copying forward.
  bool compaction_due() const;
  /// Appends a copy and releases the original if the fact is still live. False: not now, there is no room.
  using Keep = std::function<bool(FactKind, FactPlace, Bytes)>;
  /// Reads up to about `budget_bytes` more of the oldest segment and hands its facts to `keep`; one that it does not
  /// keep now it gets again next time. The bytes handed over stay while `keep` appends. The segment is removed when all
  /// in it is released and the copies are durable. Errors: damaged, io_error.
  Result<void> compact_step(std::size_t budget_bytes, const Keep& keep);

  /// Writes and syncs what is left; then, if `clean`, the mark of a clean stop. Requires: no other thread in
  /// write_and_sync().
  Result<void> close(bool clean = true);

  /// cache_bytes and bytes_max from now on; all else stays as it is.
  void change(const JournalOptions& options) {
    options_.cache_bytes = options.cache_bytes;
    options_.bytes_max = options.bytes_max;
    maker_.set_bytes_max(options.bytes_max);
  }

  JournalStats stats() const;
  /// Why has_room() last said that there is none.
  std::string refusal();
  std::size_t segment_bytes() const { return segment_bytes_; }
  const JournalOptions& options() const { return options_; }

 private:
  /// A file of the journal that holds records; the last one is being appended to.
  struct Segment {
    std::uint64_t number = 0;
    std::unique_ptr<DiskFile> file;
    std::uint64_t live_bytes = 0;
    std::size_t used_bytes = 0;         // offset behind the last record
    std::optional<SegmentSeal> seal{};  // constant

    std::size_t bytes_of(FactPlace place) const { return record_bytes(place.bytes + (seal ? kSealBytes : 0)); }
  };
  /// Memory that holds a stretch of one segment.
  struct Block {
    Lsn begin = 0;
    std::size_t used = 0;
    std::size_t capacity = 0;
    std::size_t submitted = 0;  // the first of the used bytes that were not yet handed over
    std::unique_ptr<std::uint8_t[]> data;

    Lsn end() const { return begin + used; }
  };
  /// A mark in a block, whose content is known when it is handed over.
  struct OpenMark {
    std::uint8_t* at = nullptr;
    Lsn lsn = 0;
    MarkKind kind = MarkKind::batch;
    bool first_of_segment = false;
  };
  /// The group being appended. Its last record is not sealed: whether it is the last is not known yet.
  struct OpenGroup {
    bool open = false;
    std::size_t left = 0;  // bytes of records that the bound still allows; 0 outside a group
    std::uint8_t* last = nullptr;
    Lsn last_lsn = 0;
  };
  struct Piece {
    DiskFile* file = nullptr;
    Lsn lsn = 0;
    Bytes bytes;
    std::optional<SegmentSeal> seal{};
  };
  /// What one write_and_sync() is to do: the owner's until submitted and from completed on, the thread's in between.
  struct Job {
    std::vector<Piece> pieces;
    std::size_t pieces_done = 0;  // fewer than all after a full disk: the rest is tried again
    std::uint64_t prepare = 0;    // segment to make ready, 0: none
    std::vector<Segment> remove;  // oldest first
    std::optional<Error> error;
  };
  enum class Flight { idle, submitted, completed };

  Journal(Disk& disk, const JournalOptions& options)
      : disk_(disk), options_(options), maker_(disk, options.bytes_max) {}

  // journal.cpp: appending
  Lsn begin_of(std::uint64_t segment) const { return Lsn{segment * segment_bytes_}; }
  std::size_t offset() const { return end_ - begin_of(segments_.back().number); }
  bool fits(std::size_t bytes, std::size_t spare) const { return offset() + bytes + spare <= fill_bytes_; }
  /// Of a fact that is appended now.
  std::size_t record_bytes_of(std::size_t body_bytes) const { return record_bytes(body_bytes + seal_bytes_); }
  bool has_room_for(Urgency urgency, std::size_t records_bytes) const;
  void link(std::uint8_t* record, FactPlace place, FactKind kind);
  void finish_linked(bool linked);
  std::uint8_t* take(std::size_t bytes);
  void add_block(std::size_t bytes);
  void retire_blocks();
  void put_mark(MarkKind kind, bool first_of_segment = false);
  bool make_room_for_mark();
  void roll();
  void seal_marks();
  bool build_job();
  void queue_removals();
  bool is_held(const Segment& segment) const;
  Result<void> flush();
  Segment& segment_of(FactPlace place);
  const Segment& segment_of(FactPlace place) const;
  SegmentHeader header_of(const Segment& segment) const { return {id_, segment.number, segment_bytes_, segment.seal}; }
  std::size_t reserve_bytes() const { return std::min(options_.reserve_bytes, segment_bytes_ / 4); }
  std::uint64_t used_bytes() const;

  // journal.cpp: the thread's half
  Result<void> write_pieces();
  Result<void> write_sealed(std::span<const Piece> pieces);
  Bytes seal_piece(const Piece& piece);
  Result<void> sync_file(DiskFile& file, Lsn end);
  Result<void> remove_segments(std::vector<Segment> segments);

  // journal_recover.cpp
  struct Recovery;
  Result<void> find_segments(std::vector<std::uint64_t> numbers);
  Result<void> create();
  Result<bool> replay_segment(Recovery& recovery, std::size_t index, const Apply& apply);
  Result<void> replay_fact(Recovery& recovery, const RecordView& record, const Apply& apply);
  Result<void> check_end(Recovery& recovery, std::size_t index, SegmentScanner& scanner);
  Result<void> settle_tail(const Recovery& recovery);

  // journal_seal.cpp
  Result<void> set_seal();
  bool is_foreign(const Segment& segment) const;
  SegmentSeals* seals() { return seals_ ? &*seals_ : nullptr; }
  Result<void> adopt_spares(std::size_t first);
  Result<void> leave_foreign_segment();

  Disk& disk_;
  JournalOptions options_;  // the owner's: cache_bytes and bytes_max; constant: all else
  JournalId id_{};          // constant after open(), as are the next two
  std::size_t segment_bytes_ = 0;
  std::optional<RecordCodec> codec_;
  std::optional<SegmentSeal> new_seal_;  // of the segments that are made; constant after open(), as are the next two
  std::size_t seal_bytes_ = 0;           // that a fact appended now takes for it
  std::uint64_t run_ = 0;
  mutable SegmentMaker maker_;  // has a lock of its own
  mutable std::optional<Error> failed_;
  mutable std::size_t refused_bytes_ =
      0;  // the most of durable records that had no room since takes_durable() was true

  // The owner's.
  std::deque<Segment> segments_;  // oldest first; until recover() also those ready for use
  std::uint64_t live_bytes_ = 0;
  Lsn end_ = 0;
  /// How far the last segment is filled: segment_bytes_, or 0 when it is not sealed as new ones are, so that what comes
  /// next goes to the next segment.
  std::size_t fill_bytes_ = 0;
  std::optional<SegmentSeals> seals_;  // to open what is read
  ScratchBytes opened_;
  Lsn durable_end_ = 0;
  Lsn clean_end_ = 0;         // behind the clean-stop mark, when nothing follows it
  std::deque<Block> blocks_;  // contiguous: what is not yet durable and some of what is
  std::vector<std::unique_ptr<std::uint8_t[]>> free_blocks_;
  std::uint64_t block_bytes_ = 0;
  std::vector<OpenMark> marks_;
  bool batch_open_ = false;
  OpenGroup group_;
  std::map<std::uint64_t, Lsn> holds_;  // positions, by the number of the hold
  std::uint64_t last_hold_ = 0;
  ReadWindows windows_;
  std::uint64_t reads_ = 0;
  std::uint64_t reads_seen_ = 0;
  std::int64_t reads_seen_ms_ = 0;
  std::optional<SegmentScanner> compaction_;

  // Handed to and fro.
  std::atomic<Flight> flight_ = Flight::idle;
  Job job_;

  // The thread's, but readable by all.
  std::atomic<Lsn> written_end_;
  std::atomic<Lsn> synced_end_;
  std::atomic<std::uint64_t> syncs_ = 0;
  std::atomic<std::uint64_t> last_sync_us_ = 0;
  std::atomic<std::uint64_t> synced_bytes_ = 0;
  DiskFile* unsynced_file_ = nullptr;
  std::int64_t last_sync_at_us_ = 0;
  std::vector<Bytes> parts_;
  std::optional<SegmentSeals> written_seals_;
  ScratchBytes sealed_;
  std::optional<Error> late_error_;  // of work done after a batch was reported: told with the next
};

}  // namespace folkmoot
