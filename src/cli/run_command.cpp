#include "cli/run_command.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/utf8.hpp"
#include "cli/spawn.hpp"
#include "message/limits.hpp"

namespace folkmoot::cli {
namespace {

constexpr int kAskAgainMs = 200;
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

// Keeps the end of what a command says on stderr, and passes all of it on.
class Errors {
 public:
  void take(std::string_view said) {
    for (auto left = said; !left.empty();) {
      const auto wrote = ::write(STDERR_FILENO, left.data(), left.size());
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) break;  // nobody to say it to
      left.remove_prefix(static_cast<std::size_t>(wrote));
    }
    kept_.append(said);
    if (kept_.size() > 2 * kReasonBytesMax) kept_.erase(0, kept_.size() - kReasonBytesMax);
  }

  // What a reason may be: UTF-8, nothing that a terminal would obey.
  std::string text() const {
    auto text = kept_.size() > kReasonBytesMax ? kept_.substr(kept_.size() - kReasonBytesMax) : kept_;
    while (!text.empty() && (text.front() & 0xC0) == 0x80) text.erase(0, 1);  // the rest of a character that was cut
    for (auto at = utf8_prefix(text); at < text.size(); at = utf8_prefix(text)) text[at] = '?';
    for (auto& c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7F) c = '?';
    }
    const auto first = text.find_first_not_of(" \t\n");
    if (first == std::string::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
  }

 private:
  std::string kept_;
};

// A command that runs: its pipes, and what came of it so far.
class Running {
 public:
  // Errors: io_error.
  Result<void> start(const std::string& command, const std::vector<std::pair<std::string, std::string>>& environment) {
    int in[2], out[2], err[2];
    if (::pipe2(in, O_CLOEXEC) != 0) return system_failed("making a pipe", errno);
    Fd child_in(in[0]);
    to_child_.set(in[1]);
    if (::pipe2(out, O_CLOEXEC) != 0) return system_failed("making a pipe", errno);
    from_child_.set(out[0]);
    Fd child_out(out[1]);
    if (::pipe2(err, O_CLOEXEC) != 0) return system_failed("making a pipe", errno);
    errors_of_child_.set(err[0]);
    Fd child_err(err[1]);
    const auto spawned = spawn("/bin/sh", {"sh", "-c", command},
                               {.in = child_in, .out = child_out, .err = child_err, .environment = environment});
    if (!spawned) return std::unexpected(spawned.error());
    pid_ = *spawned;
    ::fcntl(to_child_, F_SETFL, O_NONBLOCK);
    return {};
  }

  // Moves what can be moved, after a wait of a moment; false once there is no more to come. What it has left running in
  // the background may hold its stderr open: that is not waited for.
  bool step(std::string_view& input) {
    if (input.empty()) to_child_.close();
    pollfd polled[3] = {{from_child_, POLLIN, 0}, {errors_of_child_, POLLIN, 0}, {to_child_, POLLOUT, 0}};
    const auto ready = ::poll(polled, 3, kAskAgainMs);
    if (polled[2].revents != 0) {
      const auto wrote = ::write(to_child_, input.data(), input.size());
      if (wrote > 0) input.remove_prefix(static_cast<std::size_t>(wrote));
      if (wrote < 0 && errno != EAGAIN && errno != EINTR) to_child_.close();
    }
    if (polled[0].revents != 0) read(from_child_, [this](std::string_view some) { output.append(some); });
    if (polled[1].revents != 0) read(errors_of_child_, [this](std::string_view some) { errors.take(some); });
    if (from_child_ >= 0) return true;
    return errors_of_child_ >= 0 && !(ready == 0 && has_ended());
  }

  // Waits for its end; told to end, it gets SIGTERM, and SIGKILL if it does not. Its status as waitpid() has it.
  int end(bool told_to_end) {
    to_child_.close();
    from_child_.close();
    if (told_to_end) ::kill(-pid_, SIGTERM);
    for (int waited_ms = 0; !ended_;) {
      if (!told_to_end) {
        wait(0);
        continue;
      }
      if (wait(WNOHANG)) break;
      ::usleep(10'000);
      waited_ms += 10;
      if (waited_ms == kEndMs) ::kill(-pid_, SIGKILL);
    }
    return status_;
  }

  std::string output;
  Errors errors;

 private:
  template <class Take>
  static void read(Fd& from, Take take) {
    char block[64 * 1024];
    const auto got = ::read(from, block, sizeof block);
    if (got == 0 || (got < 0 && errno != EINTR)) from.close();
    if (got > 0) take(std::string_view(block, static_cast<std::size_t>(got)));
  }

  bool has_ended() { return ended_ || wait(WNOHANG); }

  bool wait(int options) {
    const auto ended = ::waitpid(pid_, &status_, options);
    ended_ = ended == pid_ || (ended < 0 && errno != EINTR);
    return ended_;
  }

  Fd to_child_, from_child_, errors_of_child_;
  pid_t pid_ = 0;
  int status_ = 0;
  bool ended_ = false;
};

}  // namespace

Result<CommandResult> run_command(const std::string& command, const std::string& input,
                                  const std::vector<std::pair<std::string, std::string>>& environment,
                                  std::size_t output_bytes_max, const std::function<bool()>& stop) {
  // A command that does not read its stdin must not end this program.
  sigset_t pipe_signal;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_signal, nullptr);

  Running running;
  if (auto started = running.start(command, environment); !started) return std::unexpected(started.error());
  std::optional<Error> stopped;
  std::string_view left = input;
  while (!stopped && running.step(left)) {
    if (stop()) stopped = Error{ErrorCode::cancelled, "the command was stopped"};
    if (running.output.size() > output_bytes_max) {
      stopped =
          Error{ErrorCode::content_too_large, fmt::format("the command wrote more than {} bytes", output_bytes_max)};
    }
  }
  const int status = running.end(stopped.has_value());
  if (stopped) return std::unexpected(std::move(*stopped));
  return CommandResult{.output = std::move(running.output),
                       .errors = running.errors.text(),
                       .status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)};
}

}  // namespace folkmoot::cli
