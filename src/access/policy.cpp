#include "access/policy.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "access/api_key.hpp"

namespace folkmoot::access {
namespace {

constexpr std::string_view kAskForKey = "ask whoever keeps the accounts for a key (`folkmoot account rotate`)";

Instant sooner(Instant a, Instant b) {
  if (a == 0) return b;
  return b == 0 ? a : std::min(a, b);
}

Result<void> check_enabled(const Account& account) {
  if (!account.disabled) return {};
  return failure(ErrorCode::unauthorized, fmt::format("the account {} is disabled", account.name),
                 std::string(kAskForKey));
}

// Requires: the key is that account's.
Result<Identity> admit(std::shared_ptr<const Account> account, const Key& key, Instant now) {
  if (auto good = check_enabled(*account); !good) return std::unexpected(std::move(good.error()));
  const auto expires_at = sooner(account->expires_at, key.expires_at);
  if (expires_at != 0 && now >= expires_at)
    return failure(ErrorCode::unauthorized, fmt::format("the key of {} has expired", account->name),
                   std::string(kAskForKey));
  return Identity{.account = std::move(account), .key = key.id, .expires_at = expires_at};
}

}  // namespace

void Policy::add(std::shared_ptr<const Account> account) {
  for (const auto& key : account->keys) of_key.emplace(key.id, account);
  auto name = account->name;
  accounts.emplace(std::move(name), std::move(account));
}

void Policy::add(std::shared_ptr<const Rule> rule) {
  ruled.set(static_cast<std::size_t>(rule->action));
  rules.push_back(std::move(rule));
}

const Account* Policy::find(std::string_view account) const {
  const auto found = accounts.find(account);
  return found == accounts.end() ? nullptr : found->second.get();
}

RightSet Policy::rights_of(std::string_view role) const {
  if (const auto* const known = find_built_in_role(role)) return known->rights;
  const auto found = roles.find(role);
  return found == roles.end() ? RightSet() : found->second;
}

bool Policy::has_role(std::string_view role) const {
  return find_built_in_role(role) != nullptr || roles.contains(role);
}

bool Policy::has_admin(Instant now) const {
  return std::ranges::any_of(accounts, [&](const auto& each) {
    const auto& account = *each.second;
    const bool can_come =
        !account.disabled && !account.is_expired(now) &&
        std::ranges::any_of(account.keys, [&](const Key& key) { return key.expires_at == 0 || now < key.expires_at; });
    return can_come && rights_of(account.role).has(Right::secure);
  });
}

std::string_view account_of_key(const Policy& policy, std::string_view shown) {
  const auto id = api_key_id(shown);
  const auto found = id ? policy.of_key.find(std::string(*id)) : policy.of_key.end();
  return found == policy.of_key.end() ? std::string_view() : std::string_view(found->second->name);
}

Result<Identity> identify(const Policy& policy, std::string_view shown, Instant now) {
  const auto id = api_key_id(shown);
  const auto found = id ? policy.of_key.find(std::string(*id)) : policy.of_key.end();
  const auto* const key = found == policy.of_key.end() ? nullptr : found->second->find_key(*id);
  if (key == nullptr || !is_api_key(shown, *key)) {
    return failure(ErrorCode::unauthorized,
                   shown.empty() ? "this server wants the key of an account" : "the key is none of this server's",
                   "give the key of an account (FOLKMOOT_TOKEN, or Authorization: Bearer)");
  }
  return admit(found->second, *key, now);
}

Result<Identity> identify_subject(const Policy& policy, std::string_view subject, Proof proof, Instant expires_at,
                                  Instant now) {
  const auto found = policy.accounts.find(subject);
  if (found == policy.accounts.end()) {
    return failure(ErrorCode::unauthorized, fmt::format("there is no account {}", subject),
                   "make one (`folkmoot account add`): it says what who is known by that name may do");
  }
  const auto& account = found->second;
  if (auto good = check_enabled(*account); !good) return std::unexpected(std::move(good.error()));
  const auto ends = sooner(account->expires_at, expires_at);
  if (ends != 0 && now >= ends)
    return failure(ErrorCode::unauthorized, fmt::format("the account {}, or what it has shown, has expired", subject));
  return Identity{.account = account, .proof = proof, .token_expires_at = expires_at, .expires_at = ends};
}

Result<Identity> identify_again(const Policy& policy, const Identity& known, Instant now) {
  if (known.key.empty()) return identify_subject(policy, known.account->name, known.proof, known.token_expires_at, now);
  const auto found = policy.of_key.find(known.key);
  if (found == policy.of_key.end() || found->second->name != known.account->name) {
    return failure(ErrorCode::unauthorized, fmt::format("the key of {} is withdrawn", known.account->name),
                   std::string(kAskForKey));
  }
  return admit(found->second, *found->second->find_key(known.key), now);
}

}  // namespace folkmoot::access
