#include "stream/event_reader.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kSlackBytes = 4096;

void fail(StreamChunk& chunk, Error error, Sequence next) {
  chunk.error = std::move(error);
  chunk.next = next;
}

// The first event behind a place that cannot be read, after the next good mark; nothing if there is none.
Result<std::optional<EventRecord>> event_behind(EventFile& file, std::uint64_t offset) {
  EventScanner scanner(file.file(), file.header(), file.records_end(), offset);
  for (auto from = offset + kEventAlign;;) {
    const auto mark = scanner.find_mark(from);
    if (!mark) return std::unexpected(mark.error());
    if (!*mark) return std::nullopt;
    scanner.jump(**mark);
    for (;;) {
      const auto found = scanner.next();
      if (!found) return std::unexpected(found.error());
      if (!*found) break;
      if (!scanner.record().is_mark()) return scanner.record();
    }
    from = **mark + kEventAlign;
  }
}

// Bytes of a file, and what of them has been read. Records are taken one by one, in the order of their sequences.
class Stretch {
 public:
  Stretch(EventFile& file, Sequence first, std::uint64_t offset) : file_(file), expected_(first), offset_(offset) {}

  /// Reads `bytes` from where it has come to. Errors: io_error.
  Result<void> fill(std::size_t bytes) {
    offset_ += at_;
    at_ = 0;
    size_ = 0;
    memory_ = std::make_shared_for_overwrite<std::uint8_t[]>(bytes);
    const auto got = file_.file().read(offset_, {memory_.get(), bytes});
    if (!got) return std::unexpected(got.error());
    size_ = *got;
    is_short_ = size_ < bytes;
    return {};
  }

  enum class Found { event, end, more, problem };
  /// `limit`: no record stands behind it.
  Found next(std::uint64_t limit) {
    for (;;) {
      if (offset() >= limit) return Found::end;
      const auto view = at_ < size_ ? Bytes(memory_.get() + at_, size_ - at_) : Bytes();
      const auto checked = file_.codec().check(view, offset(), limit - offset());
      if (checked.state == EventCodec::State::more) {
        wanted_ = checked.bytes;
        return Found::more;
      }
      if (checked.state != EventCodec::State::good)
        return fail(checked.state == EventCodec::State::zero ? "the record is gone" : checked.problem);
      record_ = EventCodec::view(view.data(), offset());
      if (expected_ == 0) expected_ = record_.sequence;  // 0 again, if it is a mark
      if (!record_.is_mark() && record_.sequence != expected_) {
        return fail(fmt::format("event {} stands where {} comes next", record_.sequence.value, expected_.value));
      }
      at_ += checked.bytes;
      if (record_.is_mark()) continue;
      ++expected_;
      return Found::event;
    }
  }

  /// Anew, from another place of the file.
  void begin(Sequence sequence, std::uint64_t offset) {
    expected_ = sequence;
    offset_ = offset;
    at_ = size_ = 0;
  }
  /// Goes on at another place of what was read.
  void jump(Sequence sequence, std::uint64_t offset) {
    expected_ = sequence;
    at_ = offset - offset_;
  }
  /// After a problem: goes on at the next good mark before `limit`, whatever event follows. False: there is none.
  bool skip(std::uint64_t limit) {
    for (auto at = at_ + kEventAlign; at < size_ && offset_ + at < limit; at += kEventAlign) {
      if (!file_.codec().find_mark({memory_.get() + at, size_ - at}, offset_ + at)) continue;
      at_ = at;
      expected_ = 0;
      return true;
    }
    return false;
  }

  const EventRecord& record() const { return record_; }
  Sequence expected() const { return expected_; }
  std::uint64_t offset() const { return offset_ + at_; }
  std::size_t wanted() const { return wanted_; }
  /// The file is shorter than it was.
  bool is_short() const { return is_short_; }
  Error problem() const { return event_damage(file_.name(), offset(), problem_); }
  Found fail(std::string problem) {
    problem_ = std::move(problem);
    return Found::problem;
  }
  std::shared_ptr<const std::uint8_t[]> memory() const { return memory_; }

