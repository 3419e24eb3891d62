// Reads the records of one file of events in order, through a buffer that moves along the file: no allocation a record.
// Used by recovery, verify and whoever lacks an index, so that all of them see the same file.
#pragma once

#include <vector>

#include "journal/disk.hpp"
#include "stream/format.hpp"

namespace folkmoot {

class EventScanner {
 public:
  /// Records stand below `limit`. The file must outlive the scanner.
  EventScanner(DiskFile& file, const EventFileHeader& header, std::uint64_t limit,
               std::uint64_t offset = kEventFileHeaderBytes);

  /// Moves to the next record; false at the first place without a good one. Errors: io_error.
  Result<bool> next();
  /// The record that next() found; its bytes live until the next call that is not const.
  const EventRecord& record() const { return record_; }
  /// Offset of the record that comes next, or where there is none.
  std::uint64_t offset() const { return offset_; }
  /// What is wrong there, when next() said false; nothing if there are only zeros in the record's place.
  const char* problem() const { return problem_; }

  /// Goes on at another place.
  void jump(std::uint64_t offset);
  /// The first good mark from `offset` on; nothing if there is none. Errors: io_error.
  Result<std::optional<std::uint64_t>> find_mark(std::uint64_t offset);

  /// What stands from an offset on, after which no record is known to be good.
  struct Tail {
    std::uint64_t first_dirty = 0;  // offset of the first byte that is not zero
    std::uint64_t dirty_end = 0;    // offset behind the last one; 0: all are zeros
    std::uint64_t synced = 0;       // the furthest that any good mark there claims; 0: there is none
  };
  /// Looks at everything up to the limit. Errors: io_error.
  Result<Tail> examine(std::uint64_t offset);

 private:
  // The bytes at `offset` that are at hand, at least `bytes` unless the file ends. Errors: io_error.
  Result<Bytes> peek(std::uint64_t offset, std::size_t bytes);

  DiskFile& file_;
  const EventCodec codec_;
  const std::uint64_t limit_;
  std::vector<std::uint8_t> buffer_;
  std::uint64_t buffer_at_ = 0;  // offset in the file of buffer_[0]
  std::size_t filled_ = 0;
  std::uint64_t offset_;
  EventRecord record_;
  const char* problem_ = nullptr;
};

}  // namespace folkmoot
