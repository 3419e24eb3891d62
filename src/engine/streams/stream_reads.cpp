#include "engine/streams/stream_reads.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace folkmoot {
namespace {

constexpr std::size_t kFetchBytesMin = 256 * 1024;      // at a time; more if the page has room for it
constexpr std::size_t kAskedMax = kStreamReadsMax / 2;  // the rest is for others

}  // namespace

Slot StreamReads::make(const Stream& stream, StreamReadRequest request, StreamReader done) {
  auto read = std::make_unique<Read>();
  read->number = to_.serials.next();
  read->stream = stream.number;
  read->end = stream.durable;
  read->backwards = request.backwards || request.newest != 0;
  if (request.newest != 0) {
    request.events_max = std::min<std::uint64_t>(request.events_max, request.newest);
    read->cursor = kLastSequence;
  } else {
    read->cursor = request.from;
  }
  read->what = std::move(request);
  read->done = std::move(done);
  return reads_.insert(std::move(read));
}

bool StreamReads::bind(Session& session, RequestNumber request, Slot slot) {
  if (!Sessions::open(session, request, {OpenKind::stream_read, slot})) return false;
  reads_[slot]->asker = {session.id, request};
  return true;
}

bool StreamReads::is_full(const Read& read) const {
  return read.events.size() >= read.what.events_max || read.bytes >= read.what.bytes_max ||
         read.scanned >= kStreamScanMax || read.scanned_bytes >= kStreamScanBytesMax;
}

void StreamReads::go_on(Slot slot) {
  auto& read = *reads_[slot];
  auto* const stream = to_.table.find(read.stream);
  if (stream == nullptr) return fail(slot, {ErrorCode::not_found, "the stream was removed"});
  read.parked = false;
  const auto step = stream->last_by  ? look_at_last(read, *stream)
                    : read.backwards ? look_back(slot, read, *stream)
                                     : look(slot, read, *stream);
  if (step == Step::waits) return;
  if (step == Step::full || read.backwards || !read.events.empty() || read.what.give_up <= to_.run.now() ||
      read.cursor >= read.what.until)
    return finish(slot, *stream);
  read.parked = true;
  stream->waiters.push_back(slot);
  if (!std::exchange(read.timed, true)) {
    to_.agenda.add({.at = read.what.give_up, .id = read.number, .place = slot.value, .kind = TimerKind::stream_read});
  }
}

// Forwards. `more`: it has come to the end of what is on disk.
StreamReads::Step StreamReads::look(Slot slot, Read& read, Stream& stream) {
  read.cursor = std::max(read.cursor, stream.first);
  const auto end = std::min(stream.durable, read.what.until);
  while (read.cursor < end) {
    if (is_full(read)) return Step::full;
    if (read.cursor < stream.held_first) {
      if (to_.store != nullptr && read.cursor < stream.stored) return fetch(slot, read);
      if (!read.events.empty()) return Step::full;
      fail(slot, gap_error(stream));
      return Step::waits;
    }
    const auto& event = stream.event(read.cursor);
    if (read.what.since && event.at < *read.what.since) {
      // Times grow with the sequence.
      const auto from = stream.held.begin() + static_cast<std::ptrdiff_t>(read.cursor - stream.held_first);
      const auto first = std::ranges::lower_bound(from, stream.held.end(), *read.what.since, {}, &HeldEvent::at);
      read.cursor = stream.held_first + static_cast<std::uint64_t>(first - stream.held.begin());
      continue;
    }
    const auto at = event.at;
    if (!take(read, stream, read.cursor, at, message_of(event))) return Step::full;
    ++read.cursor;
  }
  return Step::more;
}

StreamReads::Step StreamReads::look_back(Slot slot, Read& read, Stream& stream) {
  read.cursor = std::min(read.cursor, Sequence{stream.durable.value - 1});
  const auto oldest = std::max(stream.oldest_allowed(to_.run.now()), read.what.since.value_or(Instant{}));
  while (read.cursor >= stream.first) {
    if (is_full(read)) return Step::full;
    if (read.cursor < stream.held_first) {
      if (to_.store != nullptr && read.cursor < stream.stored) return fetch(slot, read);
      if (!read.events.empty()) return Step::full;
      fail(slot, gap_error(stream));
      return Step::waits;
    }
    const auto& event = stream.event(read.cursor);
    if (event.at < oldest) break;
    const auto at = event.at;
    if (!take(read, stream, read.cursor, at, message_of(event))) return Step::full;
    read.cursor = Sequence{read.cursor.value - 1};
  }
  read.cursor = 0;
  return Step::more;
}

