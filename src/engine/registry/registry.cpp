// What is said and seen of agents.
#include "engine/registry/registry.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/strong_format.hpp"
#include "base/utf8.hpp"
#include "engine/bulletins.hpp"

namespace folkmoot {
namespace {

constexpr unsigned kRevisionsOfMs = 10;  // bits: a revision is a time with a count behind it, below 2^53 for JSON

}  // namespace

// -- who there is

Registry::Agent* Registry::find(std::string_view agent) {
  if (auto* const named = find(to_.names.find(agent))) return named;
  const auto id = Uuid::parse(agent);
  const auto address = id ? message_address(*id) : std::nullopt;
  auto* const meant = address ? find(address->mailbox) : nullptr;
  return meant != nullptr && meant->id == *id ? meant : nullptr;
}

Registry::Agent* Registry::find_registered(Asker caller, std::string_view agent) {
  auto* const found = find(agent);
  if (found != nullptr && found->is_registered()) return found;
  to_.replies.refuse(caller, {ErrorCode::not_found, fmt::format("no agent {} is registered", printable(agent)),
                              "`folkmoot agents register` registers one"});
  return nullptr;
}

std::string_view Registry::name_of(std::string_view agent) const {
  const auto* const found = find(agent);
  return found != nullptr ? std::string_view(to_.names[found->name]) : std::string_view{};
}

Result<Registry::Agent*> Registry::agent_named(std::string_view name) {
  if (name.empty()) {
    return failure(ErrorCode::invalid_name, "which agent is it? The connection has not named its agent: give `agent`");
  }
  if (!is_name(name) || name.front() == '@' || name.front() == '$' || is_capability_address(name))
    return failure(ErrorCode::invalid_name, fmt::format("`{}` is not the name of an agent", printable(name)));
  const auto number = to_.names.number(name);
  if (!number) return std::unexpected(number.error());
  if (auto* const known = find(*number)) return known;
  if (count_ >= options_.agents_max) {
    return failure(ErrorCode::limit_reached,
                   fmt::format("{} agents are known, and {} would be one too many", count_, printable(name)));
  }
  while (agents_.size() <= number->value) agents_.emplace_back();
  agents_[number->value] = std::make_unique<Agent>(*number);
  everyone_.add(*number);
  ++count_;
  ++by_health_[static_cast<std::size_t>(AgentHealth::stale)];
  return agents_[number->value].get();
}

// Nothing is known of it any more: who watches is told for a while.
void Registry::forget(Agent& agent) {
  const auto name = agent.name;
  if (agent.revision != 0) {
    order_.erase(agent.revision);
    tombstones_.push_back({.revision = next_revision(), .id = agent.id, .name = name});
    if (tombstones_.size() > options_.tombstones_max) {
      horizon_ = tombstones_.front().revision;
      tombstones_.pop_front();
    }
  }
  everyone_.remove(name);
  routable_.remove(name);
  --count_;
  --by_health_[static_cast<std::size_t>(agent.health)];
  agents_[name.value].reset();
}

// -- what is registered

void Registry::set(Asker caller, const AgentRecord& record, bool beats) {
  if (auto good = check_agent(record); !good) return to_.replies.refuse(caller, good.error());
  const auto made = agent_named(record.agent);
  if (!made) return to_.replies.refuse(caller, made.error());
  auto& agent = **made;
  KeptAgent kept{.record = record};
  if (agent.quarantined_at != 0) kept.quarantine = read(agent).quarantine;
  write(caller, agent, kept, agent.quarantined_at, beats);
}

void Registry::update(Asker caller, const UpdateAgent& changes) {
  auto* const agent = find_registered(caller, changes.agent);
  if (agent == nullptr) return;
  auto kept = read(*agent);
  auto& record = kept.record;
  record.agent = to_.names[agent->name];
  if (changes.type) record.type = *changes.type;
  if (changes.description) record.description = *changes.description;
  if (changes.capabilities) record.capabilities = *changes.capabilities;
  if (changes.addresses) record.addresses = *changes.addresses;
  if (changes.keys) record.keys = *changes.keys;
  if (!changes.metadata.text.empty()) record.metadata = changes.metadata;
  if (changes.weight) record.weight = *changes.weight;
  if (changes.status) record.status = *changes.status;
  if (auto good = check_agent(record); !good) return to_.replies.refuse(caller, good.error());
  write(caller, *agent, kept, agent->quarantined_at, false);
}

void Registry::quarantine(Asker caller, std::string_view agent, std::string_view reason) {
  write_quarantine(caller, agent, reason, to_.run.now());
}

void Registry::release(Asker caller, std::string_view agent) { write_quarantine(caller, agent, {}, 0); }

void Registry::write_quarantine(Asker caller, std::string_view name, std::string_view reason, Instant since) {
  auto* const agent = find_registered(caller, name);
  if (agent == nullptr) return;
  auto kept = read(*agent);
  kept.quarantine = reason;
  write(caller, *agent, kept, since, false);
}

void Registry::write(Asker caller, Agent& agent, const KeptAgent& kept, Instant quarantined_at, bool beats) {
  const bool is_new = !agent.is_registered();
  auto nameless = kept;
  nameless.record.agent.clear();
  const auto body = pack(nameless);
  Draft draft;
  to_.names.measure(agent.name, draft);
  Run::measure_key(draft);
  draft.add(sizeof(AgentSetFact) + body.size());
  if (!to_.ledger.has_room(Urgency::durable, draft)) {
    if (is_new && agent.revision == 0) forget(agent);
    return to_.replies.refuse(
        caller, {ErrorCode::disk_full, fmt::format("no room to keep what is registered of {}", kept.record.agent)});
  }
  AgentSetFact fact{.id = agent.id,
                    .registered_at = is_new ? to_.run.now() : agent.registered_at,
                    .quarantined_at = quarantined_at,
                    .agent = agent.name};
  FactPlace place;
  {
    const Ledger::Group group(to_.ledger, draft);
    to_.names.note(agent.name);
    if (is_new) fact.id = make_uuid({.key = to_.run.next_key(), .mailbox = agent.name, .node = to_.run.node()});
    place = to_.ledger.write(FactKind::agent_set, {bytes_of(fact), as_bytes(body)}, Life::live);
  }
  put(agent, fact, kept.record, place);
  if (beats) agent.beat_at = to_.run.now();
  const auto name = agent.name;
  review(agent, true, Durable(place));
  const auto* const now = find(name);
  to_.ledger.when(
      Durable(place),
      waiting::Answer{.to = caller,
                      .reply = RegisteredAgent{
                          .id = fact.id, .revision = now != nullptr ? now->revision : revision_, .created = is_new}});
}

void Registry::remove(Asker caller, std::string_view name) {
  auto* const agent = find_registered(caller, name);
  if (agent == nullptr) return;
  const AgentRemovedFact fact{.id = agent->id, .agent = agent->name};
  if (!to_.ledger.has_room(Urgency::settling, sizeof fact))
    return to_.replies.refuse(caller, {ErrorCode::disk_full, "no room to note that the agent is removed"});
  const Durable noted(to_.ledger.note(FactKind::agent_removed, {bytes_of(fact)}));
  announce(noted, *agent, What::removed);
  note_health(*agent);
  clear(*agent);
  if (agent->connections == 0) {
    agent->id = fact.id;
    forget(*agent);
  } else {
    review(*agent, false, noted);
    stamp(*agent);
  }
  to_.ledger.when_or_now(noted, waiting::Answer{.to = caller});
}

void Registry::clear(Agent& agent) {
  to_.ledger.release(agent.place);
  agent.place = {};
  agent.id = {};
  agent.registered_at = agent.quarantined_at = agent.beat_at = 0;
  for (const auto capability : agent.capabilities) capabilities_.remove(capability, agent.name);
  agent.capabilities.clear();
  if (std::exchange(agent.has_type, false)) types_.remove(agent.type, agent.name);
  agent.weight = 1;
  agent.status = AgentStatus::active;
}

void Registry::put(Agent& agent, const AgentSetFact& fact, const AgentRecord& record, FactPlace place) {
  const auto beat_at = agent.beat_at;
  clear(agent);
  agent.beat_at = beat_at;
  agent.place = place;
  agent.id = fact.id;
  agent.registered_at = fact.registered_at;
  agent.quarantined_at = fact.quarantined_at;
  agent.capabilities.reserve(record.capabilities.size());
  for (const auto& capability : record.capabilities)
    agent.capabilities.push_back(capabilities_.add(capability.name, agent.name));
  agent.has_type = !record.type.empty();
  if (agent.has_type) agent.type = types_.add(record.type, agent.name);
  agent.weight = static_cast<std::uint16_t>(record.weight);
  agent.status = record.status;
}

KeptAgent Registry::read(const Agent& agent) {
  auto kept = unpack_agent(to_.ledger.read(agent.place).subspan(sizeof(AgentSetFact)));
  if (!kept) to_.effects.unreadable(kept.error());
  return std::move(*kept);
}

// -- what is seen

Result<AgentBeat> Registry::beat(std::string_view name, std::optional<std::uint32_t> load) {
  auto* agent = find(name);
  if (agent == nullptr && Uuid::parse(name))
    return failure(ErrorCode::not_found, fmt::format("no agent {} is registered", printable(name)));
  if (agent == nullptr) {
    const auto made = agent_named(name);
    if (!made) return std::unexpected(made.error());
    agent = *made;
  }
  if (load) to_.loads.set(agent->name, *load);
  agent->beat_at = to_.run.now();
  review(*agent, false, {});
  return AgentBeat{.health = agent->health,
                   .routable = is_routable(*agent),
                   .stale_after = std::chrono::milliseconds(options_.agent_stale_ms.ms)};
}

Result<void> Registry::note_load(std::string_view name, double load) {
  if (name.empty()) {
    return failure(ErrorCode::invalid_name, "whose load is it? The connection has not named its agent: give `agent`");
  }
  if (!is_name(name)) return failure(ErrorCode::invalid_name, "`agent` is no name");
  const auto number = to_.names.number(name);
  if (!number) return std::unexpected(number.error());
  to_.loads.set(*number, load);
  auto* const agent = find(*number);
  if (agent == nullptr) return {};
  agent->beat_at = to_.run.now();
  review(*agent, false, {});
  return {};
}

void Registry::came(std::string_view name) {
  if (stopped_) return;
  const auto agent = agent_named(name);
  if (!agent) return;  // one too many: it is there all the same, but not known to be
  ++(*agent)->connections;
  review(**agent, false, {});
}

void Registry::went(std::string_view name) {
  auto* const agent = stopped_ ? nullptr : find(to_.names.find(name));
  if (agent == nullptr || agent->connections == 0) return;
  if (--agent->connections == 0) agent->gone_at = to_.run.now();
  review(*agent, false, {});
}

AgentHealth Registry::health_of(const Agent& agent) const {
  const auto now = to_.run.now();
  if (agent.connections > 0) return AgentHealth::up;
  if (agent.beat_at != 0 && agent.beat_at + options_.agent_stale_ms > now) return AgentHealth::up;
  if (agent.gone_at != 0 && agent.gone_at + options_.agent_grace_ms > now) return AgentHealth::grace;
  return AgentHealth::stale;
}

void Registry::set_health(Agent& agent, AgentHealth health) {
  --by_health_[static_cast<std::size_t>(agent.health)];
  agent.health = health;
  ++by_health_[static_cast<std::size_t>(health)];
}

void Registry::note_health(const Agent& agent) {
  if (health_news_.size() < kHealthNewsMax) health_news_.emplace_back(to_.names[agent.name]);
}

AgentCounts Registry::counts() const {
  const auto of = [&](AgentHealth health) { return by_health_[static_cast<std::size_t>(health)]; };
  return {.up = of(AgentHealth::up),
          .grace = of(AgentHealth::grace),
          .stale = of(AgentHealth::stale),
          .routable = routable_.size(),
          .lost = lost_};
}

Instant Registry::holds_until(const Agent& agent) const {
  if (agent.connections > 0 || agent.health == AgentHealth::stale) return kNoTime;
  return agent.health == AgentHealth::up ? agent.beat_at + options_.agent_stale_ms
                                         : agent.gone_at + options_.agent_grace_ms;
}

void Registry::review(Agent& agent, bool changed, Durable of) {
  if (!started_) return;  // start() looks at all of them
  const bool was_there = agent.health != AgentHealth::stale;
  const bool was_routable = is_routable(agent);
  set_health(agent, health_of(agent));
  const bool is_there = agent.health != AgentHealth::stale;
  if (agent.is_registered() && was_there != is_there) {
    lost_ += was_there;
    note_health(agent);
  }
  if (!agent.is_registered() && !is_there) {
    if (was_there) announce(of, agent, What::left);
    return forget(agent);
  }
  if (const bool may = may_be_chosen(agent); may != was_routable)
    may ? routable_.add(agent.name) : routable_.remove(agent.name);
  if (changed || was_there != is_there || agent.revision == 0) {
    stamp(agent);
    announce(of, agent, was_there == is_there ? What::changed : is_there ? What::joined : What::left);
  }
  // Of one that goes on as it was nothing new can be chosen for it.
  if (is_routable(agent) && (!was_routable || changed)) offer(agent);
  const auto until = holds_until(agent);
  if (until == kNoTime || (agent.timer != 0 && agent.timer <= until)) return;
  agent.timer = until;
  to_.agenda.add({.at = until, .id = agent.name.value, .place = agent.name.value, .kind = TimerKind::agent});
}

std::uint64_t Registry::next_revision() {
  const auto at = static_cast<std::uint64_t>(key_time(to_.run.next_key()).ms) << kRevisionsOfMs;
  return revision_ = std::max(revision_ + 1, at);
}

void Registry::stamp(Agent& agent) {
  if (agent.revision != 0) order_.erase(agent.revision);
  agent.revision = next_revision();
  order_.emplace(agent.revision, agent.name);
}

// -- who hears of it

namespace {
constexpr std::string_view kTopics[] = {"bus.agents.joined", "bus.agents.left", "bus.agents.changed",
                                        "bus.agents.removed"};
}  // namespace

void Registry::announce(Durable of, const Agent& agent, What what) {
  to_.ledger.when_or_now(
      of,
      waiting::AgentChanged{
          .agent = agent.name, .id = agent.id, .revision = agent.revision, .what = static_cast<std::uint8_t>(what)});
}

// Of an agent that is gone by then no more is said than its name.
void Registry::tell(const waiting::AgentChanged& item) {
  const auto topic = kTopics[item.what];
  if (!to_.announcer.is_heard(topic)) return;
  const auto* const agent = find(item.agent);
  const auto id = item.id.is_nil() ? std::string() : item.id.text();
  bulletins::AgentNews news{.agent = to_.names[item.agent],
                            .id = id,
                            .health = kAgentHealthWords[static_cast<std::size_t>(AgentHealth::stale)],
                            .status = kAgentStatusWords[0],
                            .revision = item.revision,
                            .at = to_.run.now()};
  std::vector<std::string_view> capabilities;
  if (agent != nullptr) {
    news.health = kAgentHealthWords[static_cast<std::size_t>(agent->health)];
    news.status =
        agent->quarantined_at != 0 ? "quarantined" : kAgentStatusWords[static_cast<std::size_t>(agent->status)];
    if (agent->has_type) news.type = types_[agent->type];
    for (const auto capability : agent->capabilities) capabilities.push_back(capabilities_[capability]);
  }
  news.capabilities = capabilities;
  to_.announcer.announce(topic, bulletins::event_of(news));
}

// -- life

// Nobody is thrown out because the server was down.
void Registry::start() {
  started_ = true;
  if (options_.shard != 0) return;
  for (auto& agent : agents_) {
    if (!agent) continue;
    agent->beat_at = to_.run.now();
    set_health(*agent, health_of(*agent));
    if (may_be_chosen(*agent)) routable_.add(agent->name);
    stamp(*agent);
    const auto until = holds_until(*agent);
    if (until == kNoTime) continue;
    agent->timer = until;
    to_.agenda.add({.at = until, .id = agent->name.value, .place = agent->name.value, .kind = TimerKind::agent});
  }
  horizon_ = next_revision();
}

void Registry::stop() {
  stopped_ = true;
  // The next run's revisions follow its keys, which follow this run's.
  if (revision_ != 0) to_.run.saw_key(make_key(Instant{static_cast<std::int64_t>(revision_ >> kRevisionsOfMs) + 1}, 0));
}

// The timers that were set mean nothing any more.
void Registry::on_options() {
  for (std::size_t i = 0; i < agents_.size(); ++i) {
    if (!agents_[i]) continue;
    agents_[i]->timer = 0;
    review(*agents_[i], false, {});
  }
}

bool Registry::is_live(const Timer& timer) const {
  if (timer.kind == TimerKind::held) return deliver_at_ == timer.at;
  const auto* const agent = find(NameId{timer.place});
  return agent != nullptr && agent->timer == timer.at;
}

void Registry::due(const Timer& timer) {
  if (timer.kind == TimerKind::held) {
    deliver_at_ = 0;
    for (const auto name : std::exchange(due_, {})) deliver(name);
    return;
  }
  auto& agent = *find(NameId{timer.place});
  agent.timer = 0;
  review(agent, false, {});
}

Result<void> Registry::enter(const Fact& fact) {
  if (fact.kind == FactKind::agent_removed) {
    AgentRemovedFact said;
    if (!read_fact(fact.body, said)) return cannot_be(fact.kind, "is too short");
    auto* const agent = find(said.agent);
    if (agent == nullptr || agent->id != said.id) return {};  // of one that was registered anew since
    clear(*agent);
    everyone_.remove(agent->name);
    --count_;
    --by_health_[static_cast<std::size_t>(agent->health)];
    agents_[said.agent.value].reset();
    return {};
  }
  AgentSetFact said;
  if (!read_fact(fact.body, said)) return cannot_be(fact.kind, "is too short");
  if (!to_.names.await(said.agent)) return cannot_be(fact.kind, "names an agent that cannot be");
  const auto kept = unpack_agent(fact.body.subspan(sizeof said));
  if (!kept) return cannot_be(fact.kind, kept.error().text);
  while (agents_.size() <= said.agent.value) agents_.emplace_back();
  auto& agent = agents_[said.agent.value];
  if (!agent) {
    agent = std::make_unique<Agent>(said.agent);
    everyone_.add(said.agent);
    ++count_;
    ++by_health_[static_cast<std::size_t>(AgentHealth::stale)];
  }
  to_.ledger.retain(fact.place);
  if (const auto address = message_address(said.id)) to_.run.saw_key(address->key);
  put(*agent, said, kept->record, fact.place);
  return {};
}

bool Registry::keep(const Fact& fact) {
  AgentSetFact said;
  if (fact.kind != FactKind::agent_set || !read_fact(fact.body, said)) return true;
  auto* const agent = find(said.agent);
  if (agent != nullptr && agent->place == fact.place) to_.ledger.copy(fact.kind, agent->place, {fact.body});
  return true;
}

}  // namespace folkmoot
