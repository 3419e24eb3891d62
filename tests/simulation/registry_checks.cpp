// What must be so of the registry, whatever was asked of it: what it shows, finds, and tells of changes.
#include "simulation/registry.hpp"

namespace folkmoot::simulation {

void RegistryRun::compare_agent(std::size_t agent) {
  const auto& model = agents_[agent];
  const auto& name = names_[agent];
  const auto shown = engine_->registry().show(name);
  expect(shown.has_value() == model.is_there, "{} is{} known", name, shown ? "" : " not");
  if (!shown) return;
  const auto& spec = model.kept.now();
  expect(shown->registered == spec.has_value(), "{} is registered: {}", name, shown->registered);
  expect(shown->health == health_of(model), "{} is {} instead of {}", name,
         kAgentHealthWords[static_cast<std::size_t>(shown->health)],
         kAgentHealthWords[static_cast<std::size_t>(health_of(model))]);
  expect(shown->routable == is_routable(agent), "{} may be chosen: {}", name, shown->routable);
  if (!spec) return;
  Spec is{.type = shown->record.type,
          .weight = shown->record.weight,
          .status = shown->record.status,
          .quarantined = shown->quarantined_at_ms != 0};
  for (const auto& each : shown->record.capabilities) is.capabilities.insert(each.name);
  expect(is == *spec, "{} is not what was registered", name);
}

void RegistryRun::compare() {
  if (broken_) throw Violation(*broken_);
  for (std::size_t agent = 0; agent < kAgents; ++agent) compare_agent(agent);
}

bool RegistryRun::fits(const DiscoverAgents& query, std::size_t agent) const {
  const auto& model = agents_[agent];
  if (!model.is_there) return false;
  const auto spec = model.kept.now().value_or(Spec{});
  const auto has = [&](const std::string& word) { return spec.capabilities.contains(word); };
  const auto begins = [&](const std::string& word) { return word.starts_with(query.prefix); };
  if (!std::ranges::all_of(query.all_of, has)) return false;
  if (!query.any_of.empty() && !std::ranges::any_of(query.any_of, has)) return false;
  if (!query.prefix.empty() && !std::ranges::any_of(spec.capabilities, begins)) return false;
  if (!query.type.empty() && spec.type != query.type) return false;
  if (!query.filter.empty() && (!model.kept.now() || spec.weight > 2)) return false;
  if (query.health == AgentsWanted::any) return true;
  if (query.health == AgentsWanted::routable) return is_routable(agent);
  return static_cast<int>(health_of(model)) + 1 == static_cast<int>(query.health);
}

void RegistryRun::discover() {
  DiscoverAgents query{.health = static_cast<AgentsWanted>(random_.below(5)),
                       .limit = static_cast<std::uint32_t>(random_.between(1, 4))};
  for (const auto& each : any_capabilities()) {
    if (random_.one_in(2)) query.all_of.push_back(each);
  }
  if (random_.one_in(3)) query.any_of = {kCapabilities[0], random_.pick(kCapabilities)};
  if (random_.one_in(4)) query.prefix = "read";
  if (random_.one_in(4)) query.type = random_.pick(kTypes);
  if (random_.one_in(4)) query.filter = "metadata.n <= 2";
  std::set<std::string> found, wanted;
  for (std::size_t pages = 0;; ++pages) {
    const auto page = engine_->registry().discover(query);
    expect(page.has_value() && pages < 20, "discovery fails, or has no end");
    for (const auto& each : page->agents)
      expect(found.insert(each.record.agent).second, "{} is found twice", each.record.agent);
    query.after = page->next;
    if (query.after.empty()) break;
  }
  for (std::size_t agent = 0; agent < kAgents; ++agent) {
    if (fits(query, agent)) wanted.insert(names_[agent]);
  }
  expect(found == wanted, "discovery found {} agents of {}", found.size(), wanted.size());
  rules_.saw(wanted.empty() ? Rule::discovered_nobody : Rule::discovered);
}

void RegistryRun::read_changes(bool to_end) {
  for (std::size_t pages = 0;; ++pages) {
    const auto limit = static_cast<std::uint32_t>(random_.between(1, 3));
    const auto got = engine_->registry().changes(reader_.next, limit);
    expect(got.has_value() && pages < 100, "changes cannot be read, or have no end");
    if (got->reset) {
      reader_.seen.clear();
      rules_.saw(Rule::watch_reset);
    }
    for (const auto& change : got->changes) {
      const auto& known = change.agent;
      if (change.gone) {
        reader_.seen.erase(known.record.agent);
        rules_.saw(Rule::watched_gone);
        continue;
      }
      Spec spec{.type = known.record.type,
                .weight = known.record.weight,
                .status = known.record.status,
                .quarantined = known.quarantined_at_ms != 0};
      for (const auto& each : known.record.capabilities) spec.capabilities.insert(each.name);
      reader_.seen[known.record.agent] = {known.health, spec};
    }
    reader_.next = got->next;
    if (!to_end) return;
    if (!got->changes.empty() || got->reset) continue;
    break;
  }
  for (std::size_t agent = 0; agent < kAgents; ++agent) {
    const auto& model = agents_[agent];
    const auto seen = reader_.seen.find(names_[agent]);
    expect((seen != reader_.seen.end()) == model.is_there, "a reader of changes takes {} for {}", names_[agent],
           seen != reader_.seen.end() ? "there" : "gone");
    if (!model.is_there) continue;
    const bool is_stale = seen->second.first == AgentHealth::stale;
    expect(is_stale == (health_of(model) == AgentHealth::stale), "a reader of changes has missed that {} came or went",
           names_[agent]);
    expect(seen->second.second == model.kept.now().value_or(Spec{}), "a reader of changes has missed one of {}",
           names_[agent]);
  }
  rules_.saw(Rule::watched_to_the_end);
}

}  // namespace folkmoot::simulation
