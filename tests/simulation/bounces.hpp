// Who must hear of which death: each is owed within the group of facts of the death, unless there is no room for it.
#pragma once

#include <optional>
#include <vector>

#include "base/uuid.hpp"
#include "simulation/rules.hpp"
#include "simulation/violation.hpp"

namespace folkmoot::simulation {

struct OwedBounce {
  std::uint64_t number = 0;  // of the dead message
  Uuid id;
  std::size_t to = 0;        // mailbox
  std::size_t promised = 0;  // messages that room in that mailbox was found for, and that have not come yet
};

class BounceChecker {
 public:
  explicit BounceChecker(RuleCounts& rules) : rules_(rules) {}

  void owe(const OwedBounce& bounce) { owed_.push_back(bounce); }
  /// The server writes to mailbox `to` because of `cause`.
  OwedBounce came(const Uuid& cause, std::size_t to) {
    const auto owed = std::ranges::find(owed_, cause, &OwedBounce::id);
    expect(owed != owed_.end(), "somebody is told of a death that was not, or twice: {} ({} owed)", cause.text(),
           owed_.size());
    expect(owed->to == to, "of the death of {} another is told", owed->number);
    const auto bounce = *owed;
    owed_.erase(owed);
    rules_.saw(Rule::bounced);
    return bounce;
  }
  void crash() { owed_.clear(); }
  /// The group of facts ends. `has_room(bounce)`: the mailbox and the disk had room.
  template <class HasRoom>
  void end(HasRoom has_room) {
    for (const auto& owed : owed_) {
      expect(!has_room(owed), "nobody was told that {} is dead", owed.number);
      rules_.saw(Rule::bounce_without_room);
    }
    owed_.clear();
  }

 private:
  RuleCounts& rules_;
  std::vector<OwedBounce> owed_;
};

}  // namespace folkmoot::simulation
