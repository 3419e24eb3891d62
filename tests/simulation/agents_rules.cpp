// What agents have the server keep beside messages: schedules, routes, and who may do what.
#include "simulation/agents.hpp"

namespace folkmoot::simulation {

void Agents::set_schedule(AgentSession& session, ScheduleSpec spec, const Published& asked) {
  Written written;
  if (spec.topic.empty()) {
    spec.content = model_.add(asked);
    model_.published(spec.content).scheduled = true;
    promises_.publishing(spec.content, model_.published(spec.content), engine_->now().ms);
    written = write(asked, spec.content, 8, asked.once ? std::optional(DeliveryMode::at_most_once) : std::nullopt);
  } else {
    Message event;
    event.from = model_.names()[asked.sender];
    event.topic = spec.topic;
    written = write(event, 0, 8);
  }
  const auto cron = spec.minutes == 0 ? "" : fmt::format("*/{} * * * *", spec.minutes);
  const ScheduleCommand command{.name = spec.name,
                                .cron = cron,
                                .every_ms = Duration{spec.every_ms},
                                .first_at = Instant{spec.first_at},
                                .until = Instant{spec.until},
                                .times = spec.times};
  const auto now = engine_->now().ms;
  const auto first = spec.first_at != 0 ? spec.first_at : spec.next_after(now, now);
  const bool never = first == 0 || (spec.first_at != 0 && spec.first_at <= now) ||
                     (spec.until != 0 && (spec.until <= now || first > spec.until));
  auto& mine = ask(session, Ask::Kind::plain);
  if (never) mine.error = ErrorCode::invalid_field;
  const auto request = session.next_request++;
  model_.checkers.schedules.setting = &spec;
  call([&] { engine_->set_schedule(session.id, request, command, at_rest(written)); });
  model_.checkers.schedules.setting = nullptr;
}

void Agents::remove_schedule(AgentSession& session, const std::string& name) {
  auto& mine = ask(session, Ask::Kind::plain);
  if (!model_.checkers.schedules.has(name)) mine.error = ErrorCode::not_found;
  const auto request = session.next_request++;
  model_.checkers.schedules.removing = name;
  call([&] { engine_->schedules().remove({session.id, request}, name); });
  model_.checkers.schedules.removing.clear();
}

void Agents::set_route(AgentSession& session, const std::string& name, const RouteSpec& spec) {
  ask(session, Ask::Kind::plain);
  const auto request = session.next_request++;
  const auto filter = RouteChecker::filter(spec.priority_max);
  RouteCommand command{.name = name,
                       .order = spec.order,
                       .filter = filter,
                       .targets = {},
                       .strategy = spec.strategy,
                       .hash_on = spec.strategy == Strategy::hash ? "priority" : "",
                       .consumers_only = spec.consumers_only};
  for (const auto& [mailbox, weight] : spec.targets)
    command.targets.push_back({.name = model_.names()[mailbox], .weight = weight});
  model_.checkers.routes.setting = name;
  model_.checkers.routes.spec = spec;
  call([&] { engine_->routes().set({session.id, request}, command); });
  model_.checkers.routes.setting.clear();
}

void Agents::remove_route(AgentSession& session, const std::string& name) {
  auto& mine = ask(session, Ask::Kind::plain);
  if (!model_.checkers.routes.has(name)) mine.error = ErrorCode::not_found;
  const auto request = session.next_request++;
  model_.checkers.routes.removing = name;
  call([&] { engine_->routes().remove({session.id, request}, name); });
  model_.checkers.routes.removing.clear();
}

void Agents::keep(AgentSession& session, bool is_there, const std::function<void(Engine&, Asker)>& ask_for_it) {
  auto& mine = ask(session, Ask::Kind::plain);
  if (!is_there) mine.error = ErrorCode::not_found;
  const auto request = session.next_request++;
  call([&] { ask_for_it(*engine_, {session.id, request}); });
}

}  // namespace folkmoot::simulation
