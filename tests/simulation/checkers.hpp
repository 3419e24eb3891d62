// The checkers of the engine's parts, each in a file of its own: the one list.
#pragma once

#include <array>

#include "simulation/costs.hpp"
#include "simulation/guards.hpp"
#include "simulation/reads.hpp"
#include "simulation/redrives.hpp"
#include "simulation/routes.hpp"
#include "simulation/schedules.hpp"
#include "simulation/wakes.hpp"

namespace folkmoot::simulation {

struct Checkers {
  Checkers(const EngineOptions& options, RuleCounts& rules)
      : costs(rules),
        guards(options.guard, options.guard_entries_max, rules),
        reads(rules),
        redrives(rules),
        routes(rules),
        schedules(rules),
        wakes(rules) {}

  CostChecker costs;
  GuardChecker guards;
  ReadChecker reads;
  RedriveChecker redrives;
  RouteChecker routes;
  ScheduleChecker schedules;
  WakeChecker wakes;

  std::array<Checker*, 7> all() { return {&costs, &guards, &reads, &redrives, &routes, &schedules, &wakes}; }
};

}  // namespace folkmoot::simulation
