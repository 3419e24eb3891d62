// Opening and recovery. The rules, with what each of them answers, are in docs/journal.md, "Recovery".
#include <fmt/format.h>
#include <sys/random.h>

#include "base/assert.hpp"
#include "journal/journal.hpp"
#include "journal/tail.hpp"

namespace folkmoot {

namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 20;

Result<void> write_again(DiskFile& file, std::size_t from, std::size_t to) {
  std::vector<std::uint8_t> chunk;
  for (auto at = from; at < to; at += chunk.size()) {
    chunk.resize(std::min(kChunkBytes, to - at));
    if (const auto got = file.read(at, chunk); !got) return std::unexpected(got.error());
    const Bytes part = chunk;
    if (auto done = file.write(at, {&part, 1}); !done) return done;
  }
  return {};
}

Result<void> write_zeros(DiskFile& file, std::size_t from, std::size_t to) {
  const std::vector<std::uint8_t> zeros(std::min(kChunkBytes, to - from));
  for (auto at = from; at < to; at += zeros.size()) {
    const auto part = Bytes(zeros).first(std::min(zeros.size(), to - at));
    if (auto done = file.write(at, {&part, 1}); !done) return done;
  }
  return {};
}

/// The facts of a group whose last one was not read yet, copied: the scanner's bytes live for one record.
struct GroupSoFar {
  struct Fact {
    FactKind kind{};
    FactPlace place;
  };
  std::vector<Fact> facts;
  std::vector<std::uint8_t> bodies;  // one after the other; the scanner bounds them by group_bytes_max()

  void add(const RecordView& record) {
    facts.push_back({static_cast<FactKind>(record.kind), record.place()});
    bodies.insert(bodies.end(), record.body.begin(), record.body.end());
  }
  void clear() {
    facts.clear();
    bodies.clear();
  }
};

}  // namespace

/// What is known while the log is read.
struct Journal::Recovery {
  RecoveryReport report;
  Lsn synced = 0;            // the furthest that a mark met so far claims
  std::uint64_t oldest = 1;  // as the last mark says
  std::size_t end_offset = 0;
  std::size_t seal_bytes = 0;  // of each fact of the segment that is being read
  Tail tail;
  GroupSoFar group;
};

Result<std::unique_ptr<Journal>> Journal::open(Disk& disk, const JournalOptions& options) {
  if (options.segment_bytes < kSegmentBytesMin || options.segment_bytes > kSegmentBytesMax ||
      options.segment_bytes % kSegmentBytesUnit != 0) {
    return failure(ErrorCode::invalid_field,
                   fmt::format("journal segments of {} bytes are not possible: it must be a multiple "
                               "of {} from {} to {}",
                               options.segment_bytes, kSegmentBytesUnit, kSegmentBytesMin, kSegmentBytesMax));
  }
  std::unique_ptr<Journal> journal(new Journal(disk, options));
  const auto names = disk.list();
  if (!names) return std::unexpected(names.error());
  std::vector<std::uint64_t> numbers;
  bool has_begun = false;
  for (const auto& name : *names) {
    if (const auto number = segment_number(name)) numbers.push_back(*number);
    has_begun = has_begun || name == kNewSegmentName;
  }
  std::ranges::sort(numbers);
  const bool is_new = numbers.empty();
  if (auto done = journal->set_seal(); !done) return std::unexpected(done.error());
  if (!is_new) {
    if (auto done = journal->find_segments(std::move(numbers)); !done) return std::unexpected(done.error());
  }
  if (has_begun) {
    if (auto done = disk.remove(kNewSegmentName); !done) return std::unexpected(done.error());
  }
  if (is_new) {
    if (auto done = journal->create(); !done) return std::unexpected(done.error());
  }
  return journal;
}

