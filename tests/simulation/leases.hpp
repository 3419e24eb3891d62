// Deliveries that wait to be settled, as agents know them: a token each, never used twice, one to a message at a time.
#pragma once

#include <map>

#include "simulation/model.hpp"

namespace folkmoot::simulation {

struct ModelLease {
  std::uint64_t number = 0;
  SessionId session = 0;      // 0: bound to none
  std::int64_t deadline = 0;  // 0: none
  SessionId consumer_session = 0;
  SessionId taker = 0;         // whose it is, bound to it or not,
  std::size_t agent = 0;       // and that one's name
  RequestNumber consumer = 0;  // request number; 0: pulled
};

class Leases {
 public:
  void grant(LeaseToken token, const ModelLease& lease) {
    expect(token > last_token_, "lease {:x} was used before, or below {:x}", token, last_token_);
    last_token_ = token;
    for (const auto& [other, held] : held_) {
      expect(held.number != lease.number, "{} is leased twice: {:x} and {:x}", lease.number, other, token);
    }
    held_[token] = lease;
  }
  ModelLease* find(LeaseToken token) {
    const auto found = held_.find(token);
    return found == held_.end() ? nullptr : &found->second;
  }
  void end(LeaseToken token) {
    ended_.push_back(token);
    if (ended_.size() > 64) ended_.erase(ended_.begin());
    held_.erase(token);
  }
  void crash() {
    while (!held_.empty()) end(held_.begin()->first);
  }
  const std::map<LeaseToken, ModelLease>& held() const { return held_; }
  /// Some that are gone, to try late settlements with.
  const std::vector<LeaseToken>& ended() const { return ended_; }

 private:
  std::map<LeaseToken, ModelLease> held_;
  std::vector<LeaseToken> ended_;
  LeaseToken last_token_ = 0;
};

}  // namespace folkmoot::simulation
