// Routes: rules that find recipients for messages sent without one.
#pragma once

#include "folkmoot/describe.hpp"

namespace folkmoot {

constexpr std::uint64_t kRouteTargetsMost = 256, kRouteWeightMost = 1'000;

/// How one of several targets of a route is chosen.
enum class RouteStrategy : std::uint8_t {
  round_robin = 0,
  weighted = 1,      // in turns as frequent as the weights say
  least_loaded = 2,  // fewest waiting and leased, and what the agent itself reports
  random = 3,
  hash = 4,  // messages with the same value in a field go to the same target
};
inline constexpr std::string_view kRouteStrategyWords[] = {"round_robin", "weighted", "least_loaded", "random", "hash"};
template <>
inline constexpr std::span<const std::string_view> kWords<RouteStrategy> = kRouteStrategyWords;
std::string_view name(RouteStrategy strategy);
std::optional<RouteStrategy> parse_route_strategy(std::string_view text);

struct WeightedTarget {
  std::string name{};
  std::uint32_t weight = 1;  // 1 to 1000

  bool operator==(const WeightedTarget&) const = default;
  static constexpr auto fields() {
    return std::array{
        field<&WeightedTarget::name>(0, "name", "A mailbox; a text alone stands for one with weight 1",
                                     {.required = true, .role = Role::shorthand}),
        field<&WeightedTarget::weight>(1, "weight", "How often, against the others",
                                       {.min = 1, .max = kRouteWeightMost}),
    };
  }
};

/// A rule that finds a recipient for messages sent without one (docs/delivery.md).
struct RouteRule {
  std::string name{};
  std::vector<WeightedTarget> targets{};  // 1 to 256
  std::uint32_t order = 100;              // lower numbers are asked first
  std::string filter{};                   // docs/filters.md; empty: every message
  RouteStrategy strategy = RouteStrategy::round_robin;
  std::string hash_on{};        // of strategy hash: the field
  bool consumers_only = false;  // pass over a target without a free consumer

  bool operator==(const RouteRule&) const = default;

  using Answer = Nothing;
  static constexpr OperationRow kOperation{
      .name = "route.set",
      .what = "A rule that finds recipients for messages without one; in the place of one of the same name",
      .right = Right::administer,
      .where = Where::all,
      .http = "POST /api/routes",
      .again = true};
  static constexpr auto fields() {
    return std::array{
        field<&RouteRule::name>(0, "name", "By which it is removed again", {.required = true}),
        field<&RouteRule::order>(1, "order", "Lower ones are asked first", {.max = 1'000'000}),
        field<&RouteRule::strategy>(2, "strategy", "How one of several targets is chosen"),
        field<&RouteRule::filter>(3, "filter", "Which messages (docs/filters.md); left out: every one",
                                  {.max = 4'096, .sparse = true}),
        field<&RouteRule::hash_on>(4, "hash_on", "Of strategy hash: the field by which it chooses", {.sparse = true}),
        field<&RouteRule::consumers_only>(5, "consumers_only", "Passes over a target without a free consumer",
                                          {.sparse = true}),
        field<&RouteRule::targets>(6, "targets", "Who gets them",
                                   {.required = true, .min = 1, .max = kRouteTargetsMost}),
    };
  }
};
using SetRoute = RouteRule;

struct RemoveRoute {
  std::string name{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{.name = "route.remove",
                                           .what = "Ends a rule",
                                           .right = Right::administer,
                                           .where = Where::all,
                                           .http = "DELETE /api/routes/{name}"};
  static constexpr auto fields() {
    return std::array{field<&RemoveRoute::name>(0, "name", "As it was set", {.required = true})};
  }
};

struct RouteStatus {
  RouteRule rule{};
  std::uint64_t routed = 0;  // messages since the server started

  static constexpr auto fields() {
    return std::array{
        fields_of<&RouteStatus::rule>(),
        field<&RouteStatus::routed>(7, "routed", "Messages since the server started", {.merge = Merge::sum}),
    };
  }
};

struct RoutePage {
  std::vector<RouteStatus> routes{};

  static constexpr auto fields() {
    return std::array{field<&RoutePage::routes>(0, "routes", "In the order they are asked",
                                                {.max = 1'000'000, .merge = Merge::by_name})};
  }
};

struct ListRoutes {
  using Answer = RoutePage;
  static constexpr OperationRow kOperation{.name = "route.list",
                                           .what = "Lists the routes",
                                           .right = Right::observe,
                                           .where = Where::all,
                                           .http = "GET /api/routes",
                                           .again = true};
  static constexpr std::array<FieldInfo, 0> fields() { return {}; }
};

}  // namespace folkmoot
