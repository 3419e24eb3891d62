#include "stream/stream_files.hpp"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace folkmoot {
namespace {

constexpr std::uint64_t kStepsOfFile = 16;  // room is reserved in so many steps
constexpr std::uint64_t kStepBytesMin = 64 * 1024;
constexpr std::size_t kStepUnit = 4096;

std::uint64_t step_bytes(std::uint64_t file_bytes) {
  return std::max(round_up(file_bytes / kStepsOfFile, kStepUnit), kStepBytesMin);
}

Sequence before(Sequence sequence) { return Sequence{sequence.value - 1}; }

}  // namespace

Result<std::unique_ptr<StreamFiles>> StreamFiles::open(Disk& disk, const StreamFilesOptions& options) {
  std::unique_ptr<StreamFiles> files(new StreamFiles(disk, options));
  if (options.id) {
    files->id_ = *options.id;
  } else if (::getrandom(files->id_.data(), files->id_.size(), 0) != static_cast<ssize_t>(files->id_.size())) {
    return failure(ErrorCode::io_error, "no random numbers from the system");
  }
  const auto names = disk.list();
  if (!names) return std::unexpected(names.error());
  if (auto done = files->find(*names); !done) return std::unexpected(done.error());
  // A name that the last run had not synced yet is relied on from now on.
  if (auto done = disk.sync_folder(); !done) return std::unexpected(done.error());
  return files;
}

Result<void> StreamFiles::find(const std::vector<std::string>& names) {
  for (const auto& name : names) {
    if (name == kNewEventFileName) {
      if (auto done = disk_.remove(name); !done) return done;
      continue;
    }
    if (const auto parsed = EventFileName::parse(name))
      streams_[parsed->stream].files.push_back({.info = {.first = parsed->first, .end = parsed->first}});
  }
  for (auto& [number, stream] : streams_) {
    std::ranges::sort(stream.files, {}, [](const File& file) { return file.info.first; });
    if (auto done = look_at(number, stream); !done) return done;
  }
  return {};
}

Result<void> StreamFiles::look_at(StreamNumber number, Stream& stream) {
  for (std::size_t i = 0; i < stream.files.size(); ++i) {
    auto& file = stream.files[i];
    const bool is_last = i + 1 == stream.files.size();
    auto opened = EventFile::open(disk_, {number, file.info.first}, Disk::Open::existing);
    if (!opened && opened.error().code != ErrorCode::damaged) return std::unexpected(opened.error());
    if (!opened) {  // nothing of it can be read: whoever tries is told
      file.is_damaged = file.is_unknown = true;
      problems_.push_back(opened.error());
      if (!is_last) file.info.end = stream.files[i + 1].info.first;
      continue;
    }
    file.info = (*opened)->summary();
    file.is_damaged = (*opened)->is_damaged();
    if (const auto& problem = (*opened)->problem(); problem) problems_.push_back(*problem);
    if (!is_last) {
      file.info.end = std::min(file.info.end, stream.files[i + 1].info.first);
    } else if (!(*opened)->is_sealed()) {
      if (auto done = recover_head(stream, std::move(*opened)); !done) return done;
    }
  }
  return {};
}

Result<void> StreamFiles::recover_head(Stream& stream, std::unique_ptr<EventFile> file) {
  const auto cut = file->recover();
  if (!cut) return std::unexpected(cut.error());
  cut_bytes_ += *cut;
  stream.files.back().info = file->summary();
  if (file->is_damaged()) return {};
  if (auto done = let_go_of_heads(options_.open_max - 1); !done) return done;
  stream.head = std::move(file);
  stream.used_at = ++clock_;
  return {};
}

void StreamFiles::each(const std::function<void(StreamNumber, const std::vector<StreamFile>&)>& each) const {
  for (const auto& [number, stream] : streams_) {
    if (stream.files.empty()) continue;
    std::vector<StreamFile> files;
    for (const auto& file : stream.files) files.push_back(file.info);
    each(number, files);
  }
}

void StreamFiles::set_file_bytes(StreamNumber stream, std::uint64_t bytes) {
  streams_[stream].file_bytes = std::clamp(bytes, kStreamFileBytesMin, kStreamFileBytesMax);
}

// Seals the files that were not appended to for longest, until so many are open.
Result<void> StreamFiles::let_go_of_heads(std::size_t most) {
  for (;;) {
    std::size_t open = 0;
    Stream* oldest = nullptr;
    for (auto& [number, stream] : streams_) {
      if (!stream.head) continue;
      ++open;
      if (oldest == nullptr || stream.used_at < oldest->used_at) oldest = &stream;
    }
    if (open <= most) return {};
    if (auto done = seal_head(*oldest); !done) return done;
  }
}

