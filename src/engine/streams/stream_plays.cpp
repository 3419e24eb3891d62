#include "engine/streams/stream_plays.hpp"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "base/utf8.hpp"
#include "engine/streams/stream_records.hpp"
#include "message/envelope.hpp"
#include "message/pack.hpp"
#include "message/topic.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kPlayAtOnce = 256;  // events, before the disk has those before them

}  // namespace

void StreamPlays::play(Asker caller, const PlayCommand& command, PlayDone done) {
  auto* const session = to_.sessions.find(caller.session);
  if (session == nullptr) return;
  auto* const stream = to_.table.find(command.name);
  if (stream == nullptr) return done(std::unexpected(no_stream(command.name)));
  auto play = std::make_unique<Play>();
  if (command.stream.empty()) {
    if (!is_topic(command.topic))
      return done(failure(ErrorCode::invalid_topic, fmt::format("`{}` is not a topic", printable(command.topic))));
    if (command.topic == "bus" || command.topic.starts_with("bus."))
      return done(failure(ErrorCode::not_permitted,
                          fmt::format("topic {}: what begins with `bus` is the server's own", command.topic),
                          "give a topic that begins otherwise"));
  } else {
    auto* const target = to_.table.find(command.stream);
    if (target == nullptr) return done(std::unexpected(no_stream(command.stream)));
    if (target == stream)
      return done(
          failure(ErrorCode::invalid_field, fmt::format("stream {} cannot be copied into itself", stream->name)));
    play->copy_to = target->number;
  }
  if (stream->play != kNoSlot)
    return done(
        failure(ErrorCode::in_use, fmt::format("a replay of stream {} is under way", stream->name),
                fmt::format("wait for its end, or end it with `folkmoot call stream.stop name={}`", stream->name)));
  if (!command.filter.empty()) {
    auto filter = Filter::compile(command.filter);
    if (!filter) return done(std::unexpected(filter.error()));
    play->filter = std::move(*filter);
  }
  play->number = to_.serials.next();
  play->stream = stream->number;
  play->topic = command.topic;
  play->since = command.since;
  play->speed = command.speed;
  play->cursor = std::max(command.from, stream->first);
  play->until = command.until == 0 ? stream->durable : std::min(command.until, stream->durable);
  const auto slot = plays_.insert(std::move(play));
  stream->play = slot;
  if (command.keep) {
    done(PlayEnd{});
  } else {
    if (!Sessions::open(*session, caller.request, {OpenKind::stream_play, slot})) {
      plays_.erase(slot);
      stream->play = kNoSlot;
      return done(std::unexpected(in_use(caller.request)));
    }
    plays_[slot]->asker = caller;
    plays_[slot]->done = std::move(done);
  }
  fetch(slot);
}

void StreamPlays::stop(Asker caller, std::string_view name) {
  auto* const stream = to_.table.find(name);
  if (stream == nullptr) return to_.replies.refuse(caller, no_stream(name));
  if (stream->play == kNoSlot)
    return to_.replies.refuse(caller,
                              {ErrorCode::not_found, fmt::format("no replay of stream {} is under way", stream->name)});
  end(stream->play, failure(ErrorCode::cancelled, fmt::format("the replay of stream {} was stopped after {} events",
                                                              stream->name, plays_[stream->play]->played.played)));
  to_.replies.answer(caller);
}

void StreamPlays::forget(Stream& stream) {
  if (stream.play != kNoSlot)
    end(stream.play, failure(ErrorCode::not_found, fmt::format("the stream {} was removed", stream.name)));
}

void StreamPlays::fetch(Slot slot) {
  auto& play = *plays_[slot];
  auto* const stream = to_.table.find(play.stream);
  if (stream == nullptr || play.cursor >= play.until) {
    play.at_end = true;
    return to_.ledger.when_or_now({}, waiting::PlayedSome{slot, play.number});
  }
  StreamReadRequest request{
      .from = play.cursor, .until = play.until, .since = play.since, .filter = play.filter, .events_max = kPlayAtOnce};
  play.read = to_.reads.make(*stream, std::move(request), [this, slot, number = play.number](auto page) {
    if (is_it(slot, number)) on_page(slot, std::move(page));
  });
  to_.reads.start(play.read);
}