 private:
  EventFile& file_;
  Sequence expected_;
  std::uint64_t offset_;  // in the file, of what was read
  std::size_t at_ = 0;    // in what was read
  std::size_t size_ = 0;
  std::size_t wanted_ = 0;
  bool is_short_ = false;
  std::shared_ptr<std::uint8_t[]> memory_;
  EventRecord record_;
  std::string problem_;
};

StreamEvent event_of(const EventRecord& record) { return {record.sequence, record.at, record.message}; }

// Whether one more event is too much. The first one never is.
class Room {
 public:
  explicit Room(const EventRange& range) : range_(range) {}
  bool takes(const StreamChunk& chunk, const EventRecord& record) {
    if (!chunk.events.empty() &&
        (chunk.events.size() >= range_.events_max || bytes_ + record.message.size() > range_.bytes_max))
      return false;
    bytes_ += record.message.size();
    return true;
  }

 private:
  const EventRange& range_;
  std::size_t bytes_ = 0;
};

// A block is what stands between two entries of the index.
struct Block {
  Sequence first = 0, end = 0;
  std::uint64_t begin = 0, limit = 0;
};

Block block_of(const EventFile& file, std::span<const IndexEntry> index, std::size_t number) {
  const bool is_last = number + 1 == index.size();
  return {.first = index[number].sequence,
          .end = is_last ? file.end() : index[number + 1].sequence,
          .begin = index[number].offset,
          .limit = is_last ? file.records_end() : index[number + 1].offset};
}

}  // namespace

namespace {

// Gives events of the stretch from `from` on. What ended it.
Stretch::Found give(EventFile& file, Stretch& stretch, const EventRange& range, Room& room, StreamChunk& chunk) {
  const auto limit = file.records_end();
  for (;;) {
    const auto found = stretch.next(limit);
    if (found != Stretch::Found::event) {
      chunk.next = stretch.expected();
      return found;
    }
    const auto& record = stretch.record();
    if (record.sequence < range.from) continue;
    if (!room.takes(chunk, record)) {
      chunk.next = record.sequence;
      file.remember(record.sequence, record.offset);
      return found;
    }
    if (chunk.events.empty()) chunk.memory = stretch.memory();
    chunk.events.push_back(event_of(record));
  }
}

}  // namespace

void read_forwards(EventFile& file, const EventRange& range, StreamChunk& chunk) {
  const auto place = file.place_of(range.from);
  if (!place) return fail(chunk, place.error(), range.from + 1);
  Stretch stretch(file, place->first, place->second);
  auto want = range.bytes_max + kSlackBytes + (place->first == range.from ? 0 : kIndexStepBytes);
  Room room(range);
  for (;;) {
    const auto left = file.records_end() - stretch.offset();
    if (auto done = stretch.fill(static_cast<std::size_t>(std::min<std::uint64_t>(want, left))); !done)
      return fail(chunk, done.error(), range.from + 1);
    const auto found = give(file, stretch, range, room, chunk);
    if (found == Stretch::Found::event) return;
    if (!chunk.events.empty()) {
      if (found == Stretch::Found::more) file.remember(chunk.next, stretch.offset());
      return;
    }
    if (found == Stretch::Found::more && !stretch.is_short()) {
      want = std::max(want, stretch.wanted());
      continue;
    }
    if (found == Stretch::Found::end) stretch.fail("the file ends before its last event");
    if (found == Stretch::Found::more) stretch.fail("the file ends within a record");
    const auto problem = stretch.problem();
    const auto behind = event_behind(file, stretch.offset());
    if (!behind) return fail(chunk, behind.error(), range.from + 1);
    if (!*behind || (*behind)->sequence > range.from) {
      const auto next = *behind ? (*behind)->sequence : file.end();
      return fail(chunk, problem, std::max(next, range.from + 1));
    }
    stretch.begin((*behind)->sequence, (*behind)->offset);  // what is damaged is not what is asked for
  }
}

namespace {

// The events of a block, as far as they can be read, and what is wrong between them.
struct ReadBlock {
  std::vector<EventRecord> records;
  struct Gap {
    Sequence first = 0;
    Error problem;
  };
  std::vector<Gap> gaps;

