#include "engine/streams/streams.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.hpp"
#include "engine/streams/stream_records.hpp"
#include "message/topic.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kTopicsRemembered = 8'192;
constexpr std::size_t kKeyBytesMax = 1'024;
// What the files have is noted in the log so often: should they be lost, it is known that something was there.
constexpr std::uint64_t kMarkEvery = 4'096;  // events
constexpr Duration kMarkAfter{1'000};

}  // namespace

Streams::Streams(const EngineOptions& options, const Ports& ports)
    : options_(options),
      to_(ports),
      reads_({ports.run, ports.ledger, ports.agenda, ports.sessions, ports.serials, table_, ports.store}),
      consumers_({options, ports.run, ports.ledger, ports.agenda, ports.sessions, ports.serials, ports.replies,
                  ports.announcer, table_, reads_}),
      plays_({options, ports.run, ports.ledger, ports.agenda, ports.sessions, ports.serials, ports.replies,
              ports.announcer, table_, reads_, *this}) {}

Result<void> Streams::check(const Stream* known, std::string_view name, const StreamSettings& settings) const {
  if (!was_name(name)) return failure(ErrorCode::invalid_name, "the stream's name is none");
  if (!is_pattern(settings.pattern))
    return failure(ErrorCode::invalid_topic,
                   fmt::format("`{}` is not a topic or pattern", printable(settings.pattern)));
  if (settings.max_bytes != 0 && settings.max_bytes < kStreamBytesLeast)
    return failure(ErrorCode::out_of_range,
                   fmt::format("`max_bytes` is {}; {} are the least", settings.max_bytes, kStreamBytesLeast));
  if (settings.keep_last_by.empty() != (settings.max_keys == 0))
    return failure(ErrorCode::invalid_field, "`max_keys` goes with `keep_last_by`, and must be 1 or more for it");
  if (!settings.keep_last_by.empty() && (settings.max_events != 0 || settings.max_bytes != 0))
    return failure(ErrorCode::invalid_field,
                   "a stream with `keep_last_by` is bounded by `max_keys`: `max_events` and `max_bytes` are of no use");
  if (known != nullptr && known->settings.keep_last_by != settings.keep_last_by)
    return failure(ErrorCode::invalid_field,
                   fmt::format("`keep_last_by` of stream {} cannot be changed: it says how events are kept", name),
                   "remove the stream, or make another");
  if (known == nullptr && table_.size() >= options_.streams_max)
    return failure(ErrorCode::limit_reached, fmt::format("there are {} streams already", table_.size()));
  return {};
}

void Streams::set(Asker caller, std::string_view name, const StreamSettings& settings) {
  auto* const known = table_.find(name);
  if (auto good = check(known, name, settings); !good) return to_.replies.refuse(caller, good.error());
  auto fresh = std::make_unique<Stream>();
  fresh->name = name;
  fresh->settings = settings;
  if (auto good = compile(*fresh); !good) return to_.replies.refuse(caller, good.error());
  fresh->number = known != nullptr ? known->number : StreamNumber{last_number_.value + 1};
  if (!to_.ledger.has_room(Urgency::durable, pack(*fresh).size() + 32))
    return to_.replies.refuse(caller, {ErrorCode::disk_full, fmt::format("no room to keep the stream {}", name)});
  if (known == nullptr) last_number_ = fresh->number;
  if (known != nullptr) {
    known->settings = settings;
    known->filter = std::move(fresh->filter);
  }
  auto& stream = known != nullptr ? *known : table_.add(std::move(fresh));
  if (to_.store != nullptr && !stream.last_by) to_.store->set_file_bytes(stream.number, settings.max_bytes / 16);
  bound_by_number(stream);
  const auto durable = write(stream);
  bound_by_rest(stream);
  changed_streams();
  watch(stream);
  to_.ledger.when_or_now(durable, waiting::Answer{.to = caller});
}

Durable Streams::write(Stream& stream) {
  const auto body = pack(stream);
  const auto place = to_.ledger.note(FactKind::stream_set, {as_bytes(body)}, Life::live);
  if (place.lsn == 0) return {};  // asked for before: it cannot be
  to_.ledger.release(stream.place);
  stream.place = place;
  to_.ledger.when(Durable(place), waiting::StreamNoted{stream.number, stream.first});
  return Durable(place);
}

