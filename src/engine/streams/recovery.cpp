// Streams as the log has them. A copy of stream_set may come behind facts that speak of the stream, since it is copied
// when the oldest segment goes; so what is met is gathered by number, and becomes streams when all was read.
#include <fmt/format.h>

#include "engine/streams/stream_records.hpp"
#include "engine/streams/streams.hpp"

namespace folkmoot {

Result<void> Streams::enter(const Fact& fact) {
  durable_end_ = std::max(durable_end_, fact.place.lsn + 1);
  switch (fact.kind) {
    case FactKind::stream_set:
      return enter_set(fact);
    case FactKind::stream_event:
      return enter_event(fact);
    case FactKind::stream_trimmed:
      return enter_trimmed(fact);
    case FactKind::stream_refers:
      return enter_refers(fact);
    default:
      return enter_removed(fact);
  }
}

Result<void> Streams::enter_set(const Fact& fact) {
  auto stream = unpack_stream(fact.body);
  if (!stream) return std::unexpected(std::move(stream.error()));
  last_number_ = std::max(last_number_, (*stream)->number);
  auto& known = recovering_[(*stream)->number];
  to_.ledger.retain(fact.place);
  if (known.stream) to_.ledger.release(known.stream->place);
  known.stream = std::move(*stream);
  known.stream->place = fact.place;
  return {};
}

Result<void> Streams::enter_event(const Fact& fact) {
  StreamEventFact said;
  if (!read_fact(fact.body, said)) return cannot_be(fact.kind, "is too short");
  last_number_ = std::max(last_number_, said.stream);
  if (to_.store != nullptr && said.sequence < to_.store->extent(said.stream).end) return {};  // the files have it
  auto& known = recovering_[said.stream];
  to_.ledger.retain(fact.place);
  auto& event = known.events[said.sequence];
  to_.ledger.release(event.place);  // of which this is a copy
  event = {fact.place, said.at};
  return {};
}

Result<void> Streams::enter_trimmed(const Fact& fact) {
  StreamTrimmedFact said;
  if (!read_fact(fact.body, said)) return cannot_be(fact.kind, "is too short");
  last_number_ = std::max(last_number_, said.stream);
  auto& known = recovering_[said.stream];
  to_.ledger.retain(fact.place);
  to_.ledger.release(known.trimmed_place);
  known.trimmed = said;
  known.trimmed_place = fact.place;
  return {};
}

Result<void> Streams::enter_refers(const Fact& fact) {
  StreamRefersFact said;
  if (!read_fact(fact.body, said)) return cannot_be(fact.kind, "is too short");
  last_number_ = std::max(last_number_, said.stream);
  auto& [ref, place] = recovering_[said.stream].references[said.sequence];
  to_.ledger.retain(fact.place);
  to_.ledger.release(place);  // of which this is a copy
  ref = {said.hash, said.size};
  place = fact.place;
  return {};
}

Result<void> Streams::enter_removed(const Fact& fact) {
  StreamRemovedFact said;
  if (!read_fact(fact.body, said)) return cannot_be(fact.kind, "is too short");
  last_number_ = std::max(last_number_, said.stream);
  consumers_.forget_recovering(said.stream);
  const auto found = recovering_.find(said.stream);
  if (found == recovering_.end()) return {};
  const auto& known = found->second;
  for (const auto& [sequence, event] : known.events) to_.ledger.release(event.place);
  for (const auto& [sequence, reference] : known.references) to_.ledger.release(reference.second);
  to_.ledger.release(known.trimmed_place);
  if (known.stream) to_.ledger.release(known.stream->place);
  recovering_.erase(found);
  return {};
}

Result<void> Streams::start() {
  for (auto& [number, known] : recovering_) {
    if (!known.stream)
      return failure(
          ErrorCode::damaged,
          fmt::format("there are events of stream number {}, and no fact of the log says which that is", number.value));
    if (auto done = start(number, known); !done) return done;
  }
  recovering_.clear();
  if (auto done = consumers_.start(); !done) return done;
  if (to_.store != nullptr) {
    // Of a stream that the log knew once, a crash has cut off the removal. Of one that it never heard of it may have
    // lost all, or it may be the log of another folder: its files are nobody's to remove.
    const auto known = last_number_;
    std::vector<StreamNumber> removed;
    to_.store->each([&](StreamNumber number, const StreamExtent&) {
      last_number_ = std::max(last_number_, number);
      const auto* const stream = table_.find(number);
      if (stream != nullptr && !stream->last_by) return;
      (number <= known ? removed : strangers_).push_back(number);
    });
    for (const auto number : removed) to_.store->remove(number);
  }
  for (const auto& [number, stream] : table_.all()) {
    bound_by_rest(*stream);
    let_go(*stream);
    watch(*stream);
    if (to_.store != nullptr && !stream->last_by) hand_over(*stream);
  }
  changed_streams();
  return {};
}

Result<void> Streams::start(StreamNumber number, Recovering& known) {
  auto& stream = table_.add(std::move(known.stream));
  stream.trimmed_place = known.trimmed_place;
  if (known.trimmed) {
    stream.first = std::max(stream.first, known.trimmed->first);
    // The stream's record says so too, unless files were lost that had what came since.
    stream.next = std::max(stream.next, known.trimmed->next);
    stream.marked = std::max(stream.marked, known.trimmed->stored);
  }
  stream.safe = stream.first;
  if (!known.events.empty()) {
    stream.next = std::max(stream.next, known.events.rbegin()->first + 1);
    stream.newest = known.events.rbegin()->second.at;
  }
  if (to_.store != nullptr && !stream.last_by) {
    const auto extent = to_.store->extent(number);
    to_.store->set_file_bytes(number, stream.settings.max_bytes / 16);
    stream.stored = stream.files_end = extent.end;
    // Files that are ahead of the log, whose end a power failure took: they were told of nothing but what was on disk.
    stream.next = std::max(stream.next, extent.end);
    const auto files = to_.store->files(number);
    if (!files.empty()) stream.newest = std::max(stream.newest, files.back().newest);
  }
  stream.durable = stream.next;
  bound_by_number(stream);
  if (stream.last_by) {
    start_last(stream, known.events);
  } else if (auto done = start_held(stream, known.events); !done) {
    return done;
  }
  start_references(stream, known);
  return {};
}

void Streams::start_references(Stream& stream, const Recovering& known) {
  for (const auto& [sequence, reference] : known.references) {
    if (stream.last_by ? !stream.last.contains(sequence) : sequence < stream.safe) {
      to_.ledger.release(reference.second);
      continue;
    }
    stream.references.emplace(sequence, StreamReference{to_.contents.refer(reference.first), reference.second});
    ++references_;
  }
}

Result<void> Streams::start_held(Stream& stream, std::map<Sequence, HeldEvent>& events) {
  const auto from = std::max(stream.stored, stream.safe);
  auto expected = Sequence{};
  for (const auto& [sequence, event] : events) {
    if (sequence < from) {
      to_.ledger.release(event.place);
      continue;
    }
    if (expected == 0) stream.held_first = sequence;
    if (expected != 0 && sequence != expected)
      return failure(ErrorCode::damaged,
                     fmt::format("stream {}: event {} is followed by event {} in the log; those between are lost",
                                 stream.name, expected.value - 1, sequence.value));
    expected = sequence + 1;
    stream.held.push_back(event);
    stream.held_bytes += event.place.bytes;
  }
  if (expected == 0) stream.held_first = stream.next;
  if (expected != 0 && expected != stream.next)
    return failure(ErrorCode::damaged, fmt::format("stream {}: the log ends with event {}, and it says that event {} "
                                                   "was written",
                                                   stream.name, expected.value - 1, stream.next.value - 1));
  if (to_.store == nullptr) stream.stored = std::max(stream.stored, std::min(stream.marked, stream.held_first));
  stream.handed = stream.held_first;
  return {};
}

void Streams::start_last(Stream& stream, const std::map<Sequence, HeldEvent>& events) {
  stream.held_first = stream.handed = stream.stored = stream.next;
  for (const auto& [sequence, event] : events) {
    const std::string message(as_text(to_.ledger.read(event.place).subspan(sizeof(StreamEventFact))));
    const FilterInput input(as_bytes(message));
    auto key = stream.last_by->read(input);
    if (sequence < stream.safe || key.empty()) {
      to_.ledger.release(event.place);
      continue;
    }
    const auto [known, is_new] = stream.by_key.try_emplace(key, sequence);
    if (!is_new) {
      const auto old = stream.last.find(known->second);
      to_.ledger.release(old->second.event.place);
      stream.held_bytes -= old->second.event.place.bytes;
      stream.last.erase(old);
      known->second = sequence;
    }
    stream.held_bytes += event.place.bytes;
    stream.last.emplace(sequence, LastEvent{event, std::move(key)});
  }
}

bool Streams::keep(const Fact& fact) {
  if (fact.kind == FactKind::stream_event) return keep_event(fact);
  if (fact.kind == FactKind::stream_set) {
    const auto number = stream_of_record(fact.body);
    auto* const stream = number ? table_.find(*number) : nullptr;
    if (stream == nullptr || stream->place != fact.place) return true;
    const auto body = pack(*stream);
    if (!to_.ledger.has_room(Urgency::settling, body.size())) return false;
    to_.ledger.copy(fact.kind, stream->place, {as_bytes(body)});
    return true;
  }
  if (fact.kind == FactKind::stream_refers) {
    StreamRefersFact refers;
    auto* const its = read_fact(fact.body, refers) ? table_.find(refers.stream) : nullptr;
    if (its == nullptr) return true;
    const auto known = its->references.find(refers.sequence);
    if (known != its->references.end() && known->second.place == fact.place)
      to_.ledger.copy(fact.kind, known->second.place, {fact.body});
    return true;
  }
  StreamTrimmedFact said;
  if (fact.kind != FactKind::stream_trimmed || !read_fact(fact.body, said)) return true;
  auto* const stream = table_.find(said.stream);
  if (stream != nullptr && stream->trimmed_place == fact.place)
    to_.ledger.copy(fact.kind, stream->trimmed_place, {fact.body});
  return true;
}

bool Streams::keep_event(const Fact& fact) {
  StreamEventFact said;
  if (!read_fact(fact.body, said)) return true;
  auto* const stream = table_.find(said.stream);
  if (stream == nullptr) return true;
  if (said.sequence >= stream->held_first && said.sequence < stream->next) {
    auto& event = stream->held[said.sequence - stream->held_first];
    if (event.place == fact.place) to_.ledger.copy(fact.kind, event.place, {fact.body});
  } else if (const auto last = stream->last.find(said.sequence);
             last != stream->last.end() && last->second.event.place == fact.place) {
    to_.ledger.copy(fact.kind, last->second.event.place, {fact.body});
  }
  return true;
}

}  // namespace folkmoot
