#include "journal/tail.hpp"

#include <algorithm>

#include "base/zeros.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kStepBytes = 4096;  // most of a tail is zeros: a step of them costs one comparison

}  // namespace

Result<Tail> examine_tail(SegmentScanner& scanner, std::size_t offset) {
  const auto& header = scanner.header();
  const RecordCodec codec(header.id);
  Tail tail;
  for (std::size_t at = offset; at < header.segment_bytes; at += kStepBytes) {
    // A mark that begins in this step may end in the next.
    const auto view = scanner.peek(at, std::min(kStepBytes + kMarkBytes, header.segment_bytes - at));
    if (!view) return std::unexpected(view.error());
    const auto step = view->first(std::min(kStepBytes, view->size()));
    if (all_zero(step)) continue;
    const auto differs = [](auto byte) { return byte != 0; };
    if (!tail.dirty())
      tail.first_dirty = at + static_cast<std::size_t>(std::ranges::find_if(step, differs) - step.begin());
    const auto last = std::find_if(step.rbegin(), step.rend(), differs);
    tail.dirty_end = at + static_cast<std::size_t>(step.rend() - last);
    for (std::size_t i = 0; i < step.size(); i += kRecordAlign) {
      if (const auto mark = codec.find_mark(view->subspan(i), header.begin() + at + i)) {
        tail.synced = std::max(tail.synced, mark->synced);
      }
    }
  }
  return tail;
}

}  // namespace folkmoot
