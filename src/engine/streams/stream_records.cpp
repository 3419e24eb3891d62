#include "engine/streams/stream_records.hpp"

#include <fmt/format.h>

#include "base/utf8.hpp"
#include "message/pack.hpp"

namespace folkmoot {
namespace {

std::uint64_t unsigned_ms(std::int64_t ms) { return static_cast<std::uint64_t>(std::max<std::int64_t>(ms, 0)); }
std::int64_t signed_ms(std::uint64_t ms) { return static_cast<std::int64_t>(ms); }

}  // namespace

std::string pack(const Stream& stream) {
  std::string out;
  const auto& settings = stream.settings;
  PackWriter(out)
      .array(13)
      .uint(stream.number.value)
      .str(stream.name)
      .str(settings.pattern)
      .str(settings.filter)
      .uint(settings.max_events)
      .uint(settings.max_bytes)
      .uint(unsigned_ms(settings.max_age.ms))
      .str(settings.keep_last_by)
      .uint(settings.max_keys)
      .boolean(stream.paused)
      .uint(stream.first.value)
      .uint(stream.next.value)
      .uint(stream.stored.value);
  return out;
}

Result<StreamNumber> stream_of_record(Bytes body) {
  PackReader reader(body);
  if (reader.array() < 13) reader.fail();
  const auto number = reader.uint();
  if (!reader.ok()) return failure(ErrorCode::damaged, "a stream_set fact breaks off");
  return StreamNumber{static_cast<std::uint32_t>(number)};
}

Result<std::unique_ptr<Stream>> unpack_stream(Bytes body) {
  PackReader reader(body);
  auto stream = std::make_unique<Stream>();
  if (reader.array() < 13) reader.fail();
  stream->number = StreamNumber{static_cast<std::uint32_t>(reader.uint())};
  stream->name = reader.str();
  auto& settings = stream->settings;
  settings.pattern = reader.str();
  settings.filter = reader.str();
  settings.max_events = reader.uint();
  settings.max_bytes = reader.uint();
  settings.max_age = Duration{signed_ms(reader.uint())};
  settings.keep_last_by = reader.str();
  settings.max_keys = static_cast<std::uint32_t>(reader.uint());
  stream->paused = reader.boolean();
  stream->first = Sequence{reader.uint()};
  stream->next = Sequence{reader.uint()};
  stream->marked = Sequence{reader.uint()};
  if (!reader.ok() || stream->number == 0) return failure(ErrorCode::damaged, "a stream_set fact breaks off");
  if (auto good = compile(*stream); !good) return failure(ErrorCode::damaged, good.error().text);
  return stream;
}

Error no_stream(std::string_view name) {
  return {ErrorCode::not_found, fmt::format("there is no stream {}", printable(name)),
          "`folkmoot stream list` names those that are there"};
}

Result<void> compile(Stream& stream) {
  stream.filter.reset();
  stream.last_by.reset();
  if (!stream.settings.filter.empty()) {
    auto filter = Filter::compile(stream.settings.filter);
    if (!filter) return failure(filter.error().code, fmt::format("`filter`: {}", filter.error().text));
    stream.filter = std::move(*filter);
  }
  if (!stream.settings.keep_last_by.empty()) {
    auto path = FieldPath::parse(stream.settings.keep_last_by);
    if (!path) return failure(path.error().code, fmt::format("`keep_last_by`: {}", path.error().text));
    stream.last_by = std::move(*path);
  }
  return {};
}

std::string pack(const StreamConsumer& consumer, StreamNumber stream) {
  std::string out;
  PackWriter writer(out);
  writer.array(10)
      .uint(consumer.number.value)
      .uint(stream.value)
      .str(consumer.name)
      .str(consumer.filter ? std::string_view(consumer.filter->text()) : "")
      .uint(unsigned_ms(consumer.ack_wait.ms))
      .uint(consumer.attempts)
      .uint(consumer.pending_max)
      .uint(unsigned_ms(consumer.since.ms))
      .uint(consumer.floor.value)
      .array(static_cast<std::uint32_t>(2 * consumer.done.size()));
  for (const auto& [from, to] : consumer.done) writer.uint(from.value).uint(to.value);
  return out;
}

Result<std::pair<StreamNumber, StreamConsumer>> unpack_consumer(Bytes body) {
  PackReader reader(body);
  StreamConsumer consumer;
  if (reader.array() < 10) reader.fail();
  consumer.number = ConsumerNumber{reader.uint()};
  const StreamNumber stream{static_cast<std::uint32_t>(reader.uint())};
  consumer.name = reader.str();
  const auto filter = reader.str();
  consumer.ack_wait = Duration{signed_ms(reader.uint())};
  consumer.attempts = static_cast<std::uint32_t>(reader.uint());
  consumer.pending_max = static_cast<std::uint32_t>(reader.uint());
  consumer.since = Instant{signed_ms(reader.uint())};
  consumer.floor = Sequence{reader.uint()};
  for (auto count = reader.array() / 2; count-- && reader.ok();) {
    const Sequence from{reader.uint()}, to{reader.uint()};
    consumer.finish(from, to);
  }
  if (!reader.ok() || consumer.number == 0) return failure(ErrorCode::damaged, "a consumer_set fact breaks off");
  if (!filter.empty()) {
    auto compiled = Filter::compile(filter);
    if (!compiled) return failure(ErrorCode::damaged, compiled.error().text);
    consumer.filter = std::move(*compiled);
  }
  consumer.noted = consumer.cursor = consumer.floor;
  return std::pair(stream, std::move(consumer));
}

void StreamConsumer::finish(Sequence from, Sequence to) {
  from = std::max(from, floor);
  if (from >= to) return;
  auto at = done.upper_bound(from);
  if (at != done.begin() && std::prev(at)->second >= from) --at;
  while (at != done.end() && at->first <= to) {
    from = std::min(from, at->first);
    to = std::max(to, at->second);
    at = done.erase(at);
  }
  if (from == floor) {
    floor = to;
  } else {
    done.emplace(from, to);
  }
}

}  // namespace folkmoot
