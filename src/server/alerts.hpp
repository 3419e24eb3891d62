// Alarms that the server raises by itself (B10), for those without Prometheus: an event on topic bus.alerts when one is
// raised and one when it is over, a line in the log for each, and a list of what is raised in the statistics.
//
// A shard looks now and then at what it has itself: its mailboxes, its journal's room, its history. What is counted
// over all (deaths, failures) and what is the first one's (registry, disk) the first looks at; whether an agent that is
// lost sleeps until it has mail is known where its mailbox is. What was raised is over when it has become better by a
// fifth, so that what goes up and down around a threshold is one alarm.
#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/uuid.hpp"
#include "engine/engine.hpp"
#include "folkmoot/operation/stats.hpp"
#include "server/alert_options.hpp"

namespace folkmoot {

/// What shards tell each other.
struct AlertBoard {
  /// An agent that was lost, or is not any more.
  struct Loss {
    std::string agent;
    bool is_lost = false;
  };

  std::array<std::atomic<std::uint64_t>, kShardsMax> dead{},
      failed{};  // what each has counted, for the first to add up
  std::mutex lock;
  std::array<std::vector<Loss>, kShardsMax> losses{};  // guarded by lock: for who has the agent's mailbox
};

class Alerts {
 public:
  /// What is not the engine's.
  struct Ways {
    std::function<bool()> takes_durable;
    std::function<HistoryCounts()> history;
    std::function<DiskCounts()> disk;
  };

  /// All must outlive it.
  Alerts(const AlertOptions& options, Engine& engine, ShardNumber shard, Ways ways)
      : options_(options), engine_(engine), shard_(shard), ways_(std::move(ways)) {}

  /// Of one of several shards; the board outlives this. `home`: who has an agent's mailbox.
  void join(AlertBoard& board, std::function<ShardNumber(std::string_view)> home) {
    board_ = &board;
    home_ = std::move(home);
  }
  /// Looks, if it is time.
  void look(std::int64_t now) {
    if (options_.every_ms != 0 && now >= next_) look_at_all(now);
  }
  /// When the next look is due; -1: never.
  std::int64_t next() const { return options_.every_ms != 0 ? next_ : -1; }
  std::vector<AlertRow> rows() const;

 private:
  static constexpr std::size_t kRaisedMax = 1'000;
  static constexpr std::int64_t kMinuteMs = 60'000;

  enum class Severity : std::uint8_t { warning, severe };
  struct Finding {
    std::string_view kind;
    std::string subject{};  // whom or what it is about; empty: the server
    Severity severity = Severity::warning;
    std::uint64_t value = 0, threshold = 0;
    std::string text{};
  };
  struct Raised {
    Severity severity{};
    std::uint64_t value = 0, threshold = 0;
    std::int64_t since = 0;
  };
  using Key = std::pair<std::string_view, std::string>;  // kind and subject

  // How much was counted within the last minute.
  class Minute {
   public:
    std::uint64_t of(std::uint64_t total, std::int64_t now);

   private:
    std::deque<std::pair<std::int64_t, std::uint64_t>> samples_;  // when, and the total then
  };

  void look_at_all(std::int64_t now);
  void look_at_mailboxes();
  void look_at_rates();
  // The first shard's: whom the registry misses.
  void look_at_registry();
  void look_at_agents();
  void look_at_disk();
  void look_at_history();
  // Raised if `is_bad`, over if `is_good`; between the two it stays as it is.
  void judge(bool is_bad, bool is_good, const Finding& finding);
  // The same of something that may not be more than its threshold.
  void judge_most(const Finding& finding);
  void tell(const Finding& finding, bool is_raised) const;
  // What is no longer looked at is over.
  void drop(std::string_view kind);

  const AlertOptions& options_;
  Engine& engine_;
  const ShardNumber shard_;
  const Ways ways_;
  AlertBoard* board_ = nullptr;
  std::function<ShardNumber(std::string_view)> home_;
  std::vector<AlertBoard::Loss> losses_;  // if there is no board
  std::int64_t now_ = 0, next_ = 0;
  std::map<Key, Raised> raised_;
  Minute dead_, failed_;
};

}  // namespace folkmoot
