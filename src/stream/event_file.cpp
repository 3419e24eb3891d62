#include "stream/event_file.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.hpp"

namespace folkmoot {
namespace {

constexpr std::uint64_t kZeroBytes = 64 * 1024;  // written at a time

// What a trailer says must be possible, whoever wrote it.
bool is_possible(const IndexTrailer& trailer, const EventFileHeader& header, std::uint64_t size) {
  const auto index_bytes = trailer.entries * std::uint64_t{kIndexEntryBytes} + kIndexTrailerBytes;
  return trailer.records_end >= kEventFileHeaderBytes && trailer.records_end % kEventAlign == 0 &&
         trailer.records_end <= size && index_bytes <= size - trailer.records_end && trailer.end >= header.first &&
         trailer.end <= kSequenceMax && (trailer.end == header.first) == (trailer.entries == 0) &&
         trailer.oldest >= Instant{0} && trailer.newest >= trailer.oldest;
}

// Whether an index leads where events may be.
bool is_possible(std::span<const IndexEntry> index, const EventFileHeader& header, Sequence end,
                 std::uint64_t records_end) {
  Sequence sequence = header.first;
  std::uint64_t offset = kEventFileHeaderBytes;
  for (const auto& entry : index) {
    if (entry.sequence < sequence || entry.sequence >= end || entry.offset < offset || entry.offset >= records_end ||
        entry.offset % kEventAlign != 0)
      return false;
    sequence = entry.sequence + 1;
    offset = entry.offset + kEventHeaderBytes;
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<EventFile>> EventFile::create(Disk& disk, const EventFileHeader& header) {
  const EventFileName name{header.stream, header.first};
  auto file = disk.open(kNewEventFileName, Disk::Open::create_empty);
  if (!file) return std::unexpected(file.error());
  const auto bytes = encode_header(header);
  const Bytes part(bytes);
  if (auto done = (*file)->write(0, {&part, 1}); !done) return std::unexpected(done.error());
  if (auto done = (*file)->sync(); !done) return std::unexpected(done.error());
  if (auto done = disk.rename(kNewEventFileName, name.text()); !done) return std::unexpected(done.error());
  if (auto done = disk.sync_folder(); !done) return std::unexpected(done.error());
  std::unique_ptr<EventFile> made(new EventFile(name, header, std::move(*file)));
  made->size_ = bytes.size();
  made->end_ = header.first;
  made->index_.emplace();
  return made;
}

Result<std::unique_ptr<EventFile>> EventFile::open(Disk& disk, const EventFileName& name, Disk::Open how) {
  auto file = disk.open(name.text(), how);
  if (!file) return std::unexpected(file.error());
  const auto size = (*file)->size();
  if (!size) return std::unexpected(size.error());
  if (*size > kEventFileBytesLimit)
    return std::unexpected(event_damage(name, 0, fmt::format("the file is {} bytes long, which none is", *size)));
  std::array<std::uint8_t, kEventFileHeaderBytes> bytes{};
  const auto got = (*file)->read(0, bytes);
  if (!got) return std::unexpected(got.error());
  const auto header = decode_event_file_header(Bytes(bytes).first(*got));
  if (!header) return std::unexpected(event_damage(name, 0, header.error().text));
  if (header->stream != name.stream || header->first != name.first) {
    return std::unexpected(event_damage(name, 12,
                                        fmt::format("its header says that it is stream {}'s, from event {} on",
                                                    header->stream.value, header->first.value)));
  }
  std::unique_ptr<EventFile> opened(new EventFile(name, *header, std::move(*file)));
  opened->size_ = *size;
  if (auto done = opened->read_trailer(); !done) return std::unexpected(done.error());
  if (opened->is_sealed_) return opened;
  if (auto done = opened->scan(); !done) return std::unexpected(done.error());
  return opened;
}

StreamFile EventFile::summary() const {
  return {
      .first = header_.first, .end = end_, .bytes = size_, .used = records_end_, .oldest = oldest_, .newest = newest_};
}

Result<void> EventFile::read_trailer() {
  if (size_ < kEventFileHeaderBytes + kIndexTrailerBytes) return {};
  std::array<std::uint8_t, kIndexTrailerBytes> bytes{};
  const auto got = file_->read(size_ - kIndexTrailerBytes, bytes);
  if (!got) return std::unexpected(got.error());
  const auto trailer = codec_.decode_trailer(Bytes(bytes).first(*got));
  if (!trailer || !is_possible(*trailer, header_, size_)) return {};
  trailer_ = *trailer;
  is_sealed_ = true;
  records_end_ = synced_ = trailer->records_end;
  end_ = trailer->end;
  oldest_ = trailer->oldest;
  newest_ = trailer->newest;
  return {};
}

Result<void> EventFile::scan() {
  const auto on_problem = [this](std::uint64_t offset, std::string_view what) {
    if (!problem_) problem_ = event_damage(name_, offset, what);
  };
  auto found =
      scan_events(*file_, header_, is_sealed_ ? records_end_ : size_, is_sealed_ ? records_end_ : 0, on_problem);
  if (!found) return std::unexpected(found.error());
  index_ = std::move(found->index);
  if (is_sealed_) return {};
  records_end_ = found->records_end;
  synced_ = std::min(found->synced, records_end_);
  dirty_end_ = found->torn_end;
  end_ = found->end;
  oldest_ = found->oldest;
  newest_ = found->newest;
  return {};
}

Result<void> EventFile::load_index() {
  const auto bytes_in_all = trailer_->entries * kIndexEntryBytes;
  std::vector<std::uint8_t> bytes(bytes_in_all);
  const auto got = file_->read(size_ - kIndexTrailerBytes - bytes_in_all, bytes);
  if (!got) return std::unexpected(got.error());
  if (*got == bytes.size() && codec_.index_checksum(bytes) == trailer_->index_crc) {
    auto index = decode_index(bytes);
    if (is_possible(index, header_, end_, records_end_)) {
      index_ = std::move(index);
      return {};
    }
  }
  return scan();  // the events are there all the same
}

Result<std::span<const IndexEntry>> EventFile::index() {
  if (!index_) {
    if (auto done = load_index(); !done) return std::unexpected(done.error());
  }
  return std::span<const IndexEntry>(*index_);
}

Result<std::uint64_t> EventFile::recover() {
  FOLKMOOT_ASSERT(!is_sealed_);
  std::vector<std::uint8_t> bytes(kZeroBytes);
  for (auto at = synced_; at < records_end_;) {
    const auto part = std::span(bytes).first(std::min<std::uint64_t>(bytes.size(), records_end_ - at));
    const auto got = file_->read(at, part);
    if (!got) return std::unexpected(got.error());
    if (*got != part.size()) return std::unexpected(event_damage(name_, at + *got, "the file has become shorter"));
    const Bytes again(part);
    if (auto done = file_->write(at, {&again, 1}); !done) return std::unexpected(done.error());
    at += part.size();
  }
  const auto cut = dirty_end_ > records_end_ ? dirty_end_ - records_end_ : 0;
  if (auto done = write_zeros(records_end_, dirty_end_); !done) return std::unexpected(done.error());
  dirty_end_ = 0;
  if (auto done = file_->sync(); !done) return std::unexpected(done.error());
  synced_ = records_end_;
  return cut;
}

Result<void> EventFile::write_zeros(std::uint64_t begin, std::uint64_t end) {
  const std::vector<std::uint8_t> zeros(begin < end ? std::min(kZeroBytes, end - begin) : 0);
  for (auto at = begin; at < end;) {
    const auto part = Bytes(zeros).first(std::min<std::uint64_t>(zeros.size(), end - at));
    if (auto done = file_->write(at, {&part, 1}); !done) return done;
    at += part.size();
  }
  return {};
}

Result<void> EventFile::append(std::span<std::uint8_t> events, std::uint64_t step) {
  FOLKMOOT_ASSERT(!is_sealed_ && !is_damaged());
  const auto needed = records_end_ + kEventMarkBytes + events.size();
  if (needed > size_) {
    const auto size = std::min(round_up(needed, step), std::max(needed, kEventFileBytesLimit));
    if (auto done = file_->preallocate(size); !done) return done;
    size_ = size;
  }
  const auto mark = codec_.encode_mark(records_end_, synced_);
  const auto entries = index_->size();
  auto offset = records_end_ + kEventMarkBytes;
  auto sequence = end_;
  auto oldest = oldest_, newest = is_empty() ? kNoTime : newest_;
  for (std::size_t at = 0; at < events.size();) {
    auto* const record = events.data() + at;
    FOLKMOOT_ASSERT(event_sequence(record) == sequence);
    codec_.seal(record, offset);
    add_to_index(*index_, sequence, newest, offset);
    const auto time = event_time(record);
    oldest = newest == kNoTime ? time : std::min(oldest, time);
    newest = std::max(newest, time);
    ++sequence;
    at += event_bytes_at(record);
    offset += event_bytes_at(record);
  }
  const std::array<Bytes, 2> parts{Bytes(mark), Bytes(events)};
  if (auto done = file_->write(records_end_, parts); !done) {
    index_->resize(entries);
    dirty_end_ = std::max(dirty_end_, needed);  // some of it may be there
    return done;
  }
  records_end_ = needed;
  end_ = sequence;
  oldest_ = oldest;
  newest_ = newest;
  return {};
}

Result<void> EventFile::sync() {
  if (is_stored()) return {};
  if (auto done = file_->sync(); !done) return done;
  synced_ = records_end_;
  return {};
}

Result<void> EventFile::seal() {
  FOLKMOOT_ASSERT(!is_damaged());
  if (is_sealed_) return {};
  if (auto done = write_zeros(records_end_, dirty_end_); !done) return done;
  // The index says that all before it is durable.
  if (auto done = file_->sync(); !done) return done;
  synced_ = records_end_;
  const auto index = encode_index(*index_);
  const IndexTrailer trailer{.records_end = records_end_,
                             .end = end_,
                             .oldest = oldest_,
                             .newest = newest_,
                             .entries = static_cast<std::uint32_t>(index_->size()),
                             .index_crc = codec_.index_checksum(as_bytes(index))};
  const auto bytes = codec_.encode_trailer(trailer);
  const auto size = std::max(size_, records_end_ + index.size() + bytes.size());
  if (size > size_) {
    if (auto done = file_->preallocate(size); !done) return done;
    size_ = size;
  }
  dirty_end_ = size;
  const std::array<Bytes, 2> parts{as_bytes(index), Bytes(bytes)};
  if (auto done = file_->write(size - index.size() - bytes.size(), parts); !done) return done;
  if (auto done = file_->sync(); !done) return done;
  dirty_end_ = 0;
  trailer_ = trailer;
  is_sealed_ = true;
  return {};
}

Result<void> EventFile::unseal() {
  FOLKMOOT_ASSERT(is_sealed_);
  if (auto loaded = index(); !loaded) return std::unexpected(loaded.error());
  if (is_damaged()) return {};
  const auto index_bytes = trailer_->entries * kIndexEntryBytes + kIndexTrailerBytes;
  if (auto done = write_zeros(size_ - index_bytes, size_); !done) return done;
  if (auto done = file_->sync(); !done) return done;
  is_sealed_ = false;
  trailer_.reset();
  return {};
}

void EventFile::remember(Sequence sequence, std::uint64_t offset) {
  hints_[next_hint_] = {sequence, offset};
  next_hint_ = (next_hint_ + 1) % hints_.size();
}

Result<std::pair<Sequence, std::uint64_t>> EventFile::place_of(Sequence sequence) {
  for (auto& hint : hints_) {
    if (hint.sequence != sequence) continue;
    const auto offset = std::exchange(hint, {}).offset;  // its reader goes on from there
    return std::pair{sequence, offset};
  }
  const auto entries = index();
  if (!entries) return std::unexpected(entries.error());
  const auto behind = std::ranges::upper_bound(*entries, sequence, {}, &IndexEntry::sequence);
  if (behind == entries->begin()) return std::pair{header_.first, std::uint64_t{kEventFileHeaderBytes}};
  return std::pair{(behind - 1)->sequence, (behind - 1)->offset};
}

}  // namespace folkmoot