Result<void> StreamFiles::seal_head(Stream& stream) {
  if (!stream.head) return {};
  if (auto done = stream.head->seal(); !done) return done;
  note(stream);
  stream.head.reset();
  return {};
}

void StreamFiles::note(Stream& stream) { stream.files.back().info = stream.head->summary(); }

// The newest file is open and takes the event that comes next, or a new one does.
Result<void> StreamFiles::ready_head(StreamNumber number, Stream& stream, Sequence next, std::size_t bytes) {
  stream.used_at = ++clock_;
  if (stream.files.empty() || stream.files.back().is_damaged || stream.files.back().info.end != next)
    return begin_file(number, stream, next);
  if (!stream.head) {
    if (auto done = let_go_of_heads(options_.open_max - 1); !done) return done;
    const EventFileName name{number, stream.files.back().info.first};
    auto file = EventFile::open(disk_, name, Disk::Open::existing);
    if (!file && file.error().code != ErrorCode::damaged) return std::unexpected(file.error());
    if (file && (*file)->is_sealed()) {
      if (!(*file)->has_room(bytes, stream.file_bytes)) return begin_file(number, stream, next);
      if (auto done = (*file)->unseal(); !done) return done;
    }
    forget_reader(name);
    if (!file || (*file)->is_sealed() || (*file)->is_damaged()) {  // it was sound when it was sealed
      stream.files.back().is_damaged = true;
      return begin_file(number, stream, next);
    }
    stream.head = std::move(*file);
  }
  if (stream.head->has_room(bytes, stream.file_bytes)) return {};
  return begin_file(number, stream, next);
}

Result<void> StreamFiles::begin_file(StreamNumber number, Stream& stream, Sequence first) {
  const bool replaces = stream.head && stream.head->is_empty();  // of that one nothing is left to know
  if (!replaces) {
    if (auto done = seal_head(stream); !done) return done;
    if (auto done = let_go_of_heads(options_.open_max - 1); !done) return done;
  }
  auto made = EventFile::create(disk_, {.stream = number, .first = first, .id = id_});
  if (!made) return std::unexpected(made.error());
  if (!stream.files.empty() && (replaces || stream.files.back().info.first == first)) {
    stream.head.reset();
    const auto before = stream.files.back().info.first;
    stream.files.pop_back();
    stream.reported = std::min(stream.reported, stream.files.size());
    if (before != first) {
      if (auto done = remove_file({number, before}); !done) return done;
    }
  }
  if (!stream.files.empty() && stream.files.back().is_unknown) stream.files.back().info.end = first;
  stream.head = std::move(*made);
  stream.files.push_back({.info = stream.head->summary()});
  changed_.insert(number);
  return {};
}

Result<void> StreamFiles::append(StreamNumber number, std::span<std::uint8_t> events, Taken& taken) {
  auto& stream = streams_[number];
  changed_.insert(number);
  while (!events.empty()) {
    const auto bytes = event_bytes_at(events.data());
    const auto sequence = event_sequence(events.data());
    const auto end = stream.files.empty() ? Sequence{0} : stream.files.back().info.end;
    // What was trimmed meanwhile is left out, unless the newest file goes on with it: another one would be begun.
    if (sequence < end || (sequence < stream.trimmed && sequence != end)) {
      taken = {taken.bytes + bytes, sequence + 1};
      events = events.subspan(bytes);
      continue;
    }
    if (auto done = ready_head(number, stream, sequence, bytes); !done) return done;
    // As many as follow each other, and belong into this file.
    auto run = bytes;
    for (auto next = sequence + 1; run < events.size(); ++next) {
      const auto more = event_bytes_at(events.data() + run);
      if (event_sequence(events.data() + run) != next || !stream.head->has_room(run + more, stream.file_bytes)) break;
      if (stream.head->is_empty() && kEventFileHeaderBytes + kEventMarkBytes + run + more > stream.file_bytes) break;
      run += more;
    }
    if (auto done = stream.head->append(events.first(run), step_bytes(stream.file_bytes)); !done) return done;
    note(stream);
    taken = {taken.bytes + run, stream.head->end()};
    events = events.subspan(run);
  }
  return {};
}

Result<void> StreamFiles::sync(const OnStored& stored) {
  for (const auto number : changed_) {
    auto& stream = streams_[number];
    if (stream.head) {
      if (auto done = stream.head->sync(); !done) return done;
      note(stream);
    }
    std::vector<StreamFile> files;
    for (auto i = stream.reported; i < stream.files.size(); ++i) files.push_back(stream.files[i].info);
    stream.reported = stream.files.empty() ? 0 : stream.files.size() - 1;
    stored(number, files);
  }
  changed_.clear();
  if (folder_dirty_) {
    if (auto done = disk_.sync_folder(); !done) return done;
    folder_dirty_ = false;
  }
  return {};
}

