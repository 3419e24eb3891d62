#include "journal/verify.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "journal/folder_lock.hpp"
#include "journal/tail.hpp"

namespace folkmoot {
namespace {

struct OpenSegment {
  std::uint64_t number = 0;
  std::unique_ptr<DiskFile> file;
  bool begun = false;                 // something stands behind its header
  std::optional<SegmentSeal> seal{};  // as far as its header can be read
};

struct CountedFact {
  std::uint8_t kind = 0;
  Lsn lsn = 0;
  std::size_t bytes = 0;  // of the record
  std::string body{};     // kept if somebody wants to see it
};

class Verifier {
 public:
  Verifier(Disk& disk, const KeysGiven& keys, EachFact each, OnRead on_read)
      : disk_(disk), each_(std::move(each)), on_read_(std::move(on_read)) {
    if (keys) seals_.emplace(keys);
  }
  Result<JournalInfo> run();

 private:
  Result<void> open_segments();
  Result<void> find_begun();
  Result<void> read_segment(std::size_t index);
  void count(const RecordView& record, std::size_t bytes, SegmentInfo& segment);
  void count_group(SegmentInfo& segment);
  Result<bool> stopped_early(SegmentScanner& scanner, bool last, std::optional<Tail>& tail);
  Result<bool> jump_behind(SegmentScanner& scanner, std::size_t bad);
  Result<std::size_t> find_next(SegmentScanner& scanner, std::size_t bad);
  void report(std::uint64_t segment, std::size_t offset, std::string what);

  bool can_open(const OpenSegment& segment) const {
    return !segment.seal || (seals_ && seals_->can_open(header_of(segment)));
  }
  SegmentHeader header_of(const OpenSegment& segment) const {
    return {info_.id, segment.number, info_.segment_bytes, segment.seal};
  }

