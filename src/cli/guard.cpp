#include "cli/guard.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string>

#include "cli/exit_status.hpp"
#include "cli/terminal.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::array kForTheCommand = {SIGTERM, SIGINT, SIGHUP};
constexpr int kAskMs = 100;

// In the process that becomes the command.
[[noreturn]] void become(const char* command) {
  for (const auto signal : kForTheCommand) ::signal(signal, SIG_DFL);
  ::close(kGuardFile);
  ::execl("/bin/sh", "sh", "-c", command, nullptr);
  ::_exit(127);
}

// Whatever process group they are in by now: those whose parents are gone are this process's children. Each round may
// bring the children of those that it killed.
void kill_all() {
  const auto self = ::getpid();
  for (;;) {
    std::ifstream children(fmt::format("/proc/{}/task/{}/children", self, self));
    for (pid_t child = 0; children >> child;) ::kill(child, SIGKILL);
    if (::waitpid(-1, nullptr, 0) < 0 && errno == ECHILD) return;
  }
}

}  // namespace

int guard(const char* command) {
  for (const auto signal : kForTheCommand) ::signal(signal, SIG_IGN);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const auto pid = ::fork();
  if (pid == 0) become(command);
  if (pid < 0) {
    tell("folkmoot: no process for a command: {}", std::generic_category().message(errno));
    return static_cast<int>(ExitStatus::failed);
  }
  const auto process = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  std::array<pollfd, 2> waits{{{kGuardFile, POLLIN, 0}, {process, POLLIN, 0}}};
  for (;;) {
    ::poll(waits.data(), waits.size(), process >= 0 ? -1 : kAskMs);
    if (waits[0].revents != 0) {
      ::kill(pid, SIGKILL);
      kill_all();
      return 128 + SIGKILL;
    }
    // Others are what the command has left behind, which is its own affair.
    int status = 0;
    for (pid_t ended = 0; (ended = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (ended == pid) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
  }
}

}  // namespace folkmoot::cli
