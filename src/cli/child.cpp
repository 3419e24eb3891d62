#include "cli/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "cli/spawn.hpp"

namespace folkmoot::cli {
namespace {

constexpr int kAskMs = 200;

// Waits for its end for a moment. False: it runs on.
bool has_ended(pid_t pid, int process, int& status) {
  pollfd waits{process, POLLIN, 0};
  if (process >= 0) {
    ::poll(&waits, 1, kAskMs);
  } else {
    ::usleep(kAskMs * 1'000 / 4);
  }
  const auto ended = ::waitpid(pid, &status, WNOHANG);
  return ended == pid || (ended < 0 && errno != EINTR);
}

}  // namespace

Result<ChildEnd> run_child(const std::string& command, const std::string& input,
                           const std::vector<std::pair<std::string, std::string>>& environment,
                           std::chrono::milliseconds grace, const std::function<bool()>& stop) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return std::unexpected(system_error(ErrorCode::io_error, "a pipe for a command", errno));
  // All of it fits into the pipe: nobody waits for who does not read.
  const auto wrote = ::write(ends[1], input.data(), input.size());
  ::close(ends[1]);
  if (wrote != static_cast<ssize_t>(input.size())) {
    ::close(ends[0]);
    return failure(ErrorCode::io_error, "the pipe to a command is too small for what it is told");
  }
  const auto pid =
      spawn("/bin/sh", {"sh", "-c", command}, {.in = ends[0], .out = STDERR_FILENO, .environment = environment});
  ::close(ends[0]);
  if (!pid) return std::unexpected(pid.error());
  const auto process = static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0));
  ChildEnd end;
  int status = 0;
  std::chrono::steady_clock::time_point killed_at;
  while (!has_ended(*pid, process, status)) {
    const auto now = std::chrono::steady_clock::now();
    if (!end.was_stopped && stop()) {
      end.was_stopped = true;
      killed_at = now + grace;
      ::kill(-*pid, SIGTERM);
    } else if (end.was_stopped && now >= killed_at) {
      ::kill(-*pid, SIGKILL);
    }
  }
  if (process >= 0) ::close(process);
  end.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return end;
}

}  // namespace folkmoot::cli