Result<void> Journal::create() {
  if (options_.id)
    id_ = *options_.id;
  else if (::getentropy(id_.data(), id_.size()) != 0) {
    return failure(ErrorCode::io_error, "the operating system gave no random bytes for the journal's id");
  }
  segment_bytes_ = options_.segment_bytes;
  maker_.set_shape(id_, segment_bytes_, new_seal_);
  const auto made = maker_.prepare(1);
  if (!made) return std::unexpected(made.error());
  if (!*made) {
    return failure(
        ErrorCode::disk_full,
        fmt::format("no room for the journal's first segment of {} bytes: {}", segment_bytes_, maker_.refusal()),
        "make room for it, or set journal.segment_bytes lower");
  }
  auto first = maker_.take(1);
  segments_.push_back({1, std::move(first.file), 0, kSegmentHeaderBytes, first.seal});
  return {};
}

Result<void> Journal::find_segments(std::vector<std::uint64_t> numbers) {
  for (const auto number : numbers) {
    if (!segments_.empty() && number != segments_.back().number + 1) {
      return std::unexpected(damage(segments_.back().number + 1, 0, "the segment is missing"));
    }
    auto file = disk_.open(segment_name(number), Disk::Open::existing);
    if (!file) return std::unexpected(file.error());
    const auto header = read_header(**file, number);
    if (!header) return std::unexpected(header.error());
    if (segments_.empty()) {
      id_ = header->id;
      segment_bytes_ = header->segment_bytes;
    } else if (header->id != id_ || header->segment_bytes != segment_bytes_) {
      return std::unexpected(damage(number, 16, "the segment belongs to another journal"));
    }
    if (auto missing = missing_key(*header, options_.keys.get())) return std::unexpected(*std::move(missing));
    segments_.push_back({number, std::move(*file), 0, kSegmentHeaderBytes, header->seal});
  }
  maker_.set_shape(id_, segment_bytes_, new_seal_);
  return {};
}

Result<RecoveryReport> Journal::recover(const Apply& apply) {
  FOLKMOOT_ASSERT(end_ == 0 && !segments_.empty());
  codec_.emplace(id_);
  Recovery recovery;
  std::size_t index = 0;
  for (;; ++index) {
    const auto closed = replay_segment(recovery, index, apply);
    if (!closed) return std::unexpected(closed.error());
    if (!*closed) break;
  }
  if (segments_.front().number > recovery.oldest) {
    return std::unexpected(damage(recovery.oldest, 0, "the segment is missing"));
  }
  // Nothing was changed up to here.
  maker_.set_oldest(segments_.front().number);
  if (auto done = adopt_spares(index + 1); !done) return std::unexpected(*(failed_ = done.error()));
  if (auto done = settle_tail(recovery); !done) return std::unexpected(*(failed_ = done.error()));
  end_ = begin_of(segments_.back().number) + recovery.end_offset;
  durable_end_ = written_end_ = synced_end_ = end_;
  fill_bytes_ = segment_bytes_;
  if (recovery.report.clean_stop) clean_end_ = end_;
  recovery.report.segments = segments_.size();
  for (const auto& segment : segments_) recovery.report.foreign_segments += is_foreign(segment);
  if (auto done = leave_foreign_segment(); !done) return std::unexpected(*(failed_ = done.error()));
  return recovery.report;
}

// True when the segment is closed, and the log goes on in the next.
Result<bool> Journal::replay_segment(Recovery& recovery, std::size_t index, const Apply& apply) {
  auto& segment = segments_[index];
  SegmentScanner scanner(*segment.file, header_of(segment), kSegmentHeaderBytes, seals());
  recovery.seal_bytes = segment.seal ? kSealBytes : 0;
  auto& report = recovery.report;
  bool closed = false;
  while (!closed) {
    const auto found = scanner.next();
    if (!found) return std::unexpected(found.error());
    if (!*found) break;
    const auto& record = scanner.record();
    report.clean_stop = record.is(MarkKind::clean_stop);
    if (record.is_mark()) {
      const auto mark = read_mark(record);
      recovery.synced = std::max(recovery.synced, mark.synced);
      recovery.oldest = mark.oldest;
      closed = record.is(MarkKind::segment_end);
      continue;
    }
    if (auto done = replay_fact(recovery, record, apply); !done) return std::unexpected(done.error());
  }
  segment.used_bytes = scanner.whole_offset();
  if (!closed) {
    if (auto done = check_end(recovery, index, scanner); !done) return std::unexpected(done.error());
    return false;
  }
  const auto tail = examine_tail(scanner, scanner.offset());
  if (!tail) return std::unexpected(tail.error());
  if (tail->dirty()) {
    return std::unexpected(damage(segment.number, tail->first_dirty, "there are bytes after the segment's end"));
  }
  if (index + 1 == segments_.size()) return std::unexpected(damage(segment.number + 1, 0, "the segment is missing"));
  return true;
}

