// Latencies, progress, and the figures a benchmark ends with.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace folkmoot::bench {

using Clock = std::chrono::steady_clock;
std::int64_t now_ns();

/// Samples in nanoseconds, a bounded number of them: every second one is dropped whenever it is full.
class Latencies {
 public:
  void add(std::int64_t ns);
  void merge(const Latencies& other);
  /// `share` 0 to 1; 0 without samples.
  double percentile_us(double share);

 private:
  static constexpr std::size_t kSamplesMax = 1 << 20;
  std::vector<std::int64_t> samples_;
  std::uint64_t seen_ = 0, keep_every_ = 1;
};

/// A line on stderr, renewed every second, when stderr is a terminal.
class Progress {
 public:
  Progress(std::string what, std::uint64_t total) : what_(std::move(what)), total_(total) {}
  ~Progress();
  void at(std::uint64_t done);

 private:
  std::string what_;
  std::uint64_t total_;
  Clock::time_point shown_ = Clock::now();
  bool any_ = false;
};

class Report {
 public:
  void add(std::string name, double value) { figures_.emplace_back(std::move(name), value); }
  void add_rate(const std::string& what, std::uint64_t count, double seconds);
  void add_latencies(const std::string& what, Latencies& latencies);
  void print(const std::string& workload, bool json) const;

 private:
  std::vector<std::pair<std::string, double>> figures_;
};

}  // namespace folkmoot::bench
