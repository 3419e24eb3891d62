#include "journal/segment_scanner.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace folkmoot {
namespace {
constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
}

SegmentScanner::SegmentScanner(DiskFile& file, const SegmentHeader& header, std::size_t offset, SegmentSeals* seals)
    : file_(file),
      header_(header),
      codec_(header.id),
      seals_(header.seal ? seals : nullptr),
      buffer_at_(offset),
      offset_(offset) {}

Result<bool> SegmentScanner::next() {
  if (stop_ != Stop::none) return false;
  for (std::size_t want = record_bytes(0);;) {
    const auto view = peek(offset_, want);
    if (!view) return std::unexpected(view.error());
    const auto lsn = header_.begin() + offset_;
    const auto checked = codec_.check(*view, lsn, header_.segment_bytes - offset_);
    switch (checked.state) {
      case RecordCodec::State::good:
        return accept(view_record(view->data(), lsn), checked.bytes);
      case RecordCodec::State::zero:
        return stop_at(Stop::zeros, "the record is gone");
      case RecordCodec::State::bad:
        return stop_at(Stop::bad, checked.problem);
      case RecordCodec::State::more:
        if (view->size() >= checked.bytes || file_ended_) return stop_at(Stop::bad, "the file ends within a record");
        want = checked.bytes;
    }
  }
}

bool SegmentScanner::stop_at(Stop why, const char* problem) {
  stop_ = why;
  problem_ = problem;
  return false;
}

bool SegmentScanner::accept(const RecordView& record, std::size_t bytes) {
  const auto begin = whole_offset();
  if (begin != offset_ && record.is_mark()) return stop_at(Stop::misplaced, "a mark stands within a group of facts");
  if ((begin != offset_ || record.linked) && offset_ + bytes - begin > group_bytes_max(header_.segment_bytes)) {
    return stop_at(Stop::misplaced, "the group of facts is longer than any may be");
  }
  const auto last_begin = header_.segment_bytes - kMarkBytes;  // of an end mark, for which there is always room
  if (offset_ + bytes > last_begin && !record.is(MarkKind::segment_end)) {
    return stop_at(Stop::misplaced, "a record stands where there is room for the segment's end mark alone");
  }
  record_ = record;
  if (seals_ != nullptr && !record.is_mark()) {
    const auto body = seals_->open(header_, record, opened_);
    if (!body) return stop_at(Stop::broken_seal, kBrokenSeal);
    record_.body = *body;
  }
  group_begin_ = record.linked ? std::optional(begin) : std::nullopt;
  offset_ += bytes;
  return true;
}

void SegmentScanner::jump(std::size_t offset) {
  group_begin_.reset();
  offset_ = offset;
  stop_ = Stop::none;
}

Result<Bytes> SegmentScanner::peek(std::size_t offset, std::size_t bytes) {
  const bool at_hand = offset >= buffer_at_ && offset <= buffer_at_ + filled_;
  if (!at_hand || buffer_at_ + filled_ - offset < bytes) {
    // What is left of the buffer moves to its front, and the file's next bytes follow it.
    const std::size_t kept = at_hand ? buffer_at_ + filled_ - offset : 0;
    if (kept > 0) std::memmove(buffer_.data(), buffer_.data() + (offset - buffer_at_), kept);
    buffer_at_ = offset;
    filled_ = kept;
    if (auto done = fill(bytes); !done) return std::unexpected(done.error());
  }
  return Bytes(buffer_).subspan(offset - buffer_at_, buffer_at_ + filled_ - offset);
}

Result<void> SegmentScanner::fill(std::size_t bytes) {
  const auto left = header_.segment_bytes - buffer_at_;
  const auto size = std::min(std::max(kBufferBytes, bytes), std::max(left, filled_));
  if (buffer_.size() < size) buffer_.resize(size);
  const auto into = std::span(buffer_).first(std::max(size, filled_)).subspan(filled_);
  const auto got = file_.read(buffer_at_ + filled_, into);
  if (!got) return std::unexpected(got.error());
  file_ended_ = *got < into.size() || buffer_at_ + filled_ + *got >= header_.segment_bytes;
  filled_ += *got;
  return {};
}

Result<SegmentHeader> read_header(DiskFile& file, std::uint64_t number) {
  std::array<std::uint8_t, kSegmentHeaderBytes> bytes{};
  const auto got = file.read(0, bytes);
  if (!got) return std::unexpected(got.error());
  auto header = decode_header(Bytes(bytes).first(*got));
  if (!header) return std::unexpected(damage(number, 0, header.error().text));
  if (header->number != number) {
    return std::unexpected(damage(number, 32, fmt::format("its header says that it is segment {}", header->number)));
  }
  const auto size = file.size();
  if (!size) return std::unexpected(size.error());
  if (*size != header->segment_bytes) {
    return std::unexpected(damage(number, std::min<std::size_t>(*size, header->segment_bytes),
                                  fmt::format("the file is {} bytes long, not {}", *size, header->segment_bytes)));
  }
  return header;
}

Error damage(std::uint64_t number, std::size_t offset, std::string_view what) {
  return {ErrorCode::damaged,
          fmt::format("journal segment {} ({}), offset {}: {}; nothing was changed", number, segment_name(number),
                      offset, what),
          "`folkmoot journal verify DIR` tells everything that is wrong; restore the data folder from a copy"};
}

}  // namespace folkmoot
