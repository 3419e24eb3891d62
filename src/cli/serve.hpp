// The subcommands that know a server from within; they have a header of their own, since the modules they need are not
// needed by the others.
#pragma once

#include "cli/command_line.hpp"

namespace folkmoot::cli {

void add_serve(App& app);
void add_doctor(App& app);

}  // namespace folkmoot::cli
