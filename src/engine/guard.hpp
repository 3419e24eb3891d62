// What a message is caused by, and the budgets that end loops of agents answering each other (X13).
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <string>

#include "base/uuid.hpp"
#include "engine/fact_log.hpp"
#include "engine/options.hpp"

namespace folkmoot {

/// The causes that stand before a message.
struct Lineage {
  Uuid cause{};               // nil: nothing caused it
  std::uint32_t hops = 0;     // how many there are
  std::string chain{};        // the last kChainMax of them, 16 bytes each, oldest first
  std::string traceparent{};  // of the cause, to be handed on
  std::string silent_for{};   // the sender of the cause, if it expects no reply
};

/// Counts by key within the running minute. When it is full, further keys are not counted until the next one.
class MinuteCounts {
 public:
  std::uint32_t of(std::uint64_t key, std::int64_t now) const {
    if (now / 60'000 != minute_) return 0;
    const auto found = counts_.find(key);
    return found == counts_.end() ? 0 : found->second;
  }
  void add(std::uint64_t key, std::int64_t now) {
    if (now / 60'000 != minute_) {
      counts_.clear();
      minute_ = now / 60'000;
    }
    if (counts_.size() >= kGuardEntriesMax && !counts_.contains(key)) return;
    ++counts_[key];
  }

 private:
  std::int64_t minute_ = -1;
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> counts_;
};

struct Guard {
  MinuteCounts pairs;          // sender << 32 | mailbox
  MinuteCounts conversations;  // hash of the name
};

/// What the messages of one command count for each other, which are decided on before any of them is published.
struct CommandTally {
  struct KeyUser {
    std::size_t place = 0;  // among the command's messages
    std::uint32_t mailbox = 0;
  };
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> of_pairs, of_conversations;
  boost::unordered_flat_map<std::uint64_t, KeyUser> keys;  // by the lower half of the key's hash
};

/// What the messages of a conversation reported, and the fact that says so.
struct Conversation {
  double tokens = 0, money = 0;
  std::uint64_t messages = 0;
  FactPlace place;
};

}  // namespace folkmoot
