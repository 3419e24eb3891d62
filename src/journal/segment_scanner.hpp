// Reads the records of one segment in order, through a buffer that moves along the file: no allocation a record.
// Used by recovery, compaction, verify and the fuzz target alike, so that all of them see the same journal.
#pragma once

#include <vector>

#include "journal/disk.hpp"
#include "journal/format.hpp"
#include "journal/sealing.hpp"

namespace folkmoot {

class SegmentScanner {
 public:
  /// `offset`: where a record begins. The file must outlive the scanner. Facts of a sealed segment are opened by
  /// `seals`, which has its key and outlives the scanner, too; without it they are handed over as they stand there.
  SegmentScanner(DiskFile& file, const SegmentHeader& header, std::size_t offset = kSegmentHeaderBytes,
                 SegmentSeals* seals = nullptr);

  /// Moves to the next record; false at the first place without a good one: see stop(). Errors: io_error.
  Result<bool> next();
  /// The record that next() found; its bytes live until the next call of next().
  const RecordView& record() const { return record_; }

  enum class Stop { none, zeros, bad, misplaced, broken_seal };
  /// zeros: only that the next record is not there. What follows it is not looked at. misplaced: the record is good,
  /// but cannot stand within the group that is open. broken_seal: its bytes or its key are not those that it was sealed
  /// with. Nothing that a power failure does explains these two.
  Stop stop() const { return stop_; }
  bool is_never_torn() const { return stop_ == Stop::misplaced || stop_ == Stop::broken_seal; }
  /// Offset in the segment of the record that comes next, or where there is none.
  std::size_t offset() const { return offset_; }
  /// Offset behind the last record after which the log may end: offset(), or the first record of a group whose last one
  /// was not found yet.
  std::size_t whole_offset() const { return group_begin_.value_or(offset_); }
  /// When stopped at anything but zeros: what is wrong with the record there. At zeros: that it is gone.
  const char* problem() const { return problem_; }
  const SegmentHeader& header() const { return header_; }

  /// Goes on at another place (verify, after damage), outside of any group.
  void jump(std::size_t offset);
  /// The unread bytes at `offset` that are at hand, at least `bytes` unless the file ends. Errors: io_error.
  Result<Bytes> peek(std::size_t offset, std::size_t bytes);

 private:
  Result<void> fill(std::size_t bytes);
  bool stop_at(Stop why, const char* problem);
  bool accept(const RecordView& record, std::size_t bytes);

  DiskFile& file_;
  const SegmentHeader header_;
  const RecordCodec codec_;
  SegmentSeals* const seals_;
  ScratchBytes opened_;
  std::vector<std::uint8_t> buffer_;
  std::size_t buffer_at_ = 0;  // offset in the segment of buffer_[0]
  std::size_t filled_ = 0;
  bool file_ended_ = false;
  std::size_t offset_;
  std::optional<std::size_t> group_begin_;
  RecordView record_;
  Stop stop_ = Stop::none;
  const char* problem_ = "";
};

/// Reads and checks a segment's header against its file's name and length. Errors: damaged, io_error.
Result<SegmentHeader> read_header(DiskFile& file, std::uint64_t number);

/// A damaged segment, told so that a person can act on it.
Error damage(std::uint64_t number, std::size_t offset, std::string_view what);

}  // namespace folkmoot
