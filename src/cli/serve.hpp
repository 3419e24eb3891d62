// folkmoot serve (its own header: the rooms it needs are not needed by the other subcommands).
#pragma once

#include <CLI/CLI.hpp>

namespace folkmoot::cli {

void add_serve(CLI::App& app);

}  // namespace folkmoot::cli