void Streams::remove(Asker caller, std::string_view name) {
  auto* const stream = table_.find(name);
  if (stream == nullptr) return to_.replies.refuse(caller, no_stream(name));
  const auto number = stream->number;
  const StreamRemovedFact fact{number};
  if (!to_.ledger.has_room(Urgency::settling, sizeof fact))
    return to_.replies.refuse(caller, {ErrorCode::disk_full, "no room to note that the stream is gone"});
  const auto place = to_.ledger.note(FactKind::stream_removed, {bytes_of(fact)});
  consumers_.forget_all(*stream);
  plays_.forget(*stream);
  reads_.end_all(*stream, {ErrorCode::not_found, fmt::format("the stream {} was removed", name)});
  for (const auto& event : stream->held) to_.ledger.release(event.place);
  for (const auto& [sequence, last] : stream->last) to_.ledger.release(last.event.place);
  drop_references(*stream, kLastSequence);
  to_.ledger.release(stream->place);
  to_.ledger.release(stream->trimmed_place);
  std::erase(dirty_, number);
  to_hand_over_.erase(number);
  table_.remove(number);
  changed_streams();
  if (to_.store != nullptr) to_.ledger.when(Durable(place), waiting::StreamGone{number});
  to_.ledger.when_or_now(Durable(place), waiting::Answer{.to = caller});
}

void Streams::on_durable(const waiting::StreamGone& item) { to_.store->remove(item.stream); }

void Streams::pause(Asker caller, std::string_view name, bool paused) {
  auto* const stream = table_.find(name);
  if (stream == nullptr) return to_.replies.refuse(caller, no_stream(name));
  if (!to_.ledger.has_room(Urgency::settling, pack(*stream).size()))
    return to_.replies.refuse(caller, {ErrorCode::disk_full, "no room to note it"});
  stream->paused = paused;
  const auto durable = write(*stream);
  changed_streams();
  to_.ledger.when_or_now(durable, waiting::Answer{.to = caller});
}

void Streams::purge(Asker caller, std::string_view name, Sequence below, std::uint64_t keep) {
  auto* const stream = table_.find(name);
  if (stream == nullptr) return to_.replies.refuse(caller, no_stream(name));
  if (!to_.ledger.has_room(Urgency::settling, sizeof(StreamTrimmedFact)))
    return to_.replies.refuse(caller, {ErrorCode::disk_full, "no room to note that the events are gone"});
  auto first = std::min(below, stream->durable);
  if (keep != 0 && stream->last_by) {
    auto at = stream->last.end();
    for (std::uint64_t left = keep; left > 0 && at != stream->last.begin(); --left) --at;
    first = std::min(first, at == stream->last.end() ? stream->durable : at->first);
  } else if (keep != 0) {
    first = std::min(first, keep < stream->durable.value ? Sequence{stream->durable.value - keep} : Sequence{1});
  }
  std::uint64_t gone = 0;
  if (first > stream->first) {
    gone = stream->last_by ? static_cast<std::uint64_t>(std::distance(stream->last.lower_bound(stream->first),
                                                                      stream->last.lower_bound(first)))
                           : first - stream->first;
    stream->first = first;
  }
  const bool noted = note(*stream);
  FOLKMOOT_ASSERT(noted);
  to_.ledger.when_or_now(
      Durable(stream->trimmed_place),
      waiting::Answer{
          .to = caller,
          .reply = Purged{.purged = static_cast<std::uint32_t>(std::min<std::uint64_t>(gone, ~std::uint32_t{0}))}});
  consumers_.wake(*stream);
}

void Streams::read(Asker caller, const ReadStreamCommand& command, StreamReader done) {
  auto* const session = to_.sessions.find(caller.session);
  if (session == nullptr) return;
  auto* const stream = table_.find(command.name);
  if (stream == nullptr) return done(std::unexpected(no_stream(command.name)));
  StreamReadRequest what{.from = command.from,
                         .since = command.since,
                         .newest = command.newest,
                         .backwards = command.backwards,
                         .events_max = std::min(command.events_max, kStreamReadEventsMax),
                         .bytes_max = command.bytes_max};
  if (command.backwards && command.from == 0) what.from = kLastSequence;
  if (command.wait > 0 && !command.backwards) what.give_up = to_.run.now() + command.wait;
  if (!command.filter.empty()) {
    auto filter = Filter::compile(command.filter);
    if (!filter) return done(failure(filter.error().code, fmt::format("`filter`: {}", filter.error().text)));
    what.filter = std::move(*filter);
  }
  const auto slot = reads_.make(*stream, std::move(what), done);
  if (!reads_.bind(*session, caller.request, slot)) {
    reads_.drop(slot);
    return done(std::unexpected(in_use(caller.request)));
  }
  reads_.start(slot);
}

