// What agents do: one random operation of all the engine has.
#pragma once

#include "simulation/world.hpp"

namespace folkmoot::simulation {

void one_command(Random& random, const RunOptions& options, Agents& agents, Model& model, Engine& engine);

}  // namespace folkmoot::simulation
