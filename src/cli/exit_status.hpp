// What the program's exit status says, so that a script can act on it without reading texts.
#pragma once

#include <string>

#include "folkmoot/error.hpp"

namespace folkmoot::cli {

enum class ExitStatus : int {
  done = 0,
  failed = 1,       // refused by the server, or it went wrong here
  usage = 2,        // the command, an argument or a setting cannot be
  nothing = 3,      // no mail
  timed_out = 4,    // what was waited for did not come in time
  unreachable = 5,  // no server answers there
};

ExitStatus exit_status(ErrorCode code);

/// The table under `folkmoot --help`, as docs/troubleshooting.md has it.
std::string exit_status_help();

}  // namespace folkmoot::cli
