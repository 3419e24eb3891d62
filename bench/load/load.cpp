#include "load.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

namespace folkmoot::bench {

void fail(const std::string& what) { throw Failure(what); }

namespace {

[[noreturn]] void fail_errno(const std::string& what) { fail(what + ": " + std::strerror(errno)); }

template <class Number>
void read_number(const std::string& name, const std::string& text, Number& into) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  if (error != std::errc{} || end != text.data() + text.size()) fail(name + " needs a number, got '" + text + "'");
}

}  // namespace

Options parse_options(int argc, char** argv) {
  Options options;
  if (argc < 2) fail("no workload named");
  options.workload = argv[1];
  for (int i = 2; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc) fail(name + " needs a value");
    const std::string value = argv[i + 1];
    if (name == "--peer")
      options.peer = value;
    else if (name == "--unix")
      options.unix_path = value;
    else if (name == "--directory")
      options.directory = value;
    else if (name == "--port")
      read_number(name, value, options.port);
    else if (name == "--server-pid")
      read_number(name, value, options.server_pid);
    else if (name == "--seconds")
      read_number(name, value, options.seconds);
    else if (name == "--warm-up")
      read_number(name, value, options.warm_up_seconds);
    else if (name == "--messages")
      read_number(name, value, options.messages);
    else if (name == "--size")
      read_number(name, value, options.content_bytes);
    else if (name == "--publishers")
      read_number(name, value, options.publishers);
    else if (name == "--subscribers")
      read_number(name, value, options.subscribers);
    else if (name == "--connections")
      read_number(name, value, options.connections);
    else if (name == "--window")
      read_number(name, value, options.window);
    else if (name == "--rate")
      read_number(name, value, options.rate);
    else if (name == "--pin")
      read_number(name, value, options.core);
    else
      fail("unknown option " + name);
  }
  if (options.publishers == 0 || options.publishers > 1'000) fail("--publishers must be 1 to 1000");
  if (options.subscribers == 0 || options.subscribers > 15'000) fail("--subscribers must be 1 to 15000");
  if (options.connections == 0 || options.connections > 15'000) fail("--connections must be 1 to 15000");
  if (options.window == 0 || options.window > 1'000'000) fail("--window must be 1 to 1000000");
  if (options.content_bytes == 0 || options.content_bytes > (1U << 20)) fail("--size must be 1 to 1048576");
  if (options.seconds <= 0 || options.seconds > 3'600) fail("--seconds must be above 0 and at most 3600");
  return options;
}

std::size_t pubsub_window(const Options& options) {
  const std::size_t followers = std::max<std::size_t>(1, options.subscribers / options.publishers);
  const std::size_t window = std::min({std::size_t{32'768}, (std::size_t{16} << 20) / options.content_bytes,
                                       (std::size_t{256} << 20) / options.content_bytes / followers});
  return std::max<std::size_t>(window, 8);
}

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1));
}

void pin_to_core(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(core), &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) fail_errno("cannot pin to core " + std::to_string(core));
}

int connect_to(const Options& options) {
  const bool local = !options.unix_path.empty();
  const int fd = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail_errno("socket");
  int connected = -1;
  if (local) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (options.unix_path.size() >= sizeof address.sun_path) fail("socket path too long: " + options.unix_path);
    std::memcpy(address.sun_path, options.unix_path.c_str(), options.unix_path.size() + 1);
    connected = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } else {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  if (connected != 0) {
    const int error = errno;
    close(fd);
    errno = error;
    fail_errno("cannot connect to " + (local ? options.unix_path : "127.0.0.1:" + std::to_string(options.port)));
  }
  const int on = 1;
  if (!local) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const timeval limit{60, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return fd;
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (wrote < 0) {
      if (errno == EINTR) continue;
      fail_errno("send");
    }
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
}

std::size_t read_some(int fd, char* into, std::size_t room) {
  for (;;) {
    const ssize_t got = recv(fd, into, room, 0);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno == EAGAIN) fail("nothing received for a minute");
    if (errno != EINTR) fail_errno("recv");
  }
}

