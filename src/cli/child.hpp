// A command that runs beside this program: told what for on its stdin, watched until it ends.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace folkmoot::cli {

struct ChildEnd {
  int status = 0;  // exit status, or 128 + signal
  bool was_stopped = false;
};

/// Runs `command` by /bin/sh, in a process group of its own, under a guard (guard.hpp), so that it does not outlive
/// this program; `input` (64 KiB at most) is on its stdin, and what it writes goes to this program's stderr. When
/// `stop()` turns true (asked a few times a second) its group gets SIGTERM, and when `grace` is over it is killed with
/// all that came of it. Errors: io_error.
Result<ChildEnd> run_child(const std::string& command, const std::string& input,
                           const std::vector<std::pair<std::string, std::string>>& environment,
                           std::chrono::milliseconds grace, const std::function<bool()>& stop);

}  // namespace folkmoot::cli
