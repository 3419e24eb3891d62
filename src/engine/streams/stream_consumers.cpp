#include "engine/streams/stream_consumers.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.hpp"
#include "engine/bulletins.hpp"
#include "engine/streams/stream_records.hpp"

namespace folkmoot {
namespace {

constexpr std::uint64_t kNoteEvery = 4'096;  // events that are passed over, until the log is told how far it is
constexpr std::size_t kReadersMax = 1'000;   // of one consumer
constexpr Duration kAckWaitMin{100};
constexpr std::size_t kDoneRangesMax = 2 * kConsumerPendingMax;

Error no_consumer(std::string_view stream, std::string_view name) {
  return {ErrorCode::not_found, fmt::format("stream {} has no consumer {}", printable(stream), printable(name)),
          "`folkmoot call consumer.list` names those that are there"};
}

}  // namespace

StreamConsumer* StreamConsumers::find(Stream& stream, std::string_view name) {
  const auto found = stream.consumers.find(name);
  return found == stream.consumers.end() ? nullptr : &found->second;
}

std::pair<Stream*, StreamConsumer*> StreamConsumers::find(ConsumerNumber number) const {
  const auto found = by_number_.find(number);
  if (found == by_number_.end()) return {};
  auto* const stream = to_.table.find(found->second.stream);
  return {stream, &stream->consumers.at(found->second.name)};
}

void StreamConsumers::set(Asker caller, const ConsumerCommand& command) {
  const auto refuse = [&](ErrorCode code, std::string text) { to_.replies.refuse(caller, {code, std::move(text)}); };
  auto* const stream = to_.table.find(command.stream);
  if (stream == nullptr) return to_.replies.refuse(caller, no_stream(command.stream));
  if (!was_name(command.name)) return refuse(ErrorCode::invalid_name, "the consumer's name is none");
  if (command.ack_wait < kAckWaitMin)
    return refuse(ErrorCode::out_of_range,
                  fmt::format("`ack_wait` is {} ms; {} ms is the least", command.ack_wait.ms, kAckWaitMin.ms));
  std::optional<Filter> filter;
  if (!command.filter.empty()) {
    auto compiled = Filter::compile(command.filter);
    if (!compiled) return to_.replies.refuse(caller, compiled.error());
    filter = std::move(*compiled);
  }
  auto* const known = find(*stream, command.name);
  if (known == nullptr && by_number_.size() >= to_.options.stream_consumers_max)
    return refuse(ErrorCode::limit_reached, fmt::format("there are {} consumers already", by_number_.size()));
  StreamConsumer fresh{.name = std::string(command.name)};
  if (known == nullptr) fresh.number = ConsumerNumber{to_.run.next_key().value};  // never used twice
  if (command.only_new) {
    fresh.floor = stream->next;
  } else {
    fresh.floor = std::clamp(command.from, stream->first, stream->next);
    fresh.since = command.since.value_or(Instant{});
  }
  fresh.noted = fresh.cursor = fresh.floor;
  auto body_of = known != nullptr ? *known : fresh;
  body_of.filter = filter;
  body_of.ack_wait = command.ack_wait;
  body_of.attempts = command.attempts;
  body_of.pending_max = command.pending_max;
  const auto body = pack(body_of, stream->number);
  if (!to_.ledger.has_room(Urgency::durable, body.size()))
    return refuse(ErrorCode::disk_full, fmt::format("no room to keep the consumer {}", command.name));
  const auto place = to_.ledger.write(FactKind::consumer_set, {as_bytes(body)}, Life::live);
  auto& consumer = known != nullptr ? *known : stream->consumers.emplace(fresh.name, fresh).first->second;
  if (known == nullptr) by_number_.emplace(fresh.number, At{stream->number, fresh.name});
  to_.ledger.release(consumer.place);
  consumer.place = place;
  consumer.filter = std::move(filter);
  consumer.ack_wait = command.ack_wait;
  consumer.attempts = command.attempts;
  consumer.pending_max = command.pending_max;
  to_.ledger.when_or_now(Durable(place), waiting::Answer{.to = caller});
}

void StreamConsumers::remove(Asker caller, std::string_view stream_name, std::string_view name) {
  auto* const stream = to_.table.find(stream_name);
  if (stream == nullptr) return to_.replies.refuse(caller, no_stream(stream_name));
  auto* const consumer = find(*stream, name);
  if (consumer == nullptr) return to_.replies.refuse(caller, no_consumer(stream_name, name));
  const ConsumerRemovedFact fact{consumer->number};
  if (!to_.ledger.has_room(Urgency::settling, sizeof fact))
    return to_.replies.refuse(caller, {ErrorCode::disk_full, "no room to note that the consumer is gone"});
  const auto place = to_.ledger.note(FactKind::consumer_removed, {bytes_of(fact)});
  forget(*stream, *consumer);
  to_.ledger.when_or_now(Durable(place), waiting::Answer{.to = caller});
}

void StreamConsumers::forget(Stream& stream, StreamConsumer& consumer) {
  const Error gone{ErrorCode::not_found, fmt::format("the consumer {} was removed", consumer.name)};
  auto readers = std::move(consumer.readers);
  if (consumer.reading != kNoSlot) readers.push_front(consumer.reading);
  consumer.readers.clear();
  consumer.reading = kNoSlot;
  to_.ledger.release(consumer.place);
  by_number_.erase(consumer.number);
  for (const auto slot : readers) {
    if (readers_[slot]->read != kNoSlot) to_.reads.drop(readers_[slot]->read);
    readers_[slot]->consumer = 0;
    answer(slot, std::unexpected(gone));
  }
  stream.consumers.erase(stream.consumers.find(consumer.name));
}

void StreamConsumers::forget_all(Stream& stream) {
  while (!stream.consumers.empty()) forget(stream, stream.consumers.begin()->second);
}

void StreamConsumers::each(const Stream& stream, const std::function<void(const StreamConsumerView&)>& each) const {
  for (const auto& [name, consumer] : stream.consumers) {
    const auto floor = std::max(consumer.floor, stream.first);
    each({.stream = stream.name,
          .name = name,
          .filter = consumer.filter ? std::string_view(consumer.filter->text()) : "",
          .floor = floor,
          .next = std::max(consumer.cursor, floor),
          .left = floor < stream.durable ? stream.durable - floor : 0,
          .pending = consumer.in_flight.size(),
          .readers = consumer.readers.size() + (consumer.reading != kNoSlot ? 1 : 0),
          .delivered = consumer.delivered,
          .redelivered = consumer.redelivered,
          .acknowledged = consumer.acknowledged,
          .skipped = consumer.skipped,
          .missed = consumer.missed,
          .ack_wait = consumer.ack_wait,
          .attempts = consumer.attempts,
          .pending_max = consumer.pending_max});
  }
}

// -- reading

void StreamConsumers::read(Asker caller, const ReadConsumerCommand& command, StreamReader done) {
  auto* const session = to_.sessions.find(caller.session);
  if (session == nullptr) return;
  auto* const stream = to_.table.find(command.stream);
  if (stream == nullptr) return done(std::unexpected(no_stream(command.stream)));
  auto* const consumer = find(*stream, command.name);
  if (consumer == nullptr) return done(std::unexpected(no_consumer(command.stream, command.name)));
  if (consumer->readers.size() >= kReadersMax)
    return done(failure(ErrorCode::limit_reached, fmt::format("{} readers wait there already", kReadersMax)));
  auto reader = std::make_unique<Reader>();
  *reader = {.asker = caller,
             .number = to_.serials.next(),
             .consumer = consumer->number,
             .events_max = std::min(command.events_max, kStreamReadEventsMax),
             .bytes_max = command.bytes_max,
             .give_up = to_.run.now() + command.wait,
             .done = std::move(done)};
  const auto slot = readers_.insert(std::move(reader));
  if (!Sessions::open(*session, caller.request, {OpenKind::stream_consumer, slot})) {
    const auto said = std::move(readers_[slot]->done);
    readers_.erase(slot);
    return said(std::unexpected(in_use(caller.request)));
  }
  consumer->readers.push_back(slot);
  serve(*consumer);
}

void StreamConsumers::serve(const StreamConsumer& consumer) {
  if (serving_ || consumer.reading != kNoSlot) return;
  serving_ = true;
  const auto number = consumer.number;
  for (;;) {
    const auto [its_stream, same] = find(number);
    if (same == nullptr || same->readers.empty() || same->reading != kNoSlot) break;
    const auto slot = same->readers.front();
    same->readers.pop_front();
    if (look(*its_stream, *same, slot)) continue;
    // Nothing for it now. It stays first.
    if (readers_[slot]->give_up <= to_.run.now()) {
      answer(slot,
             ReadPage{.events = {}, .next = same->cursor, .first = its_stream->first, .end = its_stream->durable});
      continue;
    }
    same->readers.push_front(slot);
    wake_later(*same);
    break;
  }
  serving_ = false;
}

void StreamConsumers::catch_up(const Stream& stream, StreamConsumer& consumer) {
  if (consumer.floor >= stream.first) return;
  consumer.missed += stream.first - consumer.floor;
  consumer.finish(consumer.floor, stream.first);
  consumer.in_flight.erase(consumer.in_flight.begin(), consumer.in_flight.lower_bound(stream.first));
  consumer.cursor = std::max(consumer.cursor, consumer.floor);
}

void StreamConsumers::skip_spent(Stream& stream, StreamConsumer& consumer) {
  const auto now = to_.run.now();
  for (auto at = consumer.in_flight.begin(); at != consumer.in_flight.end();) {
    if (at->second.deadline > now || !is_spent(consumer, at->second)) {
      ++at;
      continue;
    }
    const auto sequence = at->first;
    const auto deliveries = at->second.delivery;
    at = consumer.in_flight.erase(at);
    ++consumer.skipped;
    consumer.finish(sequence, sequence + 1);
    const std::uint64_t number = sequence.value;
    note(consumer, {&number, 1});
    to_.announcer.announce("bus.streams.skipped",
                           bulletins::event_of_skipped(stream.name, consumer.name, sequence.value, deliveries, now));
  }
}

bool StreamConsumers::look(Stream& stream, StreamConsumer& consumer, Slot slot) {
  catch_up(stream, consumer);
  skip_spent(stream, consumer);
  auto& reader = *readers_[slot];
  const auto now = to_.run.now();
  StreamReadRequest request{.events_max = reader.events_max, .bytes_max = reader.bytes_max};
  reader.again.clear();
  for (const auto& [sequence, event] : consumer.in_flight) {
    if (event.deadline <= now) reader.again.push_back(sequence);
  }
  const auto number = consumer.number;
  if (!reader.again.empty()) {
    request.from = reader.again.front();
    request.until = reader.again.back() + 1;
    request.wanted = [this, slot](Sequence sequence) {
      return std::ranges::binary_search(readers_[slot]->again, sequence);
    };
  } else {
    if (consumer.cursor >= stream.durable || consumer.in_flight.size() >= consumer.pending_max) return false;
    request.events_max = std::min<std::size_t>(request.events_max, consumer.pending_max - consumer.in_flight.size());
    request.from = consumer.cursor;
    request.filter = consumer.filter;
    if (consumer.since != 0) request.since = consumer.since;
    request.wanted = [this, number](Sequence sequence) {
      const auto* const same = find(number).second;
      return same != nullptr && !same->is_done(sequence);
    };
  }
  consumer.reading = slot;
  reader.read =
      to_.reads.make(stream, std::move(request), [this, number, slot, serial = reader.number](Result<ReadPage> page) {
        on_page(number, slot, serial, std::move(page));
      });
  to_.reads.start(reader.read);
  return true;
}

// What was looked for is there. Who asked may have gone meanwhile, and the consumer too.
void StreamConsumers::on_page(ConsumerNumber number, Slot slot, std::uint64_t serial, Result<ReadPage> page) {
  const auto [stream, consumer] = find(number);
  const bool is_there = readers_.holds(slot) && readers_[slot]->number == serial;
  if (is_there) readers_[slot]->read = kNoSlot;
  if (consumer == nullptr || !is_there) return;
  consumer->reading = kNoSlot;
  if (!page) {
    answer(slot, std::move(page));
    return serve(*consumer);
  }
  give_out(*consumer, readers_[slot]->again, *page);
  if (page->events.empty()) {
    consumer->readers.push_front(slot);
  } else {
    answer(slot, std::move(page));
  }
  serve(*consumer);
}

void StreamConsumers::give_out(StreamConsumer& consumer, const std::vector<Sequence>& again, ReadPage& page) {
  if (again.empty()) {
    // What lies between them is none of this consumer's.
    auto from = consumer.cursor;
    for (const auto& event : page.events) {
      consumer.finish(from, event.sequence);
      from = std::max(from, event.sequence + 1);
    }
    consumer.finish(from, page.next);
    consumer.cursor = std::max(consumer.cursor, page.next);
    note_now_and_then(consumer);
  }
  for (const auto sequence : again) {
    if (sequence >= page.next || std::ranges::find(page.events, sequence, &ReadEvent::sequence) != page.events.end())
      continue;
    // It was looked for, and is gone: too old.
    if (consumer.in_flight.erase(sequence) == 0) continue;
    consumer.finish(sequence, sequence + 1);
    ++consumer.missed;
  }
  // They may have been acknowledged while they were being read.
  std::erase_if(page.events, [&](const ReadEvent& event) { return consumer.is_done(event.sequence); });
  const auto deadline = to_.run.now() + consumer.ack_wait;
  for (auto& event : page.events) {
    auto& flight = consumer.in_flight[event.sequence];
    flight.deadline = deadline;
    event.delivery = ++flight.delivery;
    ++(again.empty() ? consumer.delivered : consumer.redelivered);
  }
}

void StreamConsumers::answer(Slot slot, Result<ReadPage> page) {
  const auto asker = readers_[slot]->asker;
  const auto done = std::move(readers_[slot]->done);
  readers_[slot]->consumer = 0;
  if (auto* const session = to_.sessions.find(asker.session)) {
    to_.sessions.close(*session, asker.request);  // which erases the slot
  } else {
    readers_.erase(slot);
  }
  done(std::move(page));
}

void StreamConsumers::close(Session&, Slot slot) {
  const auto number = readers_[slot]->consumer;
  const auto [stream, consumer] = find(number);
  if (consumer != nullptr) {
    std::erase(consumer->readers, slot);
    if (consumer->reading == slot) {
      if (readers_[slot]->read != kNoSlot) to_.reads.drop(readers_[slot]->read);
      consumer->reading = kNoSlot;
    }
  }
  readers_.erase(slot);
  if (consumer != nullptr) serve(*consumer);
}

// Looks again when the first of those that wait gives up, or something is to be given out again.
void StreamConsumers::wake_later(StreamConsumer& consumer) {
  auto at = readers_[consumer.readers.front()]->give_up;
  for (const auto slot : consumer.readers) at = std::min(at, readers_[slot]->give_up);
  for (const auto& [sequence, event] : consumer.in_flight) at = std::min(at, event.deadline);
  if (consumer.wake_at != 0 && consumer.wake_at <= at) return;
  consumer.wake_at = at;
  to_.agenda.add({.at = at, .id = consumer.number.value, .place = 0, .kind = TimerKind::stream_consumer});
}

bool StreamConsumers::is_live(const Timer& timer) const {
  const auto* const consumer = find(ConsumerNumber{timer.id}).second;
  return consumer != nullptr && consumer->wake_at == timer.at;
}

void StreamConsumers::due(const Timer& timer) {
  const auto [stream, consumer] = find(ConsumerNumber{timer.id});
  const auto number = consumer->number;
  consumer->wake_at = 0;
  // Those behind the first may have waited longer.
  for (const auto slot : std::vector(consumer->readers.begin(), consumer->readers.end())) {
    const auto* const same = find(number).second;
    if (same == nullptr || slot == same->readers.front() || readers_[slot]->give_up > to_.run.now()) continue;
    std::erase(consumer->readers, slot);
    answer(slot, ReadPage{.events = {}, .next = consumer->cursor, .first = stream->first, .end = stream->durable});
  }
  if (find(number).second != nullptr) serve(*consumer);
}

void StreamConsumers::wake(Stream& stream) {
  std::vector<ConsumerNumber> waiting;
  for (const auto& [name, consumer] : stream.consumers) {
    if (!consumer.readers.empty()) waiting.push_back(consumer.number);
  }
  for (const auto number : waiting) {
    if (const auto* const consumer = find(number).second) serve(*consumer);
  }
}

// -- the position

void StreamConsumers::ack(Asker caller, const AckConsumerCommand& command) {
  auto* const stream = to_.table.find(command.stream);
  if (stream == nullptr) return to_.replies.refuse(caller, no_stream(command.stream));
  auto* const consumer = find(*stream, command.name);
  if (consumer == nullptr) return to_.replies.refuse(caller, no_consumer(command.stream, command.name));
  const auto& sequences = command.sequences;
  // A restart forgets who has what: so whatever there is may be acknowledged.
  const auto unknown = [&](Sequence sequence) {
    to_.replies.refuse(caller,
                       {ErrorCode::out_of_range, fmt::format("stream {} has no event {} yet: the next will be {}",
                                                             stream->name, sequence.value, stream->durable.value)});
  };
  for (const auto sequence : sequences) {
    if (sequence == 0 || Sequence{sequence} >= stream->durable) return unknown(Sequence{sequence});
  }
  const auto below = command.below;
  if (below > stream->durable) return unknown(Sequence{below.value - 1});
  if (consumer->done.size() + sequences.size() > kDoneRangesMax)
    return to_.replies.refuse(
        caller,
        {ErrorCode::limit_reached, fmt::format("too many events are done while event {} is not", consumer->floor.value),
         "acknowledge that one as well, or all with `below`"});
  if (!to_.ledger.has_room(Urgency::settling, sizeof(ConsumerMovedFact) + 8 * sequences.size()))
    return to_.replies.refuse(caller, {ErrorCode::disk_full, "no room to note that the events are done"});
  const auto before = consumer->in_flight.size();
  consumer->in_flight.erase(consumer->in_flight.begin(), consumer->in_flight.lower_bound(below));
  consumer->finish(consumer->floor, below);
  for (const auto sequence : sequences) {
    consumer->in_flight.erase(Sequence{sequence});
    consumer->finish(Sequence{sequence}, Sequence{sequence} + 1);
  }
  consumer->acknowledged += before - consumer->in_flight.size();
  consumer->cursor = std::max(consumer->cursor, consumer->floor);
  for (const auto sequence : command.again) {
    if (const auto known = consumer->in_flight.find(Sequence{sequence}); known != consumer->in_flight.end())
      known->second.deadline = to_.run.now();
  }
  const auto durable = note(*consumer, sequences);
  to_.ledger.when_or_now(durable, waiting::Answer{.to = caller});
  serve(*consumer);
}

Durable StreamConsumers::note(StreamConsumer& consumer, std::span<const std::uint64_t> sequences) {
  const ConsumerMovedFact fact{consumer.number, consumer.floor};
  const auto place = to_.ledger.note(
      FactKind::consumer_moved,
      {bytes_of(fact), Bytes(reinterpret_cast<const std::uint8_t*>(sequences.data()), sequences.size_bytes())});
  if (place.lsn != 0) consumer.noted = consumer.floor;
  return Durable(place);
}

void StreamConsumers::note_now_and_then(StreamConsumer& consumer) {
  if (consumer.floor - consumer.noted >= kNoteEvery) note(consumer, {});
}

// -- recovery

Result<void> StreamConsumers::enter(const Fact& fact) {
  if (fact.kind == FactKind::consumer_set) {
    auto said = unpack_consumer(fact.body);
    if (!said) return std::unexpected(said.error());
    auto& [stream, consumer] = *said;
    to_.ledger.retain(fact.place);
    auto& known = recovering_[consumer.number];
    to_.ledger.release(known.consumer.place);
    // What was said of it since it was set first is in its copy.
    known = {stream, std::move(consumer)};
    known.consumer.place = fact.place;
    return {};
  }
  if (fact.kind == FactKind::consumer_removed) {
    ConsumerRemovedFact removed;
    if (!read_fact(fact.body, removed)) return cannot_be(fact.kind, "is too short");
    const auto known = recovering_.find(removed.consumer);
    if (known == recovering_.end()) return {};
    to_.ledger.release(known->second.consumer.place);
    recovering_.erase(known);
    return {};
  }
  ConsumerMovedFact moved;
  if (!read_fact(fact.body, moved)) return cannot_be(fact.kind, "is too short");
  const auto known = recovering_.find(moved.consumer);
  if (known == recovering_.end()) return {};  // its copy comes later, and knows of this
  auto& consumer = known->second.consumer;
  consumer.finish(consumer.floor, moved.floor);
  auto rest = fact.body.subspan(sizeof moved);
  for (; rest.size() >= 8; rest = rest.subspan(8)) {
    const Sequence sequence{load<std::uint64_t>(rest.data())};
    consumer.finish(sequence, sequence + 1);
  }
  return {};
}

void StreamConsumers::forget_recovering(StreamNumber stream) {
  for (auto at = recovering_.begin(); at != recovering_.end();) {
    if (at->second.stream != stream) {
      ++at;
      continue;
    }
    to_.ledger.release(at->second.consumer.place);
    at = recovering_.erase(at);
  }
}

Result<void> StreamConsumers::start() {
  for (auto& [number, known] : recovering_) {
    auto* const stream = to_.table.find(known.stream);
    if (stream == nullptr)
      return failure(ErrorCode::damaged, fmt::format("the consumer {} is of stream number {}, and no fact says which "
                                                     "that is",
                                                     known.consumer.name, known.stream.value));
    auto& consumer = known.consumer;
    // Of a log that a power failure cut, with journal.sync other than always.
    if (consumer.floor > stream->next) consumer.floor = stream->next, consumer.done.clear();
    consumer.noted = consumer.cursor = consumer.floor;
    by_number_.emplace(number, At{known.stream, consumer.name});
    const auto name = consumer.name;
    stream->consumers.emplace(name, std::move(consumer));
  }
  recovering_.clear();
  return {};
}

bool StreamConsumers::keep(const Fact& fact) {
  if (fact.kind != FactKind::consumer_set) return true;
  const auto said = unpack_consumer(fact.body);
  if (!said) return true;
  const auto [stream, consumer] = find(said->second.number);
  if (consumer == nullptr || consumer->place != fact.place) return true;
  const auto body = pack(*consumer, stream->number);
  if (!to_.ledger.has_room(Urgency::settling, body.size())) return false;
  to_.ledger.copy(fact.kind, consumer->place, {as_bytes(body)});
  consumer->noted = consumer->floor;
  return true;
}

}  // namespace folkmoot