Result<void> StreamFiles::trim(StreamNumber number, Sequence first, Newest newest) {
  auto& stream = streams_[number];
  stream.trimmed = std::max(stream.trimmed, first);
  if (stream.files.empty()) return {};
  std::size_t count = 0;
  while (count + 1 < stream.files.size() && stream.files[count + 1].info.first <= stream.trimmed) ++count;
  if (auto done = remove_oldest(number, stream, count); !done) return done;
  const auto& last = stream.files.back();
  if (newest == Newest::stays || last.is_unknown || last.info.end > stream.trimmed || last.info.first == last.info.end)
    return {};
  // The newest file says where the stream has come to, so another one does before it goes.
  if (auto done = begin_file(number, stream, stream.trimmed); !done) {
    return done.error().code == ErrorCode::io_error ? done : Result<void>{};  // no room for that: it stays for now
  }
  return remove_oldest(number, stream, stream.files.size() - 1);
}

Result<void> StreamFiles::remove_oldest(StreamNumber number, Stream& stream, std::size_t count) {
  for (; count > 0; --count) {
    if (auto done = remove_file({number, stream.files.front().info.first}); !done) return done;
    stream.files.erase(stream.files.begin());
    if (stream.reported > 0) --stream.reported;
  }
  return {};
}

Result<void> StreamFiles::remove_file(const EventFileName& name) {
  forget_reader(name);
  if (is_held_) {
    to_remove_.push_back(name);
    return {};
  }
  folder_dirty_ = true;
  return disk_.remove(name.text());
}

Result<void> StreamFiles::hold(bool held) {
  is_held_ = held;
  if (held) return {};
  for (const auto& name : std::exchange(to_remove_, {})) {
    if (auto done = remove_file(name); !done) return done;
  }
  return {};
}

Result<void> StreamFiles::remove(StreamNumber number) {
  const auto found = streams_.find(number);
  if (found == streams_.end()) return {};
  found->second.head.reset();
  if (auto done = remove_oldest(number, found->second, found->second.files.size()); !done) return done;
  streams_.erase(found);
  changed_.erase(number);
  return {};
}

Result<void> StreamFiles::close() {
  if (auto done = sync([](StreamNumber, std::span<const StreamFile>) {}); !done) return done;
  return let_go_of_heads(0);
}

// -- reading

void StreamFiles::forget_reader(const EventFileName& name) {
  std::erase_if(readers_, [&](const Reader& reader) { return reader.name == name; });
}

Result<EventFile*> StreamFiles::reader(StreamNumber number, Stream& stream, std::size_t file) {
  if (stream.head && file + 1 == stream.files.size()) return stream.head.get();
  const EventFileName name{number, stream.files[file].info.first};
  const auto known = std::ranges::find(readers_, name, &Reader::name);
  if (known != readers_.end()) {
    known->used_at = ++clock_;
    return known->file.get();
  }
  auto opened = EventFile::open(disk_, name, Disk::Open::read_only);
  if (!opened) return std::unexpected(opened.error());
  if (readers_.size() >= options_.readers_max) readers_.erase(std::ranges::min_element(readers_, {}, &Reader::used_at));
  readers_.push_back({name, std::move(*opened), ++clock_});
  return readers_.back().file.get();
}

Error StreamFiles::gap(StreamNumber number, Sequence first, Sequence end) {
  return {ErrorCode::damaged,
          fmt::format("stream {}: events {} to {} are in no file", number.value, first.value, end.value - 1),
          "`folkmoot journal verify DIR` tells everything that is wrong; restore the data folder from a backup"};
}

// Where the first event of a stream is that is not before a time, or after it; nothing if there is none, or if that
// cannot be told: then the chunk says so.
std::optional<Sequence> StreamFiles::first_event(StreamNumber number, Stream& stream, const StreamRead& what,
                                                 StreamChunk& chunk) {
  const auto time = std::max(*what.since, Instant{0});
  const auto bound = what.backwards ? TimeBound::after : TimeBound::not_before;
  auto known_end = stream.trimmed;
  for (std::size_t i = 0; i < stream.files.size(); ++i) {
    const auto& file = stream.files[i];
    if (file.is_unknown || file.info.first == file.info.end) continue;
    const bool is_older = bound == TimeBound::after ? file.info.newest <= time : file.info.newest < time;
    // Who was told of damage goes on behind it.
    const bool is_behind = what.backwards || file.info.end > what.from;
    if (!is_older && is_behind && file.info.end > stream.trimmed) {
      const auto opened = reader(number, stream, i);
      const auto found =
          opened ? find_event(**opened, time, bound) : Result<std::optional<Sequence>>(std::unexpected(opened.error()));
      if (!found) {
        chunk.error = found.error();
        chunk.next = what.backwards ? before(file.info.first) : std::max(file.info.end, what.from);
        return std::nullopt;
      }
      // Forwards, what cannot be read before it may be as young; backwards one comes to that by itself.
      const bool is_first = *found && **found == file.info.first && !what.backwards;
      if (*found && **found < file.info.end) return is_first ? std::min(known_end, **found) : **found;
    }
    known_end = file.info.end;
  }
  return std::nullopt;
}