  Disk& disk_;
  const EachFact each_;
  bool tells_ = false;  // what is in facts to each_
  const OnRead on_read_;
  std::optional<SegmentSeals> seals_;
  std::vector<OpenSegment> segments_;
  JournalInfo info_;
  Lsn synced_ = 0;
  std::uint64_t oldest_ = 1;
  std::vector<CountedFact> group_;  // read, and not counted before the group's last one is
};

Result<JournalInfo> Verifier::run() {
  if (auto done = open_segments(); !done) return std::unexpected(done.error());
  if (segments_.empty()) return info_;
  if (auto done = find_begun(); !done) return std::unexpected(done.error());
  tells_ = each_ && std::ranges::all_of(segments_, [this](const auto& segment) { return can_open(segment); });
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    if (auto done = read_segment(i); !done) return std::unexpected(done.error());
    if (on_read_) on_read_(info_.segment_bytes);
  }
  if (segments_.front().number > oldest_) report(oldest_, 0, "the segment is missing");
  return std::move(info_);
}

Result<void> Verifier::open_segments() {
  const auto names = disk_.list();
  if (!names) return std::unexpected(names.error());
  std::vector<std::uint64_t> numbers;
  for (const auto& name : *names) {
    if (const auto number = segment_number(name)) numbers.push_back(*number);
  }
  std::ranges::sort(numbers);

  std::optional<SegmentHeader> model;  // the first good header says what the others must say
  for (const auto number : numbers) {
    if (!segments_.empty() && number != segments_.back().number + 1) {
      report(segments_.back().number + 1, 0, "the segment is missing");
    }
    auto file = disk_.open(segment_name(number), Disk::Open::read_only);
    if (!file) return std::unexpected(file.error());
    segments_.push_back({number, std::move(*file)});
    std::array<std::uint8_t, kSegmentHeaderBytes> bytes{};
    const auto got = segments_.back().file->read(0, bytes);
    if (!got) return std::unexpected(got.error());
    const auto header = decode_header(Bytes(bytes).first(*got));
    if (!header) {
      report(number, 0, header.error().text);
    } else if (header->number != number) {
      report(number, 32, fmt::format("its header says that it is segment {}", header->number));
    } else if (model && (header->id != model->id || header->segment_bytes != model->segment_bytes)) {
      report(number, 16, "the segment belongs to another journal");
    } else {
      if (!model) model = *header;
      segments_.back().seal = header->seal;
    }
  }
  if (!model && !segments_.empty()) {
    return failure(ErrorCode::damaged, "not one of the journal's segments has a header that can be read");
  }
  if (model) {
    info_.id = model->id;
    info_.segment_bytes = model->segment_bytes;
  }
  for (const auto& segment : segments_) {
    const auto size = segment.file->size();
    if (!size) return std::unexpected(size.error());
    if (*size == info_.segment_bytes) continue;
    report(segment.number, std::min<std::size_t>(*size, info_.segment_bytes),
           fmt::format("the file is {} bytes long, not {}", *size, info_.segment_bytes));
  }
  return {};
}

Result<void> Verifier::find_begun() {
  for (auto& segment : segments_) {
    SegmentScanner scanner(*segment.file, header_of(segment));
    const auto found = scanner.next();
    if (!found) return std::unexpected(found.error());
    segment.begun = *found;
    if (segment.begun) continue;
    const auto tail = examine_tail(scanner, kSegmentHeaderBytes);
    if (!tail) return std::unexpected(tail.error());
    segment.begun = tail->dirty();
  }
  return {};
}

Result<void> Verifier::read_segment(std::size_t index) {
  const auto& segment = segments_[index];
  const auto begun = [this](std::size_t from) {
    return std::any_of(segments_.begin() + static_cast<std::ptrdiff_t>(from), segments_.end(),
                       [](const auto& other) { return other.begun; });
  };
  const bool last = !begun(index + 1);
  // Until a record says otherwise the log ends where the segment before ended.
  auto& told = info_.segments.emplace_back(
      SegmentInfo{.number = segment.number, .state = SegmentInfo::State::spare, .used_bytes = kSegmentHeaderBytes});
  const auto header = header_of(segment);
  if (header.seal) told.key = header.seal->key;
  told.is_opened = can_open(segment);
  SegmentScanner scanner(*segment.file, header, kSegmentHeaderBytes, seals_ && told.is_opened ? &*seals_ : nullptr);
  std::optional<Tail> rest;
  bool closed = false;
  while (!closed) {
    const auto found = scanner.next();
    if (!found) return std::unexpected(found.error());
    if (*found) {
      const auto& record = scanner.record();
      count(record, scanner.offset() - (record.lsn - header.begin()), told);
      closed = scanner.record().is(MarkKind::segment_end);
      continue;
    }
    const bool unused = last && !segment.begun && info_.segments.size() > 1 &&
                        info_.segments[index - 1].state != SegmentInfo::State::closed;
    if (unused) return {};
    told.state = SegmentInfo::State::last;
    const auto going_on = stopped_early(scanner, last, rest);
    if (!going_on) return std::unexpected(going_on.error());
    if (!*going_on) break;
    count_group(told);  // cut short by damage, but these can be read
  }
  group_.clear();
  told.used_bytes = scanner.whole_offset();
  info_.end = header_of(segment).begin() + scanner.whole_offset();
  if (!last) told.state = SegmentInfo::State::closed;
  if (!closed) return {};
  told.state = SegmentInfo::State::closed;
  const auto tail = examine_tail(scanner, scanner.offset());
  if (!tail) return std::unexpected(tail.error());
  if (tail->dirty()) report(segment.number, tail->first_dirty, "there are bytes after the segment's end");
  if (index + 1 == segments_.size()) report(segment.number + 1, 0, "the segment is missing");
  return {};
}

void Verifier::count(const RecordView& record, std::size_t bytes, SegmentInfo& segment) {
  info_.clean_stop = record.is(MarkKind::clean_stop);
  segment.state = SegmentInfo::State::last;
  if (!record.is_mark()) {
    group_.push_back({record.kind, record.lsn, bytes});
    if (tells_) group_.back().body = as_text(record.body);
    if (!record.linked) count_group(segment);
    return;
  }
  auto& kind = info_.kinds[record.kind];
  ++kind.records;
  kind.bytes += kMarkBytes;
  const auto mark = read_mark(record);
  synced_ = std::max(synced_, mark.synced);
  oldest_ = mark.oldest;
  segment.batches += record.is(MarkKind::batch);
}

void Verifier::count_group(SegmentInfo& segment) {
  for (const auto& fact : group_) {
    auto& kind = info_.kinds[fact.kind];
    ++kind.records;
    kind.bytes += fact.bytes;
    ++segment.facts;
    ++info_.facts;
    if (info_.first == 0) info_.first = fact.lsn;
    info_.last = fact.lsn;
    if (tells_)
      each_(static_cast<FactKind>(fact.kind), {fact.lsn, static_cast<std::uint32_t>(fact.body.size())},
            as_bytes(fact.body));
  }
  group_.clear();
}

// At a place without a good record: false when the log ends there, true when reading goes on behind damage.
Result<bool> Verifier::stopped_early(SegmentScanner& scanner, bool last, std::optional<Tail>& tail) {
  const auto at = scanner.offset();
  const auto number = scanner.header().number;
  const auto whole = scanner.whole_offset();
  if (scanner.is_never_torn()) {
    report(number, at, scanner.problem());
    if (whole != at && scanner.stop() == SegmentScanner::Stop::misplaced) {
      scanner.jump(at);  // the record again, now that no group is open
      return true;
    }
    return jump_behind(scanner, at);
  }
  if (!tail) {
    // Once a segment: a badly damaged one would otherwise be read over and over.
    const auto examined = examine_tail(scanner, whole);
    if (!examined) return std::unexpected(examined.error());
    tail = *examined;
  }
  const auto dirty_end = tail->dirty_end;
  if (last && std::max(tail->synced, synced_) <= scanner.header().begin() + whole) {
    info_.torn_bytes = dirty_end > whole ? dirty_end - whole : 0;
    info_.torn_offset = whole;
    if (info_.torn_bytes > 0) info_.clean_stop = false;
    return false;
  }
  const std::string what = scanner.problem();
  if (dirty_end <= at) {
    report(number, at, what + "; nothing stands behind it in this segment");
    return false;
  }
  const auto found = jump_behind(scanner, at);
  if (!found) return found;
  report(number, at,
         *found ? fmt::format("{}; the next record that can be read is at offset {}", what, scanner.offset())
                : what + "; nothing behind it in this segment can be read");
  return found;
}

// Goes on at the next record that can be read; false, and back where it was, if there is none.
Result<bool> Verifier::jump_behind(SegmentScanner& scanner, std::size_t bad) {
  const auto next = find_next(scanner, bad);
  if (!next) return std::unexpected(next.error());
  scanner.jump(*next != 0 ? *next : bad);
  return *next != 0;
}

// The next good record behind a bad one: where its own length points to, else the next mark. 0: none.
Result<std::size_t> Verifier::find_next(SegmentScanner& scanner, std::size_t bad) {
  const auto& header = scanner.header();
  const auto front = scanner.peek(bad, record_bytes(0));
  if (!front) return std::unexpected(front.error());
  if (front->size() >= record_bytes(0)) {
    const std::size_t length = load<std::uint32_t>(front->data());
    if (length <= kRecordBodyBytesMax && bad + record_bytes(length) < header.segment_bytes) {
      scanner.jump(bad + record_bytes(length));
      const auto found = scanner.next();
      if (!found) return std::unexpected(found.error());
      if (*found) return bad + record_bytes(length);
    }
  }
  const RecordCodec codec(header.id);
  for (auto at = bad + kRecordAlign; at + kMarkBytes <= header.segment_bytes; at += kRecordAlign) {
    const auto view = scanner.peek(at, kMarkBytes);
    if (!view) return std::unexpected(view.error());
    if (view->size() < kMarkBytes) break;
    if (codec.find_mark(*view, header.begin() + at)) return at;
  }
  return 0;
}

void Verifier::report(std::uint64_t segment, std::size_t offset, std::string what) {
  ++info_.problems_total;
  if (info_.problems.size() < JournalInfo::kProblemsMax) info_.problems.push_back({segment, offset, std::move(what)});
}

}  // namespace

