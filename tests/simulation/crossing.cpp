#include "simulation/crossing.hpp"

#include <algorithm>
#include <map>

#include "engine/census.hpp"
#include "simulation/crossing_shard.hpp"

namespace folkmoot::simulation {
namespace {

constexpr std::uint32_t kHeldMax = 8;

}  // namespace

// -- a shard

// False when the disk failed meanwhile.
bool Crossing::Shard::open(bool healed) {
  auto options = world.options_.journal;
  if (healed) options.bytes_max = 0;
  options.id->front() = static_cast<std::uint8_t>(number);
  auto opened = Journal::open(disk, options);
  if (!opened) {
    const auto code = opened.error().code;
    expect(code == ErrorCode::io_error || (code == ErrorCode::disk_full && disk.faults.full),
           "the journal does not open: {}", opened.error().text);
    disk.faults.full = false;
    return false;
  }
  journal = std::move(*opened);
  auto its_options = world.options_.engine;
  its_options.shard = ShardNumber{static_cast<std::uint32_t>(number)};
  engine = std::make_unique<Engine>(its_options, *this, *this);
  strays = std::make_unique<Shovel>(*this, 100, world.options_.credit);
  const auto report =
      journal->recover([&](FactKind kind, FactPlace place, Bytes body) { return engine->recover(kind, place, body); });
  if (!report) {
    expect(report.error().code == ErrorCode::io_error || disk.faults.full, "recovery refuses: {}", report.error().text);
    disk.faults.full = false;
    return false;
  }
  engine->start(Instant{world.now_}, number + 1, report->clean_stop);
  engine->open_session(client(), "agents");
  for (std::size_t from = 0; from < world.options_.shards; ++from) engine->open_session(session(1 + from), {}, true);
  return true;
}

void Crossing::Shard::drop() {
  strays.reset();
  engine.reset();
  journal.reset();
  for (auto& each : heard) each.clear();
  asked.clear();
  held.clear();
  asks.clear();
  acks_asked.clear();
  no_room = false;
}

bool Crossing::Shard::deliver(SessionId to, const OutgoingDelivery& delivery) {
  std::string bytes(as_text(delivery.message.head));
  bytes.append(as_text(delivery.message.rest));
  if (slot_of(to) != kClientSlot) {
    back(to, [=, request = delivery.request, lease = delivery.lease, count = delivery.delivery](Shovel& theirs) {
      theirs.on_delivery(request, lease, count, as_bytes(bytes));
    });
    return true;
  }
  const auto routing = read_routing(as_bytes(bytes));
  expect(routing.has_value(), "a delivered envelope does not parse");
  const auto content = as_bytes(bytes).subspan(routing->bytes);
  world.came(number, *routing, content);
  const auto message = load<std::uint64_t>(content.data());
  expect((delivery.lease == 0) == world.sent_[message].once, "{} came with lease {:x}", message, delivery.lease);
  if (delivery.lease != 0) held.push_back({delivery.lease, message});
  return true;
}

void Crossing::Shard::confirm(SessionId to, RequestNumber request, const Confirm& confirm) {
  if (slot_of(to) == kClientSlot) {
    const auto mine = take(request);
    if (mine.kind != Ask::Kind::event) return world.happened(mine.together);
    expect(confirm.outcome == PublishOutcome::kept, "an event was confirmed, and not as kept");
    return world.events_.confirmed(mine.event);
  }
  world.rules_.saw(confirm.outcome == PublishOutcome::duplicate ? Rule::shovel_carried_again : Rule::shovel_carried);
  back(to, [=](Shovel& theirs) { theirs.on_confirmed(request, confirm); });
}

void Crossing::Shard::answer(SessionId to, RequestNumber request, const Reply&) {
  if (slot_of(to) == kClientSlot && take(request).kind == Ask::Kind::stream) world.has_stream_ = true;
}

void Crossing::Shard::outcomes(SessionId to, RequestNumber request, std::span<const Result<Confirm>> outcomes) {
  if (slot_of(to) != kClientSlot) return;
  const auto mine = take(request);
  const auto& together = world.together_[mine.together];
  expect(outcomes.size() == together.numbers.size() + (together.event != 0 ? 1 : 0),
         "some of those that happen together did not");
  for (const auto& outcome : outcomes) expect(outcome.has_value(), "one of those that happen together did not");
  world.happened(mine.together);
}

void Crossing::Shard::settled(SessionId to, RequestNumber request, std::uint32_t count,
                              std::span<const LeaseToken> refused) {
  if (slot_of(to) != kClientSlot) return back(to, [=](Shovel& theirs) { theirs.on_settled(request); });
  const auto mine = take(request);
  expect(count == 1 && refused.empty(), "the lease of {} was lost", mine.held->number);
  if (mine.kind == Ask::Kind::ack) world.sent_[mine.held->number].acked = true;
}

void Crossing::Shard::refuse(SessionId to, RequestNumber request, const Error& error) {
  if (slot_of(to) != kClientSlot) return back(to, [=](Shovel& theirs) { theirs.on_refused(request, error); });
  const auto mine = take(request);
  expect(error.code == ErrorCode::disk_full, "refused: {}", error.text);
  if (mine.kind == Ask::Kind::event) world.events_.refused(mine.event);
  if (mine.kind == Ask::Kind::publish || mine.kind == Ask::Kind::together) world.not_happened(mine.together);
  if (!mine.held) return;
  held.push_back(*mine.held);
  world.sent_[mine.held->number].end = {};
}

// -- what must be so

std::size_t Crossing::box_named(std::string_view name) const {
  const auto found = std::ranges::find(boxes_, name);
  return static_cast<std::size_t>(found - boxes_.begin());
}

void Crossing::happened(std::size_t index) {
  auto& together = together_[index];
  expect(together.fate != Together::Fate::not_happened, "what was refused, or given up by a crash, has happened");
  together.fate = Together::Fate::happened;
  if (together.input != 0) sent_[together.input].acked = true;
}

void Crossing::not_happened(std::size_t index) {
  auto& together = together_[index];
  expect(together.fate != Together::Fate::happened, "what has happened was taken back");
  together.fate = Together::Fate::not_happened;
}

void Crossing::came(std::size_t shard, const Routing& routing, Bytes content) {
  expect(content.size() >= 8, "a content of {} bytes is none of ours", content.size());
  const auto number = load<std::uint64_t>(content.data());
  expect(number != 0 && number < sent_.size(), "{} was never sent", number);
  auto& sent = sent_[number];
  expect(!routing.provenance.empty(), "{} has lost its provenance on its way", number);
  expect(routing.to == boxes_[sent.box] && routing.from == "agents" && owner(sent.box) == shard,
         "{}, to {}, came to {} in shard {}", number, boxes_[sent.box], routing.to, shard);
  expect(!sent.acked, "{} came again after its ack was answered", number);
  sent.ids.insert(routing.id);
  expect(sent.ids.size() == 1, "{} is there {} times", number, sent.ids.size());
  expect(++sent.deliveries == 1 || !sent.once, "{}, at most once, came again", number);
  sent.end = {};
  happened(sent.together);
  for (const auto completion : sent.completions) not_happened(completion);  // else it would not have come again
  sent.completions.clear();
}

// -- a run

Crossing::Options Crossing::draw(Random& random) {
  Options options;
  options.shards = random.one_in(3) ? 3 : 2;
  options.boxes = static_cast<std::size_t>(random.between(1, 3));
  options.engine.shards = static_cast<std::uint32_t>(options.shards);
  options.engine.mailbox.retry.attempts = 60'000;  // a crash is one more
  options.journal.segment_bytes = kSegmentBytesMin;
  options.journal.cache_bytes = random.one_in(2) ? 0 : 512 * 1024;
  options.journal.bytes_max =
      random.one_in(3) ? static_cast<std::uint64_t>(random.between(3, 5)) * kSegmentBytesMin : 0;
  options.journal.id.emplace();
  for (auto& byte : *options.journal.id) byte = static_cast<std::uint8_t>(random.next());
  options.power_fails = !random.one_in(5);
  options.sync_fails_one_in = random.one_in(4) ? static_cast<std::uint32_t>(random.between(50, 300)) : 0;
  options.full_percent = random.one_in(3) ? 60 : 0;
  if (random.one_in(2)) options.credit = static_cast<std::uint32_t>(random.between(1, 4));
  return options;
}

Crossing::Crossing(std::uint64_t seed) : random_(seed), options_(draw(random_)) {
  for (std::size_t box = 0; box < options_.boxes * options_.shards; ++box) boxes_.push_back(fmt::format("box-{}", box));
  for (std::size_t number = 0; number < options_.shards; ++number) {
    shards_.push_back(std::make_unique<Shard>(*this, number, random_.next()));
  }
}

Crossing::~Crossing() = default;

std::string Crossing::describe() const {
  return fmt::format(
      "{} shards with {} mailboxes each; cache {}, bytes_max {}; power fails {}, sync fails 1 in {}, full disk in {}% "
      "of lives",
      options_.shards, options_.boxes, options_.journal.cache_bytes, options_.journal.bytes_max, options_.power_fails,
      options_.sync_fails_one_in, options_.full_percent);
}

RunTally Crossing::tally() const {
  auto tally = tally_;
  for (const auto& shard : shards_) {
    const auto& disk = shard->disk.tally();
    tally.disk.syncs += disk.syncs;
    tally.disk.sync_failures += disk.sync_failures;
    tally.disk.refusals += disk.refusals;
    tally.disk.sectors_lost += disk.sectors_lost;
  }
  return tally;
}

std::uint64_t Crossing::new_message(std::size_t box, std::size_t together) {
  sent_.push_back({.box = box, .together = together, .once = random_.one_in(8)});
  return sent_.size() - 1;
}

std::size_t Crossing::new_together(std::size_t numbers, std::optional<std::size_t> box) {
  const auto index = together_.size();
  together_.emplace_back();
  for (std::size_t i = 0; i < numbers; ++i)
    together_[index].numbers.push_back(new_message(box.value_or(random_.below(boxes_.size())), index));
  return index;
}

bool Crossing::start() {
  for (auto& shard : shards_) {
    if (!shard->open(healed_)) return false;
  }
  ++tally_.lives;
  has_stream_ = !shards_.front()->engine->streams().interests().empty();
  stream_told_ = 0;
  see_to_stream();
  return true;
}

// -- what agents write

std::string Crossing::bytes_of_message(const Message& message, std::uint64_t number) {
  std::string bytes;
  expect(encode_envelope(message, bytes).has_value(), "an envelope of ours does not encode");
  const auto at = bytes.size();
  bytes.resize(at + 8 + (random_.one_in(10) ? random_.below(12'000) : random_.below(200)));
  store(bytes.data() + at, number);
  return bytes;
}

std::string Crossing::message_bytes(std::uint64_t number) {
  Message message;
  message.to = boxes_[sent_[number].box];
  message.from = "agents";
  message.priority = static_cast<Priority>(random_.between(1, 10));
  if (number % 4 == 0) message.key = fmt::format("key-{}", number);
  if (sent_[number].once) message.mode = DeliveryMode::at_most_once;
  return bytes_of_message(message, number);
}

IncomingMessage Crossing::incoming_of(std::string_view bytes) {
  IncomingMessage incoming{.routing = {}, .envelope = as_bytes(bytes), .content = {}};
  expect(read_routing(incoming.envelope, incoming.routing).has_value(), "an envelope of ours does not parse");
  incoming.content = incoming.envelope.subspan(incoming.routing.bytes);
  incoming.envelope = incoming.envelope.first(incoming.routing.bytes);
  static const auto kProvenance =
      pack(Provenance{.account = "agents", .door = "native", .verified = "key", .trust = "account"});
  incoming.provenance = kProvenance;
  return incoming;
}

// -- events, and the stream that takes them

void Crossing::see_to_stream() {
  auto& first = *shards_.front();
  auto& streams = first.engine->streams();
  if (streams.interests().empty()) {
    streams.set({first.client(), first.ask({.kind = Shard::Ask::Kind::stream})}, "s", {.pattern = "news.*"});
  }
  if (streams.version() == stream_told_) return;
  stream_told_ = streams.version();
  for (auto& shard : shards_) {
    if (shard->number != 0) shard->engine->durable_subscriptions().feed_streams(streams.interests());
  }
}

std::string Crossing::event_bytes(std::uint64_t number, bool must_be_kept) {
  Message message;
  message.topic = random_.one_in(10) ? "other" : "news.today";
  if (must_be_kept) message.topic = "news.today";
  message.from = "agents";
  message.mode = must_be_kept ? DeliveryMode::at_least_once : DeliveryMode::at_most_once;
  return bytes_of_message(message, number);
}

void Crossing::event_command(Shard& shard) {
  ++tally_.operations;
  if (shard.number == 0 && random_.one_in(3)) {
    read_stream();
    return shard.engine->streams().purge({shard.client(), shard.ask({.kind = Shard::Ask::Kind::purge})}, "s",
                                         stream_read_, 0);
  }
  const auto number = events_.publish(shard.number, false);
  const auto bytes = event_bytes(number, true);
  shard.engine->publish(shard.client(), shard.ask({.kind = Shard::Ask::Kind::event, .event = number}), false,
                        incoming_of(bytes));
}

void Crossing::read_stream() {
  auto& first = *shards_.front();
  for (bool more = true; more;) {
    more = false;
    bool is_answered = false;
    first.engine->streams().read({first.client(), first.next_request++}, {.name = "s", .from = stream_read_},
                                 [&](const Result<ReadPage>& page) {
                                   is_answered = true;
                                   expect(page.has_value(), "the stream cannot be read");
                                   for (const auto& event : page->events) {
                                     const auto routing = read_routing(as_bytes(event.message));
                                     expect(routing.has_value(), "an event does not parse");
                                     expect(routing->topic == "news.today" && routing->from == "agents",
                                            "the stream has an event of {}", routing->topic);
                                     expect(!routing->provenance.empty(), "an event has lost its provenance");
                                     const auto content = as_bytes(event.message).subspan(routing->bytes);
                                     events_.read(event.sequence, load<std::uint64_t>(content.data()));
                                   }
                                   more = page->next > stream_read_;
                                   stream_read_ = std::max(stream_read_, page->next);
                                 });
    expect(is_answered, "what is in the log was not read at once");
  }
}

void Crossing::look_for_strays(Shard& shard) {
  shard.engine->mailboxes().each_new_mailbox([&](std::string_view name) {
    const auto box = box_named(name);
    const bool is_event = name == kStreamsMailbox;
    const auto its = is_event ? 0 : owner(box);
    if ((box < boxes_.size() || is_event) && its != shard.number)
      shard.strays->carry(name, ShardNumber{static_cast<std::uint32_t>(its)});
  });
}

// Something that an agent of this shard asks for.
void Crossing::command(Shard& shard) {
  if (has_stream_ && random_.one_in(8)) return event_command(shard);
  ++tally_.operations;
  std::vector<std::string> written;
  std::vector<Result<IncomingMessage>> messages;
  const auto write = [&](const Together& together) {
    for (const auto number : together.numbers) written.push_back(message_bytes(number));
    if (together.event != 0) written.push_back(event_bytes(together.event, false));
    for (const auto& bytes : written) messages.emplace_back(incoming_of(bytes));
  };
  const auto take_held = [&] {
    const auto at = shard.held.begin() + static_cast<std::ptrdiff_t>(random_.below(shard.held.size()));
    const auto held = *at;
    shard.held.erase(at);
    return held;
  };
  auto& engine = *shard.engine;
  const auto what = random_.below(100);
  if (what < 20) {
    const auto box = random_.below(options_.boxes) * options_.shards + shard.number;
    const auto together = new_together(1, box);
    write(together_[together]);
    return engine.publish(shard.client(), shard.ask({.kind = Shard::Ask::Kind::publish, .together = together}), false,
                          *messages.front());
  }
  if (what < 35) {
    const auto together = new_together(1 + random_.below(4), std::nullopt);
    write(together_[together]);
    return engine.publish_atomic(shard.client(), shard.ask({.kind = Shard::Ask::Kind::together, .together = together}),
                                 false, messages);
  }
  if (what < 60 || shard.held.empty()) {
    if (shard.held.size() >= kHeldMax) return;
    const auto& box = boxes_[random_.below(options_.boxes) * options_.shards + shard.number];
    return engine.receive(shard.client(), shard.ask({.kind = Shard::Ask::Kind::receive}), {.mailbox = box, .max = 3});
  }
  const auto held = take_held();
  if (what < 85) {
    const auto together = new_together(random_.below(4), std::nullopt);
    together_[together].input = held.number;
    if (random_.one_in(3)) together_[together].event = events_.publish(shard.number, true);
    sent_[held.number].end = {.asked = true, .by = together};
    sent_[held.number].completions.push_back(together);
    write(together_[together]);
    return engine.complete(shard.client(),
                           shard.ask({.kind = Shard::Ask::Kind::together, .together = together, .held = held}),
                           held.lease, messages);
  }
  if (what < 95) sent_[held.number].end = {.asked = true, .by = {}};
  if (what < 95)
    return engine.ack(shard.client(), shard.ask({.kind = Shard::Ask::Kind::ack, .held = held}), false,
                      {&held.lease, 1});
  engine.nack(shard.client(), shard.ask({.kind = Shard::Ask::Kind::nack, .held = held}), false, {&held.lease, 1},
              Duration{random_.between(0, 500)}, "again");
}

bool Crossing::write(Shard& shard) {
  shard.journal->submit(steady_);
  if (shard.journal->submitted()) shard.journal->write_and_sync();
  const auto end = shard.journal->collect();
  if (!end) {
    expect(end.error().code == ErrorCode::io_error, "the journal gives up: {}", end.error().text);
    return false;
  }
  shard.engine->on_durable(*end);
  return true;
}

bool Crossing::compact(Shard& shard) {
  if (!shard.journal->compaction_due()) return true;
  const auto done = shard.journal->compact_step(
      40'000, [&](FactKind kind, FactPlace place, Bytes body) { return shard.engine->keep(kind, place, body); });
  expect(done.has_value() || done.error().code == ErrorCode::io_error, "compaction fails: {}",
         done ? "" : done.error().text);
  return done.has_value();
}

void Crossing::tick(std::int64_t ms) {
  now_ += ms;
  steady_ += ms;
  for (auto& shard : shards_) shard->engine->advance(std::max(Instant{now_}, shard->engine->now()));
}

bool Crossing::arrive(Shard& shard, std::size_t most) {
  std::vector<std::deque<std::function<void()>>*> ways;
  for (auto& each : shard.heard) {
    if (!each.empty()) ways.push_back(&each);
  }
  for (auto& [there, each] : shard.asked) {
    if (!each.empty()) ways.push_back(&each);
  }
  if (ways.empty()) return false;
  auto& way = *random_.pick(ways);
  for (; most > 0 && !way.empty(); --most) {
    const auto what = std::move(way.front());
    way.pop_front();
    what();
  }
  return true;
}

// False when a disk has failed for good.
bool Crossing::turn() {
  ++step_;
  auto& shard = *random_.pick(shards_);
  const auto what = random_.below(100);
  bool good = true;
  if (what < 35) {
    command(shard);
  } else if (what < 65) {
    arrive(shard, 1 + random_.below(5));
  } else if (what < 75) {
    tick(random_.one_in(20) ? random_.between(0, 5'000) : random_.between(0, 50));
  } else if (what < 95) {
    good = write(shard);
  } else {
    good = compact(shard);
  }
  if (!good) return false;
  see_to_stream();
  look_for_strays(shard);
  if (shard.has_room(FactLog::Urgency::settling, 4096)) shard.strays->retry_acks();
  shard.engine->dispatch();
  return true;
}

Crossing::End Crossing::live_once() {
  const auto power = [&] { return options_.power_fails && random_.one_in(2) ? End::power : End::process; };
  try {
    if (!start()) return power();
    const auto steps = random_.between(50, 400);
    const bool fills_up = random_.percent(options_.full_percent);
    for (auto& shard : shards_) shard->disk.faults.sync_fails_one_in = options_.sync_fails_one_in;
    const auto goes = options_.power_fails && !random_.one_in(4) ? random_.between(0, steps) : -1;
    for (std::int64_t i = 0; i < steps; ++i) {
      auto& disk = random_.pick(shards_)->disk;
      if (i == goes) disk.fail_power_in(static_cast<std::uint64_t>(random_.between(1, 10)));
      if (fills_up && random_.one_in(25)) disk.faults.full = !disk.faults.full;
      if (fills_up && random_.one_in(25)) random_.pick(shards_)->no_room ^= true;
      if (!turn()) return power();
    }
    return power();
  } catch (const PowerLoss&) {
    return End::power;
  }
}

void Crossing::end(End how) {
  ++tally_.crashes;
  for (auto& shard : shards_) {
    shard->disk.keep_power();
    shard->drop();
    if (how == End::power) shard->disk.lose_power();
    shard->disk.faults.sync_fails_one_in = 0;
    if (random_.one_in(2)) shard->disk.faults.full = false;
  }
  now_ += random_.between(0, 2'000);
  steady_ += 2'000;
}

void Crossing::live(std::uint64_t crashes) {
  while (tally_.crashes < crashes) end(live_once());
}

void Crossing::take_all(Shard& shard) {
  for (std::size_t box = shard.number; box < boxes_.size(); box += options_.shards) {
    shard.engine->receive(shard.client(), shard.ask({.kind = Shard::Ask::Kind::receive}),
                          {.mailbox = boxes_[box], .max = 100});
  }
  for (const auto& held : std::exchange(shard.held, {})) {
    shard.engine->ack(shard.client(), shard.ask({.kind = Shard::Ask::Kind::ack, .held = held}), false,
                      {&held.lease, 1});
  }
  while (arrive(shard, 1'000)) {
  }
  look_for_strays(shard);
  shard.strays->retry_acks();
  shard.engine->dispatch();
  expect(write(shard), "a healed disk fails");
  shard.engine->dispatch();
}

void Crossing::drain() {
  healed_ = true;
  for (auto& shard : shards_) shard->disk.faults = {};
  expect(start(), "a healed disk fails");
  const auto is_empty = [&] {
    bool empty = true;
    for (auto& shard : shards_) {
      empty = empty && shard->held.empty() && shard->asks.empty() && shard->strays->is_idle();
      shard->engine->mailboxes().each_mailbox(1'000, [&](const MailboxStats& box) {
        expect(box.dead == 0, "{} messages for {} are dead in shard {}", box.dead, box.name, shard->number);
        empty = empty && box.ready + box.scheduled + box.leased == 0;
      });
    }
    return empty;
  };
  const auto left = [&] {
    std::string text = "after 2000 turns there are left:";
    for (auto& shard : shards_) {
      text +=
          fmt::format(" in shard {} {} leases, {} questions", shard->number, shard->held.size(), shard->asks.size());
      shard->engine->mailboxes().each_mailbox(1'000, [&](const MailboxStats& box) {
        text += fmt::format(", {} ready, {} scheduled, {} leased for {} of shard {}", box.ready, box.scheduled,
                            box.leased, box.name, owner(box_named(box.name)));
      });
    }
    return text;
  };
  for (std::size_t turns = 0; turns < 30 || !is_empty(); ++turns) {
    if (turns == 2'000) throw Violation(left());
    std::int64_t next = now_ + 1;
    for (auto& shard : shards_) next = std::max(next, std::min(shard->engine->next_timer().ms, now_ + 60'000));
    tick(next - now_);
    for (auto& shard : shards_) take_all(*shard);
  }
  for (std::uint64_t number = 1; number < sent_.size(); ++number) {
    const auto& sent = sent_[number];
    if (together_[sent.together].fate != Together::Fate::happened || sent.once || sent.acked) continue;
    // It has not come again: what it was completed with is there, and has a higher number.
    if (sent.end.by) happened(*sent.end.by);
    expect(sent.end.asked, "{}, to {}, is lost: it was confirmed, or one that belongs to it has come", number,
           boxes_[sent.box]);
  }
  if (has_stream_) read_stream();
  events_.drained();
  rules_.saw(Rule::shovel_drained);
  if (options_.credit <= 4) rules_.saw(Rule::shovel_credit_small);
  check_empty();
}

// Nothing of all that has stayed behind.
void Crossing::check_empty() {
  const auto is_idle = [&] { return std::ranges::all_of(shards_, [](auto& each) { return each->strays->is_idle(); }); };
  for (std::size_t turns = 0; turns < 100 && !is_idle(); ++turns) {  // the last are answered
    for (auto& shard : shards_) take_all(*shard);
  }
  for (auto& shard : shards_) {
    expect(shard->strays->is_idle(), "something is on its way from shard {} when all was taken", shard->number);
    if (shard->number != 0) shard->engine->durable_subscriptions().feed_streams({});
    for (std::size_t slot = 0; slot <= options_.shards; ++slot) shard->engine->close_session(shard->session(slot));
  }
  tick(1);
  for (auto& shard : shards_) {
    expect(write(*shard), "a healed disk fails");
    const auto census = shard->engine->census();
    // The stream stays, and how far those of other shards have brought it what is published there.
    const auto is_streams = [&](std::string_view what) { return what == "streams" || what == "marks of mailboxes"; };
    for (const auto& [what, number] : census.found())
      expect(what == "keys" || (has_stream_ && number <= options_.shards && is_streams(what)),
             "when all was taken there are still {} {} in shard {}", number, what, shard->number);
    shard->drop();
  }
}

}  // namespace folkmoot::simulation
