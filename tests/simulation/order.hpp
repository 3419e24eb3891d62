// Checks the order in which a mailbox hands out: by priority; within one, senders in turns; each sender's messages as
// they were accepted, also those that came back or late.
#pragma once

#include "simulation/model.hpp"

namespace folkmoot::simulation {

class OrderChecker {
 public:
  OrderChecker(Model& model, RuleCounts& rules) : model_(model), rules_(rules) {}

  /// `message` leaves its lane now. Requires: it is ready.
  void on_popped(const ModelMessage& message);
  /// Turns begin anew.
  void crash() { last_turn_.clear(); }

 private:
  struct Queue {
    std::size_t mailbox = 0, sender = 0;
    Priority priority = 0;
    auto operator<=>(const Queue&) const = default;
  };

  Model& model_;
  RuleCounts& rules_;
  std::map<Queue, std::uint64_t> last_turn_;  // when this sender's turn was
};

}  // namespace folkmoot::simulation