Result<JournalInfo> verify_journal(Disk& disk, const KeysGiven& keys, EachFact each, OnRead on_read) {
  return Verifier(disk, keys, std::move(each), std::move(on_read)).run();
}

Result<JournalInfo> verify_folder(const std::string& folder, const KeysGiven& keys, EachFact each, OnRead on_read) {
  if (!std::filesystem::is_directory(folder)) {
    return failure(ErrorCode::not_found, fmt::format("there is no folder {}", folder));
  }
  const auto lock = FolderLock::take_shared(folder);
  if (!lock) return std::unexpected(lock.error());
  const auto disk = PosixDisk::open(folder, PosixDisk::Access::read_only);
  if (!disk) return std::unexpected(disk.error());
  auto info = verify_journal(**disk, keys, std::move(each), std::move(on_read));
  if (info && info->segments.empty() && info->problems_total == 0) {
    return failure(ErrorCode::not_found,
                   fmt::format("there is no journal in {}: it has no file 0000000001.segment or "
                               "the like",
                               folder),
                   "give the data folder of a server (`folkmoot serve --data`)");
  }
  return info;
}

std::string kind_name(std::uint8_t kind) {
  switch (static_cast<MarkKind>(kind)) {
    case MarkKind::batch:
      return "batch mark";
    case MarkKind::segment_end:
      return "segment end mark";
    case MarkKind::clean_stop:
      return "clean stop mark";
  }
  const auto word = name(static_cast<FactKind>(kind));
  return word == "unknown" ? fmt::format("kind {}", kind) : std::string(word);
}

}  // namespace folkmoot
