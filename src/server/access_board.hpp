// What is in force about who may do what, for all shards of a server: the first shard, whose the accounts are, puts a
// policy up when a change is on disk, and all look at it. Any thread. A version is told once the answer to who asked
// for it is out: who asked hears of it before the connection that it takes the rights of ends.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "access/account_use.hpp"
#include "access/policy.hpp"
#include "server/login_brake.hpp"

namespace folkmoot {

class AccessBoard {
 public:
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
  /// The version that connections are looked through for; not after version().
  std::uint64_t told() const { return told_.load(std::memory_order_acquire); }
  void tell() { told_.store(version(), std::memory_order_release); }
  std::shared_ptr<const access::Policy> policy() const {
    const std::lock_guard guard(lock_);
    return policy_;
  }
  /// Requires: its version is larger than the one before.
  void put_up(access::Policy policy) {
    auto next = std::make_shared<const access::Policy>(std::move(policy));
    const std::lock_guard guard(lock_);
    policy_ = std::move(next);
    std::erase_if(seen_, [&](const auto& each) { return policy_->find(each.first) == nullptr; });
    std::erase_if(teams_, [&](const auto& each) { return !has_team(each.first); });
    version_.store(policy_->version, std::memory_order_release);
  }

  /// The account has connected: what all its connections have together.
  std::shared_ptr<access::AccountUse> note_use(const std::string& account, std::int64_t now) {
    const std::lock_guard guard(lock_);
    if (policy_->find(account) == nullptr) return std::make_shared<access::AccountUse>();  // it has just been removed
    auto& seen = seen_[account];
    seen.used_at = now;
    if (!seen.use) seen.use = std::make_shared<access::AccountUse>();
    return seen.use;
  }
  /// What the accounts of its team have together.
  std::shared_ptr<access::AccountUse> use_of_team(const std::string& account) {
    const std::lock_guard guard(lock_);
    if (policy_->find(account) == nullptr) return std::make_shared<access::AccountUse>();
    auto& use = teams_[std::string(access::team_of(account))];
    if (!use) use = std::make_shared<access::AccountUse>();
    return use;
  }
  /// When it did so last, since the server started; 0: not once.
  std::int64_t used_at(const std::string& account) const {
    const std::lock_guard guard(lock_);
    const auto found = seen_.find(account);
    return found == seen_.end() ? 0 : found->second.used_at;
  }

  LoginBrake& brake() { return brake_; }

 private:
  struct Seen {
    std::int64_t used_at = 0;
    std::shared_ptr<access::AccountUse> use{};
  };

  // Requires: lock_ is held.
  bool has_team(const std::string& team) const {
    if (policy_->find(team) != nullptr) return true;
    const auto first = policy_->accounts.lower_bound(team + "/");
    return first != policy_->accounts.end() && access::team_of(first->first) == team;
  }

  mutable std::mutex lock_;
  std::shared_ptr<const access::Policy> policy_ = std::make_shared<const access::Policy>();  // guarded by lock_
  std::map<std::string, Seen> seen_;  // guarded by lock_; accounts that there are, no others
  std::map<std::string, std::shared_ptr<access::AccountUse>> teams_;  // likewise, of their teams
  std::atomic<std::uint64_t> version_ = 0;
  std::atomic<std::uint64_t> told_ = 0;
  LoginBrake brake_;
};

}  // namespace folkmoot
