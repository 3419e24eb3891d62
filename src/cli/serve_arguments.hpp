// The options by which the settings of a server are told, as `folkmoot serve` and `folkmoot doctor` take them.
#pragma once

#include <string>
#include <vector>

#include "cli/cli.hpp"
#include "cli/server_config.hpp"

namespace folkmoot::cli {

struct ServeArguments {
  std::string config_file, data, listen, token, unix_socket, sync, log_level;
  std::vector<std::string> settings;
};

/// Declares them; `arguments` lives as long as the command.
void add_serve_arguments(App& command, ServeArguments& arguments);

/// The settings that a server told this has: defaults, the file, the environment, the flags. Errors: those of
/// set_config() and read_config_file().
Result<ServerConfig> read_settings(const ServeArguments& arguments);

}  // namespace folkmoot::cli
