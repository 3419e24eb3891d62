#include "stream/file_stream_store.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kPressingBytes = kStreamHandoverBytesMax / 4;
constexpr std::size_t kRunBytesMin = 4 * 1024;
constexpr std::size_t kRunBytesMax = 256 * 1024;  // then another one begins: what grows is copied

bool is_for_now(const Error& error) {
  return error.code == ErrorCode::disk_full || error.code == ErrorCode::limit_reached;
}

std::size_t bytes_of_chunk(const StreamChunk& chunk) {
  std::size_t bytes = 0;
  for (const auto& event : chunk.events) bytes += event_bytes(event.message.size());
  return bytes;
}

}  // namespace

Result<std::unique_ptr<FileStreamStore>> FileStreamStore::open(Disk& disk, const StreamFilesOptions& options) {
  auto files = StreamFiles::open(disk, options);
  if (!files) return std::unexpected(files.error());
  std::unique_ptr<FileStreamStore> store(new FileStreamStore(std::move(*files)));
  store->files_->each(
      [&](StreamNumber number, const std::vector<StreamFile>& found) { store->streams_[number].files = found; });
  return store;
}

// -- the owner's half

StreamExtent FileStreamStore::extent_of(const Known& known) {
  if (known.files.empty()) return {};
  StreamExtent extent{.end = known.files.back().end};
  extent.first = std::min(std::max(known.files.front().first, known.trimmed), extent.end);
  for (const auto& file : known.files) extent.bytes += file.bytes;
  return extent;
}

void FileStreamStore::each(const std::function<void(StreamNumber, const StreamExtent&)>& each) const {
  for (const auto& [number, known] : streams_) {
    if (!known.files.empty()) each(number, extent_of(known));
  }
}

StreamExtent FileStreamStore::extent(StreamNumber stream) const {
  const auto found = streams_.find(stream);
  return found == streams_.end() ? StreamExtent{} : extent_of(found->second);
}

std::span<const StreamFile> FileStreamStore::files(StreamNumber stream) const {
  const auto found = streams_.find(stream);
  return found == streams_.end() ? std::span<const StreamFile>() : found->second.files;
}

void FileStreamStore::set_file_bytes(StreamNumber stream, std::uint64_t bytes) { next_.file_bytes[stream] = bytes; }

bool FileStreamStore::append(StreamNumber stream, Sequence sequence, Instant at, MessageParts message) {
  FOLKMOOT_ASSERT(message.bytes() <= kEventMessageBytesMax && at >= Instant{0} && sequence > Sequence{0});
  const auto bytes = event_bytes(message.bytes());
  if (handed_bytes_ > 0 && handed_bytes_ + bytes > kStreamHandoverBytesMax) return false;
  auto& runs = next_.runs[stream];
  if (runs.empty() || runs.back().bytes() + bytes > kRunBytesMax) runs.emplace_back();
  lay_out_event(runs.back().add(bytes), sequence, at, message);
  handed_bytes_ += bytes;
  next_.run_bytes += bytes;
  streams_[stream];
  return true;
}

std::uint8_t* FileStreamStore::Run::add(std::size_t bytes) {
  if (used_ + bytes > capacity_) {
    capacity_ = std::max({2 * capacity_, used_ + bytes, kRunBytesMin});
    auto larger = std::make_unique_for_overwrite<std::uint8_t[]>(capacity_);
    if (used_ > 0) std::memcpy(larger.get(), memory_.get(), used_);
    memory_ = std::move(larger);
  }
  return memory_.get() + std::exchange(used_, used_ + bytes);
}

void FileStreamStore::trim(StreamNumber stream, Sequence first) {
  auto& known = streams_[stream];
  if (first <= known.trimmed) return;
  known.trimmed = first;
  drop_trimmed(known);
  next_.trims[stream] = first;
}

void FileStreamStore::remove(StreamNumber stream) {
  streams_.erase(stream);
  next_.removals.insert(stream);
}

void FileStreamStore::read(const StreamRead& what, ReadTicket ticket) { next_.reads.emplace_back(ticket, what); }