// Where a read begins; nothing if there is nothing (more), or if it cannot be told: then the chunk says so.
std::optional<StreamFiles::Place> StreamFiles::place_of(StreamNumber number, Stream& stream, const StreamRead& what,
                                                        StreamChunk& chunk) {
  const auto end = stream.files.back().info.end;
  auto from = what.backwards ? std::min(what.from, before(end)) : std::max(what.from, stream.trimmed);
  if (what.since) {
    const auto found = first_event(number, stream, what, chunk);
    if (chunk.error) return std::nullopt;
    if (!what.backwards) from = std::max(from, found.value_or(end));
    if (what.backwards && found) from = std::min(from, before(*found));
  }
  if (what.backwards ? from < stream.trimmed : from >= end) return std::nullopt;
  const auto behind =
      std::ranges::upper_bound(stream.files, from, {}, [](const File& file) { return file.info.first; });
  if (behind != stream.files.begin())
    return Place{.file = static_cast<std::size_t>(behind - stream.files.begin()) - 1, .from = from};
  chunk.error = gap(number, stream.trimmed, stream.files.front().info.first);
  chunk.next = what.backwards ? Sequence{0} : stream.files.front().info.first;
  return std::nullopt;
}

StreamChunk StreamFiles::read(const StreamRead& what) {
  StreamChunk chunk;
  chunk.stream = what.stream;
  const auto found = streams_.find(what.stream);
  const bool is_empty = found == streams_.end() || found->second.files.empty();
  if (is_empty) {
    const auto lowest = found == streams_.end() ? Sequence{1} : found->second.trimmed;
    chunk.next = what.backwards ? Sequence{0} : std::max(what.from, lowest);
    chunk.at_end = true;
    return chunk;
  }
  auto& stream = found->second;
  if (const auto place = place_of(what.stream, stream, what, chunk)) {
    read_from(what.stream, stream, what, *place, chunk);
  } else if (!chunk.error) {
    chunk.next = what.backwards ? Sequence{0} : std::max(what.from, stream.files.back().info.end);
  }
  if (what.backwards && chunk.next < stream.trimmed) chunk.next = 0;
  if (!chunk.error) chunk.at_end = what.backwards ? chunk.next == 0 : chunk.next >= stream.files.back().info.end;
  return chunk;
}

void StreamFiles::read_from(StreamNumber number, Stream& stream, const StreamRead& what, Place place,
                            StreamChunk& chunk) {
  const auto& file = stream.files[place.file];
  const auto fail = [&](Error error, Sequence begin, Sequence end) {
    chunk.error = std::move(error);
    chunk.next = what.backwards ? before(begin) : end;
  };
  const bool is_last = place.file + 1 == stream.files.size();
  if (place.from >= file.info.end && !file.is_unknown) {
    const auto next = is_last ? place.from : stream.files[place.file + 1].info.first;
    return fail(gap(number, file.info.end, next), file.info.end, next);
  }
  const auto opened = reader(number, stream, place.file);
  if (!opened) {
    const bool is_for_good = opened.error().code == ErrorCode::damaged;
    if (is_for_good) return fail(opened.error(), file.info.first, file.info.end);
    return fail(opened.error(), place.from + 1, place.from);  // it may be read another time
  }
  if (place.from >= (*opened)->end()) {
    return fail(event_damage((*opened)->name(), (*opened)->records_end(), "events are gone"), (*opened)->end(),
                file.info.end);
  }
  const EventRange range{.from = place.from,
                         .lowest = lowest(stream),
                         .events_max = std::max<std::size_t>(what.events_max, 1),
                         .bytes_max = std::min(what.bytes_max, kStreamReadBytesMax)};
  if (what.backwards) return read_backwards(**opened, range, chunk);
  read_forwards(**opened, range, chunk);
  chunk.next = std::min(chunk.next, file.info.end);
  while (!chunk.events.empty() && chunk.events.back().sequence >= file.info.end) chunk.events.pop_back();
}

}  // namespace folkmoot
