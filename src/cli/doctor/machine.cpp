// What the machine gives a server.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/timex.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <thread>

#include "cli/doctor/findings.hpp"

namespace folkmoot::cli {
namespace {

void examine_descriptors(const ServerConfig& config, Findings& findings) {
  constexpr std::string_view kFiles = "descriptors";
  constexpr rlim_t kOwn = 256;  // of the journal, streams, contents and threads
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = config.server.connections_max + kOwn;
  if (limit.rlim_max < wanted) {
    findings.warn(kFiles,
                  fmt::format("this user may have {} open, {} connections and files of the server would be {}",
                              limit.rlim_max, config.server.connections_max, wanted),
                  "raise the hard limit (`ulimit -Hn`, LimitNOFILE= of a unit), or lower max_connections");
  } else {
    findings.good(kFiles, fmt::format("{} may be open", limit.rlim_max));
  }
}

// The first number of a file whose other lines start otherwise; 0 if there is none.
std::uint64_t number_in(const std::string& path, std::string_view name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name)) continue;
    const auto digits = line.find_first_of("0123456789");
    return digits == std::string::npos ? 0 : std::strtoull(line.c_str() + digits, nullptr, 10);
  }
  return 0;
}

// Of the machine, or of the container if that has less.
std::uint64_t memory_bytes() {
  const auto machine = number_in("/proc/meminfo", "MemTotal:") * 1024;
  const auto container = number_in("/sys/fs/cgroup/memory.max", "");
  return container == 0 ? machine : std::min(machine, container);
}

void examine_memory(const ServerConfig& config, Findings& findings) {
  constexpr std::string_view kMemory = "memory";
  const auto& server = config.server;
  const auto all = memory_bytes();
  if (all == 0) return;
  const auto bounds = (server.journal.cache_bytes + server.staged_bytes_max) * server.shards +
                      server.partial_frames.total_bytes_max + config.gateway.unfinished_bytes_max;
  if (bounds > all / 2) {
    findings.warn(kMemory,
                  fmt::format("caches and half-read requests may take {} MiB of {} MiB", bounds / kMiB, all / kMiB),
                  "lower journal.cache_bytes, frame.total_bytes or http.unfinished_bytes");
  } else {
    findings.good(kMemory, fmt::format("{} MiB, of which caches and half-read requests may take {} MiB", all / kMiB,
                                       bounds / kMiB));
  }
}

void examine_processors(const ServerConfig& config, Findings& findings) {
  const auto there = std::thread::hardware_concurrency();
  if (there == 0 || config.server.shards <= there) return;
  findings.warn("processors", fmt::format("{} shards on {} processors", config.server.shards, there),
                "a shard has a thread that is busy under load: more than processors slow each other");
}

void examine_clock(Findings& findings) {
  constexpr std::string_view kClock = "clock";
  using namespace std::chrono;
  if (system_clock::now() < sys_days(year(2026) / January / 1)) {
    return findings.problem(kClock, "it is before this program was written, says the clock",
                            "set it (`timedatectl`): ids have the time in them");
  }
  timex state{};
  if (::adjtimex(&state) == TIME_ERROR || (state.status & STA_UNSYNC) != 0) {
    return findings.warn(kClock, "nothing keeps it right (NTP)",
                         "lives, delays and schedules go by it: `timedatectl set-ntp true`, or the host's own way");
  }
  findings.good(kClock, "kept right");
}

}  // namespace

void examine_machine(const ServerConfig& config, Findings& findings) {
  examine_descriptors(config, findings);
  examine_memory(config, findings);
  examine_processors(config, findings);
  examine_clock(findings);
}

}  // namespace folkmoot::cli
