// The attempts that were made at messages which are still here: the facts that were written anyway, kept alive as long
// as the message is. Memory holds their places.
#pragma once

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <span>
#include <vector>

#include "engine/ledger.hpp"
#include "engine/options.hpp"

namespace folkmoot {

/// One that failed: its message_returned fact, or the copy of it.
struct NotedAttempt {
  FactPlace place;
  std::uint16_t deliveries = 0;
};

class Census;

class Attempts {
 public:
  /// `kept`: so many of a message; the oldest go.
  Attempts(Ledger& ledger, std::size_t kept) : ledger_(ledger), kept_(kept) {}

  /// Nothing, if its fact had no room.
  void note(MessageKey message, FactPlace place, std::uint16_t deliveries) {
    if (place.lsn == 0) return;
    auto& noted = noted_by_key_[message];
    // Recovery may meet an attempt and its copy.
    if (const auto known = std::ranges::find(noted, deliveries, &NotedAttempt::deliveries); known != noted.end()) {
      ledger_.release(known->place);
      known->place = place;
      return;
    }
    noted.push_back({place, deliveries});
    if (noted.size() <= kept_) return;
    ledger_.release(noted.front().place);
    noted.erase(noted.begin());
  }
  /// The message has left.
  void forget(MessageKey message) {
    if (noted_by_key_.empty()) return;
    const auto noted = noted_by_key_.find(message);
    if (noted == noted_by_key_.end()) return;
    for (const auto& attempt : noted->second) ledger_.release(attempt.place);
    noted_by_key_.erase(noted);
  }
  /// Oldest first; they live until the next change.
  std::span<NotedAttempt> of(MessageKey message) {
    const auto noted = noted_by_key_.find(message);
    return noted == noted_by_key_.end() ? std::span<NotedAttempt>{} : std::span<NotedAttempt>(noted->second);
  }
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;

 private:
  Ledger& ledger_;
  const std::size_t kept_;
  boost::unordered_flat_map<MessageKey, std::vector<NotedAttempt>> noted_by_key_;
};

}  // namespace folkmoot
