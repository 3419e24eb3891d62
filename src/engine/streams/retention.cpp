// How long events stay. By number it is exact, and follows from what is on disk. By bytes and by age the files are
// asked, which go as a whole; where a stream begins is then noted in the log before anything goes, so that what was
// given up once does not come back in part.
#include <algorithm>

#include "engine/streams/stream_records.hpp"
#include "engine/streams/streams.hpp"

namespace folkmoot {
namespace {

constexpr Duration kLookMin{1'000}, kLookMax{60'000};
constexpr std::int64_t kLooksAnAge = 20;  // how often in the time that events stay

}  // namespace

void Streams::bound_by_number(Stream& stream) {
  const auto most = stream.settings.max_events;
  if (most != 0 && stream.durable.value > most)
    stream.first = std::max(stream.first, Sequence{stream.durable.value - most});
  // Not while a crash could bring other settings back.
  if (most != 0 && stream.place.lsn < durable_end_ && stream.durable.value > most)
    stream.safe = std::max(stream.safe, Sequence{stream.durable.value - most});
}

void Streams::bound_by_rest(Stream& stream) {
  auto first = stream.first;
  if (stream.settings.max_bytes != 0) first = std::max(first, first_by_bytes(stream));
  if (stream.settings.max_age != 0) first = std::max(first, first_by_age(stream));
  if (first <= stream.first) return;
  const auto before = std::exchange(stream.first, first);
  if (!note(stream)) stream.first = before;  // tried again
}

Sequence Streams::first_by_bytes(const Stream& stream) const {
  auto bytes = stream.held_bytes;
  auto first = stream.first;
  if (to_.store != nullptr) {
    const auto files = to_.store->files(stream.number);
    for (const auto& file : files) bytes += file.end > first ? file.bytes : 0;
    // Never the newest, which is being written.
    for (std::size_t i = 0; i + 1 < files.size() && bytes > stream.settings.max_bytes; ++i) {
      if (files[i].end <= first) continue;
      first = files[i].end;
      bytes -= files[i].bytes;
    }
    return first;
  }
  for (auto at = std::max(first, stream.held_first); at < stream.durable && bytes > stream.settings.max_bytes; ++at) {
    bytes -= stream.event(at).place.bytes;
    first = at + 1;
  }
  return first;
}

Sequence Streams::first_by_age(const Stream& stream) const {
  const auto oldest = stream.oldest_allowed(to_.run.now());
  auto first = stream.first;
  if (stream.last_by) {
    for (auto at = stream.last.lower_bound(first); at != stream.last.end() && at->second.event.at < oldest; ++at)
      first = at->first + 1;
    return first;
  }
  if (to_.store != nullptr) {
    for (const auto& file : to_.store->files(stream.number)) {
      if (file.newest >= oldest) return first;
      first = std::max(first, file.end);
    }
  }
  if (first < stream.held_first && stream.held_first > stream.stored) return first;  // lost ones are not passed over
  while (first < stream.durable && first >= stream.held_first && stream.event(first).at < oldest) ++first;
  return first;
}

bool Streams::note(Stream& stream) {
  const StreamTrimmedFact fact{stream.number, 0, stream.first, stream.next, stream.stored};
  const auto place = to_.ledger.note(FactKind::stream_trimmed, {bytes_of(fact)}, Life::live);
  if (place.lsn == 0) return false;
  to_.ledger.release(stream.trimmed_place);
  stream.trimmed_place = place;
  stream.marked = stream.stored;
  stream.marked_at = to_.run.now();
  to_.ledger.when(Durable(place), waiting::StreamNoted{stream.number, stream.first});
  return true;
}

void Streams::on_durable(const waiting::StreamNoted& item) {
  auto* const stream = table_.find(item.stream);
  if (stream == nullptr) return;
  stream->safe = std::max(stream->safe, item.first);
  let_go(*stream);
}

void Streams::let_go(Stream& stream) {
  if (stream.last_by) return let_go_of_last(stream);
  drop_references(stream, stream.safe);
  // What the files are taking has to stay until they have it.
  while (!stream.held.empty() && stream.held_first < stream.safe && stream.held_first < stream.durable &&
         (to_.store == nullptr || stream.held_first >= stream.handed)) {
    to_.ledger.release(stream.held.front().place);
    stream.held_bytes -= stream.held.front().place.bytes;
    stream.held.pop_front();
    ++stream.held_first;
  }
  stream.handed = std::max(stream.handed, stream.held_first);
  if (to_.store == nullptr) return;
  const auto files = to_.store->files(stream.number);
  if (!files.empty() && files.front().end <= stream.safe) to_.store->trim(stream.number, stream.safe);
}

void Streams::let_go_of_last(Stream& stream) {
  while (!stream.last.empty() && stream.last.begin()->first < stream.safe) {
    const auto oldest = stream.last.begin();
    to_.ledger.release(oldest->second.event.place);
    stream.held_bytes -= oldest->second.event.place.bytes;
    stream.by_key.erase(oldest->second.key);
    drop_reference(stream, oldest->first);
    stream.last.erase(oldest);
  }
}

void Streams::drop_reference(Stream& stream, Sequence sequence) {
  const auto found = stream.references.find(sequence);
  if (found == stream.references.end()) return;
  to_.contents.drop(found->second.content);
  to_.ledger.release(found->second.place);
  stream.references.erase(found);
  --references_;
}

void Streams::drop_references(Stream& stream, Sequence below) {
  while (!stream.references.empty() && stream.references.begin()->first < below)
    drop_reference(stream, stream.references.begin()->first);
}

// Sees to it that those that are too old are looked for.
void Streams::watch(Stream& stream) {
  if (stream.settings.max_age == 0) {
    stream.look_at = 0;
    return;
  }
  const auto every = std::clamp(stream.settings.max_age / kLooksAnAge, kLookMin, kLookMax);
  stream.look_at = to_.run.now() + every;
  to_.agenda.add({.at = stream.look_at, .id = stream.number.value, .place = 0, .kind = TimerKind::stream});
}

bool Streams::is_live(const Timer& timer) const {
  if (timer.id == 0) return timer.at == look_at_;
  const auto* const stream = table_.find(StreamNumber{static_cast<std::uint32_t>(timer.id)});
  return stream != nullptr && stream->look_at == timer.at;
}

void Streams::due(const Timer& timer) {
  if (timer.id == 0) {
    look_at_ = 0;
    return on_mail(mailbox_);
  }
  auto& stream = *table_.find(StreamNumber{static_cast<std::uint32_t>(timer.id)});
  bound_by_rest(stream);
  let_go(stream);
  watch(stream);
}

}  // namespace folkmoot
