#include "simulation/scenarios.hpp"

#include <array>

namespace folkmoot::simulation {

// Taking one of the fixes out makes its seed fail again.
std::span<const Scenario> scenarios() {
  static constexpr std::array<Scenario, 3> kScenarios = {{
      {1, "copying forward put the name of a party behind the messages that use its number, and the log was refused as damaged; "
          "or: lease numbers were given out before the log knew of the run; or: a message was delivered after it had expired; or: "
          "ids were given out again after the clock went back"},
      {2, "a message delivered before a crash came without REDELIVERED after an orderly stop; or: senders did not take turns"},
      {9, "what was copied forward was met late at recovery and went before, or behind, what its sender had sent around it"},
  }};
  return kScenarios;
}

}  // namespace folkmoot::simulation
