#include "journal/segment_maker.hpp"

#include <fmt/format.h>

namespace folkmoot {

Result<bool> SegmentMaker::prepare(std::uint64_t number) {
  if (number <= ready_up_to_) return true;
  const std::lock_guard lock(mutex_);
  if (number <= ready_up_to_) return true;
  if (full_ && !retry_due()) return false;
  const auto bytes_max = bytes_max_.load();
  if (bytes_max != 0 && (number - oldest_ + 1) * shape_.segment_bytes > bytes_max) {
    return refuse(fmt::format("it may take {} bytes", bytes_max));
  }
  if (number >= segments_max(shape_.segment_bytes))
    return refuse("it has come to the end of its numbers: move to a new data folder");
  auto file = make(number);
  if (!file && (file.error().code == ErrorCode::disk_full || file.error().code == ErrorCode::limit_reached)) {
    // What was begun takes room that settling may need. If it cannot be removed either, the next try overwrites it.
    (void)disk_.remove(kNewSegmentName);
    return refuse(std::move(file.error().text));
  }
  if (!file) return std::unexpected(file.error());
  ready_.emplace(number, Made{std::move(*file), shape_.seal});
  ready_up_to_ = number;
  full_ = false;
  return true;
}

void SegmentMaker::note_full(std::string why) {
  const std::lock_guard lock(mutex_);
  refuse(std::move(why));
}

std::string SegmentMaker::refusal() {
  const std::lock_guard lock(mutex_);
  return refusal_;
}

bool SegmentMaker::refuse(std::string why) {
  refusal_ = std::move(why);
  refused_ms_ = now_ms_.load();
  full_ = true;
  return false;
}

Result<std::unique_ptr<DiskFile>> SegmentMaker::make(std::uint64_t number) {
  auto file = disk_.open(kNewSegmentName, Disk::Open::create_empty);
  if (!file) return file;
  auto header = shape_;
  header.number = number;
  const auto bytes = encode_header(header);
  const Bytes part = bytes;
  Result<void> done = (*file)->preallocate(shape_.segment_bytes);
  if (done) done = (*file)->write(0, {&part, 1});
  if (done) done = (*file)->sync();
  if (done) done = disk_.rename(kNewSegmentName, segment_name(number));
  if (done) done = disk_.sync_folder();
  if (!done) return std::unexpected(done.error());
  file->reset();                                                  // its descriptor may be the last
  return disk_.open(segment_name(number), Disk::Open::existing);  // under its own name, which errors will tell
}

SegmentMaker::Made SegmentMaker::take(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  auto node = ready_.extract(number);
  return node ? std::move(node.mapped()) : Made{};
}

void SegmentMaker::adopt(std::uint64_t number, Made made) {
  const std::lock_guard lock(mutex_);
  ready_.emplace(number, std::move(made));
  ready_up_to_ = number;
}

void SegmentMaker::set_oldest(std::uint64_t number) {
  oldest_ = number;
  refused_ms_ = now_ms_ - kRetryMs;
}

}  // namespace folkmoot
