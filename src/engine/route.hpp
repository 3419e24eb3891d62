// Rules that find a recipient for a message that names none (A24): by order, the first whose filter holds and one of
// whose targets can take the message.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/fact_log.hpp"
#include "filter/filter.hpp"
#include "filter/path.hpp"

namespace folkmoot {

/// How one of several targets is chosen.
enum class Strategy : std::uint8_t {
  round_robin = 0,
  weighted = 1,      // in turns as frequent as the weights say
  least_loaded = 2,  // fewest waiting and leased, and what the agent itself reports
  random = 3,
  hash = 4,  // the same field, the same target; when targets come or go, few messages change theirs
};
constexpr std::string_view kStrategies[] = {"round_robin", "weighted", "least_loaded", "random", "hash"};
constexpr std::string_view name(Strategy strategy) { return kStrategies[static_cast<std::size_t>(strategy)]; }

struct RouteTarget {
  std::string name;
  std::uint32_t weight = 1;
  std::int64_t turn = 0;  // weighted: who is furthest behind goes first
};

struct Route {
  std::string name;
  std::uint32_t order = 0;
  Strategy strategy = Strategy::round_robin;
  bool consumers_only = false;     // a target without a free consumer is passed over
  std::optional<Filter> filter{};  // none: every message
  std::optional<FieldPath> hash_on{};
  std::vector<RouteTarget> targets;
  std::size_t next = 0;      // round_robin
  std::uint64_t routed = 0;  // messages since the server started
  FactPlace place{};
};

constexpr std::size_t kRouteTargetsMax = 256;
constexpr std::uint32_t kRouteWeightMax = 1'000;

}  // namespace folkmoot