void Streams::each(const std::function<void(const StreamView&)>& each) const {
  for (const auto& [name, number] : table_.names()) {
    const auto& stream = *table_.find(number);
    auto bytes = stream.held_bytes;
    if (to_.store != nullptr && !stream.last_by) bytes += to_.store->extent(number).bytes;
    each({.name = name,
          .settings = stream.settings,
          .paused = stream.paused,
          .first = stream.first,
          .next = stream.durable,
          .events =
              stream.last_by ? stream.last.size() : (stream.first < stream.durable ? stream.durable - stream.first : 0),
          .bytes = bytes,
          .kept = stream.kept,
          .missed = stream.missed,
          .consumers = stream.consumers.size(),
          .replays = stream.play != kNoSlot,
          .gap = stream.has_gap() ? std::max(stream.stored, stream.first) : Sequence{},
          .gap_end = stream.has_gap() ? stream.held_first : Sequence{}});
  }
}

bool Streams::each_consumer(std::string_view name, const std::function<void(const StreamConsumerView&)>& each) const {
  const auto* const stream = table_.find(name);
  if (stream != nullptr) consumers_.each(*stream, each);
  return stream != nullptr;
}

std::vector<StreamInterest> Streams::interests() const {
  std::vector<StreamInterest> all;
  for (const auto& [number, stream] : table_.all()) {
    if (!stream->paused) all.push_back({stream->settings.pattern, stream->settings.filter});
  }
  return all;
}

// -- events that come

void Streams::changed_streams() {
  by_topic_.clear();
  chosen_.clear();
  ++version_;
  changed();
}

const std::vector<Stream*>& Streams::taking(std::string_view topic) {
  const auto known = by_topic_.find(topic);
  if (known != by_topic_.end()) return known->second;
  if (by_topic_.size() >= kTopicsRemembered) by_topic_.clear();
  std::vector<Stream*> takers;
  for (const auto& [number, stream] : table_.all()) {
    if (!stream->paused && topic_matches(stream->settings.pattern, topic)) takers.push_back(stream.get());
  }
  return by_topic_.emplace(std::string(topic), std::move(takers)).first->second;
}

Result<Draft> Streams::measure(const KeptEvent& event) {
  chosen_.clear();
  Draft draft;
  std::optional<FilterInput> input;
  Error refused;
  const bool refers = !event.message.routing.content_ref.empty();
  for (auto* const stream : taking(event.topic())) {
    if ((stream->filter || stream->last_by) && !input) input.emplace(event.stamped.head, event.stamped.rest);
    if (stream->filter && !stream->filter->matches(*input)) continue;
    Chosen chosen{stream};
    if (stream->last_by) {
      chosen.key = stream->last_by->read(*input);
      if (chosen.key.empty()) continue;  // it says nothing of what is kept here
      const auto most = stream->settings.max_keys;
      const bool is_new = !stream->by_key.contains(chosen.key);
      if (chosen.key.size() > kKeyBytesMax)
        refused = {ErrorCode::out_of_range,
                   fmt::format("`{}` has {} bytes; {} are the most that stream {} keeps by", stream->last_by->text(),
                               chosen.key.size(), kKeyBytesMax, stream->name)};
      else if (is_new && stream->by_key.size() >= most)
        refused = {ErrorCode::limit_reached, fmt::format("stream {} keeps {} keys already", stream->name, most),
                   "raise its max_keys, or purge old ones"};
    }
    if (refers && refused.text.empty() && references_ + chosen_.size() >= options_.stream_references_max)
      refused = {ErrorCode::limit_reached,
                 fmt::format("the streams have {} events that refer to content already", references_),
                 "purge old ones, or have streams keep fewer"};
    if (!refused.text.empty()) {
      if (event.must) return std::unexpected(std::move(refused));
      ++stream->missed;
      refused = {};
      continue;
    }
    draft.add(sizeof(StreamEventFact) + event.stamped.bytes());
    if (refers) draft.add(sizeof(StreamRefersFact));
    chosen_.push_back(std::move(chosen));
  }
  return draft;
}

