// Idempotency keys as their senders understand them: which message a key stands for, and for how long nobody may take
// another one.
#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include "engine/options.hpp"

namespace folkmoot::simulation {

class KeyChecker {
 public:
  explicit KeyChecker(const EngineOptions& options)
      : keys_max_(options.keys_max), keys_ms_(options.keys_ms.ms), kept_ms_(options.keys_kept_ms.ms) {}

  /// The message that was accepted last with this key; 0: none.
  MessageKey find(std::uint64_t key) const {
    const auto found = uses_.find(key);
    return found == uses_.end() ? 0 : found->second.back();
  }
  /// Whether the message is one of those that were accepted with this key.
  bool stands_for(std::uint64_t key, MessageKey message) const {
    const auto found = uses_.find(key);
    return found != uses_.end() && std::ranges::find(found->second, message) != found->second.end();
  }
  /// Whether another message with this key has to be a duplicate: the first is neither too old, nor are there too many
  /// newer ones.
  bool must_know(std::uint64_t key, std::int64_t now) const {
    const auto message = find(key);
    if (message == 0 || key_time(message).ms + keys_ms_ <= std::max(now, latest_)) return false;
    if (kept_ms_ > 0 && key_time(message).ms + kept_ms_ > std::max(now, latest_)) return true;
    std::size_t newer = 0;
    for (auto at = messages_.rbegin(); at != messages_.rend() && at->first > message; ++at) {
      if (++newer >= keys_max_) return false;
    }
    return true;
  }
  /// Whether a message with a new key may be refused, since too many of them may not be forgotten yet. `together`: keys
  /// of the same command.
  bool may_be_full(std::int64_t now, std::size_t together) const {
    const auto kept =
        std::ranges::count_if(messages_, [&](const auto& each) { return key_time(each.first).ms + kept_ms_ > now; });
    return kept_ms_ > 0 && static_cast<std::size_t>(kept) + together > keys_max_;
  }
  /// An engine has seen this time, and may have forgotten what was too old then.
  void passed(std::int64_t now) { latest_ = std::max(latest_, now); }
  void used(std::uint64_t key, MessageKey message, std::int64_t now) {
    passed(now);
    uses_[key].push_back(message);
    messages_[message] = key;
  }
  /// The message never was: a crash took it.
  void lost(MessageKey message) {
    const auto found = messages_.find(message);
    if (found == messages_.end()) return;
    // It still counts among those that pushed older keys out.
    auto& uses = uses_[found->second];
    std::erase(uses, message);
    if (uses.empty()) uses_.erase(found->second);
  }

 private:
  const std::size_t keys_max_;
  const std::int64_t keys_ms_, kept_ms_;
  std::int64_t latest_ = 0;                                // the clock may go back; what was forgotten stays so
  std::map<std::uint64_t, std::vector<MessageKey>> uses_;  // oldest first
  std::map<MessageKey, std::uint64_t> messages_;
};

}  // namespace folkmoot::simulation
