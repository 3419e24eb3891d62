#include "simulation/schedules.hpp"

namespace folkmoot::simulation {

std::pair<const std::string, Kept<std::optional<ScheduleChecker::State>>>* ScheduleChecker::find(std::uint64_t number) {
  for (auto& each : by_name_) {
    if (each.second.now() && each.second.now()->number == number) return &each;
  }
  return nullptr;
}

void ScheduleChecker::on_set(const ScheduleSetFact& fact, Lsn lsn, std::int64_t now) {
  const State state{fact.number, fact.left, fact.fired, fact.next.ms};
  if (auto* const known = find(fact.number)) {  // copied forward
    expect(known->second.now() == state, "the copy of schedule {} says something else", known->first);
    return known->second.say(state, lsn);
  }
  expect(setting != nullptr, "a schedule was set that nobody asked for");
  const auto first = setting->first_at != 0 ? setting->first_at : setting->next_after(now, now);
  expect(state.fired == 0 && state.left == setting->times && state.next == first,
         "schedule {} begins at {} instead of {}", setting->name, state.next, first);
  specs_[fact.number] = *setting;
  sent_.erase(fact.number);
  by_name_[setting->name].say(state, lsn);
  rules_.saw(Rule::schedule_set);
}

void ScheduleChecker::on_removed(std::uint64_t number, Lsn lsn, bool room_refused) {
  auto* const known = find(number);
  if (known == nullptr) return;  // it has ended
  // One that another takes the place of is gone with the fact that sets that one.
  if (setting != nullptr && setting->name == known->first) return;
  // Its last firing may not have had room, and this shorter fact has.
  expect(removing == known->first || room_refused, "schedule {} was removed and nobody asked for it", known->first);
  known->second.say(std::nullopt, lsn);
}

ScheduleChecker::Firing ScheduleChecker::on_fired(const ScheduleFiredFact& fact, Lsn lsn, std::int64_t now) {
  auto* const known = find(fact.number);
  expect(known != nullptr, "a schedule fired that there is not");
  const auto was = *known->second.now();
  const auto& spec = specs_.at(fact.number);
  expect(was.next <= now, "schedule {} fired at {}; it is due at {}", known->first, now, was.next);
  const State is{fact.number, was.left > 0 ? was.left - 1 : 0, was.fired + 1,
                 was.left == 1 ? 0 : spec.next_after(was.next, now)};
  expect(State{fact.number, fact.left, fact.fired, fact.next.ms} == is,
         "schedule {} comes next at {} instead of {}, {} times left instead of {}", known->first, fact.next, is.next,
         fact.left, is.left);
  Firing firing{.topic = spec.topic, .number = fact.number, .fired = fact.fired, .message = 0, .failed = failed_};
  if (message_) {
    expect(message_->first == spec.content && spec.topic.empty(), "schedule {} sent another's message", known->first);
    firing.message = message_->second;
    message_.reset();
  }
  expect(!failed_ || firing.message == 0, "schedule {} sent its message and is said to have failed", known->first);
  failed_ = false;
  if (is.next != 0) {
    known->second.say(is, lsn);
  } else {
    known->second.say(std::nullopt, lsn);
    rules_.saw(Rule::schedule_ended);
  }
  rules_.saw(Rule::schedule_fired);
  return firing;
}

void ScheduleChecker::on_accepted(std::uint64_t content, MessageKey message, std::int64_t now) {
  expect(!message_, "two messages of a schedule at once");
  for (const auto& [name, kept] : by_name_) {
    if (!kept.now() || specs_.at(kept.now()->number).content != content) continue;
    expect(kept.now()->next <= now, "schedule {} sends at {}, and is due at {}", name, now, kept.now()->next);
    message_ = {content, message};
    return;
  }
  expect(false, "a message was sent again, and no schedule says so");
}

void ScheduleChecker::check(std::int64_t now, bool all_due) {
  expect(!message_, "a schedule sent its message, and did not note it");
  failed_ = false;
  if (!all_due) return;
  for (const auto& [name, kept] : by_name_) {
    expect(!kept.now() || kept.now()->next > now, "schedule {} should have fired at {}, and it is {}", name,
           kept.now()->next, now);
  }
}

ScheduleChecker::States ScheduleChecker::told(const Engine& engine) {
  States states;
  engine.schedules().each(
      [&](const Schedule& each) { states[each.name] = State{each.number, each.left, each.fired, each.next.ms}; });
  return states;
}

void ScheduleChecker::resync(const Engine& engine) {
  auto states = told(engine);
  for (auto& [name, kept] : by_name_) {
    if (kept.now() != states[name]) kept.say(states[name], 0);
  }
}

void ScheduleChecker::on_durable(Lsn end) {
  for (auto& [name, kept] : by_name_) kept.on_durable(end);
}

void ScheduleChecker::crash() {
  setting = nullptr;
  removing.clear();
  recovered_.clear();
  message_.reset();
  failed_ = false;
}

void ScheduleChecker::recovered(Engine& engine, const std::vector<std::string>&) {
  auto states = told(engine);
  for (auto& [name, kept] : by_name_) {
    const auto& state = states[name];
    expect(kept.may_be(state), "after the crash schedule {} {}; it fired {} times before", name,
           state ? fmt::format("fired {} times, next at {}", state->fired, state->next) : "is gone",
           kept.now() ? kept.now()->fired : 0);
    if (state) {
      expect(!sent_.contains(state->number) || sent_[state->number] <= state->fired,
             "schedule {} has forgotten that an event of it went out", name);
      rules_.saw(Rule::schedule_kept);
    }
    kept.recovered(state);
  }
  expect(states.size() == by_name_.size(), "after the crash there are schedules that nobody set");
}

void ScheduleChecker::sent(std::uint64_t number, std::uint64_t fired) {
  expect(sent_[number] < fired, "event {} of a schedule went out twice", fired);
  sent_[number] = fired;
  rules_.saw(Rule::schedule_event);
}

}  // namespace folkmoot::simulation
