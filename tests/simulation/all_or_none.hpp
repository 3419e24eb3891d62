// Groups of facts: whatever crashes when, all of one are kept or none.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "engine/fact_log.hpp"
#include "simulation/rules.hpp"
#include "simulation/violation.hpp"

namespace folkmoot::simulation {

class AllOrNone {
 public:
  /// `what` belongs together, in words.
  AllOrNone(std::string_view what, RuleCounts& rules) : what_(what), rules_(rules) {}

  /// What is noted from here to end() belongs together. May be nested.
  void begin() { ++open_; }
  bool is_open() const { return open_ > 0; }
  /// `kept` tells after a crash whether what the fact at `lsn` says was kept.
  void note(Lsn lsn, std::function<bool()> kept) {
    if (open_ == 0) return;
    if (group_.kept.empty()) group_.first = lsn;
    group_.last = lsn;
    group_.kept.push_back(std::move(kept));
  }
  void end() {
    if (--open_ > 0) return;
    if (group_.kept.size() > 1) groups_.push_back(std::move(group_));
    group_ = {};
  }

  void on_durable(Lsn end) {
    std::erase_if(groups_, [&](const Group& group) {
      expect(group.first >= end || group.last < end, "the log is durable to {}, in the middle of a group", end);
      return group.last < end;
    });
  }
  void recovered() {
    for (const auto& group : groups_) {
      const auto kept = std::ranges::count_if(group.kept, [](const auto& each) { return each(); });
      const auto all = static_cast<std::ptrdiff_t>(group.kept.size());
      expect(kept == 0 || kept == all, "of {} facts of {} that belong together, from {} on, a crash left {}", all,
             what_, group.first, kept);
      rules_.saw(kept == 0 ? Rule::group_lost : Rule::group_kept);
    }
    groups_.clear();
    group_ = {};
    open_ = 0;
  }

 private:
  struct Group {
    std::vector<std::function<bool()>> kept;
    Lsn first = 0, last = 0;
  };

  const std::string_view what_;
  RuleCounts& rules_;
  int open_ = 0;
  Group group_;
  std::vector<Group> groups_;
};

}  // namespace folkmoot::simulation
