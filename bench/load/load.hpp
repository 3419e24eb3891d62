// What every load generator shares: options, clock, sockets, latency histogram, the server's CPU and memory, JSON
// output.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace folkmoot::bench {

/// The run cannot go on: a peer refused, closed or said something unexpected.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

[[noreturn]] void fail(const std::string& what);

struct Options {
  std::string workload;
  std::string peer;
  std::string unix_path;        // connect here instead of to the port
  std::string directory = ".";  // where the disk reference writes
  std::uint16_t port = 0;
  pid_t server_pid = 0;  // whose CPU and memory to read; 0: nobody's
  double seconds = 2.0;  // length of the measured part
  double warm_up_seconds = 0.3;
  std::uint64_t messages = 0;  // where a workload is bounded by count
  std::size_t content_bytes = 128;
  std::size_t publishers = 1;
  std::size_t subscribers = 1;
  std::size_t connections = 10'000;
  std::size_t window = 1'000;
  double rate = 0;  // messages a second of the paced workload
  int core = -1;    // pin this process to one core
};

Options parse_options(int argc, char** argv);

/// How many messages a publisher of topics stays ahead of the slowest subscriber that follows it, at most: 32,768
/// messages or 16 MiB, and no more than 256 MiB over all subscribers.
std::size_t pubsub_window(const Options& options);

std::uint64_t now_ns();
void pin_to_core(int core);

/// A connected stream socket without Nagle's delay; reads give up after a minute.
int connect_to(const Options& options);
void write_all(int fd, std::string_view bytes);
/// Reads at least one byte; 0 only when the other side closed.
std::size_t read_some(int fd, char* into, std::size_t room);

/// A thread whose failure ends the program with its message.
std::thread start_thread(std::function<void()> body);

/// Latencies in nanoseconds, 128 buckets an octave: percentiles within 1 %.
class Histogram {
 public:
  void add(std::uint64_t ns);
  double percentile_us(double percent) const;
  std::uint64_t count() const { return count_; }

 private:
  static constexpr int kBits = 7;
  std::array<std::uint32_t, (64 - kBits + 1) << kBits> buckets_{};
  std::uint64_t count_ = 0;
};

/// A server process and all its descendants (found once, when made).
class ServerMeter {
 public:
  explicit ServerMeter(pid_t root);
  double cpu_seconds() const;
  std::uint64_t rss_bytes() const;

 private:
  std::vector<pid_t> pids_;
};

double own_cpu_seconds();

/// One flat JSON object, in the order the figures were added.
class Report {
 public:
  void add(std::string_view name, double value);
  void add(std::string_view name, std::uint64_t value);
  void add(const Histogram& latencies);
  std::string text() const { return "{" + body_ + "}"; }

 private:
  void add_raw(std::string_view name, const std::string& value);
  std::string body_;
};

}  // namespace folkmoot::bench
