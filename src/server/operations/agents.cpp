#include <map>

#include "operation/merge.hpp"
#include "server/operations/call.hpp"

namespace folkmoot {
namespace {

AgentDoor& door_of(AgentInfo& agent, std::string_view word) {
  for (auto& door : agent.doors) {
    if (door.door == word) return door;
  }
  agent.doors.push_back({.door = std::string(word)});
  return agent.doors.back();
}

void see(AgentInfo& agent, AgentDoor& door, std::int64_t at) {
  door.last_seen_ms = std::max(door.last_seen_ms, at);
  agent.last_seen_ms = std::max(agent.last_seen_ms, at);
}

}  // namespace

// All of this shard's are put together before the page is cut, as far as they may stand on it: those remembered, those
// connected, those who hold something, and in the first shard those of the registry.
Result<void> carry_out(const Call& call, const ListAgents& arguments) {
  std::map<std::string, AgentInfo, std::less<>> agents;
  const auto agent_named = [&](std::string_view name) -> AgentInfo* {
    if (name.empty() || name <= arguments.after) return nullptr;
    const bool is_full = agents.size() > arguments.limit;
    if (is_full && name > std::prev(agents.end())->first) return nullptr;  // of a later page
    auto& agent = agents[std::string(name)];
    agent.agent = name;
    if (agents.size() > arguments.limit + 1) agents.erase(std::prev(agents.end()));
    return &agent;
  };
  call.reactor.seen_agents().each([&](std::string_view name, const SeenAgents::LastSeen& seen) {
    auto* const agent = agent_named(name);
    for (std::size_t i = 0; agent != nullptr && i < seen.size(); ++i) {
      if (seen[i] != 0) see(*agent, door_of(*agent, kDoorWords[i]), seen[i]);
    }
  });
  call.reactor.each_client([&](const Connection& connection) {
    const auto session = call.engine.session(connection.id);
    auto* const agent = agent_named(session.agent);
    if (agent == nullptr) return;
    agent->consumers += session.consumers;
    if (connection.door == DoorKind::remote) return;  // its own shard counts it
    ++agent->connections;
    auto& door = door_of(*agent, name(connection.door));
    ++door.connections;
    see(*agent, door, connection.heard_at);
  });
  call.engine.each_holder([&](const HolderView& holder) {
    auto* const agent = agent_named(holder.agent);
    if (agent == nullptr) return;
    agent->held = holder.held;
    agent->held_since_ms = holder.since.ms;
  });
  call.engine.registry().each([&](const KnownAgent& known) {
    auto* const agent = agent_named(known.record.agent);
    if (agent == nullptr) return;
    agent->health = kAgentHealthWords[static_cast<std::size_t>(known.health)];
    agent->last_seen_ms = std::max(agent->last_seen_ms, known.connections > 0 ? 0 : known.last_seen_ms);
    if (!known.registered) return;
    agent->status =
        known.quarantined_at_ms != 0 ? "quarantined" : kAgentStatusWords[static_cast<std::size_t>(known.record.status)];
    agent->type = known.record.type;
    for (const auto& capability : known.record.capabilities) agent->capabilities.push_back(capability.name);
  });
  AgentPage page;
  for (auto& [name, agent] : agents) {
    if (page.agents.size() > arguments.limit) break;
    page.agents.push_back(std::move(agent));
  }
  end_page(describe<AgentPage>(), &page, arguments.limit);
  return call.answer(page);
}

Result<void> carry_out(const Call& call, const ReportLoad& arguments) {
  if (auto noted = call.engine.registry().note_load(arguments.agent, arguments.load); !noted) return noted;
  return call.answer(Nothing{});
}

}  // namespace folkmoot
