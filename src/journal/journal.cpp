#include "journal/journal.hpp"

#include <chrono>
#include <utility>

#include "base/assert.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kBlockBytes = 256 * 1024;
constexpr std::size_t kFreeBlocksMax = 8;
constexpr std::int64_t kWindowsIdleMs = 10'000;

std::int64_t steady_us() {
  using namespace std::chrono;
  return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Journal::~Journal() = default;

// Appending

bool Journal::has_room(Urgency urgency, std::size_t bytes) const {
  if (bytes > body_bytes_max(segment_bytes_)) return false;
  return group_.open ? record_bytes_of(bytes) <= group_.left : has_room_for(urgency, record_bytes_of(bytes));
}

bool Journal::has_room(Urgency urgency, GroupBound bound) const {
  FOLKMOOT_ASSERT(!group_.open);
  return bound.bytes() <= group_bytes_max() && has_room_for(urgency, bound.bytes());
}

bool Journal::has_room_for(Urgency urgency, std::size_t records_bytes) const {
  if (failed_) return false;
  const auto need = records_bytes + kMarkBytes;
  if (fits(need, kSegmentTailBytes + (urgency == Urgency::durable ? reserve_bytes() : 0))) return true;
  // The segment's last stretch is for promises only if another segment follows. Normally that has long been made.
  const auto ready = maker_.prepare(segments_.back().number + 1);
  if (!ready) failed_ = ready.error();
  if (ready && !*ready && urgency == Urgency::durable) refused_bytes_ = std::max(refused_bytes_, records_bytes);
  return ready && *ready;
}

bool Journal::takes_durable(std::size_t bytes) const {
  const auto records_bytes = std::max(record_bytes_of(std::min(bytes, segment_bytes_ / 4)), refused_bytes_);
  const bool was_refused = maker_.has_refused(segments_.back().number + 1);
  if (was_refused && !has_room_for(Urgency::durable, records_bytes)) return false;
  refused_bytes_ = 0;
  return !failed_;
}

FactPlace Journal::append(FactKind kind, std::span<const Bytes> parts, Life life) {
  std::size_t size = 0;
  for (const auto& part : parts) size += part.size();
  FOLKMOOT_ASSERT(size <= body_bytes_max(segment_bytes_));
  const auto bytes = record_bytes_of(size);
  // A group stays in one segment: its first fact finds room for all of them.
  const auto need = std::max(bytes, group_.left);
  if (!fits(need + (batch_open_ ? 0 : kMarkBytes), kSegmentTailBytes)) roll();
  if (!batch_open_) put_mark(MarkKind::batch);

  const FactPlace place{end_, static_cast<std::uint32_t>(size)};
  auto* record = take(bytes);
  auto* body = record + kRecordHeaderBytes + (seal_bytes_ > 0 ? kSealFrontBytes : 0);
  for (const auto& part : parts) {
    if (!part.empty()) std::memcpy(body, part.data(), part.size());
    body += part.size();
  }
  if (group_.open)
    link(record, place, kind);
  else if (seal_bytes_ > 0)  // and is sealed when it is written
    codec_->lay_out(record, static_cast<std::uint8_t>(kind), size + seal_bytes_);
  else
    codec_->seal(record, place.lsn, static_cast<std::uint8_t>(kind), size);
  if (life == Life::live) {
    segments_.back().live_bytes += bytes;
    live_bytes_ += bytes;
  }
  return place;
}

void Journal::begin_group(GroupBound bound) {
  FOLKMOOT_ASSERT(!group_.open && bound.bytes() <= group_bytes_max());
  group_ = {.open = true, .left = bound.bytes()};
}

void Journal::link(std::uint8_t* record, FactPlace place, FactKind kind) {
  const auto bytes = record_bytes_of(place.bytes);
  FOLKMOOT_ASSERT(bytes <= group_.left);
  codec_->lay_out(record, static_cast<std::uint8_t>(kind), place.bytes + seal_bytes_);
  if (group_.last) finish_linked(true);
  group_.left -= bytes;
  group_.last = record;
  group_.last_lsn = place.lsn;
}

// What is sealed when it is written gets its checksum then.
void Journal::finish_linked(bool linked) {
  if (seal_bytes_ > 0)
    RecordCodec::set_linked(group_.last, linked);
  else
    codec_->seal_laid_out(group_.last, group_.last_lsn, linked);
}

void Journal::end_group() {
  FOLKMOOT_ASSERT(group_.open);
  if (group_.last) finish_linked(false);
  group_ = {};
}

std::uint8_t* Journal::take(std::size_t bytes) {
  // After a roll the end is elsewhere than where the last block ends.
  if (blocks_.empty() || blocks_.back().end() != end_ || blocks_.back().capacity - blocks_.back().used < bytes) {
    add_block(bytes);
  }
  auto& block = blocks_.back();
  auto* at = block.data.get() + block.used;
  block.used += bytes;
  end_ += bytes;
  segments_.back().used_bytes += bytes;
  return at;
}

void Journal::add_block(std::size_t bytes) {
  Block block;
  block.begin = end_;
  block.capacity = std::max(bytes, kBlockBytes);
  if (block.capacity == kBlockBytes && !free_blocks_.empty()) {
    block.data = std::move(free_blocks_.back());
    free_blocks_.pop_back();
  } else {
    block.data = std::make_unique_for_overwrite<std::uint8_t[]>(block.capacity);
  }
  block_bytes_ += block.capacity;
  blocks_.push_back(std::move(block));
}

void Journal::retire_blocks() {
  while (blocks_.size() > 1 && block_bytes_ > options_.cache_bytes && blocks_.front().end() <= durable_end_) {
    auto& block = blocks_.front();
    block_bytes_ -= block.capacity;
    if (block.capacity == kBlockBytes && free_blocks_.size() < kFreeBlocksMax) {
      free_blocks_.push_back(std::move(block.data));
    }
    blocks_.pop_front();
  }
}

void Journal::put_mark(MarkKind kind, bool first_of_segment) {
  const auto lsn = end_;
  marks_.push_back({take(kMarkBytes), lsn, kind, first_of_segment});
  if (kind == MarkKind::batch) batch_open_ = true;
}

void Journal::roll() {
  const auto next = segments_.back().number + 1;
  const auto ready = maker_.prepare(next);
  auto made = maker_.take(next);
  FOLKMOOT_ASSERT(ready && *ready && made.file);  // has_room() said so
  put_mark(MarkKind::segment_end);
  segments_.push_back({next, std::move(made.file), 0, kSegmentHeaderBytes, made.seal});
  fill_bytes_ = segment_bytes_;
  end_ = begin_of(next) + kSegmentHeaderBytes;
  put_mark(MarkKind::batch, true);
}

// Marks that are not facts' use what kSegmentTailBytes keeps free, so they never depend on a new segment alone.
bool Journal::make_room_for_mark() {
  if (fits(kMarkBytes, kMarkBytes)) return true;
  const auto ready = maker_.prepare(segments_.back().number + 1);
  if (!ready) failed_ = ready.error();
  if (!ready || !*ready) return false;
  roll();
  return true;
}

// Reading

Result<Bytes> Journal::read(FactPlace place) {
  ++reads_;
  auto& segment = segment_of(place);
  const auto bytes = segment.bytes_of(place);
  const auto body_bytes = place.bytes + (segment.seal ? kSealBytes : 0);
  const auto begin = begin_of(segment.number);
  if (!blocks_.empty() && place.lsn >= blocks_.front().begin) {
    const auto after = std::ranges::upper_bound(blocks_, place.lsn, {}, &Block::begin);
    const auto& block = *std::prev(after);
    FOLKMOOT_ASSERT(place.lsn + bytes <= block.end());
    const auto record = view_record(block.data.get() + (place.lsn - block.begin), place.lsn);
    FOLKMOOT_ASSERT(record.body.size() == body_bytes && !record.is_mark());
    return segment.seal ? record.body.subspan(kSealFrontBytes, place.bytes) : record.body;
  }
  const auto limit = std::min(begin + segment.used_bytes, blocks_.empty() ? end_ : blocks_.front().begin);
  FOLKMOOT_ASSERT(place.lsn + bytes <= limit);
  const auto view = windows_.read(*segment.file, begin, limit, place.lsn, bytes);
  if (!view && view.error().code == ErrorCode::damaged) {
    return std::unexpected(damage(segment.number, place.lsn - begin, view.error().text));
  }
  if (!view) return view;
  const auto checked = codec_->check(*view, place.lsn, bytes);
  const auto record = view_record(view->data(), place.lsn);
  if (checked.state != RecordCodec::State::good || record.body.size() != body_bytes || record.is_mark()) {
    return std::unexpected(damage(segment.number, place.lsn - begin,
                                  *checked.problem ? checked.problem : "another record than was written stands here"));
  }
  if (!segment.seal) return record.body;
  const auto opened = seals_->open(header_of(segment), record, opened_);
  if (!opened) return std::unexpected(damage(segment.number, place.lsn - begin, kBrokenSeal));
  return *opened;
}

Journal::Segment& Journal::segment_of(FactPlace place) {
  return const_cast<Segment&>(std::as_const(*this).segment_of(place));
}

const Journal::Segment& Journal::segment_of(FactPlace place) const {
  const auto number = place.lsn.value / segment_bytes_;
  FOLKMOOT_ASSERT(number >= segments_.front().number && number <= segments_.back().number);
  return segments_[number - segments_.front().number];
}

std::size_t Journal::bytes_in_log(FactPlace place) const { return segment_of(place).bytes_of(place); }

void Journal::retain(FactPlace place) {
  auto& segment = segment_of(place);
  const auto bytes = segment.bytes_of(place);
  segment.live_bytes += bytes;
  live_bytes_ += bytes;
}

void Journal::release(FactPlace place) {
  auto& segment = segment_of(place);
  const auto bytes = segment.bytes_of(place);
  FOLKMOOT_ASSERT(segment.live_bytes >= bytes);
  segment.live_bytes -= bytes;
  live_bytes_ -= bytes;
}

// Handing over

bool Journal::submit(std::int64_t now_ms) {
  FOLKMOOT_ASSERT(!group_.open);
  maker_.set_now(now_ms);
  if (failed_) return false;
  if (flight_.load(std::memory_order_acquire) != Flight::idle) return true;
  if (reads_ != reads_seen_) {
    reads_seen_ = reads_;
    reads_seen_ms_ = now_ms;
  } else if (!windows_.empty() && now_ms - reads_seen_ms_ >= kWindowsIdleMs) {
    windows_.clear();
  }
  if (!build_job()) return false;
  flight_.store(Flight::submitted, std::memory_order_release);
  return true;
}

bool Journal::build_job() {
  // The disk was full: the same again. It may have had room for a segment meanwhile, and is not full any more.
  if (job_.pieces_done < job_.pieces.size()) return !maker_.full() || maker_.retry_due();
  job_.pieces.clear();
  job_.pieces_done = 0;
  job_.prepare = offset() > segment_bytes_ / 2 || maker_.retry_due() ? segments_.back().number + 1 : 0;
  queue_removals();
  seal_marks();
  batch_open_ = false;
  auto first = blocks_.end();
  while (first != blocks_.begin() && std::prev(first)->submitted < std::prev(first)->used) --first;
  for (; first != blocks_.end(); ++first) {
    const auto lsn = first->begin + first->submitted;
    const Bytes bytes(first->data.get() + first->submitted, first->used - first->submitted);
    const auto& segment = segment_of({lsn, 0});
    job_.pieces.push_back({segment.file.get(), lsn, bytes, segment.seal});
    first->submitted = first->used;
  }
  return !job_.pieces.empty() || maker_.retry_due();
}

// Segments go from the oldest end only, so that a settled fact never vanishes before the message that it settles; and
// only after a sync of everything appended so far, with a mark that says which segment is now the oldest.
void Journal::queue_removals() {
  // A segment that was just rolled out of is still being written: it goes next time.
  const auto removable = [this] {
    const auto& oldest = segments_.front();
    return segments_.size() > 1 && oldest.live_bytes == 0 && !is_held(oldest) &&
           begin_of(oldest.number) + oldest.used_bytes <= durable_end_;
  };
  if (!removable()) return;
  if (!batch_open_ && !make_room_for_mark()) return;
  if (!batch_open_) put_mark(MarkKind::batch);
  while (removable()) {
    if (compaction_ && compaction_->header().number == segments_.front().number) compaction_.reset();
    job_.remove.push_back(std::move(segments_.front()));
    segments_.pop_front();
  }
}

// Some reader has not come to its end.
bool Journal::is_held(const Segment& segment) const {
  const auto end = begin_of(segment.number + 1);
  return std::ranges::any_of(holds_, [end](const auto& hold) { return hold.second < end; });
}

Journal::HoldId Journal::hold(Lsn position) {
  FOLKMOOT_ASSERT(position >= begin() && position <= end_);
  holds_.emplace(++last_hold_, position);
  return HoldId(last_hold_);
}

void Journal::move_hold(HoldId hold, Lsn position) {
  auto& at = holds_.at(hold.number_);
  FOLKMOOT_ASSERT(position >= at && position <= end_);
  at = position;
}

void Journal::let_go(HoldId hold) {
  const auto gone = holds_.erase(hold.number_);
  FOLKMOOT_ASSERT(gone == 1);
}

void Journal::seal_marks() {
  Mark mark{synced_end_, segments_.front().number};
  for (const auto& open : marks_) {
    // The segment before is synced before anything is written to this one.
    if (open.first_of_segment) mark.synced = open.lsn;
    codec_->seal_mark(open.at, open.lsn, open.kind, mark);
  }
  marks_.clear();
}

Result<Lsn> Journal::collect() {
  if (!failed_ && completed()) {
    failed_ = job_.error;
    if (!failed_ && job_.pieces_done == job_.pieces.size()) {
      durable_end_ = options_.sync == SyncPolicy::always ? synced_end_ : written_end_;
      FOLKMOOT_ASSERT(durable_end_ <= end_);
    }
    retire_blocks();
    flight_.store(Flight::idle, std::memory_order_release);
  }
  if (failed_) return std::unexpected(*failed_);
  return durable_end_;
}

// The thread's half

void Journal::write_and_sync(const std::function<void()>& on_completed) {
  if (!submitted()) return;
  auto done = late_error_ ? Result<void>(std::unexpected(*late_error_)) : write_pieces();
  const bool finished = done && job_.pieces_done == job_.pieces.size();
  auto remove = finished ? std::move(job_.remove) : std::vector<Segment>{};
  if (finished) job_.remove.clear();
  const auto prepare = job_.prepare;
  const bool due =
      options_.sync == SyncPolicy::always || !remove.empty() ||
      (options_.sync == SyncPolicy::interval && steady_us() - last_sync_at_us_ >= options_.sync_interval_ms * 1000);
  if (finished && due && sync_pending()) done = sync_file(*unsynced_file_, written_end_);
  const bool good = done.has_value();
  if (!good) job_.error = done.error();

  // From here on the owner may submit again: the job is no longer ours.
  flight_.store(Flight::completed, std::memory_order_release);
  if (on_completed) on_completed();
  if (!good) return;
  auto tidied = remove_segments(std::move(remove));
  if (tidied && prepare != 0) {
    if (auto made = maker_.prepare(prepare); !made) tidied = std::unexpected(made.error());
  }
  if (!tidied) late_error_ = tidied.error();
}

Result<void> Journal::write_pieces() {
  while (job_.pieces_done < job_.pieces.size()) {
    const auto first = job_.pieces_done;
    auto* file = job_.pieces[first].file;
    auto next = first;
    parts_.clear();
    for (; next < job_.pieces.size() && job_.pieces[next].file == file; ++next)
      parts_.push_back(job_.pieces[next].bytes);
    auto written = job_.pieces[first].seal ? write_sealed(std::span(job_.pieces).subspan(first, next - first))
                                           : file->write(job_.pieces[first].lsn.value % segment_bytes_, parts_);
    if (!written) {
      if (written.error().code != ErrorCode::disk_full) return written;
      maker_.note_full(std::move(written.error().text));
      return {};
    }
    const auto& last = job_.pieces[next - 1];
    unsynced_file_ = file;
    synced_bytes_ += last.lsn + last.bytes.size() - job_.pieces[first].lsn;
    written_end_ = last.lsn + last.bytes.size();
    if (next < job_.pieces.size()) {
      // This piece ended with the segment's end mark: it is closed for good before the next segment gets a byte.
      if (auto done = sync_file(*file, job_.pieces[next].lsn); !done) return done;
      written_end_ = job_.pieces[next].lsn;
    }
    job_.pieces_done = next;
  }
  return {};
}

Result<void> Journal::sync_file(DiskFile& file, Lsn end) {
  const auto begin = steady_us();
  if (auto done = file.sync(); !done) return done;
  last_sync_at_us_ = steady_us();
  last_sync_us_ = static_cast<std::uint64_t>(last_sync_at_us_ - begin);
  ++syncs_;
  synced_end_ = end;
  return {};
}

void Journal::sync_written() {
  if (late_error_ || !sync_pending()) return;
  if (auto done = sync_file(*unsynced_file_, written_end_); !done) late_error_ = done.error();
}

Result<void> Journal::remove_segments(std::vector<Segment> segments) {
  for (auto& segment : segments) {
    segment.file.reset();
    // One at a time: were a later one gone and an earlier one back after a power failure, that would look like damage.
    if (auto done = disk_.remove(segment_name(segment.number)); !done) return done;
    if (auto done = disk_.sync_folder(); !done) return done;
    maker_.set_oldest(segment.number + 1);
  }
  return {};
}

// Ending, and questions

Result<void> Journal::flush() {
  write_and_sync();
  if (auto end = collect(); !end) return std::unexpected(end.error());
  // What a full disk refused goes again first, and what came after it behind that: as long as some of it gets there.
  for (auto before = Lsn{0}; before != written_end_ && submit(maker_.now());) {
    before = written_end_;
    write_and_sync();
    if (auto end = collect(); !end) return std::unexpected(end.error());
  }
  sync_written();
  if (late_error_) return std::unexpected(*(failed_ = late_error_));
  if (synced_end_ != end_)
    return failure(ErrorCode::disk_full, "the disk is full: the journal's end could not be written");
  durable_end_ = end_;
  return {};
}

Result<void> Journal::close(bool clean) {
  if (end_ == 0 || clean_end_ == end_) return {};
  // Twice: what the first makes free goes with the second, and a mark says so. Behind the mark of a clean stop nothing
  // may stand.
  for (int times = 0; times < 2; ++times) {
    if (auto done = flush(); !done) return done;
  }
  // Without room for the mark the next start finds everything all the same, and says that the stop was not clean.
  if (!clean || !make_room_for_mark()) return {};
  put_mark(MarkKind::clean_stop);
  if (auto done = flush(); !done) return done;
  clean_end_ = end_;
  return {};
}

std::uint64_t Journal::used_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& segment : segments_) bytes += segment.used_bytes;
  return bytes;
}

JournalStats Journal::stats() const {
  JournalStats stats;
  stats.segments = segments_.size();
  stats.bytes = used_bytes();
  stats.live_bytes = live_bytes_;
  stats.staged_bytes = staged_bytes();
  if (const auto first = std::ranges::min_element(holds_, {}, [](const auto& each) { return each.second; });
      first != holds_.end()) {
    for (const auto& segment : segments_) {
      if (begin_of(segment.number + 1) > first->second) stats.held_bytes += segment.used_bytes;
    }
  }
  stats.memory_bytes = block_bytes_ + free_blocks_.size() * kBlockBytes;
  stats.syncs = syncs_;
  stats.synced_bytes = synced_bytes_;
  stats.last_sync_us = last_sync_us_;
  stats.disk_reads = windows_.disk_reads();
  stats.disk_full = maker_.full();
  return stats;
}

std::string Journal::refusal() { return maker_.refusal(); }

}  // namespace folkmoot