Durable Streams::keep(const KeptEvent& event, std::uint32_t& copies) {
  Durable durable;
  const auto& of = event.message;
  std::optional<ContentRef> refers;
  if (!of.routing.content_ref.empty() && !chosen_.empty()) refers = read_content_ref(of.envelope, of.routing);
  for (auto& chosen : chosen_)
    durable.add(append(*chosen.stream, event.stamped, event.at, std::move(chosen.key), refers));
  copies += static_cast<std::uint32_t>(chosen_.size());
  chosen_.clear();
  return durable;
}

void Streams::missed(const KeptEvent&) {
  for (const auto& chosen : chosen_) ++chosen.stream->missed;
  chosen_.clear();
}

Durable Streams::append(Stream& stream, MessageParts message, Instant at, std::string key,
                        const std::optional<ContentRef>& refers) {
  stream.newest = std::max(stream.newest, at);
  const StreamEventFact fact{stream.number, 0, stream.next, stream.newest};
  const auto place = to_.ledger.write(FactKind::stream_event, {bytes_of(fact), message.head, message.rest}, Life::live);
  Durable durable(place);
  if (refers) [[unlikely]] {
    const StreamRefersFact said{stream.number, 0, stream.next, refers->size, refers->hash};
    const auto its_place = to_.ledger.write(FactKind::stream_refers, {bytes_of(said)}, Life::live);
    stream.references.emplace(stream.next, StreamReference{to_.contents.refer(*refers), its_place});
    ++references_;
    durable.add(Durable(its_place));
  }
  ++stream.next;
  ++stream.kept;
  stream.held.push_back({place, stream.newest});
  stream.held_bytes += place.bytes;
  if (stream.last_by) {
    stream.by_key.try_emplace(key);  // it counts from now on
    stream.held_keys.push_back(std::move(key));
  }
  if (!std::exchange(stream.is_dirty, true)) dirty_.push_back(stream.number);
  return durable;
}

// A copy of another stream's event.
Result<Durable> Streams::append(Stream& stream, Bytes message) {
  std::string key;
  if (stream.filter || stream.last_by) {
    FilterInput input(message);
    if (stream.filter && !stream.filter->matches(input))
      return failure(ErrorCode::not_kept, "the filter of the stream does not fit");
    if (stream.last_by) key = stream.last_by->read(input);
    if (stream.last_by && (key.empty() || key.size() > kKeyBytesMax ||
                           (!stream.by_key.contains(key) && stream.by_key.size() >= stream.settings.max_keys)))
      return failure(ErrorCode::not_kept, "it has no key that the stream keeps by, or one too many");
  }
  Draft draft;
  draft.add(sizeof(StreamEventFact) + message.size());
  std::optional<ContentRef> refers;
  if (Routing routing; read_routing(message, routing) && !routing.content_ref.empty()) {
    if (references_ >= options_.stream_references_max)
      return failure(ErrorCode::not_kept, "it refers to content, and the streams have no room for one more such");
    refers = read_content_ref(message, routing);
    draft.add(sizeof(StreamRefersFact));
  }
  if (!to_.ledger.has_room(Urgency::durable, draft))
    return failure(ErrorCode::disk_full, fmt::format("the disk has no room for events of stream {}", stream.name));
  std::optional<Ledger::Group> group;
  if (refers) group.emplace(to_.ledger, draft);
  return append(stream, MessageParts{message, {}}, to_.run.now(), std::move(key), refers);
}

// -- events that another shard has decided

// One of them, on its way out of the mailbox that it came in.
class Streams::Stray final : public HeldMail::Taker {
 public:
  explicit Stray(Streams& streams) : streams_(streams) {}

  Draft measure(Bytes content) override {
    message_.routing = {};
    const auto read = read_routing(content, message_.routing);
    FOLKMOOT_ASSERT(read.has_value());  // a shard has stamped it
    message_.envelope = content.first(message_.routing.bytes);
    message_.content = content.subspan(message_.routing.bytes);
    const auto draft = streams_.measure(event());
    FOLKMOOT_ASSERT(draft.has_value());  // what need not be kept is passed over
    return *draft;
  }
  void keep() override {
    std::uint32_t copies = 0;
    streams_.keep(event(), copies);
  }

