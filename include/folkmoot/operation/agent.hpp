// Agents: what they say of themselves.
#pragma once

#include "folkmoot/describe.hpp"

namespace folkmoot {

struct ReportLoad {
  std::uint32_t load = 0;
  std::string agent{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{
      .name = "agent.load",
      .what = "Says how busy an agent is: what strategy least_loaded adds to its mail",
      .right = Right::consume,
      .where = Where::all,
      .http = "PUT /api/agents/{agent}/load",
      .again = true};
  static constexpr auto fields() {
    return std::array{
        field<&ReportLoad::load>(0, "load", "How busy; holds until it says otherwise",
                                 {.max = 1'000'000'000, .unit = "messages"}),
        field<&ReportLoad::agent>(1, "agent", "Whose load it is", {.role = Role::caller}),
    };
  }
};

}  // namespace folkmoot