// A fact that another one follows in its group waits for the group's last.
Result<void> Journal::replay_fact(Recovery& recovery, const RecordView& record, const Apply& apply) {
  auto& group = recovery.group;
  if (record.linked) {
    group.add(record);
    return {};
  }
  const auto apply_one = [&](FactKind kind, FactPlace place, Bytes body) {
    ++recovery.report.facts;
    recovery.report.bytes += record_bytes(body.size() + recovery.seal_bytes);
    return apply(kind, place, body);
  };
  Bytes bodies = group.bodies;
  for (const auto& [kind, place] : group.facts) {
    if (auto done = apply_one(kind, place, bodies.first(place.bytes)); !done) return done;
    bodies = bodies.subspan(place.bytes);
  }
  group.clear();
  return apply_one(static_cast<FactKind>(record.kind), record.place(), record.body);
}

// Whether the log may end at the first record that is not good, or before the group that it belongs to: yes, unless
// anything behind shows that the place was synced.
Result<void> Journal::check_end(Recovery& recovery, std::size_t index, SegmentScanner& scanner) {
  const auto& segment = segments_[index];
  const auto offset = scanner.whole_offset();
  const auto damaged = damage(segment.number, scanner.offset(), scanner.problem());
  if (scanner.is_never_torn()) return std::unexpected(damaged);
  const auto tail = examine_tail(scanner, offset);
  if (!tail) return std::unexpected(tail.error());
  if (std::max(tail->synced, recovery.synced) > header_of(segment).begin() + offset) return std::unexpected(damaged);
  for (auto later = index + 1; later < segments_.size(); ++later) {
    SegmentScanner spare(*segments_[later].file, header_of(segments_[later]));
    const auto rest = examine_tail(spare, kSegmentHeaderBytes);
    if (!rest) return std::unexpected(rest.error());
    if (!rest->dirty()) continue;
    // A segment gets its first byte when the one before it is synced to its end mark: either that one lost something,
    // or what stands here is no journal's.
    if (rest->synced > 0 || tail->dirty()) return std::unexpected(damaged);
    return std::unexpected(
        damage(segments_[later].number, rest->first_dirty, "there are bytes in a segment that was not begun"));
  }
  recovery.end_offset = offset;
  recovery.tail = *tail;
  recovery.report.cut_bytes = tail->dirty() ? tail->dirty_end - offset : 0;
  if (tail->dirty()) {
    recovery.report.cut_segment = segment.number;
    recovery.report.cut_offset = offset;
    recovery.report.clean_stop = false;
  }
  return {};
}

Result<void> Journal::settle_tail(const Recovery& recovery) {
  // What no mark calls synced may stand in the system's cache alone, if the last server stopped because a sync failed:
  // then the pages count as clean although the disk has not got them. Written again, they are dirty again. That is the
  // end of the last segment or, when the server stopped between two, of the one before.
  for (const auto& segment : segments_) {
    const auto begin = header_of(segment).begin();
    if (recovery.report.clean_stop || begin + segment.used_bytes <= recovery.synced) continue;
    const auto from = std::max<std::size_t>(kSegmentHeaderBytes, recovery.synced > begin ? recovery.synced - begin : 0);
    if (auto done = write_again(*segment.file, from, segment.used_bytes); !done) return done;
    if (auto done = segment.file->sync(); !done) return done;
  }
  // A torn tail becomes zeros before anything is appended: nothing of it can ever be taken for a record again.
  auto& last = *segments_.back().file;
  if (auto done = write_zeros(last, recovery.end_offset, std::max(recovery.end_offset, recovery.tail.dirty_end)); !done)
    return done;
  if (auto done = last.sync(); !done) return done;
  return disk_.sync_folder();
}

}  // namespace folkmoot