// Of each key the newest alone: all of it is in the log.
StreamReads::Step StreamReads::look_at_last(Read& read, Stream& stream) {
  const auto pass = [&](Sequence sequence, const HeldEvent& event) {
    if (is_full(read)) return false;
    const auto at = event.at;
    if (read.what.since && at < *read.what.since) return true;
    return take(read, stream, sequence, at, message_of(event));
  };
  if (read.backwards) {
    auto behind = stream.last.upper_bound(read.cursor);
    while (behind != stream.last.begin()) {
      --behind;
      if (behind->first < stream.first) break;
      read.cursor = behind->first;
      if (!pass(behind->first, behind->second.event)) return Step::full;
    }
    read.cursor = 0;
    return Step::more;
  }
  read.cursor = std::max(read.cursor, stream.first);
  const auto end = std::min(stream.durable, read.what.until);
  for (auto at = stream.last.lower_bound(read.cursor); at != stream.last.end() && at->first < end; ++at) {
    read.cursor = at->first;
    if (!pass(at->first, at->second.event)) return Step::full;
    ++read.cursor;
  }
  read.cursor = std::max(read.cursor, end);
  return Step::more;
}

bool StreamReads::take(Read& read, const Stream& stream, Sequence sequence, Instant at, Bytes message,
                       const std::shared_ptr<const std::uint8_t[]>& memory) {
  ++read.scanned;
  read.scanned_bytes += message.size();
  if (at < stream.oldest_allowed(to_.run.now())) return true;
  if (read.what.wanted && !read.what.wanted(sequence)) return true;
  if (read.what.filter) {
    input_.reset(message);
    if (!read.what.filter->matches(input_)) return true;
  }
  if (!read.events.empty() && read.bytes + message.size() > read.what.bytes_max) return false;
  read.bytes += message.size();
  auto& event = read.events.emplace_back(ReadEvent{.sequence = sequence, .at = at, .message = {}});
  // Of a chunk most of which is taken, what is taken is a view; few of many would keep all of it.
  if (memory && !read.what.filter && !read.what.wanted) {
    event.message = as_text(message);
    event.memory = memory;
    return true;
  }
  auto own = std::make_shared_for_overwrite<std::uint8_t[]>(std::max<std::size_t>(message.size(), 1));
  std::ranges::copy(message, own.get());
  event.message = as_text(Bytes(own.get(), message.size()));
  event.memory = std::move(own);
  return true;
}

Bytes StreamReads::message_of(const HeldEvent& event) {
  return to_.ledger.read(event.place).subspan(sizeof(StreamEventFact));
}

StreamReads::Step StreamReads::fetch(Slot slot, Read& read) {
  if (asked_.size() < kAskedMax) {
    ask(slot, read);
  } else {
    to_ask_.push_back({slot, read.number});
  }
  return Step::waits;
}

void StreamReads::ask(Slot slot, Read& read) {
  StreamRead what{.stream = read.stream, .from = read.cursor, .backwards = read.backwards};
  const auto left = read.what.events_max - read.events.size();
  if (!read.what.filter && !read.what.wanted) what.events_max = left;
  what.bytes_max =
      std::clamp(read.what.bytes_max - std::min(read.bytes, read.what.bytes_max), kFetchBytesMin, kStreamReadBytesMax);
  // Backwards it ends where they are older, which take() does not see.
  if (!read.backwards) what.since = read.what.since;
  asked_.emplace(++last_ticket_, Asked{slot, read.number});
  to_.store->read(what, last_ticket_);
}

void StreamReads::ask_next() {
  while (!to_ask_.empty() && asked_.size() < kAskedMax) {
    const auto next = to_ask_.front();
    to_ask_.pop_front();
    if (is_it(next.slot, next.number)) ask(next.slot, *reads_[next.slot]);
  }
}

