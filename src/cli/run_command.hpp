// Runs a shell command with a text on its stdin and takes what it writes to stdout, and the last of what it writes to
// stderr.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace folkmoot::cli {

struct CommandResult {
  std::string output;
  std::string
      errors;      // the end of what it said on stderr: kReasonBytesMax at most, printable, without blanks around it
  int status = 0;  // exit status, or 128 + signal
};

/// `environment` is added to this program's. What it says on stderr goes to this program's as well. When `stop()` turns
/// true (asked a few times a second) the command gets SIGTERM. Errors: io_error, content_too_large (it wrote more than
/// `output_bytes_max` and was stopped), cancelled.
Result<CommandResult> run_command(const std::string& command, const std::string& input,
                                  const std::vector<std::pair<std::string, std::string>>& environment,
                                  std::size_t output_bytes_max, const std::function<bool()>& stop);

}  // namespace folkmoot::cli
