// What `folkmoot doctor` finds, and the examinations that it is made of. Each looks at one subject, changes nothing,
// and ends in bounded time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/server_config.hpp"

namespace folkmoot::cli {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

/// problem: a server so will not start, or will lose something; warning: it works, but not as one would wish.
enum class Weight : std::uint8_t { good, warning, problem };

struct Finding {
  Weight weight = Weight::good;
  std::string_view subject;
  std::string what;
  std::string advice{};  // what to do; empty if nothing is to be done
};

class Findings {
 public:
  void good(std::string_view subject, std::string what) { all_.push_back({Weight::good, subject, std::move(what)}); }
  void warn(std::string_view subject, std::string what, std::string advice) {
    all_.push_back({Weight::warning, subject, std::move(what), std::move(advice)});
  }
  void problem(std::string_view subject, std::string what, std::string advice) {
    all_.push_back({Weight::problem, subject, std::move(what), std::move(advice)});
  }
  /// Good, if none of this subject says otherwise.
  void good_if_nothing_else(std::string_view subject, std::string what);

  const std::vector<Finding>& all() const { return all_; }

 private:
  std::vector<Finding> all_;
};

// Who may reach the server, what is told to whom, and what `config_file` (may be empty) shows to others.
void examine_access(const ServerConfig& config, const std::string& config_file, Findings& findings);
// Settings that lose mail by somebody's choice.
void examine_promises(const ServerConfig& config, Findings& findings);
// What the journal is sealed with, and what of the data folder is not sealed all the same.
void examine_seal(const ServerConfig& config, Findings& findings);
// The addresses: free, or a server of ours answers there.
void examine_address(const ServerConfig& config, Findings& findings);
// The data folder: may be used, its room, its file system, and how long it takes to be on disk.
void examine_disk(const ServerConfig& config, Findings& findings);
// The database of the history, if one is kept: there, of a version that will do, and whether it may be written.
void examine_history(const ServerConfig& config, Findings& findings);
// The keys of an issuer of tokens, if jwt.keys is a URL: whether they can be had.
void examine_issuer(const ServerConfig& config, Findings& findings);
// What the server tells of itself: whether it raises alarms, and whether the collector of its traces takes spans.
void examine_telemetry(const ServerConfig& config, Findings& findings);
// Whether the endpoints of webhooks can be reached: `urls`, and those of the server that runs on the data folder. A
// connection is made to each, and nothing is posted.
void examine_endpoints(const ServerConfig& config, const std::vector<std::string>& urls, Findings& findings);
// Redis, if $REDIS_URL names one: there, and whether it keeps what it has taken.
void examine_redis(Findings& findings);
// The machine: descriptors, memory, processors, the clock.
void examine_machine(const ServerConfig& config, Findings& findings);

}  // namespace folkmoot::cli
