// The checkers of the engine's parts, each in a file of its own: the one list.
#pragma once

#include <array>

#include "simulation/access.hpp"
#include "simulation/costs.hpp"
#include "simulation/guards.hpp"
#include "simulation/reads.hpp"
#include "simulation/redrives.hpp"
#include "simulation/routes.hpp"
#include "simulation/schedules.hpp"
#include "simulation/wakes.hpp"
#include "simulation/webhooks.hpp"

namespace folkmoot::simulation {

struct Checkers {
  Checkers(const EngineOptions& options, RuleCounts& rules)
      : access(rules),
        costs(rules),
        guards(options.guard, options.guard_entries_max, rules),
        reads(rules),
        redrives(rules),
        routes(rules),
        schedules(rules),
        wakes(rules),
        webhooks(rules) {}

  AccessChecker access;
  CostChecker costs;
  GuardChecker guards;
  ReadChecker reads;
  RedriveChecker redrives;
  RouteChecker routes;
  ScheduleChecker schedules;
  WakeChecker wakes;
  WebhookChecker webhooks;

  std::array<Checker*, 9> all() {
    return {&access, &costs, &guards, &reads, &redrives, &routes, &schedules, &wakes, &webhooks};
  }
};

}  // namespace folkmoot::simulation
