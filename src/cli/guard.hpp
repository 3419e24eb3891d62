// A process that stands between a program and a command that it runs, so that the command does not outlive the program,
// however that ends. It is this program, started again: what it does has to be done without the threads and the
// connections of the one that starts it.
#pragma once

#include <string_view>

namespace folkmoot::cli {

/// `folkmoot --guard COMMAND` is guard(COMMAND): not for people, and not in --help.
constexpr std::string_view kGuardWord = "--guard";
/// The open file by which the program that started it holds the command: when it is closed, that program is gone.
constexpr int kGuardFile = 3;

/// Runs `command` by /bin/sh until it ends: its exit status, or 128 + signal. SIGTERM, SIGINT and SIGHUP are for the
/// command alone. When kGuardFile is closed first, kills the command and all that came of it.
int guard(const char* command);

}  // namespace folkmoot::cli
