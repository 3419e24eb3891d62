#include "simulation/stream_run.hpp"

#include <algorithm>

#include "engine/streams/stream_records.hpp"
#include "simulation/violation.hpp"

namespace folkmoot::simulation {

StreamRun::Options StreamRun::draw(Random& random) {
  Options options;
  options.journal.segment_bytes = kSegmentBytesMin;
  options.journal.cache_bytes = random.one_in(2) ? 0 : 512 * 1024;
  options.journal.id.emplace();
  for (auto& byte : *options.journal.id) byte = static_cast<std::uint8_t>(random.next());
  options.power_fails = !random.one_in(5);
  options.sync_fails_one_in = random.one_in(4) ? static_cast<std::uint32_t>(random.between(50, 300)) : 0;
  options.full_percent = random.one_in(3) ? 60 : 0;
  return options;
}

StreamRun::StreamRun(std::uint64_t seed)
    : seed_(seed), random_(seed), options_(draw(random_)), disk_(random_.next()), files_disk_(random_.next()) {
  for (const auto* const name : {"numbered", "all", "last"}) streams_.push_back({.name = name});
}

StreamRun::~StreamRun() = default;

std::string StreamRun::describe() const {
  return fmt::format("streams; cache {}; power fails {}, sync fails 1 in {}, full disk in {}% of lives",
                     options_.journal.cache_bytes, options_.power_fails, options_.sync_fails_one_in,
                     options_.full_percent);
}

RunTally StreamRun::tally() const {
  auto tally = tally_;
  tally.disk = disk_.tally();
  return tally;
}

// -- what is overheard

StreamRun::Stream* StreamRun::of(StreamNumber number) {
  const auto found = std::ranges::find(streams_, number, &Stream::number);
  return found == streams_.end() ? nullptr : &*found;
}

FactPlace StreamRun::append(FactKind kind, std::span<const Bytes> parts, Life life) {
  const auto place = journal_->append(kind, parts, life);
  ++tally_.facts;
  std::string body;
  for (const auto& part : parts) body.append(as_text(part));
  if (kind == FactKind::stream_event) {
    on_event(load<StreamEventFact>(body.data()), as_bytes(body).subspan(sizeof(StreamEventFact)), place.lsn);
  } else if (kind == FactKind::stream_set) {
    const auto said = unpack_stream(as_bytes(body));
    expect(said.has_value(), "a stream_set fact does not parse");
    auto& stream = *std::ranges::find(streams_, (*said)->name, &Stream::name);
    if (setting_ && &streams_[setting_->first] == &stream) {
      stream.number = (*said)->number;
      stream.settings.say(setting_->second, place.lsn);
      ++stream.changes;
      stream.had_age = stream.had_age || stream.settings.now()->max_age != 0;
      bound(stream);
    }
    expect(stream.settings.now() == (*said)->settings, "stream {} is noted with other settings", stream.name);
  } else if (kind == FactKind::stream_removed) {
    of(load<StreamRemovedFact>(body.data()).stream)->settings.say(std::nullopt, place.lsn);
  } else if (kind == FactKind::stream_trimmed) {
    const auto said = load<StreamTrimmedFact>(body.data());
    if (auto* const stream = of(said.stream)) stream->noted[place.lsn] = said.first.value;
  } else if (kind == FactKind::consumer_set) {
    const auto said = unpack_consumer(as_bytes(body));
    expect(said.has_value(), "a consumer_set fact does not parse");
    if (auto* const stream = of(said->first)) stream->consumer.is_there.say(true, place.lsn);
  }
  return place;
}

void StreamRun::on_event(const StreamEventFact& fact, Bytes message, Lsn lsn) {
  auto* const stream = of(fact.stream);
  expect(stream != nullptr, "an event of a stream that there is not");
  Written written{.content = number_in(as_text(message)), .lsn = lsn, .at = fact.at.ms};
  Routing routing;
  expect(read_routing(message, routing).has_value(), "an event does not parse");
  written.priority = routing.priority;
  written.key = routing.conversation;
  const auto known = stream->written.find(fact.sequence.value);
  if (known != stream->written.end()) {
    expect(known->second.content == written.content, "position {} of stream {} is written twice", fact.sequence.value,
           stream->name);
    rules_.saw(Rule::stream_event_copied);
    return;
  }
  expect(fact.sequence.value == stream->next, "stream {} goes on with {} instead of {}", stream->name,
         fact.sequence.value, stream->next);
  const auto& settings = *stream->settings.now();
  if (!settings.filter.empty())
    expect(written.priority <= 5, "stream {} keeps what its filter does not want", stream->name);
  auto& [count, last] = kept_[written.content];
  ++count;
  last = std::max(last, lsn);
  stream->written.emplace(stream->next++, std::move(written));
  rules_.saw(Rule::stream_event_kept);
}

void StreamRun::bound(Stream& stream) {
  const auto& settings = stream.settings.now();
  if (!settings || settings->max_events == 0 || stream.durable <= settings->max_events) return;
  const auto first = stream.durable - settings->max_events;
  if (first > stream.first) rules_.saw(Rule::stream_bounded);
  stream.first = std::max(stream.first, first);
  if (stream.settings.is_certain()) stream.certain_first = std::max(stream.certain_first, first);
}

void StreamRun::forget(Stream& stream) {
  const auto name = stream.name;
  stream = Stream{.name = name};
}

ContentRef StreamRun::content_of(std::uint64_t number) {
  ContentRef ref{.size = 1 + number % 1'000};
  store(ref.hash.bytes.data(), number);
  return ref;
}

bool StreamRun::may_be_read(const Stream& stream, std::uint64_t content) const {
  auto first = stream.certain_first;
  for (const auto& [lsn, noted] : stream.noted) first = lsn < durable_end_ ? std::max(first, noted) : first;
  return std::ranges::any_of(stream.written, [&](const auto& each) {
    const auto& [sequence, event] = each;
    if (event.content != content || sequence < first) return false;
    return stream.name != "last" || std::ranges::none_of(stream.written, [&](const auto& other) {
             return other.first > sequence && other.first < stream.durable && other.second.key == event.key;
           });
  });
}

bool StreamRun::remove_content(const ContentHash& hash) {
  const auto number = load<std::uint64_t>(hash.bytes.data());
  expect(stored_.erase(number) == 1, "content {} is removed, and is not stored", number);
  for (const auto& stream : streams_)
    expect(!may_be_read(stream, number), "the content of event {} of stream {} is gone", number, stream.name);
  rules_.saw(Rule::stream_content_let_go);
  return true;
}

std::uint64_t StreamRun::number_in(std::string_view message) {
  Routing routing;
  expect(read_routing(as_bytes(message), routing).has_value(), "an event does not parse");
  if (!routing.content_ref.empty())
    return load<std::uint64_t>(read_content_ref(as_bytes(message), routing).hash.bytes.data());
  return std::stoull(std::string(message.substr(routing.bytes)));
}

// -- answers

RequestNumber StreamRun::ask(Ask what) {
  asks_.emplace(++last_request_, std::move(what));
  ++tally_.operations;
  return last_request_;
}

StreamRun::Ask StreamRun::take(RequestNumber request) {
  const auto found = asks_.find(request);
  expect(found != asks_.end(), "request {} was answered twice, or was never made", request);
  auto what = std::move(found->second);
  asks_.erase(found);
  return what;
}

void StreamRun::confirm(SessionId, RequestNumber request, const Confirm& confirm) {
  const auto what = take(request);
  const auto kept = kept_.find(what.content);
  expect(confirm.outcome == PublishOutcome::kept && confirm.count == (kept == kept_.end() ? 0 : kept->second.first),
         "event {} is said to be kept in {} places", what.content, confirm.count);
  if (kept == kept_.end()) return;
  expect(kept->second.second < durable_end_, "event {} was confirmed before it was on disk", what.content);
  rules_.saw(Rule::stream_event_confirmed);
}

void StreamRun::answer(SessionId, RequestNumber request, const Reply&) {
  const auto what = take(request);
  auto& stream = streams_[what.stream];
  switch (what.kind) {
    case Ask::Kind::remove:
      expect(stream.settings.is_certain(), "a stream was said to be removed before that was on disk");
      forget(stream);
      rules_.saw(Rule::stream_removed);
      break;
    case Ask::Kind::purge:
      stream.certain_first = std::max(stream.certain_first, what.first);
      rules_.saw(Rule::stream_purged);
      break;
    case Ask::Kind::ack:
      stream.consumer.done.insert(what.acked.begin(), what.acked.end());
      break;
    default:
      break;
  }
}

void StreamRun::refuse(SessionId, RequestNumber request, const Error& error) {
  const auto what = take(request);
  const bool is_full = error.code == ErrorCode::disk_full && !healed_;
  if (what.kind == Ask::Kind::publish) {
    expect(!kept_.contains(what.content), "event {} was refused, and is kept", what.content);
    expect(is_full || error.code == ErrorCode::not_kept || error.code == ErrorCode::limit_reached,
           "an event was refused: {}", error.text);
    return;
  }
  expect(is_full || error.code == ErrorCode::not_found || error.code == ErrorCode::out_of_range, "refused: {}",
         error.text);
}

void StreamRun::unreadable(const Error& error) { throw Violation("the log cannot be read: " + error.text); }

// -- consumers

void StreamRun::check_consumed(Stream& stream, const ReadPage& page, std::optional<Instant> asked) {
  for (const auto& event : page.events) {
    check_event(stream, event, asked);
    expect(!stream.consumer.done.contains(event.sequence.value),
           "event {} of stream {} was acknowledged, and is given out again", event.sequence.value, stream.name);
    rules_.saw(stream.consumer.given.contains(event.sequence.value) ? Rule::consumer_given_again
                                                                    : Rule::consumer_given);
    stream.consumer.given.insert(event.sequence.value);
  }
}

void StreamRun::consume(Stream& stream) {
  auto& consumer = stream.consumer;
  const auto index = static_cast<std::size_t>(&stream - streams_.data());
  if (!consumer.is_there.now()) {
    consumer.begins = std::max(consumer.begins, stream.first);
    return engine_->streams().consumers().set(
        {session(), ask({.kind = Ask::Kind::consumer, .stream = index})},
        {.stream = stream.name, .name = "c", .ack_wait = Duration{500}, .pending_max = 20});
  }
  if (random_.one_in(2) && !consumer.given.empty()) {
    std::vector<std::uint64_t> acked;
    for (const auto sequence : consumer.given) {
      if (random_.one_in(2)) acked.push_back(sequence);
    }
    if (acked.empty()) return;
    consumer.asked.insert(acked.begin(), acked.end());
    return engine_->streams().consumers().ack(
        {session(), ask({.kind = Ask::Kind::ack, .stream = index, .acked = std::set(acked.begin(), acked.end())})},
        {.stream = stream.name, .name = "c", .sequences = acked});
  }
  if (open_reads_ >= kReadsMax) return;
  ++open_reads_;
  const auto number = stream.number;
  const auto changes = stream.changes;
  const auto asked = engine_->now();
  engine_->streams().consumers().read({session(), ++last_request_},
                                      {.stream = stream.name,
                                       .name = "c",
                                       .events_max = static_cast<std::size_t>(random_.between(1, 10)),
                                       .wait = Duration{random_.one_in(2) ? 0 : random_.between(1, 1'000)}},
                                      [=, this](const Result<ReadPage>& page) {
                                        --open_reads_;
                                        auto& same = streams_[index];
                                        if (!page || same.number != number) return;
                                        const bool is_same = same.changes == changes;
                                        check_consumed(same, *page, is_same ? std::optional(asked) : std::nullopt);
                                      });
}

// -- commands

void StreamRun::publish() {
  Message message;
  static const std::vector<std::string> kTopics = {"t.0", "t.1", "other"};
  message.topic = rests_ ? "t.0" : random_.pick(kTopics);
  message.priority = static_cast<Priority>(random_.between(1, 10));
  message.mode = random_.one_in(4) ? DeliveryMode::at_most_once : DeliveryMode::at_least_once;
  if (!random_.one_in(4)) message.conversation = fmt::format("key-{}", random_.below(5));
  ++last_content_;
  if (random_.one_in(5)) {
    message.content_ref = content_of(last_content_);
    stored_.insert(last_content_);
    engine_->contents().stored(*message.content_ref);
  } else {
    message.content = std::to_string(last_content_);
  }
  std::string bytes;
  expect(encode_envelope(message, bytes).has_value(), "an event cannot be encoded");
  const auto envelope_bytes = bytes.size();
  // Long ones now and then, so that files and segments change.
  if (random_.one_in(10) && !message.content_ref)
    message.content.insert(0, static_cast<std::size_t>(random_.between(1, 15'000)), '0');  // three copies are one group
  bytes += message.content;
  IncomingMessage incoming{.routing = {},
                           .envelope = as_bytes(bytes).first(envelope_bytes),
                           .content = as_bytes(bytes).subspan(envelope_bytes)};
  expect(read_routing(incoming.envelope, incoming.routing).has_value(), "an event does not parse");
  const bool is_told = message.mode == DeliveryMode::at_least_once;
  if (is_told) {
    engine_->publish(session(), ask({.kind = Ask::Kind::publish, .content = last_content_}), false, incoming);
  } else {
    ++tally_.operations;
    engine_->publish(session(), ++last_request_, true, incoming);
  }
}

void StreamRun::set(Stream& stream) {
  const auto index = static_cast<std::size_t>(&stream - streams_.data());
  if (!stream.settings.is_certain()) return;
  static const std::vector<std::string> kPatterns = {"t.0", "t.*", "t.1"};
  StreamSettings settings{.pattern = kPatterns.at(index)};
  if (index == 0) {
    settings.max_events = random_.one_in(3) ? 0 : static_cast<std::uint64_t>(random_.between(1, 40));
    if (random_.one_in(3)) settings.filter = "priority <= 5";
  } else if (index == 1) {
    if (random_.one_in(3)) settings.max_age = Duration{random_.between(2'000, 60'000)};
  } else {
    settings.keep_last_by = "conversation";
    settings.max_keys = 4;
  }
  setting_ = {index, settings};
  engine_->streams().set({session(), ask({.kind = Ask::Kind::set, .stream = index})}, stream.name, settings);
  setting_.reset();
}

void StreamRun::command() {
  auto& stream = streams_[random_.below(streams_.size())];
  const auto index = static_cast<std::size_t>(&stream - streams_.data());
  const auto what = random_.below(100);
  if (!stream.settings.now()) {
    if (what < 60) return set(stream);
    return publish();
  }
  if (what < 55) return publish();
  if (what < 70) return read(stream);
  if (what < 90) return consume(stream);
  if (what < 94) return set(stream);
  if (what < 97) {
    const auto end = static_cast<std::int64_t>(stream.durable);
    const auto below = static_cast<std::uint64_t>(random_.one_in(2) ? end : random_.between(1, end + 2));
    const auto first = std::max(stream.first, std::min(below, stream.durable));
    const auto request = ask({.kind = Ask::Kind::purge, .stream = index, .first = first});
    engine_->streams().purge({session(), request}, stream.name, Sequence{below}, 0);
    // Refused for want of room: nothing has changed.
    if (asks_.contains(request)) stream.first = first;
    return;
  }
  if (what < 98 && stream.settings.is_certain() && random_.one_in(4)) {
    engine_->streams().remove({session(), ask({.kind = Ask::Kind::remove, .stream = index})}, stream.name);
    return;
  }
  if (index == 0 && streams_[1].settings.now()) {
    engine_->streams().plays().play({session(), ++last_request_}, {.name = stream.name, .stream = streams_[1].name},
                                    [this](const Result<PlayEnd>& end) {
                                      if (end && end->played > 0) rules_.saw(Rule::stream_copied);
                                    });
  }
}

// -- what comes of it

void StreamRun::check_views() {
  engine_->streams().each([&](const StreamView& view) {
    auto& stream = *std::ranges::find(streams_, view.name, &Stream::name);
    expect(stream.settings.now() == view.settings, "stream {} has other settings", stream.name);
    expect(view.next.value == stream.durable, "stream {} ends at {} instead of {}", stream.name, view.next.value,
           stream.durable);
    if (view.settings.max_age != 0) stream.first = std::max(stream.first, view.first.value);
    expect(view.first.value == stream.first, "stream {} begins at {} instead of {}", stream.name, view.first.value,
           stream.first);
  });
}

void StreamRun::recovered() {
  std::map<std::string, std::optional<StreamSettings>> told;
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> extents;
  engine_->streams().each([&](const StreamView& view) {
    told[std::string(view.name)] = view.settings;
    extents[std::string(view.name)] = {view.first.value, view.next.value};
    expect(view.gap == 0, "stream {} has lost events {} to {}", view.name, view.gap.value, view.gap_end.value);
  });
  engine_->contents().each_missing([](const ContentRef& ref, std::uint32_t) {
    throw Violation(
        fmt::format("event {} is kept, and what it refers to is gone", load<std::uint64_t>(ref.hash.bytes.data())));
  });
  for (auto& stream : streams_) {
    const auto& settings = told[stream.name];
    expect(stream.settings.may_be(settings), "after the crash stream {} is none of those that it may be", stream.name);
    if (!settings) {
      forget(stream);
      continue;
    }
    stream.settings.recovered(settings);
    const auto [first, next] = extents.at(stream.name);
    expect(next >= stream.durable && next <= stream.next, "after the crash stream {} ends at {}; {} to {} is possible",
           stream.name, next, stream.durable, stream.next);
    stream.written.erase(stream.written.lower_bound(next), stream.written.end());
    stream.next = stream.durable = next;
    bound(stream);
    expect(settings->max_age != 0 ||
               (first >= stream.certain_first && first <= std::max(stream.first, stream.certain_first)),
           "after the crash stream {} begins at {}; {} to {} is possible", stream.name, first, stream.certain_first,
           stream.first);
    stream.first = stream.certain_first = first;
    stream.noted.clear();
    bool consumer = false;
    engine_->streams().each_consumer(stream.name, [&](const StreamConsumerView&) { consumer = true; });
    expect(stream.consumer.is_there.may_be(consumer), "after the crash the consumer of stream {} {}", stream.name,
           consumer ? "is there" : "is gone");
    stream.consumer.is_there.recovered(consumer);
    stream.consumer.given.clear();
    if (!consumer) stream.consumer = {.begins = first};
    if (next > first) rules_.saw(Rule::stream_survived);
  }
}

bool StreamRun::start() {
  const auto refused = [this](const Error& error) {
    expect(error.code == ErrorCode::io_error || (error.code == ErrorCode::disk_full && !healed_),
           "it does not open: {}", error.text);
    disk_.faults.full = files_disk_.faults.full = false;
    return false;
  };
  auto journal = Journal::open(disk_, options_.journal);
  if (!journal) return refused(journal.error());
  journal_ = std::move(*journal);
  StreamFilesOptions files_options;
  files_options.id.emplace();
  auto files = FileStreamStore::open(files_disk_, files_options);
  if (!files) return refused(files.error());
  files_ = std::move(*files);
  expect(files_->problems().empty(), "the files of streams are damaged: {}",
         files_->problems().empty() ? "" : files_->problems().front().text);
  EngineOptions engine_options;
  engine_options.content_grace_ms = Duration{500};
  engine_ = std::make_unique<Engine>(engine_options, *this, *this, files_.get());
  const auto report = journal_->recover(
      [&](FactKind kind, FactPlace place, Bytes body) { return engine_->recover(kind, place, body); });
  if (!report) return refused(report.error());
  ++tally_.lives;
  for (const auto number : stored_) engine_->contents().stored(content_of(number));
  engine_->start(Instant{now_}, seed_, report->clean_stop);
  recovered();
  engine_->open_session(session(), "agent");
  return true;
}

bool StreamRun::write() {
  journal_->submit(steady_);
  // What is asked for while the disk is at work is not on it when that is done.
  const auto meanwhile = healed_ ? 0 : random_.between(0, 2);
  for (auto count = meanwhile; count > 0; --count) command();
  if (journal_->submitted()) journal_->write_and_sync();
  for (auto count = meanwhile; count > 0; --count) command();
  return collect();
}

bool StreamRun::collect() {
  const auto end = journal_->collect();
  if (!end) {
    expect(end.error().code == ErrorCode::io_error, "the journal gives up: {}", end.error().text);
    return false;
  }
  durable_end_ = *end;
  for (auto& stream : streams_) {
    stream.settings.on_durable(*end);
    stream.consumer.is_there.on_durable(*end);
    for (auto at = stream.written.find(stream.durable); at != stream.written.end() && at->second.lsn < *end; ++at)
      stream.durable = at->first + 1;
    bound(stream);
  }
  engine_->on_durable(*end);
  return true;
}

bool StreamRun::step_files() {
  if (files_->submit() || files_->has_work() || files_->wants_retry()) files_->work();
  auto news = files_->collect();
  if (!news) {
    expect(news.error().code == ErrorCode::io_error, "the files give up: {}", news.error().text);
    return false;
  }
  for (const auto& [stream, end] : news->stored) {
    if (const auto* const known = of(stream)) {
      expect(end.value <= known->durable, "the files of stream {} have what is not on disk in the log", known->name);
      rules_.saw(Rule::stream_stored);
    }
    engine_->on_stored(stream, end);
  }
  for (const auto& [ticket, chunk] : news->chunks) {
    expect(!chunk.error, "the files are damaged: {}", chunk.error ? chunk.error->text : "");
    engine_->on_read(ticket, chunk);
  }
  return true;
}

bool StreamRun::compact() {
  if (!journal_->compaction_due()) return true;
  const auto done = journal_->compact_step(
      static_cast<std::size_t>(random_.between(1'000, 40'000)),
      [&](FactKind kind, FactPlace place, Bytes body) { return engine_->keep(kind, place, body); });
  expect(done.has_value() || done.error().code == ErrorCode::io_error, "compaction fails: {}",
         done ? "" : done.error().text);
  return done.has_value();
}

void StreamRun::tick(std::int64_t ms) {
  now_ += ms;
  steady_ += ms;
  engine_->advance(std::max(Instant{now_}, engine_->now()));
}

bool StreamRun::turn() {
  ++step_;
  const auto what = random_.below(100);
  if (what < 55) {
    for (auto count = random_.between(1, 4); count > 0; --count) command();
  } else if (what < 65) {
    tick(random_.one_in(20) ? random_.between(0, 30'000) : random_.between(0, 300));
  } else if (what < 85) {
    if (!write()) return false;
  } else if (what < 95) {
    if (!step_files()) return false;
  } else if (!compact()) {
    return false;
  }
  check_views();
  return true;
}

StreamRun::End StreamRun::live_once() {
  const auto power = [&] { return options_.power_fails && random_.one_in(2) ? End::power : End::process; };
  try {
    if (!start()) return power();
    const auto steps = random_.between(30, 300);
    rests_ = random_.one_in(3);
    const bool fills_up = random_.percent(options_.full_percent);
    disk_.faults.sync_fails_one_in = files_disk_.faults.sync_fails_one_in = options_.sync_fails_one_in;
    const auto goes = options_.power_fails && !random_.one_in(4) ? random_.between(0, steps) : -1;
    for (std::int64_t i = 0; i < steps; ++i) {
      auto& disk = random_.one_in(2) ? disk_ : files_disk_;
      if (i == goes) disk.fail_power_in(static_cast<std::uint64_t>(random_.between(1, 10)));
      if (fills_up && random_.one_in(25)) disk.faults.full = !disk.faults.full;
      if (!turn()) return power();
    }
    return power();
  } catch (const PowerLoss&) {
    return End::power;
  }
}

void StreamRun::end(End how) {
  ++tally_.crashes;
  for (auto* const disk : {&disk_, &files_disk_}) disk->keep_power();
  asks_.clear();
  open_reads_ = 0;
  setting_.reset();
  engine_.reset();
  journal_.reset();
  files_.reset();
  for (auto* const disk : {&disk_, &files_disk_}) {
    if (how == End::power) disk->lose_power();
    disk->faults.sync_fails_one_in = 0;
    if (random_.one_in(2)) disk->faults.full = false;
  }
  now_ += random_.between(0, 2'000);
  steady_ += 2'000;
}

void StreamRun::live(std::uint64_t crashes) {
  while (tally_.crashes < crashes) end(live_once());
}

bool StreamRun::commit() { return write() && step_files(); }

void StreamRun::settle() {
  for (int i = 0; i < 20; ++i) {
    tick(1'100);
    expect(commit(), "a healed disk fails");
  }
}

void StreamRun::drain() {
  healed_ = true;
  disk_.faults = files_disk_.faults = {};
  expect(start(), "a healed disk fails");
  settle();
  check_views();
  for (auto& stream : streams_) check_all(stream);
  for (auto& stream : streams_) {
    auto& consumer = stream.consumer;
    if (!stream.settings.now() || !consumer.is_there.now()) continue;
    const auto index = static_cast<std::size_t>(&stream - streams_.data());
    for (std::size_t turns = 0;; ++turns) {
      expect(turns < 10'000, "the consumer of stream {} has no end", stream.name);
      std::optional<Result<ReadPage>> got;
      engine_->streams().consumers().read({session(), ++last_request_}, {.stream = stream.name, .name = "c"},
                                          [&](Result<ReadPage> page) { got = std::move(page); });
      for (int i = 0; i < 100 && !got; ++i) expect(step_files(), "healed files fail");
      expect(got && *got, "the consumer of stream {} cannot read", stream.name);
      check_consumed(stream, **got, engine_->now());
      if ((*got)->events.empty()) break;
      std::vector<std::uint64_t> acked;
      for (const auto& event : (*got)->events) acked.push_back(event.sequence.value);
      engine_->streams().consumers().ack(
          {session(), ask({.kind = Ask::Kind::ack, .stream = index, .acked = std::set(acked.begin(), acked.end())})},
          {.stream = stream.name, .name = "c", .sequences = acked});
      expect(commit(), "a healed disk fails");
    }
    // A consumer passes over what is too old, and does not come back when it is not any more.
    if (!stream.settings.now()->keep_last_by.empty() || stream.had_age) continue;
    for (auto sequence = std::max(stream.first, consumer.begins); sequence < stream.durable; ++sequence) {
      expect(consumer.done.contains(sequence) || consumer.asked.contains(sequence),
             "event {} of stream {} never came to its consumer", sequence, stream.name);
    }
    rules_.saw(Rule::consumer_drained);
  }
  end(End::process);
  expect(start(), "a healed disk fails");
  for (auto& stream : streams_) check_all(stream);
  end(End::process);
}

}  // namespace folkmoot::simulation
