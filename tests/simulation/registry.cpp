#include "simulation/registry.hpp"

#include <algorithm>

#include "simulation/violation.hpp"

namespace folkmoot::simulation {
namespace {

constexpr std::size_t kInHandsMax = 8;

std::string address_of(const std::set<std::string>& capabilities, std::string_view pick) {
  std::string address(kCapabilityPrefix);
  for (const auto& each : capabilities) address.append(address.ends_with(':') ? "" : "+").append(each);
  return address.append("/").append(pick);
}

}  // namespace

RegistryRun::RegistryRun(std::uint64_t seed) : random_(seed), disk_(seed + 1), agents_(kAgents) {
  for (std::size_t i = 0; i < kAgents; ++i) names_.push_back(fmt::format("agent-{}", i));
  options_.mailbox.retry.attempts = 60'000;  // a crash is one more
  options_.agent_stale_ms = Duration{random_.between(200, 5'000)};
  options_.agent_grace_ms = Duration{random_.one_in(4) ? 0 : random_.between(10, 1'000)};
  journal_options_.segment_bytes = kSegmentBytesMin;
  journal_options_.cache_bytes = random_.one_in(2) ? 0 : 512 * 1024;
  journal_options_.bytes_max =
      random_.one_in(3) ? static_cast<std::uint64_t>(random_.between(3, 5)) * kSegmentBytesMin : 0;
  journal_options_.id.emplace();
  for (auto& byte : *journal_options_.id) byte = static_cast<std::uint8_t>(random_.next());
  power_fails_ = !random_.one_in(5);
  sync_fails_one_in_ = random_.one_in(4) ? static_cast<std::uint32_t>(random_.between(50, 300)) : 0;
  full_percent_ = random_.one_in(3) ? 60 : 0;
  agents_rest_ = random_.one_in(3);
}

RegistryRun::~RegistryRun() = default;

std::string RegistryRun::describe() const {
  return fmt::format(
      "{} agents, stale after {} ms, grace {} ms; cache {}, bytes_max {}; power fails {}, sync fails 1 in {}, full "
      "disk "
      "in {}% of lives",
      kAgents, options_.agent_stale_ms.ms, options_.agent_grace_ms.ms, journal_options_.cache_bytes,
      journal_options_.bytes_max, power_fails_, sync_fails_one_in_, full_percent_);
}

RunTally RegistryRun::tally() const {
  auto tally = tally_;
  tally.disk = disk_.tally();
  return tally;
}

RequestNumber RegistryRun::ask(Ask what) {
  ++tally_.operations;
  asks_.emplace(next_request_, what);
  return next_request_++;
}

RegistryRun::Ask RegistryRun::take(RequestNumber request) {
  const auto found = asks_.find(request);
  expect(found != asks_.end(), "request {} was answered twice, or was never made", request);
  const auto what = found->second;
  asks_.erase(found);
  return what;
}

// -- the model

AgentHealth RegistryRun::health_of(const ModelAgent& agent) const {
  if (agent.connections > 0) return AgentHealth::up;
  if (agent.beat_at != 0 && now_ < agent.beat_at + options_.agent_stale_ms.ms) return AgentHealth::up;
  if (agent.gone_at != 0 && now_ < agent.gone_at + options_.agent_grace_ms.ms) return AgentHealth::grace;
  return AgentHealth::stale;
}

bool RegistryRun::is_routable(std::size_t agent) const {
  const auto& model = agents_[agent];
  if (!model.is_there || health_of(model) == AgentHealth::stale) return false;
  const auto& spec = model.kept.now();
  return !spec || (spec->status == AgentStatus::active && !spec->quarantined);
}

bool RegistryRun::can(std::size_t agent, const std::set<std::string>& capabilities) const {
  const auto& spec = agents_[agent].kept.now();
  return spec && std::ranges::includes(spec->capabilities, capabilities);
}

void RegistryRun::forget_stale() {
  for (auto& agent : agents_) {
    if (!agent.is_there || agent.kept.now() || health_of(agent) != AgentHealth::stale) continue;
    agent.is_there = false;
    agent.beat_at = agent.gone_at = 0;
  }
}

std::set<std::string> RegistryRun::any_capabilities() {
  std::set<std::string> some;
  for (const auto& each : kCapabilities) {
    if (random_.one_in(2)) some.insert(each);
  }
  return some;
}

RegistryRun::Spec RegistryRun::any_spec() {
  return {.capabilities = any_capabilities(),
          .type = random_.pick(kTypes),
          .weight = static_cast<std::uint32_t>(random_.between(1, 4)),
          .status = random_.one_in(4) ? static_cast<AgentStatus>(random_.below(3)) : AgentStatus::active};
}

// -- facts

FactPlace RegistryRun::append(FactKind kind, std::span<const Bytes> parts, Life life) {
  ++tally_.facts;
  const auto place = journal_->append(kind, parts, life);
  std::string body;
  for (const auto& part : parts) body.append(as_text(part));
  try {
    if (kind == FactKind::agent_set) {
      const auto name = load<AgentSetFact>(as_bytes(body).data()).agent;
      const auto agent = static_cast<std::size_t>(std::ranges::find(names_, engine_->name_of(name)) - names_.begin());
      expect(agent < kAgents, "something is kept of an agent that is none");
      auto& kept = agents_[agent].kept;
      const bool is_asked = saying_ && saying_->first == agent && saying_->second;
      kept.say(is_asked ? saying_->second : kept.now(), place.lsn);
      if (!is_asked) rules_.saw(Rule::agent_copied);
      said_ = said_ || is_asked;
    } else if (kind == FactKind::agent_removed) {
      expect(saying_ && !saying_->second, "an agent was removed and nobody asked for it");
      agents_[saying_->first].kept.say(std::nullopt, place.lsn);
    } else if (kind == FactKind::message_accepted) {
      on_message(place, as_bytes(body));
    } else if (kind == FactKind::message_settled) {
      on_settled(as_bytes(body));
    }
    if (!in_group_) check_copies();
  } catch (const Violation& violation) {
    if (!broken_) broken_ = violation;
  }
  return place;
}

void RegistryRun::begin_group(GroupBound bound) {
  journal_->begin_group(bound);
  in_group_ = true;
}

void RegistryRun::end_group() {
  journal_->end_group();
  in_group_ = false;
  try {
    check_copies();
  } catch (const Violation& violation) {
    if (!broken_) broken_ = violation;
  }
}

void RegistryRun::on_message(FactPlace, Bytes body) {
  const auto fact = load<AcceptedFact>(body.data());
  const auto routing = read_routing(body.subspan(sizeof fact));
  expect(routing.has_value(), "the envelope of a fact does not parse");
  const auto number = load<std::uint64_t>(body.data() + sizeof fact + routing->bytes);
  auto& sent = sent_[number];
  const bool is_held = is_capability_address(routing->to);
  const bool is_copy = std::ranges::any_of(sent.at, [&](const auto& each) { return each.first == fact.key; });
  if (is_copy) return;  // copied forward
  const bool is_moved = std::ranges::any_of(sent.at, [](const auto& each) { return each.second; });
  sent.at.emplace(fact.key, is_held);
  if (is_held) {
    expect(!is_moved, "{} was held twice", number);
    rules_.saw(Rule::capability_held);
    return;
  }
  const auto agent = static_cast<std::size_t>(std::ranges::find(names_, routing->to) - names_.begin());
  expect(agent < kAgents, "{} was accepted for {}, who is no agent", number, routing->to);
  expect(can(agent, sent.capabilities), "{} went to {}, who cannot do it", number, routing->to);
  expect(is_routable(agent), "{} went to {}, who may not be chosen", number, routing->to);
  rules_.saw(is_moved ? Rule::capability_moved : Rule::capability_placed);
}

void RegistryRun::on_settled(Bytes body) {
  for (std::size_t at = 0; at < body.size(); at += sizeof(MessageRef)) {
    const auto key = load<MessageRef>(body.data() + at).key;
    for (auto& sent : sent_) std::erase_if(sent.at, [&](const auto& each) { return each.first == key; });
  }
}

void RegistryRun::check_copies() {
  for (std::uint64_t number = 1; number < sent_.size(); ++number) {
    std::string places;
    for (const auto& [key, is_held] : sent_[number].at)
      places += fmt::format(" {:x}{}", key.value, is_held ? " held" : "");
    expect(sent_[number].at.size() <= 1, "{} is in {} places:{}", number, sent_[number].at.size(), places);
  }
}

// -- effects

bool RegistryRun::deliver(SessionId, const OutgoingDelivery& delivery) {
  std::string bytes(as_text(delivery.message.head));
  bytes.append(as_text(delivery.message.rest));
  const auto routing = read_routing(as_bytes(bytes));
  expect(routing.has_value(), "a delivered envelope does not parse");
  const auto number = load<std::uint64_t>(as_bytes(bytes).data() + routing->bytes);
  expect(number != 0 && number < sent_.size(), "{} was never sent", number);
  auto& sent = sent_[number];
  expect(std::ranges::find(names_, routing->to) != names_.end(), "{} came to {}", number, routing->to);
  expect(!sent.refused, "{} came and was refused", number);
  expect(!sent.acked, "{} came again after its ack was answered", number);
  sent.ids.insert(routing->id);
  expect(sent.ids.size() == 1, "{} came under {} ids", number, sent.ids.size());
  expect(++sent.deliveries == 1 || !sent.once, "{}, at most once, came again", number);
  expect((delivery.lease == 0) == sent.once, "{} came with lease {:x}", number, delivery.lease);
  sent.asked = false;
  if (delivery.lease != 0) held_.push_back({delivery.lease, number});
  return true;
}

void RegistryRun::confirm(SessionId, RequestNumber request, const Confirm& confirm) {
  const auto mine = take(request);
  auto& sent = sent_[mine.number];
  sent.confirmed = true;
  if (confirm.outcome == PublishOutcome::duplicate) return rules_.saw(Rule::capability_copy_known);
  // It can be followed under the id that its sender was told, wherever it went.
  const auto receipt = engine_->mailboxes().receipt(confirm.id);
  expect(receipt.state != ReceiptState::unknown || sent.once || sent.mortal, "{} is confirmed, and not known",
         mine.number);
}

void RegistryRun::answer(SessionId, RequestNumber request, const Reply& reply) {
  const auto mine = take(request);
  expect(!mine.error, "request {} was carried out, and should be refused", request);
  if (const auto* const done = std::get_if<RegisteredAgent>(&reply)) {
    expect(!done->id.is_nil() && done->revision != 0, "an agent has no id, or no revision");
    rules_.saw(done->created ? Rule::agent_registered : Rule::agent_changed);
  }
}

void RegistryRun::settled(SessionId, RequestNumber request, std::uint32_t count, std::span<const LeaseToken> refused) {
  const auto mine = take(request);
  expect(count == 1 && refused.empty(), "the lease of {} was lost", mine.held->number);
  if (mine.kind == Ask::Kind::ack) sent_[mine.held->number].acked = true;
}

void RegistryRun::refuse(SessionId, RequestNumber request, const Error& error) {
  const auto mine = take(request);
  expect(error.code == ErrorCode::disk_full || error.code == mine.error, "refused: {}", error.text);
  if (mine.kind == Ask::Kind::publish && mine.number != 0 && !sent_[mine.number].confirmed &&
      sent_[mine.number].key == 0)
    sent_[mine.number].refused = true;
  if (mine.held) {
    held_.push_back(*mine.held);
    sent_[mine.held->number].asked = false;
  }
  if (error.code == ErrorCode::not_found) rules_.saw(Rule::agent_not_found);
}

// -- commands

void RegistryRun::call(std::size_t agent, std::optional<Spec> wanted, bool must_be_known,
                       const std::function<void(Asker)>& command) {
  Ask mine{.kind = Ask::Kind::said};
  if (must_be_known && !spec_of(agent)) mine.error = ErrorCode::not_found;
  saying_ = {agent, std::move(wanted)};
  said_ = false;
  command(Asker{client(), ask(mine)});
  saying_.reset();
}

void RegistryRun::register_one(std::size_t agent) {
  const auto was = spec_of(agent);
  auto spec = any_spec();
  spec.quarantined = was && was->quarantined;
  const bool beats = random_.one_in(2);
  AgentRecord record{.agent = names_[agent], .type = spec.type, .weight = spec.weight, .status = spec.status};
  record.metadata.text = fmt::format("{{\"n\":{}}}", spec.weight);
  for (const auto& each : spec.capabilities) record.capabilities.push_back({.name = each});
  call(agent, spec, false, [&](Asker caller) { engine_->registry().set(caller, record, beats); });
  if (!said_) return;  // there was no room
  agents_[agent].is_there = true;
  if (beats) agents_[agent].beat_at = now_;
}

void RegistryRun::update_one(std::size_t agent) {
  auto spec = spec_of(agent).value_or(Spec{});
  UpdateAgent changes{.agent = names_[agent]};
  if (random_.one_in(2)) changes.type = spec.type = random_.pick(kTypes);
  if (random_.one_in(2)) {
    spec.capabilities = any_capabilities();
    changes.capabilities.emplace();
    for (const auto& each : spec.capabilities) changes.capabilities->push_back({.name = each});
  }
  if (random_.one_in(2)) changes.status = spec.status = static_cast<AgentStatus>(random_.below(3));
  call(agent, spec, true, [&](Asker caller) { engine_->registry().update(caller, changes); });
}

void RegistryRun::remove_one(std::size_t agent) {
  const auto was = spec_of(agent);
  auto& model = agents_[agent];
  call(agent, std::nullopt, true, [&](Asker caller) { engine_->registry().remove(caller, names_[agent]); });
  if (!was || spec_of(agent)) return;
  model.beat_at = 0;
  if (model.connections == 0) model.is_there = false, model.gone_at = 0;
  rules_.saw(Rule::agent_removed);
}

void RegistryRun::quarantine_one(std::size_t agent) {
  const auto was = spec_of(agent);
  auto spec = was.value_or(Spec{});
  spec.quarantined = random_.one_in(2);
  if (spec.quarantined && was) rules_.saw(Rule::agent_quarantined);
  call(agent, spec, true, [&](Asker caller) {
    auto& registry = engine_->registry();
    spec.quarantined ? registry.quarantine(caller, names_[agent], "a reason") : registry.release(caller, names_[agent]);
  });
}

void RegistryRun::see_one(std::size_t agent) {
  auto& model = agents_[agent];
  auto& registry = engine_->registry();
  switch (random_.below(3)) {
    case 0: {
      const auto done =
          registry.beat(names_[agent], random_.one_in(2) ? std::optional<std::uint32_t>(7) : std::nullopt);
      expect(done.has_value() && done->health == AgentHealth::up, "a heartbeat of {} does not count", names_[agent]);
      model.is_there = true;
      model.beat_at = now_;
      return;
    }
    case 1:
      registry.came(names_[agent]);
      ++model.connections;
      model.is_there = true;
      return;
    default:
      if (model.connections == 0) return;
      registry.went(names_[agent]);
      if (--model.connections == 0) model.gone_at = now_;
  }
}

// Something is said of an agent, or seen.
void RegistryRun::say() {
  const auto agent = random_.below(kAgents);
  const auto what = agents_rest_ && !random_.one_in(20) ? 100 : random_.below(100);
  if (what < 30) {
    register_one(agent);
  } else if (what < 42) {
    update_one(agent);
  } else if (what < 48) {
    remove_one(agent);
  } else if (what < 56) {
    quarantine_one(agent);
  } else {
    see_one(agent);
  }
  forget_stale();
}

// A copy with the key of one before, as a sender does that has seen no confirmation; 0: a new one.
void RegistryRun::publish(std::uint64_t again) {
  if (again == 0) {
    Sent sent{.capabilities = any_capabilities(), .once = random_.one_in(8), .mortal = random_.one_in(8)};
    if (sent.capabilities.empty()) sent.capabilities.insert(random_.pick(kCapabilities));
    if (random_.one_in(3)) sent.key = sent_.size();
    sent_.push_back(sent);
    again = sent_.size() - 1;
  }
  const auto& sent = sent_[again];
  Message message;
  message.to = address_of(sent.capabilities, kPicks[again % std::size(kPicks)]);
  message.from = "sender";
  message.priority = static_cast<Priority>(random_.between(1, 10));
  message.conversation = again % 3 == 0 ? fmt::format("talk-{}", again % 5) : "";
  if (again % 5 == 0) message.group = fmt::format("group-{}", again % 2);
  if (sent.key != 0) message.key = fmt::format("key-{}", sent.key);
  if (sent.once) message.mode = DeliveryMode::at_most_once;
  if (sent.mortal) message.ttl_ms = 1'500;
  if (!sent.mortal && again % 7 == 0) message.delay_ms = 200;
  std::string bytes;
  expect(encode_envelope(message, bytes).has_value(), "an envelope of ours does not encode");
  const auto at = bytes.size();
  bytes.resize(at + 8 + (random_.one_in(10) ? random_.below(12'000) : random_.below(200)));
  store(bytes.data() + at, again);
  IncomingMessage incoming{.routing = {}, .envelope = as_bytes(bytes), .content = {}};
  expect(read_routing(incoming.envelope, incoming.routing).has_value(), "an envelope of ours does not parse");
  incoming.content = incoming.envelope.subspan(incoming.routing.bytes);
  incoming.envelope = incoming.envelope.first(incoming.routing.bytes);
  engine_->publish(client(), ask({.kind = Ask::Kind::publish, .number = again}), false, incoming);
}

void RegistryRun::take_mail() {
  if (!held_.empty() && (held_.size() >= kInHandsMax || random_.one_in(2))) {
    const auto at = held_.begin() + static_cast<std::ptrdiff_t>(random_.below(held_.size()));
    const auto held = *at;
    held_.erase(at);
    if (random_.one_in(5)) {
      return engine_->nack(client(), ask({.kind = Ask::Kind::nack, .held = held}), false, {&held.lease, 1},
                           Duration{random_.between(0, 500)}, "again");
    }
    sent_[held.number].asked = true;
    return engine_->ack(client(), ask({.kind = Ask::Kind::ack, .held = held}), false, {&held.lease, 1});
  }
  engine_->receive(client(), ask({.kind = Ask::Kind::receive}), {.mailbox = random_.pick(names_), .max = 3});
}

void RegistryRun::command() {
  const auto what = random_.below(100);
  if (what < 40) return say();
  if (what < (agents_rest_ ? 52 : 65)) {
    std::uint64_t again = 0;
    if (random_.one_in(6) && sent_.size() > 1) {
      again = 1 + random_.below(sent_.size() - 1);
      if (sent_[again].key == 0 || sent_[again].acked) again = 0;
    }
    return publish(again);
  }
  if (what < 90) return take_mail();
  what < 95 ? discover() : read_changes(random_.one_in(2));
}

// -- the run

// False when the disk failed meanwhile.
bool RegistryRun::start() {
  auto options = journal_options_;
  if (healed_) options.bytes_max = 0;
  auto opened = Journal::open(disk_, options);
  if (!opened) {
    const auto code = opened.error().code;
    expect(code == ErrorCode::io_error || (code == ErrorCode::disk_full && disk_.faults.full),
           "the journal does not open: {}", opened.error().text);
    disk_.faults.full = false;
    return false;
  }
  journal_ = std::move(*opened);
  engine_ = std::make_unique<Engine>(options_, *this, *this);
  const auto report = journal_->recover([&](FactKind kind, FactPlace place, Bytes body) {
    if (kind == FactKind::message_accepted) {
      const auto fact = load<AcceptedFact>(body.data());
      const auto routing = read_routing(body.subspan(sizeof fact));
      auto& sent = sent_[load<std::uint64_t>(body.data() + sizeof fact + routing->bytes)];
      sent.at.emplace(fact.key, is_capability_address(routing->to));
    } else if (kind == FactKind::message_settled) {
      on_settled(body);
    }
    return engine_->recover(kind, place, body);
  });
  if (!report) {
    expect(report.error().code == ErrorCode::io_error || disk_.faults.full, "recovery refuses: {}",
           report.error().text);
    disk_.faults.full = false;
    return false;
  }
  check_copies();
  engine_->start(Instant{now_}, 1, report->clean_stop);
  now_ = engine_->now().ms;
  engine_->open_session(client(), "sender");
  for (std::size_t agent = 0; agent < kAgents; ++agent) {
    const auto shown = engine_->registry().show(names_[agent]);
    std::optional<Spec> is;
    if (shown) {
      is = Spec{.type = shown->record.type,
                .weight = shown->record.weight,
                .status = shown->record.status,
                .quarantined = shown->quarantined_at_ms != 0};
      for (const auto& each : shown->record.capabilities) is->capabilities.insert(each.name);
    }
    auto& model = agents_[agent];
    expect(model.kept.may_be(is), "after the crash {} is none of what it may be", names_[agent]);
    if (is) rules_.saw(Rule::agent_kept);
    model.kept.recovered(is);
    model.is_there = is.has_value();
    model.beat_at = is ? now_ : 0;
    model.gone_at = 0;
    model.connections = 0;
  }
  ++tally_.lives;
  return true;
}

bool RegistryRun::write() {
  journal_->submit(steady_);
  if (journal_->submitted()) journal_->write_and_sync();
  const auto end = journal_->collect();
  if (!end) {
    expect(end.error().code == ErrorCode::io_error, "the journal gives up: {}", end.error().text);
    return false;
  }
  for (auto& agent : agents_) agent.kept.on_durable(*end);
  engine_->on_durable(*end);
  return true;
}

bool RegistryRun::compact() {
  if (!journal_->compaction_due()) return true;
  const auto done = journal_->compact_step(
      40'000, [&](FactKind kind, FactPlace place, Bytes body) { return engine_->keep(kind, place, body); });
  expect(done.has_value() || done.error().code == ErrorCode::io_error, "compaction fails: {}",
         done ? "" : done.error().text);
  return done.has_value();
}

// From one time at which something is due to the next, as a server does that is woken by them.
void RegistryRun::tick(std::int64_t ms) {
  const auto until = now_ + ms;
  steady_ += ms;
  for (auto next = engine_->next_timer().ms; next != -1 && next < until; next = engine_->next_timer().ms) {
    now_ = std::max(now_, next);
    forget_stale();
    engine_->advance(Instant{now_});
  }
  now_ = until;
  forget_stale();
  engine_->advance(Instant{now_});
}

// False when the disk has failed for good.
bool RegistryRun::turn() {
  ++step_;
  const auto what = random_.below(100);
  bool good = true;
  if (what < 60) {
    command();
  } else if (what < 75) {
    tick(random_.one_in(20) ? random_.between(0, 8'000) : random_.between(0, 100));
  } else if (what < 95) {
    good = write();
  } else {
    good = compact();
  }
  if (!good) return false;
  engine_->dispatch();
  compare();
  return true;
}

RegistryRun::End RegistryRun::live_once() {
  const auto power = [&] { return power_fails_ && random_.one_in(2) ? End::power : End::process; };
  try {
    if (!start()) return power();
    const auto steps = random_.between(50, 400);
    const bool fills_up = random_.percent(full_percent_);
    disk_.faults.sync_fails_one_in = sync_fails_one_in_;
    const auto goes = power_fails_ && !random_.one_in(4) ? random_.between(0, steps) : -1;
    for (std::int64_t i = 0; i < steps; ++i) {
      if (i == goes) disk_.fail_power_in(static_cast<std::uint64_t>(random_.between(1, 10)));
      if (fills_up && random_.one_in(25)) disk_.faults.full = !disk_.faults.full;
      if (!turn()) return power();
    }
    return power();
  } catch (const PowerLoss&) {
    return End::power;
  }
}

void RegistryRun::end(End how) {
  ++tally_.crashes;
  disk_.keep_power();
  engine_.reset();
  journal_.reset();
  if (how == End::power) disk_.lose_power();
  disk_.faults.sync_fails_one_in = 0;
  if (random_.one_in(2)) disk_.faults.full = false;
  asks_.clear();
  held_.clear();
  saying_.reset();
  in_group_ = false;
  for (auto& sent : sent_) sent.at.clear();
  now_ += random_.between(0, 2'000);
  steady_ += 2'000;
}

void RegistryRun::live(std::uint64_t crashes) {
  while (tally_.crashes < crashes) end(live_once());
}

// Somebody comes who can do everything: all that is held goes to it.
void RegistryRun::drain() {
  healed_ = true;
  disk_.faults = {};
  expect(start(), "a healed disk fails");
  for (std::size_t turns = 0; turns < 8; ++turns) {
    tick(1);
    engine_->dispatch();
    expect(write(), "a healed disk fails");
  }
  Spec all{.capabilities = {kCapabilities.begin(), kCapabilities.end()}};
  saying_ = {0, all};
  AgentRecord record{.agent = names_[0]};
  record.metadata.text = "{\"n\":1}";
  for (const auto& each : kCapabilities) record.capabilities.push_back({.name = each});
  engine_->registry().set({client(), ask({.kind = Ask::Kind::said})}, record, true);
  saying_.reset();
  agents_[0].is_there = true;
  agents_[0].beat_at = now_;
  saying_ = {0, all};
  engine_->registry().release({client(), ask({.kind = Ask::Kind::said})}, names_[0]);
  saying_.reset();
  engine_->registry().came(names_[0]);
  ++agents_[0].connections;
  const auto left = [&] {
    std::size_t count = asks_.size() + held_.size();
    engine_->mailboxes().each_mailbox(
        1'000, [&](const MailboxStats& box) { count += box.ready + box.scheduled + box.leased; });
    return count;
  };
  for (std::size_t turns = 0; turns < 30 || left() > 0; ++turns) {
    expect(turns < 2'000, "{} messages and answers are left after {} turns", left(), turns);
    tick(std::max<std::int64_t>(1, std::min<std::int64_t>(engine_->next_timer().ms - now_, 60'000)));
    engine_->dispatch();
    for (const auto& name : names_)
      engine_->receive(client(), ask({.kind = Ask::Kind::receive}), {.mailbox = name, .max = 100});
    for (const auto& held : std::exchange(held_, {})) {
      engine_->ack(client(), ask({.kind = Ask::Kind::ack, .held = held}), false, {&held.lease, 1});
    }
    expect(write(), "a healed disk fails");
    engine_->dispatch();
    compare();
  }
  read_changes(true);
  for (std::uint64_t number = 1; number < sent_.size(); ++number) {
    const auto& sent = sent_[number];
    if (!sent.confirmed || sent.once || sent.mortal || sent.acked) continue;
    expect(sent.asked, "{} is lost: it was confirmed", number);
  }
  rules_.saw(Rule::registry_drained);
  engine_.reset();
  journal_.reset();
}

}  // namespace folkmoot::simulation
