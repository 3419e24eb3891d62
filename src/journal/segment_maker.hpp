// Makes the next segment before it is needed, and knows when there is no room for one. A segment gets its name only
// when its room and its header are durable, so a file with a segment's name is always whole.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "journal/disk.hpp"
#include "journal/format.hpp"

namespace folkmoot {

class SegmentMaker {
 public:
  /// `bytes_max`: the journal never takes more than this in all; 0: no limit of its own.
  SegmentMaker(Disk& disk, std::uint64_t bytes_max) : disk_(disk), bytes_max_(bytes_max) {}

  /// Before the first use.
  void set_shape(const JournalId& id, std::size_t segment_bytes, const std::optional<SegmentSeal>& seal) {
    shape_ = {id, 0, segment_bytes, seal};
  }

  /// Sees to it that segment `number` is there; false when there is no room for it: refusal() says why. Asked again
  /// within a second of a refusal it does not try. Any thread; takes milliseconds when there is something to do.
  /// Errors: io_error, fatal.
  Result<bool> prepare(std::uint64_t number);
  struct Made {
    std::unique_ptr<DiskFile> file;
    std::optional<SegmentSeal> seal{};
  };
  /// Hands a prepared segment over; without a file if there is none.
  Made take(std::uint64_t number);
  /// A segment that recovery found ready for use.
  void adopt(std::uint64_t number, Made made);

  /// The time, for retries, as the owner last heard it.
  void set_now(std::int64_t now_ms) { now_ms_ = now_ms; }
  std::int64_t now() const { return now_ms_; }
  /// From now on; what there is stays.
  void set_bytes_max(std::uint64_t bytes_max) { bytes_max_ = bytes_max; }
  /// The lowest segment that is still there; room may have come back.
  void set_oldest(std::uint64_t number);
  /// A write into room that had been allocated was refused all the same (file systems that copy on write).
  void note_full(std::string why);
  bool full() const { return full_; }
  /// The segment is not there, and there was no room for one when it was last tried.
  bool has_refused(std::uint64_t number) const { return number > ready_up_to_ && full_; }
  /// Why there was no room the last time there was none.
  std::string refusal();
  bool retry_due() const { return full_ && now_ms_ - refused_ms_ >= kRetryMs; }

  static constexpr std::int64_t kRetryMs = 1000;

 private:
  Result<std::unique_ptr<DiskFile>> make(std::uint64_t number);
  bool refuse(std::string why);

  Disk& disk_;
  std::atomic<std::uint64_t> bytes_max_;
  SegmentHeader shape_;  // constant once set
  std::atomic<std::int64_t> now_ms_ = 0;
  std::atomic<std::int64_t> refused_ms_ = 0;
  std::atomic<std::uint64_t> oldest_ = 1;
  std::atomic<bool> full_ = false;
  std::atomic<std::uint64_t> ready_up_to_ = 0;  // all segments to this one are made: spares the lock
  std::mutex mutex_;                            // guards what follows, and the making
  std::map<std::uint64_t, Made> ready_;
  std::string refusal_;
};

}  // namespace folkmoot
