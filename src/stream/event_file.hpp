// One file of events: made, appended to, sealed with its index, opened again. Three words for how far an event is:
// appended (the operating system has it), stored (synced), sealed (its file has its index, and is not appended to).
//
// What a power failure may leave, and what opening makes of it:
//   1. a file being made            it has no file's name: removed by StreamFiles
//   2. a torn end                   no mark behind says that it was synced: cut by recover(), its bytes become zeros
//   3. an index half written        it does not check: the file counts as not sealed, and is scanned
//   4. an index not wholly removed  likewise; what is left of it is a torn end
//   5. records that are in the system's cache alone, after a failed sync: recover() writes what no mark calls synced
//      again
#pragma once

#include <memory>

#include "stream/event_scan.hpp"

namespace folkmoot {

class EventFile {
 public:
  /// A new, empty one, durably. Errors: disk_full, limit_reached, io_error.
  static Result<std::unique_ptr<EventFile>> create(Disk& disk, const EventFileHeader& header);
  /// Reads the trailer or, without one, all of it. Errors: damaged (the header, or the file's size), limit_reached,
  /// io_error.
  static Result<std::unique_ptr<EventFile>> open(Disk& disk, const EventFileName& name, Disk::Open how);

  const EventFileName& name() const { return name_; }
  const EventFileHeader& header() const { return header_; }
  const EventCodec& codec() const { return codec_; }
  DiskFile& file() { return *file_; }
  bool is_sealed() const { return is_sealed_; }
  /// It is not appended to, since some of it cannot be read.
  bool is_damaged() const { return problem_.has_value(); }
  /// The first thing that is wrong, if any is known of.
  const std::optional<Error>& problem() const { return problem_; }
  bool is_empty() const { return end_ == header_.first; }
  bool is_stored() const { return synced_ == records_end_; }
  Sequence end() const { return end_; }
  Instant newest() const { return newest_; }
  std::uint64_t records_end() const { return records_end_; }
  StreamFile summary() const;

  // -- writing
  /// Makes what was found relied upon: cuts a torn end, writes what may be in the cache alone again, and syncs. Not for
  /// a sealed file. How many bytes were cut. Errors: io_error.
  Result<std::uint64_t> recover();
  /// Whether a record of so many bytes still belongs here, if the file is to become about `target` bytes long.
  bool has_room(std::size_t record_bytes, std::uint64_t target) const {
    return is_empty() || records_end_ + kEventMarkBytes + record_bytes <= target;
  }
  /// Appends events that were laid out (lay_out_event()) one behind the other, from end() on. `step`: room is reserved
  /// so many bytes at a time. Requires: not sealed, not damaged. Errors: disk_full, limit_reached (nothing has changed:
  /// to be tried again), io_error.
  Result<void> append(std::span<std::uint8_t> events, std::uint64_t step);
  /// What was appended is stored. Errors: io_error: what is on the disk is not known any more.
  Result<void> sync();
  /// Errors: disk_full (to be tried again), io_error.
  Result<void> seal();
  /// It is appended to again. Requires: sealed. Errors: io_error.
  Result<void> unseal();

  // -- reading
  /// Errors: io_error.
  Result<std::span<const IndexEntry>> index();

  /// Where a reader has come to, so that who goes on there need not look for it.
  void remember(Sequence sequence, std::uint64_t offset);
  /// The nearest place at or before `sequence` that is known. Requires: first <= sequence < end. Errors: io_error.
  Result<std::pair<Sequence, std::uint64_t>> place_of(Sequence sequence);

 private:
  EventFile(EventFileName name, const EventFileHeader& header, std::unique_ptr<DiskFile> file)
      : name_(name), header_(header), codec_(header), file_(std::move(file)) {}

  Result<void> read_trailer();
  Result<void> scan();
  Result<void> load_index();
  Result<void> write_zeros(std::uint64_t begin, std::uint64_t end);

  struct Hint {
    Sequence sequence = 0;
    std::uint64_t offset = 0;
  };

  const EventFileName name_;
  const EventFileHeader header_;
  const EventCodec codec_;
  const std::unique_ptr<DiskFile> file_;
  std::uint64_t size_ = 0;  // of the file, which is longer than what it holds
  std::uint64_t records_end_ = kEventFileHeaderBytes;
  std::uint64_t synced_ = kEventFileHeaderBytes;
  std::uint64_t dirty_end_ = 0;  // offset behind what stands after records_end_ and is not zero
  Sequence end_ = 0;
  Instant oldest_ = 0, newest_ = 0;
  bool is_sealed_ = false;
  std::optional<Error> problem_;
  std::optional<IndexTrailer> trailer_;
  std::optional<std::vector<IndexEntry>> index_;  // nothing: not loaded yet
  std::array<Hint, 4> hints_{};
  std::size_t next_hint_ = 0;
};

}  // namespace folkmoot
