#include <ranges>

#include "base/utf8.hpp"
#include "server/operations/call.hpp"

namespace folkmoot {

static_assert(kRouteTargetsMost == kRouteTargetsMax && kRouteWeightMost == kRouteWeightMax);
static_assert(std::ranges::equal(kRouteStrategyWords, kStrategies));

Result<void> carry_out(const Call& call, const SetRoute& arguments) {
  RouteCommand command{.name = arguments.name,
                       .order = arguments.order,
                       .filter = arguments.filter,
                       .strategy = static_cast<Strategy>(arguments.strategy),
                       .hash_on = arguments.hash_on,
                       .consumers_only = arguments.consumers_only};
  bool is_safe = !has_c1(arguments.name);
  for (const auto& target : arguments.targets) {
    command.targets.push_back({.name = target.name, .weight = target.weight});
    is_safe = is_safe && !has_c1(target.name);
  }
  if (!is_safe) return failure(ErrorCode::invalid_name, "a name holds a control character (U+0080-009F)");
  call.engine.routes().set({call.session, call.request}, command);
  return {};
}

Result<void> carry_out(const Call& call, const RemoveRoute& arguments) {
  call.engine.routes().remove({call.session, call.request}, arguments.name);
  return {};
}

Result<void> carry_out(const Call& call, const ListRoutes&) {
  RoutePage page;
  call.engine.routes().each([&](const Route& route) {
    auto& row = page.routes.emplace_back();
    row.rule = {.name = route.name,
                .order = route.order,
                .filter = route.filter ? std::string(route.filter->text()) : std::string(),
                .strategy = static_cast<RouteStrategy>(route.strategy),
                .hash_on = route.hash_on ? std::string(route.hash_on->text()) : std::string(),
                .consumers_only = route.consumers_only};
    for (const auto& target : route.targets) row.rule.targets.push_back({target.name, target.weight});
    row.routed = route.routed;
  });
  return call.answer(page);
}

}  // namespace folkmoot
