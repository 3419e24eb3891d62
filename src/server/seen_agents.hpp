// Which agents were there, over which door, and when: also those whose connections are long closed, such as one that
// polls over HTTP. In memory, the last kAgentsRemembered of them.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "folkmoot/operation/agent.hpp"
#include "server/link.hpp"

namespace folkmoot {

class SeenAgents {
 public:
  static constexpr std::size_t kClientDoors = 3;  // native, http and websocket: the first of DoorKind
  using LastSeen = std::array<std::int64_t, kClientDoors>;

  /// One without a name, or that comes from another shard, is not noted.
  void saw(std::string_view agent, DoorKind door, std::int64_t at) {
    const auto index = static_cast<std::size_t>(door);
    if (agent.empty() || index >= kClientDoors) return;
    auto found = agents_.find(agent);
    if (found == agents_.end()) {
      found = agents_.emplace(agent, Agent{}).first;
    } else {
      by_time_.erase({found->second.last, found->first});
    }
    auto& known = found->second;
    known.seen[index] = std::max(known.seen[index], at);
    known.last = std::max(known.last, at);
    by_time_.emplace(known.last, found->first);
    if (agents_.size() <= kAgentsRemembered) return;
    const auto oldest = by_time_.begin();
    agents_.erase(agents_.find(oldest->second));
    by_time_.erase(oldest);
  }

  /// Calls `each(name, last seen by door)` by name.
  template <class Each>
  void each(Each each) const {
    for (const auto& [name, agent] : agents_) each(name, agent.seen);
  }

 private:
  struct Agent {
    LastSeen seen{};
    std::int64_t last = 0;
  };
  std::map<std::string, Agent, std::less<>> agents_;
  std::set<std::pair<std::int64_t, std::string>> by_time_;
};

}  // namespace folkmoot
