// Slows down who shows wrong credentials: an address has so many failures a minute for what it shows of one account and
// for what is of none, an account ten times as many from everywhere; a minute's worth at once. What comes sooner is not
// looked at. So nobody is in another's way: who guesses at one account hinders none else of its address; who has got in
// before from its address is not hindered by other addresses, and with the same credentials by none. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "server/peer.hpp"

namespace folkmoot {

/// At most so many values, by key: for one more, the one that was set longest ago goes.
template <class Key>
class RecentTimes {
 public:
  explicit RecentTimes(std::size_t most) : most_(most) {}

  /// 0: there is none.
  std::int64_t of(const Key& key) const {
    const auto found = places_.find(key);
    return found == places_.end() ? 0 : found->second->time;
  }
  void set(const Key& key, std::int64_t time) {
    if (const auto found = places_.find(key); found != places_.end()) {
      order_.erase(found->second);
      places_.erase(found);
    }
    if (order_.size() == most_) {
      places_.erase(order_.front().key);
      order_.pop_front();
    }
    places_.emplace(key, order_.insert(order_.end(), Place{key, time}));
  }
  std::size_t size() const { return order_.size(); }

 private:
  struct Place {
    Key key;
    std::int64_t time = 0;
  };
  const std::size_t most_;
  std::list<Place> order_;  // oldest first
  std::map<Key, typename std::list<Place>::iterator> places_;
};

class LoginBrake {
 public:
  static constexpr std::size_t kRememberedMax = 4'096;  // addresses, with accounts; as many good ones; and accounts
  static constexpr std::int64_t kGoodForMs = 24 * 3'600'000;  // so long has got in before who has
  static constexpr std::uint32_t kFromEverywhere = 10;        // times as many failures of an account

  struct Attempt {
    PeerAddress address{};
    std::string_view account{};  // whose credentials they would be; empty: that cannot be told
    std::string_view shown{};
  };

  LoginBrake();

  /// 0: what is shown may be looked at; else it may be shown again in so many ms. `now`: Unix ms.
  std::int64_t wait_ms(const Attempt& attempt, std::uint32_t per_minute, std::int64_t now) const;
  /// What was shown was wrong.
  void note_failure(const Attempt& attempt, std::uint32_t per_minute, std::int64_t now);
  void note_success(const Attempt& attempt, std::int64_t now);

 private:
  using Place = std::pair<PeerAddress, std::string>;  // an account, or what was shown, keyed

  Place credentials(const Attempt& attempt) const;

  const std::string salt_;  // random: what was shown is not kept
  mutable std::mutex lock_;
  // Until when their failures are paid for, Unix ms; guarded by lock_.
  RecentTimes<Place> of_address_{kRememberedMax};
  RecentTimes<std::string> of_account_{kRememberedMax};
  RecentTimes<Place> good_credentials_{kRememberedMax}, good_accounts_{kRememberedMax};  // until when; guarded by lock_
};

}  // namespace folkmoot
