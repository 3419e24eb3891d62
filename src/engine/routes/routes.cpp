#include "engine/routes/routes.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.hpp"
#include "message/pack.hpp"

namespace folkmoot {
namespace {

// A route as its fact has it: a MessagePack list.
std::string pack(const Route& route) {
  std::string out;
  PackWriter writer(out);
  writer.array(7)
      .str(route.name)
      .uint(route.order)
      .uint(static_cast<std::uint64_t>(route.strategy))
      .boolean(route.consumers_only);
  writer.str(route.filter ? std::string_view(route.filter->text()) : "")
      .str(route.hash_on ? std::string_view(route.hash_on->text()) : "");
  writer.array(static_cast<std::uint32_t>(route.targets.size()));
  for (const auto& target : route.targets) writer.array(2).str(target.name).uint(target.weight);
  return out;
}

Result<Route> make_route(const RouteCommand& command) {
  Route route{.name = std::string(command.name),
              .order = command.order,
              .strategy = command.strategy,
              .consumers_only = command.consumers_only,
              .targets = command.targets};
  if (!was_name(command.name)) return failure(ErrorCode::invalid_name, "the route's name is none");
  if (command.targets.empty() || command.targets.size() > kRouteTargetsMax) {
    return failure(ErrorCode::out_of_range, fmt::format("a route has {} targets; 1 to {} are possible",
                                                        command.targets.size(), kRouteTargetsMax));
  }
  for (const auto& target : command.targets) {
    if (!was_name(target.name) || target.name.front() == '@' || target.name.front() == '$') {
      return failure(ErrorCode::invalid_name, fmt::format("`{}` is not a mailbox name", printable(target.name)));
    }
    if (target.weight == 0 || target.weight > kRouteWeightMax) {
      return failure(ErrorCode::out_of_range, fmt::format("the weight of {} is {}; it may be 1 to {}", target.name,
                                                          target.weight, kRouteWeightMax));
    }
  }
  if (!command.filter.empty()) {
    auto filter = Filter::compile(command.filter);
    if (!filter) return std::unexpected(std::move(filter.error()));
    route.filter = std::move(*filter);
  }
  if ((command.strategy == Strategy::hash) == command.hash_on.empty()) {
    return failure(ErrorCode::invalid_field, "`hash_on` goes with the strategy hash, and must be given for it");
  }
  if (!command.hash_on.empty()) {
    auto path = FieldPath::parse(command.hash_on);
    if (!path) return std::unexpected(std::move(path.error()));
    route.hash_on = std::move(*path);
  }
  return route;
}

Result<Route> unpack(Bytes body) {
  PackReader reader(body);
  RouteCommand command;
  if (reader.array() != 7) reader.fail();
  command.name = reader.str();
  command.order = static_cast<std::uint32_t>(reader.uint());
  command.strategy = static_cast<Strategy>(std::min<std::uint64_t>(reader.uint(), std::size(kStrategies) - 1));
  command.consumers_only = reader.boolean();
  command.filter = reader.str();
  command.hash_on = reader.str();
  for (auto count = reader.array(); count-- && reader.ok();) {
    if (reader.array() != 2) reader.fail();
    const auto name = reader.str();
    command.targets.push_back({.name = std::string(name), .weight = static_cast<std::uint32_t>(reader.uint())});
  }
  if (!reader.ok()) return failure(ErrorCode::damaged, "a route_set fact breaks off");
  return make_route(command);
}

}  // namespace

void Routes::set(Asker caller, const RouteCommand& command) {
  auto route = make_route(command);
  if (!route) return replies_.refuse(caller, route.error());
  const auto body = pack(*route);
  const bool is_new = std::ranges::find(routes_, command.name, &Route::name) == routes_.end();
  if (is_new && routes_.size() >= options_.routes_max) {
    return replies_.refuse(caller,
                           {ErrorCode::limit_reached, fmt::format("there are {} routes already", routes_.size())});
  }
  if (!ledger_.has_room(Urgency::durable, body.size())) {
    return replies_.refuse(caller, {ErrorCode::disk_full, fmt::format("no room to keep the route {}", command.name)});
  }
  const auto place = ledger_.note(FactKind::route_set, {as_bytes(body)}, Life::live);
  put(std::move(*route), place);
  ledger_.when_or_now(Durable(place), waiting::Answer{.to = caller});
}

void Routes::put(Route route, FactPlace place) {
  forget(route.name);
  route.place = place;
  const auto before = [](const Route& a, const Route& b) {
    return std::tie(a.order, a.name) < std::tie(b.order, b.name);
  };
  routes_.insert(std::ranges::upper_bound(routes_, route, before), std::move(route));
}

bool Routes::forget(std::string_view name) {
  const auto known = std::ranges::find(routes_, name, &Route::name);
  if (known == routes_.end()) return false;
  ledger_.release(known->place);
  routes_.erase(known);
  return true;
}

void Routes::remove(Asker caller, std::string_view name) {
  if (!ledger_.has_room(Urgency::settling, name.size())) {
    return replies_.refuse(caller, {ErrorCode::disk_full, "no room to note that the route is gone"});
  }
  if (!forget(name)) {
    return replies_.refuse(caller, {ErrorCode::not_found, fmt::format("there is no route {}", printable(name))});
  }
  const auto place = ledger_.note(FactKind::route_removed, {as_bytes(name)});
  ledger_.when_or_now(Durable(place), waiting::Answer{.to = caller});
}

Result<void> Routes::enter(const Fact& fact) {
  if (fact.kind == FactKind::route_removed) {
    forget(as_text(fact.body));
    return {};
  }
  auto route = unpack(fact.body);
  if (!route) return failure(ErrorCode::damaged, route.error().text);
  ledger_.retain(fact.place);
  put(std::move(*route), fact.place);
  return {};
}

bool Routes::keep(const Fact& fact) {
  const auto mine = std::ranges::find(routes_, fact.place, &Route::place);
  if (mine != routes_.end()) ledger_.copy(fact.kind, mine->place, {fact.body});
  return true;
}

void Routes::each(const std::function<void(const Route&)>& each) const {
  for (const auto& route : routes_) each(route);
}

double Routes::load_of(NameId name_id) { return static_cast<double>(vacancies_.load_of(name_id)) + loads_.of(name_id); }

// Which of the targets that can take the message gets it. Requires: there is one.
std::size_t Routes::choose(Route& route, const std::vector<Candidate>& able, const FilterInput& message) {
  switch (route.strategy) {
    case Strategy::round_robin:
      for (;;) {
        route.next = (route.next + 1) % route.targets.size();
        const auto found = std::ranges::find(able, route.next, &Candidate::target);
        if (found != able.end()) return static_cast<std::size_t>(found - able.begin());
      }
    case Strategy::weighted: {
      // Each target gains its weight; the one that has most pays for all.
      std::int64_t sum = 0;
      std::size_t best = 0;
      for (std::size_t i = 0; i < able.size(); ++i) {
        auto& target = route.targets[able[i].target];
        target.turn += target.weight;
        sum += target.weight;
        if (target.turn > route.targets[able[best].target].turn) best = i;
      }
      route.targets[able[best].target].turn -= sum;
      return best;
    }
    case Strategy::least_loaded: {
      const auto least =
          std::ranges::min_element(able, {}, [&](const Candidate& each) { return load_of(each.name_id); });
      return static_cast<std::size_t>(least - able.begin());
    }
    case Strategy::random:
      return run_.chance() % able.size();
    case Strategy::hash: {
      // Rendezvous hashing (Thaler, Ravishankar 1998): the target that scores highest with the field's value.
      const auto value = route.hash_on->read(message);
      const auto score = [&](const Candidate& each) {
        std::string both(value);
        both.append(1, '\0').append(route.targets[each.target].name);
        return siphash128({}, as_bytes(both)).low;
      };
      const auto best = std::ranges::max_element(able, {}, score);
      return static_cast<std::size_t>(best - able.begin());
    }
  }
  return 0;
}

// Finds the recipient of a message that has none. Where no route fits, it is the mailbox of lost ones, dead.
Result<void> Routes::find_route(Prepared& prepared) {
  const auto& message = *prepared.message;
  if (routes_.empty())
    return failure(ErrorCode::no_recipient, "neither `to` nor `topic` is given, and there is no route",
                   "give one of them, or make a route (`folkmoot route add`)");
  const FilterInput input(message.envelope, message.content);
  std::string_view to;
  std::vector<Candidate> able;
  for (auto& route : routes_) {
    if (route.filter && !route.filter->matches(input)) continue;
    able.clear();
    for (std::size_t i = 0; i < route.targets.size(); ++i) {
      const auto name_id = names_.number(route.targets[i].name);
      if (!name_id) continue;
      if (!vacancies_.can_take(*name_id, route.consumers_only)) continue;
      able.push_back({i, *name_id});
    }
    if (able.empty()) continue;  // falls through to the next
    to = route.targets[able[choose(route, able, input)].target].name;
    ++route.routed;
    break;
  }
  if (to.empty()) {
    to = kUnrouted;
    doom(prepared, DeadReason::no_route, "no route fits, or none of its targets can take the message");
  }
  std::string changes;
  PackWriter(changes).map(1).uint(static_cast<std::uint64_t>(Field::to)).str(to);
  return rewrite(prepared, as_bytes(changes));
}

}  // namespace folkmoot
