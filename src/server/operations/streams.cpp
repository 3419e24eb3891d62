#include <fmt/format.h>

#include "base/utf8.hpp"
#include "message/envelope.hpp"
#include "operation/json_codec.hpp"
#include "server/operations/call.hpp"

namespace folkmoot {
namespace {

static_assert(kStreamPageMax == kStreamReadEventsMax && kStreamKeysMost == kStreamKeysMax);

Error no_stream(std::string_view name) {
  return {ErrorCode::not_found, fmt::format("there is no stream {}", printable(name)),
          "`folkmoot stream list` names those that are there"};
}

Result<void> check_name(std::string_view name) {
  if (!has_c1(name)) return {};
  return failure(ErrorCode::invalid_name, "a name holds a control character (U+0080-009F)");
}

StreamStatus status_of(const StreamView& view) {
  const auto& settings = view.settings;
  return {.rule = {.name = std::string(view.name),
                   .topic = settings.pattern,
                   .filter = settings.filter,
                   .max_events = settings.max_events,
                   .max_bytes = settings.max_bytes,
                   .max_age = Milliseconds(settings.max_age.ms),
                   .keep_last_by = settings.keep_last_by,
                   .max_keys = settings.max_keys},
          .paused = view.paused,
          .first = view.first.value,
          .next = view.next.value,
          .events = view.events,
          .bytes = view.bytes,
          .kept = view.kept,
          .missed = view.missed,
          .consumers = view.consumers,
          .replays = view.replays,
          .lost_from = view.gap.value,
          .lost_to = view.gap_end.value};
}

ConsumerStatus status_of(const StreamConsumerView& view) {
  return {.stream = std::string(view.stream),
          .name = std::string(view.name),
          .filter = std::string(view.filter),
          .floor = view.floor.value,
          .next = view.next.value,
          .left = view.left,
          .pending = view.pending,
          .readers = view.readers,
          .delivered = view.delivered,
          .redelivered = view.redelivered,
          .acknowledged = view.acknowledged,
          .skipped = view.skipped,
          .missed = view.missed,
          .ack_wait = Milliseconds(view.ack_wait.ms),
          .attempts = view.attempts,
          .pending_max = view.pending_max};
}

StreamedEvent event_of(const ReadEvent& event, bool with_content) {
  StreamedEvent out{.sequence = event.sequence.value, .at_ms = event.at.ms, .delivery = event.delivery};
  if (auto message = decode_message(as_bytes(event.message))) {
    if (!with_content) message->content.clear();
    out.message = std::move(*message);
  }
  return out;
}

std::optional<Instant> since(std::int64_t ms) { return ms == 0 ? std::nullopt : std::optional(Instant{ms}); }

// Answers when the answer is known, when nothing is left of the call but who asked.
template <class Answer, class From, class Make>
std::function<void(Result<From>)> later(const Call& call, Make make) {
  return [reactor = &call.reactor, to = call.later(), make](const Result<From>& outcome) {
    Result<void> done;
    if (outcome) {
      const Answer answer = make(*outcome);
      done = Call::write(*reactor, to, &answer);
    } else {
      done = std::unexpected(outcome.error());
    }
    if (!done) reactor->effects().refuse(to.session, to.request, done.error());
  };
}

// kStreamPagePacked. Each event is as it was published: nothing of it is read here.
Result<void> write_packed(Reactor& reactor, const LateAnswer& to, const ReadPage& page, bool with_content) {
  std::string body;
  std::size_t bytes = 0;
  for (const auto& event : page.events) bytes += event.message.size() + 24;
  body.reserve(28 + bytes);
  const auto put = [&](auto number) { body.append(as_text(bytes_of(number))); };
  put(page.next.value);
  put(page.first.value);
  put(page.end.value);
  put(static_cast<std::uint32_t>(page.events.size()));
  for (const auto& event : page.events) {
    std::string_view message = event.message;
    if (Routing routing; !with_content && read_routing(as_bytes(message), routing))
      message = message.substr(0, routing.bytes);
    put(event.sequence.value);
    put(event.at.ms);
    put(event.delivery);
    put(static_cast<std::uint32_t>(message.size()));
    body += message;
  }
  return Call::write(reactor, to, std::string_view(body));
}

StreamReader page_later(const Call& call, bool with_content) {
  if (call.packed) {
    return [reactor = &call.reactor, to = call.later(), with_content](const Result<ReadPage>& page) {
      const auto done =
          page ? write_packed(*reactor, to, *page, with_content) : Result<void>(std::unexpected(page.error()));
      if (!done) reactor->effects().refuse(to.session, to.request, done.error());
    };
  }
  return later<StreamPage, ReadPage>(call, [with_content](const ReadPage& read) {
    StreamPage page{.next = read.next.value, .first = read.first.value, .end = read.end.value};
    page.events.reserve(read.events.size());
    for (const auto& event : read.events) page.events.push_back(event_of(event, with_content));
    return page;
  });
}

PlayDone played_later(const Call& call) {
  return later<Played, PlayEnd>(
      call, [](const PlayEnd& end) { return Played{.played = end.played, .refused = end.refused}; });
}

}  // namespace

Result<void> carry_out(const Call& call, const SetStream& arguments) {
  if (auto good = check_name(arguments.name); !good) return good;
  const auto keys = arguments.keep_last_by.empty() || arguments.max_keys != 0 ? arguments.max_keys : kStreamKeysDefault;
  call.engine.streams().set({call.session, call.request}, arguments.name,
                            {.pattern = arguments.topic,
                             .filter = arguments.filter,
                             .max_events = arguments.max_events,
                             .max_bytes = arguments.max_bytes,
                             .max_age = Duration{arguments.max_age.count()},
                             .keep_last_by = arguments.keep_last_by,
                             .max_keys = keys});
  return {};
}

Result<void> carry_out(const Call& call, const RemoveStream& arguments) {
  call.engine.streams().remove({call.session, call.request}, arguments.name);
  return {};
}

Result<void> carry_out(const Call& call, const ListStreams&) {
  StreamList list;
  call.engine.streams().each([&](const StreamView& view) { list.streams.push_back(status_of(view)); });
  return call.answer(list);
}

Result<void> carry_out(const Call& call, const ShowStream& arguments) {
  ShownStream out;
  const bool found = call.engine.streams().each_consumer(
      arguments.name, [&](const StreamConsumerView& view) { out.consumers.push_back(status_of(view)); });
  if (!found) return std::unexpected(no_stream(arguments.name));
  call.engine.streams().each([&](const StreamView& view) {
    if (view.name == arguments.name) out.stream = status_of(view);
  });
  return call.answer(out);
}

Result<void> carry_out(const Call& call, const ReadStream& arguments) {
  if (arguments.newest != 0 && (arguments.from != 0 || arguments.since_ms != 0))
    return failure(ErrorCode::invalid_field, "`newest` goes with neither `from` nor `since`: it begins at the end");
  if (arguments.backwards && arguments.wait.count() != 0)
    return failure(ErrorCode::invalid_field, "`wait` is for the next event, and `backwards` goes the other way");
  call.engine.streams().read(
      {call.session, call.request},
      {.name = arguments.name,
       .from = Sequence{arguments.from},
       .since = since(arguments.since_ms),
       .newest = arguments.newest,
       .backwards = arguments.backwards,
       .filter = arguments.filter,
       .events_max = arguments.newest != 0 ? std::min<std::size_t>(arguments.newest, kStreamPageMax) : arguments.limit,
       .bytes_max = arguments.bytes,
       .wait = Duration{arguments.wait.count()}},
      page_later(call, arguments.content));
  return {};
}

Result<void> carry_out(const Call& call, const PurgeStream& arguments) {
  if (arguments.below == 0 && arguments.keep == 0 && !arguments.all)
    return failure(ErrorCode::invalid_field,
                   "neither `below` nor `keep` is given: that would be every event; say so by \"all\":true");
  call.engine.streams().purge({call.session, call.request}, arguments.name,
                              arguments.below == 0 ? kLastSequence : Sequence{arguments.below}, arguments.keep);
  return {};
}

Result<void> carry_out(const Call& call, const PauseStream& arguments) {
  call.engine.streams().pause({call.session, call.request}, arguments.name, true);
  return {};
}

Result<void> carry_out(const Call& call, const ResumeStream& arguments) {
  call.engine.streams().pause({call.session, call.request}, arguments.name, false);
  return {};
}

Result<void> carry_out(const Call& call, const ReplayStream& arguments) {
  if (!(arguments.speed >= 0))
    return failure(ErrorCode::out_of_range, fmt::format("`speed` is {}; it is 0 or more", arguments.speed));
  call.engine.streams().plays().play({call.session, call.request},
                                     {.name = arguments.name,
                                      .topic = arguments.to,
                                      .filter = arguments.filter,
                                      .from = Sequence{arguments.from},
                                      .since = since(arguments.since_ms),
                                      .until = Sequence{arguments.until},
                                      .speed = arguments.speed,
                                      .keep = arguments.keep},
                                     played_later(call));
  return {};
}

Result<void> carry_out(const Call& call, const StopReplay& arguments) {
  call.engine.streams().plays().stop({call.session, call.request}, arguments.name);
  return {};
}

Result<void> carry_out(const Call& call, const CopyStream& arguments) {
  call.engine.streams().plays().play({call.session, call.request},
                                     {.name = arguments.name,
                                      .stream = arguments.to,
                                      .filter = arguments.filter,
                                      .from = Sequence{arguments.from},
                                      .since = since(arguments.since_ms),
                                      .until = Sequence{arguments.until},
                                      .keep = arguments.keep},
                                     played_later(call));
  return {};
}

Result<void> carry_out(const Call& call, const SetStreamConsumer& arguments) {
  if (auto good = check_name(arguments.name); !good) return good;
  if (int{arguments.from != 0} + int{arguments.since_ms != 0} + int{arguments.only_new} > 1)
    return failure(ErrorCode::invalid_field, "give one of `from`, `since` and `only_new`: each says where it begins");
  call.engine.streams().consumers().set({call.session, call.request}, {.stream = arguments.stream,
                                                                       .name = arguments.name,
                                                                       .filter = arguments.filter,
                                                                       .from = Sequence{arguments.from},
                                                                       .since = since(arguments.since_ms),
                                                                       .only_new = arguments.only_new,
                                                                       .ack_wait = Duration{arguments.ack_wait.count()},
                                                                       .attempts = arguments.attempts,
                                                                       .pending_max = arguments.pending_max});
  return {};
}

Result<void> carry_out(const Call& call, const ReadStreamConsumer& arguments) {
  call.engine.streams().consumers().read({call.session, call.request},
                                         {.stream = arguments.stream,
                                          .name = arguments.name,
                                          .events_max = arguments.limit,
                                          .bytes_max = arguments.bytes,
                                          .wait = Duration{arguments.wait.count()}},
                                         page_later(call, true));
  return {};
}

Result<void> carry_out(const Call& call, const AckStreamConsumer& arguments) {
  if (arguments.sequences.empty() && arguments.below == 0 && arguments.again.empty())
    return failure(ErrorCode::invalid_field, "nothing is said to be done: give `sequences`, `below` or `again`");
  call.engine.streams().consumers().ack({call.session, call.request}, {.stream = arguments.stream,
                                                                       .name = arguments.name,
                                                                       .sequences = arguments.sequences,
                                                                       .below = Sequence{arguments.below},
                                                                       .again = arguments.again});
  return {};
}

Result<void> carry_out(const Call& call, const RemoveStreamConsumer& arguments) {
  call.engine.streams().consumers().remove({call.session, call.request}, arguments.stream, arguments.name);
  return {};
}

Result<void> carry_out(const Call& call, const ListStreamConsumers& arguments) {
  StreamConsumerList list;
  const bool found = call.engine.streams().each_consumer(
      arguments.stream, [&](const StreamConsumerView& view) { list.consumers.push_back(status_of(view)); });
  if (!found) return std::unexpected(no_stream(arguments.stream));
  return call.answer(list);
}

}  // namespace folkmoot
