// What the engine shows to whoever looks: mailboxes message by message, dead letters, who takes and holds what; against
// what is known of all that.
#pragma once

#include "simulation/agents.hpp"

namespace folkmoot::simulation {

class ViewChecker {
 public:
  ViewChecker(Model& model, Agents& agents, RuleCounts& rules, Random& random)
      : model_(model), agents_(agents), rules_(rules), random_(random) {}

  void compare(Engine& engine);

 private:
  void compare_peeked(Engine& engine, std::size_t mailbox);
  void compare_dead(Engine& engine, std::size_t mailbox);
  void compare_takers(Engine& engine, std::size_t mailbox);

  Model& model_;
  Agents& agents_;
  RuleCounts& rules_;
  Random& random_;
};

}  // namespace folkmoot::simulation
