// Calls about routes, and how busy agents say they are.
#include <fmt/format.h>

#include <algorithm>

#include "message/json_writer.hpp"
#include "server/call.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kFilterBytesMax = 4096;
constexpr std::uint64_t kOrderMax = 1'000'000;

// "a" or {"name":"a","weight":3}
bool read_target(const JsonElement& value, RouteTarget& target) {
  std::string_view name;
  if (!value.get(name)) {
    target.name = name;
    return true;
  }
  if (!value.is_object()) return false;
  JsonFields fields(value);
  fields.refuse_others("name weight");
  target.name = fields.required_text("name");
  target.weight = static_cast<std::uint32_t>(fields.number("weight", 1, 1, kRouteWeightMax));
  return fields.result().has_value();
}

void read_targets(JsonFields& fields, std::vector<RouteTarget>& targets) {
  constexpr std::string_view kAllowed =
      "`targets` is a list of mailbox names, or of {\"name\":..,\"weight\":1 to 1000}";
  const auto value = fields.find("targets");
  if (!value || !value->is_array() || simdjson::dom::array(*value).size() > kRouteTargetsMax) {
    return fields.refuse(ErrorCode::invalid_field, std::string(kAllowed));
  }
  for (const auto each : simdjson::dom::array(*value)) {
    if (!read_target(each, targets.emplace_back()))
      return fields.refuse(ErrorCode::invalid_field, std::string(kAllowed));
  }
}

}  // namespace

Result<void> set_route(const Call& call) {
  auto& fields = call.arguments;
  RouteCommand command{.name = fields.required_text("name"),
                       .order = static_cast<std::uint32_t>(fields.number("order", 100, 0, kOrderMax)),
                       .filter = fields.text("filter", kFilterBytesMax),
                       .hash_on = fields.text("hash_on"),
                       .consumers_only = fields.flag("consumers_only")};
  read_targets(fields, command.targets);
  if (const auto word = fields.text("strategy"); !word.empty()) {
    const auto* const known = std::ranges::find(kStrategies, word);
    if (known == std::end(kStrategies)) {
      fields.refuse(ErrorCode::invalid_field,
                    fmt::format("`strategy` is `{}`; it may be {}", word, fmt::join(kStrategies, ", ")));
    } else {
      command.strategy = static_cast<Strategy>(known - std::begin(kStrategies));
    }
  }
  if (!fields.result()) return wrong(fields);
  call.engine.set_route(call.session, call.request, command);
  return {};
}

Result<void> remove_route(const Call& call) {
  const auto name = call.arguments.required_text("name");
  if (!call.arguments.result()) return wrong(call.arguments);
  call.engine.remove_route(call.session, call.request, name);
  return {};
}

Result<void> list_routes(const Call& call) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("routes").begin_array();
  call.engine.each_route([&](const Route& route) {
    json.begin_object().field("name", route.name).field("order", route.order).field("strategy", name(route.strategy));
    if (route.filter) json.field("filter", route.filter->text());
    if (route.hash_on) json.field("hash_on", route.hash_on->text());
    if (route.consumers_only) json.field("consumers_only", true);
    json.key("targets").begin_array();
    for (const auto& target : route.targets) {
      json.begin_object().field("name", target.name).field("weight", target.weight).end_object();
    }
    json.end_array().field("routed", route.routed).end_object();
  });
  json.end_array().end_object();
  return call.answer(out);
}

Result<void> report_load(const Call& call) {
  const auto load = call.arguments.number("load", 0, 0, 1'000'000'000);
  const auto agent = call.arguments.text("agent");
  if (!call.arguments.result()) return wrong(call.arguments);
  call.engine.report_load(call.session, call.request, agent, static_cast<double>(load));
  return {};
}

}  // namespace folkmoot