void StreamReads::on_read(ReadTicket ticket, const StreamChunk& chunk) {
  const auto found = asked_.find(ticket);
  if (found == asked_.end()) return;
  const auto [slot, number] = found->second;
  asked_.erase(found);
  ask_next();
  if (!is_it(slot, number)) return;
  auto& read = *reads_[slot];
  const auto* const stream = to_.table.find(read.stream);
  if (stream == nullptr) return fail(slot, {ErrorCode::not_found, "the stream was removed"});
  if (chunk.error) {
    if (!read.events.empty()) return finish(slot, *stream);
    auto error = *chunk.error;
    error.text += fmt::format("; read on from sequence {}", chunk.next.value);
    return fail(slot, error);
  }
  const auto oldest = std::max(stream->oldest_allowed(to_.run.now()), read.what.since.value_or(Instant{}));
  for (const auto& event : chunk.events) {
    if (read.backwards && (event.sequence < stream->first || event.at < oldest)) {
      read.cursor = 0;
      return finish(slot, *stream);
    }
    if (event.sequence >= read.what.until) {
      read.cursor = read.what.until;
      return finish(slot, *stream);
    }
    read.cursor = event.sequence;
    if (is_full(read)) return finish(slot, *stream);
    if (event.sequence >= stream->first && !take(read, *stream, event.sequence, event.at, event.message, chunk.memory))
      return finish(slot, *stream);
  }
  if (read.backwards) {
    if (chunk.at_end || chunk.next == 0) {
      read.cursor = 0;
      return finish(slot, *stream);
    }
    read.cursor = chunk.next;
  } else {
    // What the files said they have they must have.
    if (chunk.events.empty() && chunk.next <= read.cursor && read.cursor < stream->held_first &&
        read.cursor >= stream->first)
      return fail(slot, gap_error(*stream));
    read.cursor = std::max(read.cursor, chunk.next);
  }
  go_on(slot);
}

Error StreamReads::gap_error(const Stream& stream) const {
  return {ErrorCode::damaged,
          fmt::format("events {} to {} of stream {} are missing: they were in its files, and these are not there",
                      std::max(stream.stored, stream.first).value, stream.held_first.value - 1, stream.name),
          fmt::format("restore the folder `streams` from a backup, or go on from sequence {}; `folkmoot stream purge "
                      "{} --below {}` gives them up",
                      stream.held_first.value, stream.name, stream.held_first.value)};
}

void StreamReads::wake(Stream& stream) {
  if (stream.waiters.empty()) return;
  for (const auto slot : std::exchange(stream.waiters, {})) {
    if (reads_.holds(slot) && reads_[slot]->stream == stream.number && reads_[slot]->parked) go_on(slot);
  }
}

void StreamReads::end_all(Stream& stream, const Error& why) {
  for (const auto slot : std::exchange(stream.waiters, {})) {
    if (reads_.holds(slot) && reads_[slot]->stream == stream.number && reads_[slot]->parked) fail(slot, why);
  }
}

bool StreamReads::is_live(const Timer& timer) const {
  return is_it(timer.slot(), timer.id) && reads_[timer.slot()]->parked;
}

void StreamReads::due(const Timer& timer) {
  const auto slot = timer.slot();
  const auto* const stream = to_.table.find(reads_[slot]->stream);
  if (stream != nullptr) finish(slot, *stream);
}

void StreamReads::finish(Slot slot, const Stream& stream) {
  auto& read = *reads_[slot];
  ReadPage page{.events = std::move(read.events), .next = read.cursor, .first = stream.first, .end = stream.durable};
  if (read.what.newest != 0 && !read.what.backwards) {
    std::ranges::reverse(page.events);
    page.next = read.end;
  }
  end(slot, std::move(page));
}

void StreamReads::fail(Slot slot, const Error& error) { end(slot, std::unexpected(error)); }

void StreamReads::end(Slot slot, Result<ReadPage> outcome) {
  const auto asker = reads_[slot]->asker;
  const auto done = std::move(reads_[slot]->done);
  auto* const session = asker.session != 0 ? to_.sessions.find(asker.session) : nullptr;
  if (session != nullptr) {
    to_.sessions.close(*session, asker.request);  // which erases the slot
  } else {
    drop(slot);
  }
  done(std::move(outcome));
}

void StreamReads::drop(Slot slot) {
  auto* const stream = reads_[slot]->parked ? to_.table.find(reads_[slot]->stream) : nullptr;
  if (stream != nullptr) std::erase(stream->waiters, slot);
  reads_.erase(slot);
}

}  // namespace folkmoot
