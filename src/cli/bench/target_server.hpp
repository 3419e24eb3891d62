// The server that a benchmark loads: a throwaway one of its own in a temporary folder, or one that runs already.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <string>

namespace folkmoot::bench {

class TargetServer {
 public:
  /// `address` empty: starts one. `pid` 0: found by itself where that can be. Throws Failure.
  TargetServer(std::string address, pid_t pid);
  TargetServer(const TargetServer&) = delete;
  ~TargetServer();

  const std::string& address() const { return address_; }
  bool is_own() const { return !folder_.empty(); }
  /// Processor time used so far, and resident memory; 0 when the server's process is not known.
  double cpu_seconds() const;
  std::uint64_t memory_bytes() const;
  bool is_known() const { return pid_ > 0; }
  /// Ends and starts the own server again; returns the seconds until it answers.
  double restart();

 private:
  void start();
  void stop();

  std::string address_, folder_;
  std::atomic<pid_t> pid_ = 0;  // 0: not known
};

}  // namespace folkmoot::bench
