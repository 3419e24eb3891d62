// Groups of facts: whatever crashes when, all of one are kept or none.
#pragma once

#include <functional>
#include <vector>

#include "engine/fact_log.hpp"
#include "simulation/rules.hpp"
#include "simulation/violation.hpp"

namespace folkmoot::simulation {

class AllOrNone {
 public:
  explicit AllOrNone(RuleCounts& rules) : rules_(rules) {}

  /// What comes and goes from here to end() belongs together. May be nested.
  void begin() { ++open_; }
  void came(MessageKey message, Lsn lsn) { note(lsn, &Group::came, message); }
  void went(MessageKey message, Lsn lsn) { note(lsn, &Group::went, message); }
  void end() {
    if (--open_ > 0) return;
    if (group_.came.size() + group_.went.size() > 1) groups_.push_back(group_);
    group_ = {};
  }

  void on_durable(Lsn end) {
    std::erase_if(groups_, [&](const Group& group) {
      expect(group.first >= end || group.last < end, "the log is durable to {}, in the middle of a group", end);
      return group.last < end;
    });
  }
  /// After a crash. `is_here`: whether the log has the message, not settled.
  void recovered(const std::function<bool(MessageKey)>& is_here) {
    for (const auto& group : groups_) {
      std::size_t kept = 0;
      for (const auto message : group.came) kept += is_here(message);
      for (const auto message : group.went) kept += !is_here(message);
      const auto all = group.came.size() + group.went.size();
      expect(kept == 0 || kept == all, "of {} that were to happen together, a crash left {}", all, kept);
      rules_.saw(kept == 0 ? Rule::group_lost : Rule::group_kept);
    }
    groups_.clear();
    group_ = {};
    open_ = 0;
  }

 private:
  struct Group {
    std::vector<MessageKey> came, went;
    Lsn first = 0, last = 0;
  };
  void note(Lsn lsn, std::vector<MessageKey> Group::*list, MessageKey message) {
    if (open_ == 0) return;
    if (group_.first == 0) group_.first = lsn;
    group_.last = lsn;
    (group_.*list).push_back(message);
  }

  RuleCounts& rules_;
  int open_ = 0;
  Group group_;
  std::vector<Group> groups_;
};

}  // namespace folkmoot::simulation
