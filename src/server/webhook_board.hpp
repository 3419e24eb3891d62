// What shards and the thread that posts webhooks tell each other: shards put up the rules that are on disk, secrets and
// all, which so never leave the process; and who posts says how it goes. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/ids.hpp"
#include "engine/webhook.hpp"
#include "folkmoot/operation/stats.hpp"

namespace folkmoot {

/// How a request of a webhook ended.
enum class WebhookEnd : std::uint8_t {
  delivered,     // 2xx
  refused,       // 400, 413, 415, 422: not this message
  later,         // 408, 409, 425, 429: not now
  gone,          // 410
  redirected,    // 3xx, which is not followed
  client_error,  // another 4xx
  server_error,  // 5xx
  timed_out,
  unreachable,  // not found, not connected, not trusted
  forbidden,    // its address is one where webhooks may not go
  broken,       // half an answer, or none that HTTP knows
  unusable,     // 2xx, with an answer that cannot be carried out
};
constexpr std::size_t kWebhookEnds = 12;
inline constexpr std::string_view kWebhookEndWords[kWebhookEnds] = {
    "delivered",    "refused",   "later",       "gone",      "redirected", "client_error",
    "server_error", "timed_out", "unreachable", "forbidden", "broken",     "unusable"};

/// How it goes with one, as who posts has it.
struct WebhookState {
  enum class Breaker : std::uint8_t { closed, open, half_open };
  Breaker breaker{};
  std::uint32_t under_way = 0, failures = 0, last_code = 0;
  std::uint64_t attempts = 0, delivered = 0, failed = 0;
  std::int64_t failing_since = 0, next_at = 0, last_at = 0;  // Unix ms; 0: none
  std::string last_error{};
};

class WebhookBoard {
 public:
  using Rules = std::vector<std::pair<ShardNumber, SharedWebhookRule>>;

  // -- the shards'
  /// In the place of those that the shard has put up before.
  void put_up(ShardNumber shard, std::vector<SharedWebhookRule> rules) {
    const std::lock_guard guard(lock_);
    rules_[shard] = std::move(rules);
    version_.fetch_add(1, std::memory_order_release);
    if (on_change_) on_change_();
  }
  std::optional<WebhookState> state(std::string_view agent) const {
    const std::lock_guard guard(lock_);
    const auto found = states_.find(agent);
    return found == states_.end() ? std::nullopt : std::optional(found->second);
  }
  WebhookCounts counts() const;

  // -- the poster's
  /// Called under a lock when something was put up: it must not call back. Null: nobody any more.
  void listen(std::function<void()> on_change) {
    const std::lock_guard guard(lock_);
    on_change_ = std::move(on_change);
  }
  /// Changes with the rules.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
  Rules rules() const;
  void say(const std::string& agent, const WebhookState& state) {
    const std::lock_guard guard(lock_);
    states_[agent] = state;
  }
  void forget(const std::string& agent) {
    const std::lock_guard guard(lock_);
    states_.erase(agent);
  }
  void count(WebhookEnd end) { ends_[static_cast<std::size_t>(end)].fetch_add(1, std::memory_order_relaxed); }

 private:
  mutable std::mutex lock_;
  std::map<ShardNumber, std::vector<SharedWebhookRule>> rules_;  // guarded by lock_
  std::map<std::string, WebhookState, std::less<>> states_;      // guarded by lock_
  std::function<void()> on_change_;                              // guarded by lock_
  std::atomic<std::uint64_t> version_ = 0;
  std::array<std::atomic<std::uint64_t>, kWebhookEnds> ends_{};
};

}  // namespace folkmoot