// As the thread does with the files.
void FileStreamStore::drop_trimmed(Known& known) {
  const auto& files = known.files;
  std::size_t count = 0;
  while (count + 1 < files.size() && files[count + 1].first <= known.trimmed) ++count;
  known.files.erase(known.files.begin(), known.files.begin() + static_cast<std::ptrdiff_t>(count));
}

void FileStreamStore::take_notice(const Stored& stored, Known& known) {
  if (!stored.files.empty()) {
    const auto first = stored.files.front().first;
    while (!known.files.empty() &&
           (known.files.back().first >= first || known.files.back().first == known.files.back().end))
      known.files.pop_back();
    known.files.insert(known.files.end(), stored.files.begin(), stored.files.end());
  }
  drop_trimmed(known);
}

// A file that is not the newest is as it will be for ever. Of the newest, what is stored is. One without events that
// are still given out may be going already, and nobody misses it.
void FileStreamStore::hold() {
  held_.emplace();
  for (const auto& [number, known] : streams_) {
    for (const auto& file : known.files) {
      if (file.first == file.end || file.end <= known.trimmed || file.bytes == 0) continue;
      const bool is_newest = &file == &known.files.back();
      held_->push_back({.stream = number, .first = file.first, .bytes = is_newest ? file.used : file.bytes});
    }
  }
  next_.hold = true;
}

void FileStreamStore::let_go() {
  held_.reset();
  next_.hold = false;
}

bool FileStreamStore::submit() {
  if (next_.empty()) return false;
  auto next = std::exchange(next_, {});
  const std::lock_guard lock(mutex_);
  for (const auto& [stream, bytes] : next.file_bytes) orders_.file_bytes[stream] = bytes;
  for (const auto& [stream, first] : next.trims) orders_.trims[stream] = first;
  orders_.removals.merge(next.removals);
  if (next.hold) orders_.hold = next.hold;
  for (auto& [stream, runs] : next.runs) {
    auto& all = orders_.runs[stream];
    std::ranges::move(runs, std::back_inserter(all));
  }
  orders_.run_bytes += next.run_bytes;
  std::ranges::move(next.reads, std::back_inserter(orders_.reads));
  return true;
}

Result<FileStreamStore::News> FileStreamStore::collect() {
  Results results;
  {
    const std::lock_guard lock(mutex_);
    if (has_failed_) return std::unexpected(*results_.error);
    results = std::exchange(results_, {});
  }
  handed_bytes_ -= results.taken_bytes;
  refusal_ = std::move(results.refusal);
  News news;
  for (const auto& [stream, stored] : results.stored) {
    const auto known = streams_.find(stream);
    if (known == streams_.end()) continue;  // it was removed meanwhile
    take_notice(stored, known->second);
    if (stored.end != 0) news.stored.emplace_back(stream, stored.end);
  }
  news.chunks = std::move(results.chunks);
  return news;
}

// -- the thread's half

bool FileStreamStore::has_work() const {
  const std::lock_guard lock(mutex_);
  if (has_failed_) return false;
  const bool reads = !orders_.reads.empty() && results_.chunk_bytes < kChunkBytesMax;
  return reads || !orders_.runs.empty() || !orders_.trims.empty() || !orders_.removals.empty() ||
         !orders_.file_bytes.empty() || orders_.hold;
}

bool FileStreamStore::is_pressed() const {
  const std::lock_guard lock(mutex_);
  return !orders_.reads.empty() || orders_.hold || orders_.run_bytes >= kPressingBytes;
}

bool FileStreamStore::wants_retry() const { return retries_.load(std::memory_order_relaxed); }

FileStreamStore::Orders FileStreamStore::take_orders() {
  const std::lock_guard lock(mutex_);
  auto reads = std::move(orders_.reads);
  auto orders = std::exchange(orders_, {});
  orders_.reads = std::move(reads);
  return orders;
}

