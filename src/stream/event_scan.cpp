#include "stream/event_scan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace folkmoot {
namespace {

class Scan {
 public:
  Scan(DiskFile& file, const EventFileHeader& header, std::uint64_t limit, std::uint64_t synced,
       const OnEventProblem& on_problem, const OnBytesRead& on_read)
      : scanner_(file, header, limit), limit_(limit), on_problem_(on_problem), on_read_(on_read) {
    found_.end = header.first;
    found_.records_end = kEventFileHeaderBytes;
    found_.synced = std::max<std::uint64_t>(kEventFileHeaderBytes, synced);
  }

  Result<EventScan> run() {
    for (;;) {
      const auto read = take_records();
      if (!read) return std::unexpected(read.error());
      const auto at = scanner_.offset();
      if (!tail_) {
        const auto tail = scanner_.examine(at);
        if (!tail) return std::unexpected(tail.error());
        tail_ = *tail;
      }
      if (on_read_) on_read_(limit_ - std::min(limit_, read_to_));
      read_to_ = limit_;
      const auto synced = std::max(tail_->synced, found_.synced);
      if (tail_->dirty_end <= at && synced <= at) return std::move(found_);
      if (synced <= at) {  // nothing behind was ever synced
        found_.torn_end = tail_->dirty_end;
        return std::move(found_);
      }
      problem(at, scanner_.problem() != nullptr ? scanner_.problem() : "the records are gone");
      // A mark that claims what is behind this place stands behind it.
      const auto mark = scanner_.find_mark(at + kEventAlign);
      if (!mark) return std::unexpected(mark.error());
      if (!*mark) return std::move(found_);
      scanner_.jump(**mark);
    }
  }

 private:
  Result<void> take_records() {
    for (;;) {
      const auto found = scanner_.next();
      if (!found) return std::unexpected(found.error());
      if (!*found) return {};
      take(scanner_.record());
      if (on_read_ && scanner_.offset() - std::min(scanner_.offset(), read_to_) >= kReportBytes) {
        on_read_(scanner_.offset() - read_to_);
        read_to_ = scanner_.offset();
      }
    }
  }

  void take(const EventRecord& record) {
    found_.records_end = record.end();
    if (record.is_mark()) {
      found_.synced = std::max(found_.synced, record.synced);
      return;
    }
    if (record.sequence != found_.end) {
      // Behind damage the events before are gone, which was told; else nobody has ever written this.
      if (!is_behind_damage_ || record.sequence < found_.end) {
        problem(record.offset,
                fmt::format("event {} stands where {} comes next", record.sequence.value, found_.end.value));
      }
      if (record.sequence < found_.end) return;
    }
    if (std::exchange(is_behind_damage_, false))
      found_.index.push_back({record.sequence, newest_before(), record.offset});
    add_to_index(found_.index, record.sequence, newest_before(), record.offset);
    found_.oldest = found_.events == 0 ? record.at : std::min(found_.oldest, record.at);
    found_.newest = found_.events == 0 ? record.at : std::max(found_.newest, record.at);
    found_.end = record.sequence + 1;
    ++found_.events;
  }

  Instant newest_before() const { return found_.events == 0 ? kNoTime : found_.newest; }

  void problem(std::uint64_t offset, std::string_view what) {
    is_behind_damage_ = true;
    ++found_.problems;
    if (on_problem_) on_problem_(offset, what);
  }

  static constexpr std::uint64_t kReportBytes = std::uint64_t{1} << 20;

  EventScanner scanner_;
  const std::uint64_t limit_;
  const OnEventProblem& on_problem_;
  const OnBytesRead& on_read_;
  EventScan found_;
  std::optional<EventScanner::Tail> tail_;
  std::uint64_t read_to_ = 0;
  bool is_behind_damage_ = false;
};

}  // namespace

void add_to_index(std::vector<IndexEntry>& index, Sequence sequence, Instant newest_before, std::uint64_t offset) {
  if (index.empty() || offset - index.back().offset >= kIndexStepBytes)
    index.push_back({sequence, newest_before, offset});
}

Result<EventScan> scan_events(DiskFile& file, const EventFileHeader& header, std::uint64_t limit, std::uint64_t synced,
                              const OnEventProblem& on_problem, const OnBytesRead& on_read) {
  return Scan(file, header, limit, synced, on_problem, on_read).run();
}

}  // namespace folkmoot
