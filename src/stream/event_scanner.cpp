#include "stream/event_scanner.hpp"

#include <algorithm>

#include "base/zeros.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{256} << 10;
constexpr std::size_t kStepBytes = 4096;  // most of a tail is zeros: a step of them costs one comparison

}  // namespace

EventScanner::EventScanner(DiskFile& file, const EventFileHeader& header, std::uint64_t limit, std::uint64_t offset)
    : file_(file), codec_(header), limit_(limit), buffer_at_(offset), offset_(offset) {}

Result<bool> EventScanner::next() {
  problem_ = nullptr;
  for (std::size_t want = kEventHeaderBytes;;) {
    const auto view = peek(offset_, want);
    if (!view) return std::unexpected(view.error());
    const auto checked = codec_.check(*view, offset_, limit_ - std::min(offset_, limit_));
    switch (checked.state) {
      case EventCodec::State::good:
        record_ = EventCodec::view(view->data(), offset_);
        offset_ += record_.bytes;
        return true;
      case EventCodec::State::zero:
        return false;
      case EventCodec::State::bad:
        problem_ = checked.problem;
        return false;
      case EventCodec::State::more:
        if (view->size() >= checked.bytes || want >= checked.bytes) {
          problem_ = "the file ends within a record";
          return false;
        }
        want = checked.bytes;
    }
  }
}

void EventScanner::jump(std::uint64_t offset) {
  offset_ = offset;
  problem_ = nullptr;
}

Result<Bytes> EventScanner::peek(std::uint64_t offset, std::size_t bytes) {
  const bool at_hand = offset >= buffer_at_ && offset <= buffer_at_ + filled_;
  if (!at_hand || buffer_at_ + filled_ - offset < bytes) {
    // What is left of the buffer moves to its front, and the file's next bytes follow it.
    const std::size_t kept = at_hand ? buffer_at_ + filled_ - offset : 0;
    if (kept > 0) std::memmove(buffer_.data(), buffer_.data() + (offset - buffer_at_), kept);
    buffer_at_ = offset;
    filled_ = kept;
    const auto left = std::max<std::uint64_t>(limit_ - std::min(offset, limit_), kept);
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(std::max(kBufferBytes, bytes), left));
    if (buffer_.size() < size) buffer_.resize(size);
    const auto got = file_.read(buffer_at_ + filled_, std::span(buffer_).first(size).subspan(kept));
    if (!got) return std::unexpected(got.error());
    filled_ += *got;
  }
  return Bytes(buffer_).first(filled_).subspan(offset - buffer_at_);
}

Result<std::optional<std::uint64_t>> EventScanner::find_mark(std::uint64_t offset) {
  for (auto at = round_up(offset, kEventAlign); at + kEventMarkBytes <= limit_; at += kStepBytes) {
    const auto view = peek(at, kStepBytes + kEventMarkBytes);
    if (!view) return std::unexpected(view.error());
    const auto step = view->first(std::min(kStepBytes, view->size()));
    if (all_zero(step)) continue;
    for (std::size_t i = 0; i < step.size(); i += kEventAlign) {
      if (codec_.find_mark(view->subspan(i), at + i)) return at + i;
    }
  }
  return std::nullopt;
}

Result<EventScanner::Tail> EventScanner::examine(std::uint64_t offset) {
  Tail tail;
  for (auto at = offset; at < limit_; at += kStepBytes) {
    const auto view = peek(at, kStepBytes + kEventMarkBytes);  // a mark that begins in this step may end in the next
    if (!view) return std::unexpected(view.error());
    const auto step = view->first(std::min(kStepBytes, view->size()));
    if (all_zero(step)) continue;
    const auto differs = [](auto byte) { return byte != 0; };
    if (tail.dirty_end == 0)
      tail.first_dirty = at + static_cast<std::uint64_t>(std::ranges::find_if(step, differs) - step.begin());
    tail.dirty_end = at + static_cast<std::uint64_t>(step.rend() - std::find_if(step.rbegin(), step.rend(), differs));
    for (std::size_t i = 0; i < step.size(); i += kEventAlign) {
      if (const auto mark = codec_.find_mark(view->subspan(i), at + i))
        tail.synced = std::max(tail.synced, mark->synced);
    }
  }
  return tail;
}

}  // namespace folkmoot
