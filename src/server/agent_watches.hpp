// Who waits for a change of agents (agent.watch): answered when there is one, or when its time is over. In the first
// shard.
#pragma once

#include <functional>
#include <list>

#include "engine/registry/registry.hpp"
#include "server/backup_reader.hpp"

namespace folkmoot {

class AgentWatches {
 public:
  static constexpr std::size_t kWatchesMax = 10'000;

  struct Calls {
    std::function<void(const LateAnswer&, const void*)> answer;
    std::function<void(const LateAnswer&, const Error&)> refuse;
  };
  AgentWatches(Registry& registry, Calls calls) : registry_(registry), calls_(std::move(calls)) {}

  /// Answered later, when something has changed behind `after`, or at `until`. Errors: limit_reached.
  Result<void> wait(LateAnswer to, const WatchAgents& what, std::int64_t until);
  /// The session has ended.
  void close(SessionId session);
  /// Once a turn, and `next()` at the latest.
  void look(std::int64_t now);
  /// Unix milliseconds; -1: never.
  std::int64_t next() const { return next_; }

 private:
  struct Watch {
    LateAnswer to;
    WatchAgents what;
    std::int64_t until = 0;
  };

  void answer(const Watch& watch);
  void find_next();

  Registry& registry_;
  const Calls calls_;
  std::list<Watch> watches_;
  std::uint64_t seen_ = 0;  // the revision that all of them have been looked at with
  std::int64_t next_ = -1;
};

}  // namespace folkmoot