  ReadBlock(Stretch& stretch, const Block& block) {
    stretch.jump(block.first, block.begin);
    auto expected = block.first;
    for (;;) {
      const auto found = stretch.next(block.limit);
      if (found == Stretch::Found::event && stretch.record().sequence >= expected &&
          stretch.record().sequence < block.end) {
        records.push_back(stretch.record());
        expected = stretch.expected();
        continue;
      }
      if (found == Stretch::Found::end && expected == block.end) return;
      if (found == Stretch::Found::end) stretch.fail("events are gone");
      if (found == Stretch::Found::more) stretch.fail("the file ends within a record");
      if (found == Stretch::Found::event) stretch.fail("an event stands where others belong");
      gaps.push_back({expected, stretch.problem()});
      if (!stretch.skip(block.limit)) return;
    }
  }

  const Error& problem_before(Sequence sequence) const {
    FOLKMOOT_ASSERT(!gaps.empty());  // else all events of the block are there
    const auto behind = std::ranges::upper_bound(gaps, sequence, {}, &Gap::first);
    return behind == gaps.begin() ? gaps.front().problem : (behind - 1)->problem;
  }
};

}  // namespace

void read_backwards(EventFile& file, const EventRange& range, StreamChunk& chunk) {
  const auto before = [](Sequence sequence) { return Sequence{sequence.value - 1}; };
  const auto index = file.index();
  if (!index) return fail(chunk, index.error(), before(range.from));
  const auto after = std::ranges::upper_bound(*index, range.from, {}, &IndexEntry::sequence);
  if (after == index->begin()) {
    return fail(chunk, event_damage(file.name(), kEventFileHeaderBytes, "its first events are gone"),
                before(file.header().first));
  }
  const auto last = static_cast<std::size_t>(after - index->begin()) - 1;
  const auto end = block_of(file, *index, last).limit;
  auto first = last;
  while (first > 0 && (*index)[first].sequence > range.lowest && end - (*index)[first].offset < range.bytes_max)
    --first;
  Stretch stretch(file, (*index)[first].sequence, (*index)[first].offset);
  if (auto done = stretch.fill(static_cast<std::size_t>(end - (*index)[first].offset)); !done)
    return fail(chunk, done.error(), before(range.from));
  chunk.memory = stretch.memory();
  Room room(range);
  chunk.next = range.from;
  for (auto number = last + 1; number-- > first;) {
    const auto block = block_of(file, *index, number);
    const ReadBlock read(stretch, block);
    for (auto record = read.records.rbegin(); record != read.records.rend(); ++record) {
      if (record->sequence > chunk.next) continue;
      if (record->sequence < chunk.next) {  // what is next cannot be read
        if (chunk.events.empty()) fail(chunk, read.problem_before(chunk.next), record->sequence);
        return;
      }
      if (record->sequence < range.lowest || !room.takes(chunk, *record)) return;
      chunk.events.push_back(event_of(*record));
      chunk.next = before(record->sequence);
    }
    if (chunk.next < block.first) continue;
    if (chunk.events.empty()) fail(chunk, read.problem_before(chunk.next), before(block.first));
    return;
  }
}

Result<std::optional<Sequence>> find_event(EventFile& file, Instant time, TimeBound bound) {
  const auto index = file.index();
  if (!index) return std::unexpected(index.error());
  const auto is_it = [&](Instant at) { return bound == TimeBound::after ? at > time : at >= time; };
  // Before the first entry that comes after such an event.
  const auto behind =
      std::ranges::partition_point(*index, [&](const auto& entry) { return !is_it(entry.newest_before); });
  if (behind == index->begin()) return std::nullopt;
  EventScanner scanner(file.file(), file.header(), file.records_end(), (behind - 1)->offset);
  for (;;) {
    const auto found = scanner.next();
    if (!found) return std::unexpected(found.error());
    if (!*found) break;
    const auto& record = scanner.record();
    if (!record.is_mark() && is_it(record.at)) return record.sequence;
  }
  if (scanner.offset() >= file.records_end()) return std::nullopt;
  return std::unexpected(event_damage(file.name(), scanner.offset(),
                                      scanner.problem() != nullptr ? scanner.problem() : "the record is gone"));
}

}  // namespace folkmoot