void FileStreamStore::work() {
  {
    const std::lock_guard lock(mutex_);
    if (has_failed_) return;
  }
  Results results;
  auto done = carry_out(take_orders(), results);
  retries_.store(!pending_.empty(), std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    for (auto& [stream, stored] : results.stored) {
      auto& all = results_.stored[stream];
      if (stored.end != 0) all.end = stored.end;
      if (stored.files.empty()) continue;
      const auto first = stored.files.front().first;
      while (!all.files.empty() && all.files.back().first >= first) all.files.pop_back();
      std::ranges::move(stored.files, std::back_inserter(all.files));
    }
    results_.taken_bytes += results.taken_bytes;
    results_.refusal = std::move(results.refusal);
    if (!done) {
      results_.error = done.error();
      has_failed_ = true;
      return;
    }
  }
  read_next();
}

Result<void> FileStreamStore::carry_out(Orders orders, Results& results) {
  for (const auto& [stream, bytes] : orders.file_bytes) files_->set_file_bytes(stream, bytes);
  if (orders.hold) {
    if (auto done = files_->hold(*orders.hold); !done) return done;
  }
  for (const auto& [stream, first] : orders.trims) {
    if (orders.removals.contains(stream)) continue;
    const bool goes_on = orders.runs.contains(stream) || pending_.contains(stream);
    using Newest = StreamFiles::Newest;
    if (auto done = files_->trim(stream, first, goes_on ? Newest::stays : Newest::goes); !done) return done;
  }
  for (auto& [stream, runs] : orders.runs) std::ranges::move(runs, std::back_inserter(pending_[stream]));
  for (const auto stream : orders.removals) {
    if (auto done = files_->remove(stream); !done) return done;
    const auto pending = pending_.find(stream);
    if (pending == pending_.end()) continue;
    for (auto& run : pending->second) results.taken_bytes += run.left().size();
    pending_.erase(pending);
  }
  if (auto done = write(results); !done) return done;
  for (const auto& [stream, first] : orders.trims) {  // the newest files as well, if nothing came that is kept
    if (orders.removals.contains(stream)) continue;
    if (auto done = files_->trim(stream, first); !done) return done;
  }
  return files_->sync([&](StreamNumber stream, std::span<const StreamFile> files) {
    results.stored[stream].files.assign(files.begin(), files.end());
  });
}

// What the disk has no room for stays. Nothing is said to be stored before it is synced.
Result<void> FileStreamStore::write(Results& results) {
  for (auto at = pending_.begin(); at != pending_.end();) {
    auto& [stream, runs] = *at;
    StreamFiles::Taken taken;
    Result<void> done;
    while (done && !runs.empty()) {
      const auto before = taken.bytes;
      done = files_->append(stream, runs.front().left(), taken);
      runs.front().take(taken.bytes - before);
      if (runs.front().left().empty()) runs.pop_front();
    }
    results.taken_bytes += taken.bytes;
    if (taken.end != 0) results.stored[stream].end = taken.end;
    if (!done && !is_for_now(done.error())) return done;
    if (!done) results.refusal = done.error().text;
    at = runs.empty() ? pending_.erase(at) : std::next(at);
  }
  return {};
}

void FileStreamStore::read_next() {
  for (;;) {
    std::pair<ReadTicket, StreamRead> order;
    {
      const std::lock_guard lock(mutex_);
      if (orders_.reads.empty() || results_.chunk_bytes >= kChunkBytesMax) return;
      order = orders_.reads.front();
      orders_.reads.pop_front();
    }
    auto chunk = files_->read(order.second);
    const auto bytes = bytes_of_chunk(chunk);
    const std::lock_guard lock(mutex_);
    results_.chunks.emplace_back(order.first, std::move(chunk));
    results_.chunk_bytes += bytes;
  }
}

Result<void> FileStreamStore::close() {
  submit();
  work();
  if (auto last = collect(); !last) return std::unexpected(last.error());
  auto done = files_->close();
  if (!done && is_for_now(done.error())) return {};  // what is not sealed is read at the next start
  return done;
}

}  // namespace folkmoot
