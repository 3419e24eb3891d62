// Starts a program: no signal blocked, in a process group of its own, so that stopping the group stops what it started
// as well.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace folkmoot::cli {

struct SpawnOptions {
  int in = -1;                                                     // its stdin; -1: this program's
  int out = -1;                                                    // its stdout; -1: /dev/null
  int err = -1;                                                    // its stderr; -1: this program's
  int third = -1;                                                  // another open file, as number 3; -1: none
  std::vector<std::pair<std::string, std::string>> environment{};  // beside this program's
};

/// `program` is a path, `words` its arguments from argv[0] on. It inherits stderr, if that is not given, and what is
/// given, and no other open file: above all no connection, which would outlive this program, and what was leased to it
/// would not be given back. Errors: io_error.
Result<pid_t> spawn(const std::string& program, std::vector<std::string> words, const SpawnOptions& options);

}  // namespace folkmoot::cli
