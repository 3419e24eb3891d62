#include "cli/run_command.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cli/spawn.hpp"

namespace folkmoot::cli {
namespace {

constexpr int kAskMs = 200;
constexpr int kEndMs = 3'000;

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { close(); }
  void set(int fd) { close(), fd_ = fd; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  operator int() const { return fd_; }  // NOLINT(google-explicit-constructor)

 private:
  int fd_;
};

std::unexpected<Error> system_failed(std::string_view doing, int error) {
  return failure(ErrorCode::io_error, fmt::format("{}: {}", doing, std::strerror(error)));
}

// Waits for the command's end; one that was told to end and does not gets SIGKILL in the end.
int wait_for_end(pid_t pid, bool told_to_end) {
  int status = 0;
  for (int waited_ms = 0;; waited_ms += 10) {
    const auto ended = ::waitpid(pid, &status, told_to_end ? WNOHANG : 0);
    if (ended == pid) return status;
    if (ended < 0 && errno != EINTR) return 0;
    if (!told_to_end) continue;
    ::usleep(10'000);
    if (waited_ms == kEndMs) ::kill(-pid, SIGKILL);
  }
}

}  // namespace

Result<CommandResult> run_command(const std::string& command, const std::string& input,
                                  const std::vector<std::pair<std::string, std::string>>& environment,
                                  std::size_t output_bytes_max, const std::function<bool()>& stop) {
  // A command that does not read its stdin must not end this program.
  sigset_t pipe_signal;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_signal, nullptr);

  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0) return system_failed("making a pipe", errno);
  Fd child_in(in[0]), to_child(in[1]);
  if (::pipe2(out, O_CLOEXEC) != 0) return system_failed("making a pipe", errno);
  Fd from_child(out[0]), child_out(out[1]);
  const auto spawned =
      spawn("/bin/sh", {"sh", "-c", command}, {.in = child_in, .out = child_out, .environment = environment});
  if (!spawned) return std::unexpected(spawned.error());
  const auto pid = *spawned;
  child_in.close();
  child_out.close();
  ::fcntl(to_child, F_SETFL, O_NONBLOCK);

  CommandResult result;
  std::optional<Error> stopped;
  std::string_view left = input;
  if (left.empty()) to_child.close();
  while (from_child >= 0 && !stopped) {
    pollfd polled[2] = {{from_child, POLLIN, 0}, {to_child, POLLOUT, 0}};
    ::poll(polled, 2, kAskMs);
    if (stop()) stopped = Error{ErrorCode::cancelled, "the command was stopped"};
    if (polled[1].revents != 0) {
      const auto wrote = ::write(to_child, left.data(), left.size());
      if (wrote > 0) left.remove_prefix(static_cast<std::size_t>(wrote));
      if (left.empty() || (wrote < 0 && errno != EAGAIN && errno != EINTR)) to_child.close();
    }
    if (polled[0].revents != 0) {
      char block[64 * 1024];
      const auto got = ::read(from_child, block, sizeof block);
      if (got == 0 || (got < 0 && errno != EINTR)) from_child.close();
      if (got > 0) result.output.append(block, static_cast<std::size_t>(got));
    }
    if (result.output.size() > output_bytes_max) {
      stopped =
          Error{ErrorCode::content_too_large, fmt::format("the command wrote more than {} bytes", output_bytes_max)};
    }
  }
  to_child.close();
  from_child.close();
  if (stopped) ::kill(-pid, SIGTERM);
  const int status = wait_for_end(pid, stopped.has_value());
  if (stopped) return std::unexpected(std::move(*stopped));
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace folkmoot::cli
