// Wakes, told plainly: an agent with mail is always woken within a bound, by one watcher at a time, never in quiet
// hours and never more often than its budget has it, whatever crashes when.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "simulation/checker.hpp"
#include "simulation/kept.hpp"
#include "simulation/rules.hpp"
#include "simulation/violation.hpp"

namespace folkmoot::simulation {

class WakeChecker final : public Checker {
 public:
  explicit WakeChecker(RuleCounts& rules) : rules_(rules) {}

  /// What is being asked right now.
  const WakeRule* setting = nullptr;
  std::string removing;

  /// False if it is none of a wake.
  bool on_fact(FactKind kind, FactPlace place, Bytes body, std::int64_t now) {
    if (kind == FactKind::wake_set) return on_set(body, place.lsn, now), true;
    if (kind == FactKind::wake_removed) return on_removed(std::string(as_text(body)), place.lsn), true;
    return false;
  }
  void on_set(Bytes body, Lsn lsn, std::int64_t now);
  void on_removed(const std::string& agent, Lsn lsn);
  /// Somebody is told to wake it, until its connection ends (`until` 0) or that time. It was counted on a day that may
  /// be over when the log has it.
  void on_woken(const std::string& agent, MessageKey token, SessionId session, std::int64_t until,
                std::int64_t counted_on);
  /// What ends such a lease.
  void closing(SessionId session) {
    std::erase_if(held_, [&](const auto& each) { return each.second.until == 0 && each.second.session == session; });
  }
  void ending(const std::string& agent, MessageKey token) {
    if (const auto found = held_.find(agent); found != held_.end() && found->second.token == token) held_.erase(found);
  }
  void passing(std::int64_t now) {
    const auto over =
        std::erase_if(held_, [&](const auto& each) { return each.second.until != 0 && each.second.until <= now; });
    rules_.saw(Rule::wake_lease_over, over);
  }
  bool is_held(const std::string& agent) const { return held_.contains(agent); }

  bool has(const std::string& agent) const { return agents_.contains(agent) && agents_.at(agent).now().has_value(); }
  std::optional<WakeRule> rule_of(const std::string& agent) const {
    return has(agent) ? std::optional(agents_.at(agent).now()->rule) : std::nullopt;
  }
  /// Who holds wakes: the agent, and under what.
  struct Held {
    MessageKey token = 0;
    SessionId session = 0;
    std::int64_t until = 0;
  };
  const std::map<std::string, Held>& held() const { return held_; }

  /// Everything has been handed out that could be. `waiting`: what it is for and may be taken, if nobody consumes
  /// there. Whether it must be due by now, if the engine has it as due or taken.
  void look(const std::string& agent, const std::set<MessageKey>& waiting, bool is_due_or_taken, std::int64_t anew,
            std::int64_t now);

  void on_durable(Lsn end) override {
    for (auto& [agent, kept] : agents_) kept.on_durable(end);
  }
  void crash() override;
  void recovered(Engine& engine, const std::vector<std::string>& names) override;

 private:
  struct State {
    WakeRule rule;
    WakeCount count;
    bool operator==(const State&) const = default;
  };
  // Messages that wait since then, some of them all the time.
  struct Waiting {
    std::int64_t since = 0;
    std::set<MessageKey> messages;
  };
  struct Day {
    std::int64_t day = 0;
    std::uint32_t told = 0;
  };

  static bool is_quiet(const WakeRule& rule, std::int64_t now);
  std::int64_t day_of(const WakeRule& rule, std::int64_t now) const;

  RuleCounts& rules_;
  std::map<std::string, Kept<std::optional<State>>> agents_;
  std::map<std::string, Held> held_;        // of this life
  std::map<std::string, Day> days_;         // through all lives
  std::map<std::string, Waiting> waiting_;  // of this life
};

}  // namespace folkmoot::simulation