void StreamPlays::on_page(Slot slot, Result<ReadPage> page) {
  auto& play = *plays_[slot];
  play.read = kNoSlot;
  if (!page) return end(slot, std::unexpected(std::move(page.error())));
  play.cursor = page->next;
  play.events = std::move(page->events);
  play.next = 0;
  if (!play.events.empty() && play.began == 0) {
    play.began = to_.run.now();
    play.first_at = play.events.front().at;
  }
  // Others have their turn in between.
  to_.agenda.add(
      {.at = to_.run.now() + Duration{1}, .id = play.number, .place = slot.value, .kind = TimerKind::stream_play});
}

void StreamPlays::go_on(const waiting::PlayedSome& item) {
  if (!is_it(item.slot, item.number) || ends_) return;
  const auto& play = *plays_[item.slot];
  play.at_end ? end(item.slot, play.played) : fetch(item.slot);
}

void StreamPlays::play_some(Slot slot) {
  if (ends_) return;
  auto& play = *plays_[slot];
  const auto number = play.number;
  for (; play.next < play.events.size(); ++play.next) {
    const auto& event = play.events[play.next];
    if (play.speed > 0) {
      const auto ms = static_cast<double>((event.at - play.first_at).ms) / play.speed;
      const auto at = play.began + Duration{static_cast<std::int64_t>(std::ceil(ms))};
      if (at > to_.run.now())
        return to_.agenda.add({.at = at, .id = number, .place = slot.value, .kind = TimerKind::stream_play});
    }
    const auto done = play_one(play, event);
    const bool is_over =
        !done && (done.error().code == ErrorCode::disk_full || done.error().code == ErrorCode::not_found);
    if (is_over) return end(slot, std::unexpected(done.error()));
    if (done) play.copied.add(*done);
    ++(done ? play.played.played : play.played.refused);
  }
  play.events.clear();
  to_.ledger.when_or_now(std::exchange(play.copied, {}), waiting::PlayedSome{slot, number});
}

Result<Durable> StreamPlays::play_one(const Play& play, const ReadEvent& event) {
  if (play.copy_to == 0) return publish(play, as_bytes(event.message));
  auto* const target = to_.table.find(play.copy_to);
  if (target == nullptr) return failure(ErrorCode::not_found, "the stream that it is copied into was removed");
  return to_.target.append(*target, as_bytes(event.message));
}

// As an event of its publisher, with an id and a time of its own.
Result<Durable> StreamPlays::publish(const Play& play, Bytes message) {
  Routing kept;
  if (auto read = read_routing(message, kept); !read) return std::unexpected(std::move(read.error()));
  std::string changes;
  PackWriter(changes)
      .map(2)
      .uint(static_cast<std::uint64_t>(Field::topic))
      .str(play.topic)
      .uint(static_cast<std::uint64_t>(Field::mode))
      .uint(static_cast<std::uint64_t>(DeliveryMode::at_most_once));
  std::string envelope;
  if (auto merged = merge_envelopes(message.first(kept.bytes), as_bytes(changes), envelope); !merged)
    return std::unexpected(std::move(merged.error()));
  IncomingMessage event{.routing = {}, .envelope = as_bytes(envelope), .content = message.subspan(kept.bytes)};
  if (auto read = read_routing(event.envelope, event.routing); !read) return std::unexpected(std::move(read.error()));
  event.routing.id = {};
  to_.announcer.publish_event(0, kept.from, event, nullptr);
  return Durable{};
}

void StreamPlays::end(Slot slot, Result<PlayEnd> outcome) {
  const auto asker = plays_[slot]->asker;
  const auto done = std::move(plays_[slot]->done);
  auto* const session = asker.session != 0 ? to_.sessions.find(asker.session) : nullptr;
  if (session != nullptr) {
    to_.sessions.close(*session, asker.request);  // which drops it
  } else {
    drop(slot);
  }
  if (done) done(std::move(outcome));
}

void StreamPlays::drop(Slot slot) {
  const auto& play = *plays_[slot];
  if (play.read != kNoSlot) to_.reads.drop(play.read);
  if (auto* const stream = to_.table.find(play.stream)) stream->play = kNoSlot;
  plays_.erase(slot);
}

}  // namespace folkmoot