std::thread start_thread(std::function<void()> body) {
  return std::thread([body = std::move(body)] {
    try {
      body();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, error.what());
      _exit(1);
    }
  });
}

void Histogram::add(std::uint64_t ns) {
  // Below 2^kBits each value has a bucket of its own; above, the leading kBits + 1 bits choose it.
  std::size_t index = ns;
  if (ns >> kBits != 0) {
    const int shift = 63 - std::countl_zero(ns) - kBits;
    index = (static_cast<std::size_t>(shift + 1) << kBits) + ((ns >> shift) & ((1U << kBits) - 1));
  }
  ++buckets_[index];
  ++count_;
}

double Histogram::percentile_us(double percent) const {
  const auto rank = static_cast<std::uint64_t>(std::ceil(static_cast<double>(count_) * percent / 100));
  std::uint64_t seen = 0;
  for (std::size_t index = 0; index < buckets_.size(); ++index) {
    seen += buckets_[index];
    if (seen < rank || seen == 0) continue;
    const std::size_t octave = index >> kBits;
    if (octave == 0) return static_cast<double>(index) / 1e3;
    const std::uint64_t low = ((1ULL << kBits) + (index & ((1U << kBits) - 1))) << (octave - 1);
    return static_cast<double>(low + ((1ULL << (octave - 1)) >> 1)) / 1e3;
  }
  return 0;
}

namespace {

/// The fields of /proc/PID/stat from the third on (after the name, which may hold anything); empty when the process
/// ended.
std::vector<std::string> stat_fields(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  const auto name_end = line.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream rest(line.substr(name_end + 1));
  std::vector<std::string> fields;
  for (std::string field; rest >> field;) fields.push_back(field);
  return fields;
}

}  // namespace

ServerMeter::ServerMeter(pid_t root) {
  if (root == 0) return;
  std::multimap<pid_t, pid_t> children;
  if (DIR* proc = opendir("/proc")) {
    while (const dirent* entry = readdir(proc)) {
      const pid_t pid = std::atoi(entry->d_name);
      if (pid <= 0) continue;
      const auto fields = stat_fields(pid);
      if (fields.size() > 1) children.emplace(std::atoi(fields[1].c_str()), pid);
    }
    closedir(proc);
  }
  pids_.push_back(root);
  for (std::size_t i = 0; i < pids_.size(); ++i) {
    const auto [first, last] = children.equal_range(pids_[i]);
    for (auto child = first; child != last; ++child) pids_.push_back(child->second);
  }
}

double ServerMeter::cpu_seconds() const {
  std::uint64_t ticks = 0;
  for (const pid_t pid : pids_) {
    const auto fields = stat_fields(pid);
    if (fields.size() > 12) ticks += std::stoull(fields[11]) + std::stoull(fields[12]);
  }
  return static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

std::uint64_t ServerMeter::rss_bytes() const {
  std::uint64_t total = 0;
  for (const pid_t pid : pids_) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("VmRSS:")) total += std::stoull(line.substr(6)) * 1024;
    }
  }
  return total;
}

double own_cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void Report::add_raw(std::string_view name, const std::string& value) {
  if (!body_.empty()) body_ += ", ";
  body_ += '"';
  body_ += name;
  body_ += "\": " + value;
}

void Report::add(std::string_view name, std::uint64_t value) { add_raw(name, std::to_string(value)); }

void Report::add(std::string_view name, double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.9g", value);
  add_raw(name, text);
}

void Report::add(const Histogram& latencies) {
  add("p50_us", latencies.percentile_us(50));
  add("p99_us", latencies.percentile_us(99));
  add("p999_us", latencies.percentile_us(99.9));
  add("samples", latencies.count());
}

}  // namespace folkmoot::bench