 private:
  KeptEvent event() const {
    return {.message = message_,
            .from = message_.routing.from,
            .id = message_.routing.id,
            .at = streams_.to_.run.now(),
            .stamped = {message_.envelope, message_.content}};
  }

  Streams& streams_;
  IncomingMessage message_;
};

void Streams::on_mail(NameId mailbox) {
  constexpr std::size_t kAtOnce = 64;  // before others have their turn
  mailbox_ = mailbox;
  if (look_at_ != 0) return;
  const auto later = [&](Duration wait) {
    look_at_ = to_.run.now() + wait;
    to_.agenda.add({.at = look_at_, .id = 0, .place = 0, .kind = TimerKind::stream});
  };
  Stray stray(*this);
  for (std::size_t i = 0; to_.mail.ready(mailbox) > 0; ++i) {
    if (i == kAtOnce) return later(Duration{1});
    if (to_.mail.take_next(mailbox, stray) == HeldMail::Moved::no_room) return later(kRetryMs);
  }
}

// -- to the disk, and to the files

void Streams::on_durable(Lsn end) {
  durable_end_ = std::max(durable_end_, end);
  if (dirty_.empty()) return;
  for (const auto number : std::exchange(dirty_, {})) {
    auto* const stream = table_.find(number);
    if (stream == nullptr) continue;
    on_durable(*stream, end);
    if (stream->is_dirty) dirty_.push_back(number);
  }
}

void Streams::on_durable(Stream& stream, Lsn end) {
  const auto before = stream.durable;
  while (stream.durable < stream.next && stream.event(stream.durable).place.lsn < end) {
    if (stream.last_by) become_last(stream);
    ++stream.durable;
  }
  stream.is_dirty = stream.durable < stream.next;
  if (stream.durable == before) return;
  bound_by_number(stream);
  if (to_.store == nullptr && stream.settings.max_bytes != 0) bound_by_rest(stream);
  let_go(stream);
  if (to_.store != nullptr && !stream.last_by) hand_over(stream);
  reads_.wake(stream);
  consumers_.wake(stream);
}

// The first of those that are held is on disk: it takes the place of the event before of its key.
void Streams::become_last(Stream& stream) {
  const auto sequence = stream.durable;
  auto key = std::move(stream.held_keys.front());
  stream.held_keys.pop_front();
  auto& newest = stream.by_key[key];
  if (newest != 0) {
    const auto old = stream.last.find(newest);
    to_.ledger.release(old->second.event.place);
    stream.held_bytes -= old->second.event.place.bytes;
    drop_reference(stream, newest);
    stream.last.erase(old);
  }
  newest = sequence;
  stream.last.emplace(sequence, LastEvent{stream.held.front(), std::move(key)});
  stream.held.pop_front();
  stream.held_first = stream.handed = stream.stored = sequence + 1;
}

void Streams::hand_over(Stream& stream) {
  if (stream.has_gap()) return;
  while (stream.handed < stream.durable) {
    if (stream.files_end != stream.handed) {
      to_.store->trim(stream.number, stream.handed);
      stream.files_end = stream.handed;
    }
    const auto& event = stream.event(stream.handed);
    const auto at = event.at;
    const auto message = to_.ledger.read(event.place).subspan(sizeof(StreamEventFact));
    if (!to_.store->append(stream.number, stream.handed, at, {message, {}})) {
      to_hand_over_.insert(stream.number);
      return;
    }
    stream.files_end = ++stream.handed;
  }
  to_hand_over_.erase(stream.number);
}

void Streams::hand_over_all() {
  for (const auto number : std::set(to_hand_over_)) {
    if (auto* const stream = table_.find(number)) hand_over(*stream);
  }
}

void Streams::on_stored(StreamNumber number, Sequence end) {
  if (auto* const stream = table_.find(number)) {
    while (!stream->held.empty() && stream->held_first < end && stream->held_first < stream->handed) {
      to_.ledger.release(stream->held.front().place);
      stream->held_bytes -= stream->held.front().place.bytes;
      stream->held.pop_front();
      ++stream->held_first;
    }
    stream->stored = std::max(stream->stored, end);
    bound_by_rest(*stream);
    if (stream->stored - stream->marked >= kMarkEvery ||
        (stream->stored != stream->marked && to_.run.now() - stream->marked_at >= kMarkAfter))
      note(*stream);
    let_go(*stream);
  }
  hand_over_all();
}

}  // namespace folkmoot
