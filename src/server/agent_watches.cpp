#include "server/agent_watches.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace folkmoot {

Result<void> AgentWatches::wait(LateAnswer to, const WatchAgents& what, std::int64_t until) {
  if (watches_.size() >= kWatchesMax) {
    return failure(ErrorCode::limit_reached,
                   fmt::format("{} calls wait for changes of agents already", watches_.size()),
                   "ask without `wait`, or listen to the events of bus.agents.>");
  }
  watches_.push_back({.to = to, .what = what, .until = until});
  next_ = next_ < 0 ? until : std::min(next_, until);
  return {};
}

void AgentWatches::close(SessionId session) {
  if (std::erase_if(watches_, [&](const Watch& watch) { return watch.to.session == session; }) > 0) find_next();
}

void AgentWatches::answer(const Watch& watch) {
  const auto changes = registry_.changes(watch.what.after, watch.what.limit);
  changes ? calls_.answer(watch.to, &*changes) : calls_.refuse(watch.to, changes.error());
}

// All of them began with nothing to be told, so that each change is one for each of them.
void AgentWatches::look(std::int64_t now) {
  const bool changed = std::exchange(seen_, registry_.revision()) != registry_.revision();
  if (watches_.empty() || (!changed && (next_ < 0 || now < next_))) return;
  for (auto at = watches_.begin(); at != watches_.end();) {
    const auto watch = at++;
    if (!changed && watch->until > now) continue;
    const auto done = std::move(*watch);
    watches_.erase(watch);
    answer(done);
  }
  find_next();
}

void AgentWatches::find_next() {
  next_ = -1;
  for (const auto& watch : watches_) next_ = next_ < 0 ? watch.until : std::min(next_, watch.until);
}

}  // namespace folkmoot
