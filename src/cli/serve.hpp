// folkmoot serve (its own header: the modules it needs are not needed by the other subcommands).
#pragma once

#include "cli/command_line.hpp"

namespace folkmoot::cli {

void add_serve(App& app);

}  // namespace folkmoot::cli
