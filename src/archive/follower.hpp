// Reads a journal from a position on, while it is being written: whole records of what is durable, and nothing else.
#pragma once

#include <functional>
#include <memory>

#include "journal/segment_scanner.hpp"

namespace folkmoot {

class Follower {
 public:
  using Take = std::function<Result<void>(const RecordView&)>;

  /// `position`: where a record begins, or a segment. `keys`: of sealed segments; null: there are none. `folder`
  /// outlives it.
  Follower(Disk& folder, std::size_t segment_bytes, Lsn position, std::shared_ptr<const JournalKeys> keys)
      : folder_(folder), segment_bytes_(segment_bytes), position_(position), keys_(std::move(keys)) {
    if (keys_) seals_.emplace(keys_);
  }

  Lsn position() const { return position_; }
  /// Goes on from there, where a segment begins.
  void jump(Lsn position) { position_ = position; }

  /// Which journal it is. Errors: io_error, damaged.
  Result<JournalId> journal();

  /// Hands the facts from position() to `end` over, until about `budget` bytes were read, and ends between two groups.
  /// `end`: the journal's durable end. What `take` refuses, with all of its call, is read again next time. Errors:
  /// io_error (a segment is gone, too), damaged, those of `take`.
  Result<void> follow(Lsn end, std::size_t budget, const Take& take);

 private:
  Result<void> open(std::uint64_t number);

  Disk& folder_;
  const std::size_t segment_bytes_;
  Lsn position_;
  const std::shared_ptr<const JournalKeys> keys_;
  std::optional<SegmentSeals> seals_;
  std::unique_ptr<DiskFile> file_;  // of the segment `header_` is of
  SegmentHeader header_;
};

}  // namespace folkmoot
