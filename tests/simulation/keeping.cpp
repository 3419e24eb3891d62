#include "simulation/keeping.hpp"

#include "message/topic.hpp"

namespace folkmoot::simulation {
namespace {

const std::vector<std::string> kTopics = {"a", "a.b", "a.b.c", "x.b"};
const std::vector<std::string> kPatterns = {"a", "a.*", "*.b", "a.>", ">"};
constexpr std::size_t kHeldAtOnce = 8;

std::string filter(Priority priority_max) {
  return priority_max == 0 ? "" : fmt::format("priority <= {}", priority_max);
}

}  // namespace

// -- a run

Keeping::Options Keeping::draw(Random& random) {
  Options options;
  options.boxes = static_cast<std::size_t>(random.between(2, 4));
  options.engine.mailbox.retry.attempts = 60'000;  // a crash is one more
  if (random.one_in(3)) options.engine.mailbox.max_messages = static_cast<std::uint64_t>(random.between(4, 30));
  options.journal.segment_bytes = kSegmentBytesMin;
  options.journal.cache_bytes = random.one_in(2) ? 0 : 512 * 1024;
  options.journal.bytes_max =
      random.one_in(3) ? static_cast<std::uint64_t>(random.between(3, 5)) * kSegmentBytesMin : 0;
  options.journal.id.emplace();
  for (auto& byte : *options.journal.id) byte = static_cast<std::uint8_t>(random.next());
  options.power_fails = !random.one_in(5);
  options.sync_fails_one_in = random.one_in(4) ? static_cast<std::uint32_t>(random.between(50, 300)) : 0;
  options.full_percent = random.one_in(3) ? 60 : 0;
  return options;
}

Keeping::Keeping(std::uint64_t seed) : random_(seed), options_(draw(random_)), disk_(random_.next()) {
  for (std::size_t box = 0; box < options_.boxes; ++box) boxes_.push_back(fmt::format("box-{}", box));
}

Keeping::~Keeping() = default;

std::string Keeping::describe() const {
  return fmt::format(
      "events that are kept in {} mailboxes of {}; cache {}, bytes_max {}; power fails {}, sync fails 1 in {}, full "
      "disk in {}% of lives",
      options_.boxes, options_.engine.mailbox.max_messages, options_.journal.cache_bytes, options_.journal.bytes_max,
      options_.power_fails, options_.sync_fails_one_in, options_.full_percent);
}

RunTally Keeping::tally() const {
  auto tally = tally_;
  tally.disk = disk_.tally();
  return tally;
}

// False when the disk failed meanwhile.
bool Keeping::start() {
  auto options = options_.journal;
  if (healed_) options.bytes_max = 0;
  const auto failed = [&](const Error& error, std::string_view what) {
    expect(error.code == ErrorCode::io_error || (error.code == ErrorCode::disk_full && disk_.faults.full), "{}: {}",
           what, error.text);
    disk_.faults.full = false;
    return false;
  };
  auto opened = Journal::open(disk_, options);
  if (!opened) return failed(opened.error(), "the journal does not open");
  journal_ = std::move(*opened);
  engine_ = std::make_unique<Engine>(options_.engine, *this, *this);
  const auto report = journal_->recover(
      [&](FactKind kind, FactPlace place, Bytes body) { return engine_->recover(kind, place, body); });
  if (!report) return failed(report.error(), "recovery refuses");
  engine_->start(Instant{now_}, 1, report->clean_stop);
  std::map<std::string, std::optional<Spec>> told;
  engine_->durable_subscriptions().each([&](const DurableSubscription& each) {
    Spec is{.pattern = each.pattern, .priority_max = 0, .box = box_named(each.mailbox)};
    if (each.filter) is.priority_max = static_cast<Priority>(std::stoi(each.filter->text().substr(12)));
    told[each.name] = is;
  });
  for (auto& [name, kept] : specs_) {
    expect(kept.may_be(told[name]), "after the crash the durable subscription {} is none of those it may be", name);
    if (told[name]) rules_.saw(Rule::subscription_kept);
    kept.recovered(told[name]);
  }
  expect(told.size() == specs_.size(), "after the crash there are durable subscriptions that nobody set");
  engine_->open_session(SessionId{1}, "publisher");
  engine_->open_session(SessionId{2}, "listener");
  subscribe();
  ++tally_.lives;
  return true;
}

// Whoever listens hears of all there is.
void Keeping::subscribe() {
  listener_ = ask({.kind = Ask::Kind::plain});
  engine_->subscribe(SessionId{2}, listener_, ">", 0, false);
}

bool Keeping::write() {
  journal_->submit(steady_);
  if (journal_->submitted()) journal_->write_and_sync();
  const auto durable = journal_->collect();
  if (!durable) {
    expect(durable.error().code == ErrorCode::io_error, "the journal gives up: {}", durable.error().text);
    return false;
  }
  for (auto& event : events_) {
    for (auto& [box, copy] : event.copies) copy.durable = copy.durable || (copy.lsn != 0 && copy.lsn < *durable);
  }
  for (auto& [name, kept] : specs_) kept.on_durable(*durable);
  engine_->on_durable(*durable);
  return true;
}

void Keeping::tick(std::int64_t ms) {
  now_ += ms;
  steady_ += ms;
  engine_->advance(std::max(Instant{now_}, engine_->now()));
}

// False when the disk has failed for good.
bool Keeping::turn() {
  ++step_;
  const auto what = random_.below(100);
  bool good = true;
  if (what < 70) {
    command();
  } else if (what < 80) {
    tick(random_.between(0, 50));
  } else if (what < 96) {
    good = write();
  } else if (journal_->compaction_due()) {
    copying_ = true;
    const auto done = journal_->compact_step(
        40'000, [&](FactKind kind, FactPlace place, Bytes body) { return engine_->keep(kind, place, body); });
    copying_ = false;
    expect(done.has_value() || done.error().code == ErrorCode::io_error, "compaction fails");
    good = done.has_value();
  }
  if (good) engine_->dispatch();
  return good;
}

bool Keeping::live_once(bool& power) {
  power = options_.power_fails && random_.one_in(2);
  try {
    if (!start()) return false;
    const auto steps = random_.between(50, 300);
    const bool fills_up = random_.percent(options_.full_percent);
    disk_.faults.sync_fails_one_in = options_.sync_fails_one_in;
    const auto goes = options_.power_fails && !random_.one_in(4) ? random_.between(0, steps) : -1;
    for (std::int64_t i = 0; i < steps; ++i) {
      if (i == goes) disk_.fail_power_in(static_cast<std::uint64_t>(random_.between(1, 10)));
      if (fills_up && random_.one_in(25)) disk_.faults.full = !disk_.faults.full;
      if (!turn()) return false;
    }
  } catch (const PowerLoss&) {
    power = true;
  }
  return true;
}

void Keeping::end(bool power) {
  ++tally_.crashes;
  disk_.keep_power();
  engine_.reset();
  journal_.reset();
  if (power) disk_.lose_power();
  disk_.faults.sync_fails_one_in = 0;
  if (random_.one_in(2)) disk_.faults.full = false;
  asks_.clear();
  held_.clear();
  setting_.clear();
  copying_ = false;  // the power may have failed in the midst of it
  for (auto& event : events_) {
    for (auto& [box, copy] : event.copies) {
      if (copy.lsn != 0 && !copy.durable) copy.lsn = kLsnMax;  // it is there, or another fact has its place
    }
  }
  now_ += random_.between(0, 2'000);
  steady_ += 2'000;
}

void Keeping::live(std::uint64_t crashes) {
  while (tally_.crashes < crashes) {
    bool power = false;
    live_once(power);
    end(power);
  }
}

void Keeping::drain() {
  healed_ = true;
  disk_.faults = {};
  expect(start(), "a healed disk fails");
  bool empty = false;
  for (std::size_t turns = 0; turns < 4 || !empty; ++turns) {
    expect(turns < 2'000, "after 2000 turns there is something left");
    tick(1'000);
    for (std::size_t box = 0; box < boxes_.size(); ++box) receive(box, 100);
    expect(write(), "a healed disk fails");
    engine_->dispatch();
    for (const auto& held : std::exchange(held_, {})) ack(held);
    expect(write(), "a healed disk fails");
    empty = held_.empty();
    engine_->mailboxes().each_mailbox(1'000, [&](const MailboxStats& box) {
      expect(box.dead == 0, "{} messages of {} are dead", box.dead, box.name);
      empty = empty && box.ready + box.scheduled + box.leased == 0;
    });
  }
  for (std::uint64_t number = 1; number < events_.size(); ++number) {
    const auto& event = events_[number];
    for (const auto& [box, copy] : event.copies) {
      const bool must_be_there = copy.durable || (event.must && event.happened);
      expect(!must_be_there || copy.ack_asked, "event {} is lost in {}", number, boxes_[box]);
    }
  }
  rules_.saw(Rule::events_drained);
  engine_.reset();
  journal_.reset();
}

// -- what agents ask for

std::optional<std::set<std::size_t>> Keeping::wanting(const std::string& topic, Priority priority) const {
  std::optional<std::set<std::size_t>> boxes;
  for (const auto& [name, kept] : specs_) {
    const auto& spec = kept.now();
    if (!spec || !topic_matches(spec->pattern, topic)) continue;
    if (!boxes) boxes.emplace();
    if (spec->priority_max == 0 || priority <= spec->priority_max) boxes->insert(spec->box);
  }
  return boxes;
}

void Keeping::publish() {
  const auto number = events_.size();
  auto& event = events_.emplace_back();
  event.topic = random_.pick(kTopics);
  event.priority = static_cast<Priority>(random_.between(1, 10));
  event.must = random_.one_in(2);
  const auto boxes = wanting(event.topic, event.priority);
  for (const auto box : boxes.value_or(std::set<std::size_t>{})) event.copies[box];
  Ask what{.kind = Ask::Kind::event, .number = number};
  if (event.must && !boxes) what.error = ErrorCode::not_kept;
  Message message;
  message.topic = event.topic;
  message.priority = event.priority;
  if (event.must) message.mode = DeliveryMode::at_least_once;
  std::string bytes;
  expect(encode_envelope(message, bytes).has_value(), "an envelope of ours does not encode");
  IncomingMessage incoming;
  const auto envelope = bytes.size();
  bytes.resize(envelope + 8 + (random_.one_in(10) ? random_.below(12'000) : random_.below(200)));
  store(bytes.data() + envelope, number);
  incoming.envelope = as_bytes(bytes).first(envelope);
  incoming.content = as_bytes(bytes).subspan(envelope);
  expect(read_routing(incoming.envelope, incoming.routing).has_value(), "an envelope of ours does not parse");
  engine_->publish(SessionId{1}, ask(what), false, incoming);
}

void Keeping::set() {
  setting_ = fmt::format("subscription-{}", random_.below(4));
  spec_ = {.pattern = random_.pick(kPatterns),
           .priority_max = random_.one_in(2) ? static_cast<Priority>(random_.between(2, 8)) : Priority{0},
           .box = random_.below(boxes_.size())};
  const auto condition = filter(spec_.priority_max);
  engine_->durable_subscriptions().set(
      {SessionId{1}, ask({.kind = Ask::Kind::plain})},
      {.name = setting_, .pattern = spec_.pattern, .filter = condition, .mailbox = boxes_[spec_.box]});
  setting_.clear();
}

void Keeping::remove() {
  const auto name = fmt::format("subscription-{}", random_.below(4));
  Ask what{.kind = Ask::Kind::plain};
  if (!specs_.contains(name) || !specs_[name].now()) what.error = ErrorCode::not_found;
  setting_ = name;
  const auto request = ask(what);
  engine_->durable_subscriptions().remove({SessionId{1}, request}, name);
  setting_.clear();
}

void Keeping::receive(std::size_t box, std::uint32_t max) {
  engine_->receive(SessionId{1}, ask({.kind = Ask::Kind::receive}), {.mailbox = boxes_[box], .max = max});
}

void Keeping::ack(const Held& held) {
  auto& copy = events_[held.number].copies.at(held.box);
  copy.ack_asked = true;
  const auto request = ask({.kind = Ask::Kind::ack, .number = held.number, .box = held.box});
  engine_->ack(SessionId{1}, request, false, {&held.lease, 1});
}

void Keeping::command() {
  ++tally_.operations;
  const auto what = random_.below(100);
  if (what < 50) return publish();
  if (what < 58) return set();
  if (what < 61) return remove();
  if (what < 80 && held_.size() < kHeldAtOnce) return receive(random_.below(boxes_.size()), 3);
  if (held_.empty()) return;
  const auto at = held_.begin() + static_cast<std::ptrdiff_t>(random_.below(held_.size()));
  const auto held = *at;
  held_.erase(at);
  ack(held);
}

// -- what they are told, and what is written

std::size_t Keeping::box_named(std::string_view name) const {
  return static_cast<std::size_t>(std::ranges::find(boxes_, name) - boxes_.begin());
}

Keeping::Ask Keeping::take(RequestNumber request) {
  const auto found = asks_.find(request);
  expect(found != asks_.end(), "request {} was answered twice, or was never made", request);
  const auto what = found->second;
  asks_.erase(found);
  return what;
}

FactPlace Keeping::append(FactKind kind, std::span<const Bytes> parts, Life life) {
  ++tally_.facts;
  const auto place = journal_->append(kind, parts, life);
  if (kind == FactKind::message_accepted && !copying_) {
    const auto routing = read_routing(parts[1]);
    expect(routing.has_value() && parts[2].size() >= 8, "a message that is none of an event");
    const auto number = load<std::uint64_t>(parts[2].data());
    auto& event = events_.at(number);
    const auto copy = event.copies.find(box_named(routing->to));
    expect(copy != event.copies.end(), "event {} is put into {}, which does not want it", number, routing->to);
    expect(copy->second.lsn == 0, "event {} is put into {} twice", number, routing->to);
    copy->second.lsn = place.lsn;
  }
  if (kind == FactKind::subscription_set && !copying_) {
    expect(!setting_.empty(), "a durable subscription was set and nobody asked for it");
    specs_[setting_].say(spec_, place.lsn);
    rules_.saw(Rule::subscription_set);
  }
  if (kind == FactKind::subscription_set && copying_) {
    for (auto& [name, kept] : specs_) {
      if (kept.now() && as_text(parts[0]).find(name) != std::string_view::npos) kept.say(kept.now(), place.lsn);
    }
  }
  if (kind == FactKind::subscription_removed) specs_[setting_].say(std::nullopt, place.lsn);
  return place;
}

void Keeping::happened(Event& event, std::uint64_t number) {
  expect(!event.refused, "event {} was refused, and is there", number);
  event.happened = true;
}

bool Keeping::deliver(SessionId to, const OutgoingDelivery& delivery) {
  std::string bytes(as_text(delivery.message.head));
  bytes.append(as_text(delivery.message.rest));
  const auto routing = read_routing(as_bytes(bytes));
  expect(routing.has_value() && bytes.size() >= routing->bytes + 8, "a delivery does not parse");
  const auto number = load<std::uint64_t>(bytes.data() + routing->bytes);
  auto& event = events_.at(number);
  expect(routing->priority == event.priority && routing->from == "publisher", "event {} is not what was published",
         number);
  if (to != SessionId{2}) {
    on_copy(*routing, number, delivery);
    return true;
  }
  expect(routing->topic == event.topic && !std::exchange(event.heard, true), "event {} is heard twice", number);
  if (!event.must) return true;
  happened(event, number);
  for (const auto& [box, copy] : event.copies) expect(copy.durable, "event {} is heard before it is kept", number);
  rules_.saw(Rule::event_heard_when_kept);
  return true;
}

void Keeping::on_copy(const Routing& routing, std::uint64_t number, const OutgoingDelivery& delivery) {
  auto& event = events_.at(number);
  const auto found = event.copies.find(box_named(routing.to));
  expect(found != event.copies.end(), "event {} comes to {}, which does not want it", number, routing.to);
  auto& copy = found->second;
  expect(routing.event_topic == event.topic && routing.topic.empty() && routing.type == type_number("event"),
         "event {} comes as another one", number);
  expect(copy.id.is_nil() || copy.id == routing.id, "event {} comes to {} twice", number, routing.to);
  expect(!copy.acked, "event {} comes again after its ack was answered", number);
  copy.id = routing.id;
  copy.ack_asked = false;
  if (event.must) happened(event, number);
  held_.push_back({delivery.lease, number, found->first});
  rules_.saw(event.must ? Rule::event_kept : Rule::event_kept_as_well);
}

void Keeping::confirm(SessionId, RequestNumber request, const Confirm& confirm) {
  const auto mine = take(request);
  auto& event = events_.at(mine.number);
  expect(!mine.error, "event {} was confirmed, and should be refused", mine.number);
  if (!event.must) return expect(confirm.outcome == PublishOutcome::sent, "event {} is not sent", mine.number);
  expect(confirm.outcome == PublishOutcome::kept && confirm.count == event.copies.size(),
         "event {} is confirmed as kept in {} places instead of {}", mine.number, confirm.count, event.copies.size());
  for (const auto& [box, copy] : event.copies)
    expect(copy.durable, "event {} is confirmed before it is kept", mine.number);
  happened(event, mine.number);
}

void Keeping::answer(SessionId, RequestNumber request, const Reply&) {
  expect(!take(request).error, "what should be refused was carried out");
}

void Keeping::settled(SessionId, RequestNumber request, std::uint32_t count, std::span<const LeaseToken> refused) {
  const auto mine = take(request);
  expect(count == 1 && refused.empty(), "the lease of event {} was lost", mine.number);
  events_.at(mine.number).copies.at(mine.box).acked = true;
}

void Keeping::refuse(SessionId, RequestNumber request, const Error& error) {
  const auto mine = take(request);
  if (mine.error) {
    expect(error.code == *mine.error, "refused: {}", error.text);
    if (error.code == ErrorCode::not_kept) rules_.saw(Rule::event_not_kept);
  } else {
    const bool is_full = mine.kind == Ask::Kind::event && error.code == ErrorCode::mailbox_full;
    expect(is_full || error.code == ErrorCode::disk_full, "refused: {}", error.text);
  }
  if (mine.kind != Ask::Kind::event) return;
  auto& event = events_.at(mine.number);
  expect(!event.happened && event.must, "event {} was refused, and is there", mine.number);
  for (const auto& [box, copy] : event.copies) expect(copy.lsn == 0, "event {} was refused, and is there", mine.number);
  event.refused = true;
  rules_.saw(Rule::event_kept_refused);
}

}  // namespace folkmoot::simulation
