// The checkers of the engine's parts, each in a file of its own: the one list.
#pragma once

#include <array>

#include "simulation/costs.hpp"
#include "simulation/guards.hpp"
#include "simulation/reads.hpp"
#include "simulation/redrives.hpp"
#include "simulation/routes.hpp"
#include "simulation/schedules.hpp"

namespace folkmoot::simulation {

struct Checkers {
  Checkers(const EngineOptions& options, RuleCounts& rules)
      : costs(rules), guards(options.guard, rules), reads(rules), redrives(rules), routes(rules), schedules(rules) {}

  CostChecker costs;
  GuardChecker guards;
  ReadChecker reads;
  RedriveChecker redrives;
  RouteChecker routes;
  ScheduleChecker schedules;

  std::array<Checker*, 6> all() { return {&costs, &guards, &reads, &redrives, &routes, &schedules}; }
};

}  // namespace folkmoot::simulation
