// Defects that the simulation found, each by the seed that showed it: run first, every time.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace folkmoot::simulation {

struct Scenario {
  std::uint64_t seed = 0;
  std::string_view defect;  // what was wrong in the engine or journal then
};
std::span<const Scenario> scenarios();

}  // namespace folkmoot::simulation
