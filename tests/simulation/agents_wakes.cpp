// Agents that sleep, and watchers that wake them.
#include <algorithm>

#include "simulation/agents.hpp"

namespace folkmoot::simulation {

void Agents::set_wake(AgentSession& session, const WakeRule& rule) {
  ask(session, Ask::Kind::plain);
  const auto request = session.next_request++;
  model_.checkers.wakes.setting = &rule;
  call([&] { engine_->wakes().set({session.id, request}, rule); });
  model_.checkers.wakes.setting = nullptr;
}

void Agents::remove_wake(AgentSession& session, std::size_t mailbox) {
  const auto& name = model_.names()[mailbox];
  auto& mine = ask(session, Ask::Kind::plain);
  if (!model_.checkers.wakes.has(name)) mine.error = ErrorCode::not_found;
  const auto request = session.next_request++;
  model_.checkers.wakes.removing = name;
  call([&] { engine_->wakes().remove({session.id, request}, name); });
  model_.checkers.wakes.removing.clear();
}

void Agents::take_wakes(AgentSession& session, std::optional<std::size_t> mailbox, std::uint32_t limit,
                        std::int64_t wait_ms, std::int64_t lease_ms) {
  const auto name = mailbox ? model_.names()[*mailbox] : std::string();
  auto& mine = ask(session, Ask::Kind::wakes);
  mine.max = limit;
  mine.deadline = engine_->now().ms + wait_ms;
  mine.lease_ms = lease_ms;
  mine.mailbox = mailbox.value_or(model_.bus());
  const auto request = session.next_request++;
  call([&] {
    engine_->wakes().take({session.id, request},
                          {.fits = [name](std::string_view agent) { return name.empty() || agent == name; },
                           .how = [](WakeHow) { return true; },
                           .limit = limit,
                           .wait_ms = Duration{wait_ms},
                           .lease_ms = Duration{lease_ms},
                           .watcher = "watcher",
                           .agent = name});
  });
}

void Agents::end_wake(AgentSession& session, const std::string& agent, MessageKey token, WakeEnd end) {
  auto& mine = ask(session, Ask::Kind::plain);
  const auto& held = model_.checkers.wakes.held();
  const auto found = held.find(agent);
  if (!model_.checkers.wakes.has(agent)) {
    mine.error = ErrorCode::not_found;
  } else if (found == held.end() || found->second.token != token) {
    mine.error = ErrorCode::lease_lost;
  }
  const auto request = session.next_request++;
  model_.checkers.wakes.ending(agent, token);
  call([&] { engine_->wakes().done({session.id, request}, agent, token, end, "why"); });
}

void Agents::woken(SessionId id, RequestNumber request, std::span<const WokenView> wakes) {
  auto* const session = find(id);
  expect(session != nullptr, "a watcher that is gone is told of wakes");
  const auto mine = take_ask(*session, request);
  expect(mine.kind == Ask::Kind::wakes, "wakes are told to who did not ask");
  expect(wakes.size() <= mine.max, "{} wakes are told to who wants {}", wakes.size(), mine.max);
  for (const auto& each : wakes) {
    const auto& wake = *each.wake;
    expect(mine.mailbox == model_.bus() || model_.names()[mine.mailbox] == wake.rule.agent, "{} is woken for another",
           wake.rule.agent);
    expect(wake.lease_until.ms == 0 || mine.lease_ms != 0, "a lease of {} ends that should not", wake.rule.agent);
    if (wake.count.tries > 0) rules_.saw(Rule::wake_tried_again);
    model_.checkers.wakes.on_woken(wake.rule.agent, wake.token, id, wake.lease_until.ms, wake.count.day);
  }
}

bool Agents::wakes_refused(const Ask& mine, const Error& error) {
  if (mine.kind != Ask::Kind::wakes) return false;
  expect(error.code == ErrorCode::already_exists && mine.mailbox < model_.bus() &&
             engine_->wakes().find(model_.names()[mine.mailbox])->is_taken(),
         "wakes are not given out: {}", error.text);
  rules_.saw(Rule::wake_refused);
  return true;
}

// Called when all is handed out: no watcher waits beside a wake that is due, and none is forgotten.
void Agents::look_at_wakes() {
  const auto now = engine_->now().ms;
  for (std::size_t i = 0; i < model_.bus(); ++i) {
    const auto& name = model_.names()[i];
    const auto* const wake = engine_->wakes().find(name);
    if (wake == nullptr) continue;
    expect(wake->owner == 0 || find(wake->owner) != nullptr, "{} is kept by a watcher that is gone", name);
    std::set<MessageKey> waiting;
    for (const auto key : model_.mailbox(i).ready) {
      const auto* const message = model_.find_key(key);
      if (message != nullptr && message->asked.priority <= wake->rule.priority) waiting.insert(key);
    }
    const auto consumes = [&](const auto& each) {
      return std::ranges::any_of(each.second.consumers, [&](const auto& consumer) {
        return !consumer.second.ended && consumer.second.mailbox == i;
      });
    };
    if (std::ranges::any_of(sessions_, consumes) || model_.disk_limited) waiting.clear();
    model_.checkers.wakes.look(name, waiting, wake->due_at != 0 || wake->is_taken(),
                               std::max(wake->first_at, wake->ended_at).ms, now);
    expect(wake->due_at == 0 || !engine_->wakes().is_watched(*wake) || model_.disk_limited,
           "a watcher waits, and {} is to be woken since {}", name, wake->due_at);
  }
}

}  // namespace folkmoot::simulation
