#include "simulation/wakes.hpp"

#include <algorithm>

#include "engine/wakes/wake_rule.hpp"

namespace folkmoot::simulation {

bool WakeChecker::is_quiet(const WakeRule& rule, std::int64_t now) {
  if (rule.quiet_from == rule.quiet_to) return false;
  const auto minute = PosixTz::parse(rule.tz)->local(Instant{now}).second / 60;
  const bool is_behind_from = minute >= rule.quiet_from, is_before_to = minute < rule.quiet_to;
  return rule.quiet_from < rule.quiet_to ? is_behind_from && is_before_to : is_behind_from || is_before_to;
}

std::int64_t WakeChecker::day_of(const WakeRule& rule, std::int64_t now) const {
  return PosixTz::parse(rule.tz)->local(Instant{now}).day;
}

void WakeChecker::on_set(Bytes body, Lsn lsn, std::int64_t now) {
  State state;
  expect(unpack_wake(body, state.rule, state.count).has_value(), "a wake's fact does not parse");
  const auto agent = state.rule.agent;
  auto& kept = agents_[agent];
  const auto was = kept.now();
  if (setting != nullptr && state.rule == *setting && state.count.first_try == 0 && state.count.tries == 0) {
    kept.say(state, lsn);
    waiting_.erase(agent);
    return rules_.saw(Rule::wake_set);
  }
  expect(was.has_value(), "a wake was set for {} and nobody asked for it", agent);
  expect(state.rule == was->rule, "the wake of {} was set to something that nobody asked for", agent);
  if (state == *was) return kept.say(state, lsn);  // copied forward
  // It is given out: counted, before anybody is told.
  expect(state.count.woken_at.ms == now, "{} is woken at {}, and it is {}", agent, state.count.woken_at, now);
  expect(!held_.contains(agent), "{} is woken for a second watcher while the first has it", agent);
  expect(!is_quiet(state.rule, now), "{} is woken in its quiet hours", agent);
  const auto day = std::max(day_of(state.rule, now), was->count.day);
  expect(state.count.day == day, "{} is woken on day {} and counted on {}", agent, day, state.count.day);
  expect(state.rule.budget == 0 || state.count.woken <= state.rule.budget,
         "{} is woken {} times a day; its budget is {}", agent, state.count.woken, state.rule.budget);
  expect(state.count.first_try != 0, "{} is woken without an id", agent);
  kept.say(state, lsn);
}

void WakeChecker::on_removed(const std::string& agent, Lsn lsn) {
  expect(removing == agent, "the wake of {} was removed and nobody asked for it", agent);
  agents_[agent].say(std::nullopt, lsn);
  held_.erase(agent);
  waiting_.erase(agent);
  days_.erase(agent);
}

void WakeChecker::on_woken(const std::string& agent, MessageKey token, SessionId session, std::int64_t until,
                           std::int64_t counted_on) {
  expect(has(agent), "{} is woken, and no wake is set for it", agent);
  expect(!held_.contains(agent), "{} is woken by two watchers at once", agent);
  held_[agent] = {token, session, until};
  auto& day = days_[agent];
  // Clocks that were set back do not give a day its budget twice.
  if (counted_on > day.day) day = {counted_on, 0};
  ++day.told;
  rules_.saw(Rule::wake_taken);
}

// What the engine may wait for, at most: the batch, and the longest back-off. Then only quiet hours and the budget keep
// it, and each of them is over at a time that is known here too. Between two looks all may have gone and others come,
// or the same come back: then the engine counts anew, as it does when
// a wake has ended of which nobody was told. `anew`: since when.
void WakeChecker::look(const std::string& agent, const std::set<MessageKey>& waiting, bool is_due_or_taken,
                       std::int64_t anew, std::int64_t now) {
  if (!has(agent) || waiting.empty() || is_held(agent)) {
    waiting_.erase(agent);
    return;
  }
  auto& known = waiting_[agent];
  std::erase_if(known.messages, [&](MessageKey key) { return !waiting.contains(key); });
  if (known.messages.empty()) known = {now, waiting};
  const auto since = std::max(known.since, anew);
  const auto& [rule, count] = *agents_.at(agent).now();
  if (now - since < rule.batch_wait.ms + rule.retry_max_ms.ms + kRetryMs.ms) return;
  if (is_quiet(rule, now)) return rules_.saw(Rule::wake_quiet);
  if (rule.budget != 0 && count.woken >= rule.budget && day_of(rule, now) <= count.day)
    return rules_.saw(Rule::wake_budget_spent);
  expect(is_due_or_taken, "mail has waited for {} since {}, and at {} it is not to be woken", agent, since, now);
  rules_.saw(Rule::wake_in_time);
}

void WakeChecker::crash() {
  setting = nullptr;
  removing.clear();
  held_.clear();
  waiting_.clear();
}

void WakeChecker::recovered(Engine& engine, const std::vector<std::string>&) {
  std::size_t there = 0;
  for (auto& [agent, kept] : agents_) {
    const auto* const wake = engine.wakes().find(agent);
    const auto told = wake != nullptr ? std::optional(State{wake->rule, wake->count}) : std::nullopt;
    expect(kept.may_be(told), "after the crash the wake of {} is none of those it may be", agent);
    if (told) {
      ++there;
      rules_.saw(Rule::wake_kept);
      // What somebody was told is counted: its fact was durable before. Only one without a budget is woken without
      // room for that, and a budget that is set later begins with what is known.
      auto& day = days_[agent];
      if (told->rule.budget == 0) day.told = std::min(day.told, told->count.woken);
      expect(told->rule.budget == 0 || told->count.day > day.day || told->count.woken >= day.told ||
                 told->count.day < day.day,
             "after the crash {} was woken {} times, and {} were told", agent, told->count.woken, day.told);
    } else {
      days_.erase(agent);
    }
    kept.recovered(told);
  }
  std::size_t all = 0;
  engine.wakes().each([&](const Wake&, const WaitingMail&) { ++all; });
  expect(all == there, "after the crash there are wakes that nobody set");
}

}  // namespace folkmoot::simulation
