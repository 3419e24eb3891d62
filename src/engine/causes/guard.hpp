// The budgets that end loops of agents answering each other (X13).
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>

#include "engine/options.hpp"

namespace folkmoot {

/// Counts by key within the running minute. When it is full, further keys are not counted until the next one.
class MinuteCounts {
 public:
  /// `entries_max`: so many keys.
  explicit MinuteCounts(std::size_t entries_max) : entries_max_(entries_max) {}

  std::uint32_t of(std::uint64_t key, Instant now) const {
    if (now.ms / kMinuteMs != minute_) return 0;
    const auto found = counts_.find(key);
    return found == counts_.end() ? 0 : found->second;
  }
  void add(std::uint64_t key, Instant now) {
    if (now.ms / kMinuteMs != minute_) {
      counts_.clear();
      minute_ = now.ms / kMinuteMs;
    }
    if (counts_.size() >= entries_max_ && !counts_.contains(key)) return;
    ++counts_[key];
  }

 private:
  static constexpr std::int64_t kMinuteMs = 60'000;

  const std::size_t entries_max_;
  std::int64_t minute_ = -1;  // since 1970
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> counts_;
};

struct Guard {
  explicit Guard(std::size_t entries_max) : pairs(entries_max), conversations(entries_max) {}

  MinuteCounts pairs;          // sender << 32 | mailbox
  MinuteCounts conversations;  // hash of the name
};

}  // namespace folkmoot
