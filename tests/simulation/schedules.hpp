// Messages that are sent again and again, told plainly: when each is due, how often it went out, and what a crash may
// take back of that.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "simulation/checker.hpp"
#include "simulation/kept.hpp"
#include "simulation/rules.hpp"
#include "simulation/violation.hpp"

namespace folkmoot::simulation {

struct ScheduleSpec {
  std::string name;
  std::int64_t every_ms = 0;
  std::int64_t minutes = 0;  // by a cron expression instead: whenever the minute is a multiple of it
  std::int64_t first_at = 0, until = 0;
  std::uint64_t times = 0;
  std::string topic{};        // empty: to a mailbox
  std::uint64_t content = 0;  // number of the message it sends copies of

  /// The first time after `after` that is later than `now` too; 0: it has ended.
  std::int64_t next_after(std::int64_t after, std::int64_t now) const {
    std::int64_t at = 0;
    if (minutes != 0) {
      at = (std::max(after, now) / (minutes * 60'000) + 1) * minutes * 60'000;
    } else {
      for (at = after + every_ms; at <= now;) at += (now - at) / every_ms * every_ms + every_ms;
    }
    return until != 0 && at > until ? 0 : at;
  }
};

class ScheduleChecker final : public Checker {
 public:
  explicit ScheduleChecker(RuleCounts& rules) : rules_(rules) {}

  /// What is being asked right now.
  const ScheduleSpec* setting = nullptr;
  std::string removing;

  /// A firing: `message` is what it sent to a mailbox, 0 if it could not or sends events.
  struct Firing {
    std::string topic;  // empty: to a mailbox
    std::uint64_t number = 0, fired = 0;
    MessageKey message = 0;
    bool failed = false;
  };

  void on_set(const ScheduleSetFact& fact, Lsn lsn, std::int64_t now);
  void on_removed(std::uint64_t number, Lsn lsn, bool room_refused);
  Firing on_fired(const ScheduleFiredFact& fact, Lsn lsn, std::int64_t now);
  /// A copy of content `content` was accepted: one must be due.
  void on_accepted(std::uint64_t content, MessageKey message, std::int64_t now);
  /// The server says that one could not be sent.
  void failed() { failed_ = true; }
  /// After each command.
  void check(std::int64_t now, bool all_due);
  /// When the first of those that are due is; `now` if none is.
  std::int64_t next_due(std::int64_t now) const {
    auto first = now;
    for (const auto& [name, kept] : by_name_) {
      if (kept.now()) first = std::min(first, kept.now()->next);
    }
    return first;
  }
  /// Takes over what had no room in the log.
  void resync(const Engine& engine) override;

  void after_command(std::int64_t now) override { check(now, false); }
  void on_durable(Lsn end) override;
  void crash() override;
  void on_recovered_fact(FactKind kind, Bytes body) override {
    if (kind != FactKind::schedule_fired) return;
    const auto fact = load<ScheduleFiredFact>(body.data());
    recovered_.insert_or_assign({fact.number, fact.fired}, true);
  }
  bool is_kept(std::uint64_t number, std::uint64_t fired) const { return recovered_.contains({number, fired}); }
  void recovered(Engine& engine, const std::vector<std::string>& names) override;
  /// An event of the schedule goes out: not before the log knows, and never again.
  void sent(std::uint64_t number, std::uint64_t fired);
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& [name, kept] : by_name_) {
      if (kept.now()) names.push_back(name);
    }
    return names;
  }
  bool has(const std::string& name) const { return by_name_.contains(name) && by_name_.at(name).now().has_value(); }

 private:
  struct State {
    std::uint64_t number = 0, left = 0, fired = 0;
    std::int64_t next = 0;
    bool operator==(const State&) const = default;
  };
  using States = std::map<std::string, std::optional<State>>;
  static States told(const Engine& engine);
  std::pair<const std::string, Kept<std::optional<State>>>* find(std::uint64_t number);

  RuleCounts& rules_;
  std::map<std::string, Kept<std::optional<State>>> by_name_;
  std::map<std::uint64_t, ScheduleSpec> specs_;  // by number
  std::map<std::uint64_t, std::uint64_t> sent_;  // by number: the last firing whose event went out
  std::map<std::pair<std::uint64_t, std::uint64_t>, bool> recovered_;
  std::optional<std::pair<std::uint64_t, MessageKey>> message_;  // content and key of one just accepted
  bool failed_ = false;
};

}  // namespace folkmoot::simulation
