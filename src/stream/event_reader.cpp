#include "stream/event_reader.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace folkmoot {
namespace {

constexpr std::size_t kSlackBytes = 4096;

void fail(StreamChunk& chunk, Error error, Sequence next) {
  chunk.error = std::move(error);
  chunk.next = next;
}

// Where one may go on behind a place that cannot be read: what the index leads to next.
Sequence behind(EventFile& file, std::uint64_t offset, Sequence from) {
  const auto index = file.index();
  if (!index) return file.end();
  for (const auto& entry : *index) {
    if (entry.offset > offset && entry.sequence > from) return entry.sequence;
  }
  return file.end();
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
      if (!record_.is_mark() && record_.sequence != expected_) {
        return fail(fmt::format("event {} stands where {} comes next", record_.sequence.value, expected_.value));
      }
      at_ += checked.bytes;
      if (record_.is_mark()) continue;
      ++expected_;
      return Found::event;
    }
  }

  /// Goes on at another place of what was read.
  void jump(Sequence sequence, std::uint64_t offset) {
    expected_ = sequence;
    at_ = offset - offset_;
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

void read_forwards(EventFile& file, const EventRange& range, StreamChunk& chunk) {
  const auto place = file.place_of(range.from);
  if (!place) return fail(chunk, place.error(), range.from + 1);
  const auto [sequence, offset] = *place;
  Stretch stretch(file, sequence, offset);
  const auto limit = file.records_end();
  auto want = range.bytes_max + kSlackBytes + (sequence == range.from ? 0 : kIndexStepBytes);
  Room room(range);
  for (;;) {
    const auto left = limit - stretch.offset();
    if (auto done = stretch.fill(static_cast<std::size_t>(std::min<std::uint64_t>(want, left))); !done)
      return fail(chunk, done.error(), range.from + 1);
    auto found = stretch.next(limit);
    for (; found == Stretch::Found::event; found = stretch.next(limit)) {
      const auto& record = stretch.record();
      if (record.sequence < range.from) continue;
      if (!room.takes(chunk, record)) {
        chunk.next = record.sequence;
        file.remember(record.sequence, record.offset);
        break;
      }
      if (chunk.events.empty()) chunk.memory = stretch.memory();
      chunk.events.push_back(event_of(record));
    }
    if (found == Stretch::Found::event) return;
    if (!chunk.events.empty()) {
      chunk.next = stretch.expected();
      if (found == Stretch::Found::more) file.remember(chunk.next, stretch.offset());
      return;
    }
    if (found == Stretch::Found::end) stretch.fail("the file ends before its last event");
    if (found != Stretch::Found::more || stretch.is_short()) {
      if (found == Stretch::Found::more) stretch.fail("the file ends within a record");
      return fail(chunk, stretch.problem(), behind(file, stretch.offset(), range.from));
    }
    want = std::max(want, stretch.wanted());
  }
}

void read_backwards(EventFile& file, const EventRange& range, StreamChunk& chunk) {
  const auto index = file.index();
  if (!index) return fail(chunk, index.error(), range.from.value == 0 ? Sequence{0} : Sequence{range.from.value - 1});
  const auto after = std::ranges::upper_bound(*index, range.from, {}, &IndexEntry::sequence);
  if (after == index->begin()) {
    return fail(chunk, event_damage(file.name(), kEventFileHeaderBytes, "its first events are gone"),
                Sequence{file.header().first.value - 1});
  }
  const auto last = static_cast<std::size_t>(after - index->begin()) - 1;
  const auto end = block_of(file, *index, last).limit;
  auto first = last;
  while (first > 0 && (*index)[first].sequence > range.lowest && end - (*index)[first].offset < range.bytes_max)
    --first;
  Stretch stretch(file, (*index)[first].sequence, (*index)[first].offset);
  const auto bytes = static_cast<std::size_t>(end - (*index)[first].offset);
  if (auto done = stretch.fill(bytes); !done) return fail(chunk, done.error(), Sequence{range.from.value - 1});
  chunk.memory = stretch.memory();
  Room room(range);
  auto next = range.from;
  for (auto number = last + 1; number-- > first;) {
    const auto block = block_of(file, *index, number);
    std::vector<EventRecord> records;
    stretch.jump(block.first, block.begin);
    auto found = stretch.next(block.limit);
    for (; found == Stretch::Found::event; found = stretch.next(block.limit)) records.push_back(stretch.record());
    if (found == Stretch::Found::more) stretch.fail("the file ends within a record");
    if (found == Stretch::Found::end && stretch.expected() < block.end) stretch.fail("the events behind are gone");
    if (stretch.expected() <= next) {  // what is to be read next cannot be
      if (chunk.events.empty()) return fail(chunk, stretch.problem(), Sequence{stretch.expected().value - 1});
      chunk.next = next;
      return;
    }
    for (auto record = records.rbegin(); record != records.rend(); ++record) {
      if (record->sequence > next) continue;
      if (record->sequence < range.lowest || !room.takes(chunk, *record)) {
        chunk.next = next;
        return;
      }
      chunk.events.push_back(event_of(*record));
      next = Sequence{record->sequence.value - 1};
    }
  }
  chunk.next = next;
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
