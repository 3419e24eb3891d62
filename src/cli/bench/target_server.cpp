#include "cli/bench/target_server.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "cli/bench/pipe.hpp"
#include "cli/bench/report.hpp"
#include "cli/cli.hpp"
#include "cli/spawn.hpp"
#include "folkmoot/failure.hpp"

namespace folkmoot::bench {
namespace {

using namespace std::chrono_literals;
constexpr auto kStartMax = 60s;

// SO_PEERCRED tells who listens on a Unix socket.
pid_t peer_of(const std::string& address) {
  Pipe pipe(address, cli::globals().tls, "bench", cli::globals().token);
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(pipe.fd(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

TargetServer::TargetServer(std::string address, pid_t pid) : address_(std::move(address)), pid_(pid) {
  if (!address_.empty()) {
    if (pid_ == 0) pid_ = peer_of(address_);
    return;
  }
  auto pattern = (std::filesystem::temp_directory_path() / "folkmoot-bench-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    throw Failure({ErrorCode::io_error, fmt::format("making {}: {}", pattern, std::strerror(errno))});
  }
  folder_ = pattern;
  // A benchmark that is stopped leaves neither its server nor its folder behind.
  const auto signals = stop_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([this] {
    const auto waited = stop_signals();
    int signal = 0;
    ::sigwait(&waited, &signal);
    stop();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
    ::_exit(1);
  }).detach();
  address_ = "unix:" + folder_ + "/folkmoot.sock";
  try {
    start();
  } catch (...) {
    stop();
    std::filesystem::remove_all(folder_);
    throw;
  }
}

TargetServer::~TargetServer() {
  if (!is_own()) return;
  stop();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void TargetServer::start() {
  const auto program = std::filesystem::read_symlink("/proc/self/exe").string();
  const auto started =
      cli::spawn(program, {program, "serve", "--data", folder_, "--listen", "127.0.0.1:0", "--log-level", "warn"}, {});
  if (!started) throw Failure(started.error());
  pid_ = *started;

  const auto until = Clock::now() + kStartMax;
  for (;;) {
    try {
      peer_of(address_);
      return;
    } catch (const Failure&) {
      if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
        pid_ = 0;
        throw Failure({ErrorCode::io_error, "the server that was started for this ended at once; its words are above"});
      }
      if (Clock::now() > until) throw;
      std::this_thread::sleep_for(1ms);
    }
  }
}

void TargetServer::stop() {
  const pid_t pid = pid_.exchange(0);
  if (pid <= 0) return;
  ::kill(pid, SIGTERM);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

double TargetServer::restart() {
  stop();
  const auto began = Clock::now();
  start();
  return std::chrono::duration<double>(Clock::now() - began).count();
}

double TargetServer::cpu_seconds() const {
  std::ifstream file(fmt::format("/proc/{}/stat", pid_.load()));
  std::string text((std::istreambuf_iterator<char>(file)), {});
  const auto end_of_name = text.rfind(") ");
  if (pid_ <= 0 || end_of_name == std::string::npos) return 0;
  std::istringstream fields(text.substr(end_of_name + 2));
  std::string word;
  double ticks = 0;
  for (int field = 3; fields >> word && field <= 15; ++field) {
    if (field >= 14) ticks += std::stod(word);  // utime, stime
  }
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::uint64_t TargetServer::memory_bytes() const {
  std::ifstream file(fmt::format("/proc/{}/statm", pid_.load()));
  std::uint64_t size = 0, resident = 0;
  file >> size >> resident;
  return pid_ > 0 ? resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace folkmoot::bench
