#include "cli/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "cli/guard.hpp"
#include "cli/spawn.hpp"

namespace folkmoot::cli {
namespace {

constexpr int kAskMs = 200;

// The two ends of a pipe, which no other program inherits.
class Pipe {
 public:
  Pipe() { good_ = ::pipe2(ends_, O_CLOEXEC) == 0; }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close(0);
    close(1);
  }
  explicit operator bool() const { return good_; }
  int in() const { return ends_[0]; }
  int out() const { return ends_[1]; }
  void close_in() { close(0); }
  void close_out() { close(1); }

 private:
  void close(int end) {
    if (ends_[end] >= 0) ::close(ends_[end]);
    ends_[end] = -1;
  }
  int ends_[2] = {-1, -1};
  bool good_ = false;
};

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
  Pipe told, held;
  if (!told || !held) return std::unexpected(system_error(ErrorCode::io_error, "a pipe for a command", errno));
  // All of it fits into the pipe: nobody waits for who does not read.
  const auto wrote = ::write(told.out(), input.data(), input.size());
  told.close_out();
  if (wrote != static_cast<ssize_t>(input.size()))
    return failure(ErrorCode::io_error, "the pipe to a command is too small for what it is told");
  const auto pid = spawn("/proc/self/exe", {"folkmoot", std::string(kGuardWord), command},
                         {.in = told.in(), .out = STDERR_FILENO, .third = held.in(), .environment = environment});
  told.close_in();
  held.close_in();
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
      held.close_out();
    }
  }
  if (process >= 0) ::close(process);
  end.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return end;
}

}  // namespace folkmoot::cli
