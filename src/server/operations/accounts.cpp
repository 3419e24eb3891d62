// Accounts, roles and rules: what is asked is checked by what stands in the engine now, durable or not.
#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>

#include "access/api_key.hpp"
#include "access/mandate.hpp"
#include "base/utf8.hpp"
#include "message/topic.hpp"
#include "server/listen.hpp"
#include "server/operations/call.hpp"

namespace folkmoot {
namespace {

Asker asker(const Call& call) { return {call.session, call.request}; }
Instant now(const Call& call) { return call.engine.now(); }

std::unexpected<Error> no_account(std::string_view name) {
  return failure(ErrorCode::not_found, fmt::format("there is no account {}", printable(name)),
                 "`folkmoot account list` names those that there are");
}

Result<access::Account> known_account(const access::Policy& policy, std::string_view name) {
  const auto* const account = policy.find(name);
  if (account == nullptr) return no_account(name);
  return *account;
}

// Where everybody is asked for a key, somebody must be left who can make one.
Result<void> check_admin(const Call& call, const access::Policy& after) {
  const auto& options = call.reactor.options();
  if (!options.token.empty() || after.has_admin(now(call))) return {};
  if (after.is_empty()) {
    if (is_loopback(options.host)) return {};
    return failure(ErrorCode::not_permitted,
                   fmt::format("it is the last account, and {} can be reached from other machines", options.host),
                   "set a token first");
  }
  return failure(ErrorCode::not_permitted, "no account would be left that may keep accounts, and no token is set",
                 "make an account with the role admin first, or set a token");
}

access::Policy with(access::Policy policy, const access::Account& account) {
  policy.accounts.insert_or_assign(account.name, std::make_shared<const access::Account>(account));
  return policy;
}

Result<access::NewApiKey> new_key(const Call& call, std::chrono::milliseconds ttl) {
  access::KeyChance chance;
  if (::getrandom(&chance, sizeof chance, 0) != sizeof chance)
    return failure(ErrorCode::io_error, "no random numbers from the system");
  return access::make_api_key(chance, now(call), ttl.count() == 0 ? Instant{} : now(call) + Duration{ttl.count()});
}

NewAccountKey shown(const access::Account& account, const access::NewApiKey& key) {
  return {.account = account.name, .key_id = key.key.id, .key = key.text, .expires_at = key.key.expires_at.ms};
}

Result<void> check_role(const access::Policy& policy, std::string_view role) {
  if (policy.has_role(role)) return {};
  return failure(ErrorCode::not_found, fmt::format("there is no role {}", printable(role)),
                 "roles are admin, operator, agent, observer, and those of `folkmoot access role`");
}

AccountStatus status_of(const Call& call, const access::Account& account) {
  AccountStatus status{.name = account.name,
                       .role = account.role,
                       .names = account.names,
                       .note = account.note,
                       .disabled = account.disabled,
                       .created_at = account.created_at.ms,
                       .expires_at = account.expires_at.ms,
                       .used_at = call.reactor.entrance().board().used_at(account.name)};
  for (const auto& key : account.keys) status.keys.push_back({key.id, key.created_at.ms, key.expires_at.ms});
  return status;
}

// Changes one account, if somebody who keeps accounts is left then.
template <class Change>
Result<void> change(const Call& call, std::string_view name, Change change) {
  const auto policy = call.engine.accounts().policy();
  auto account = known_account(policy, name);
  if (!account) return std::unexpected(std::move(account.error()));
  if (auto good = change(policy, *account); !good) return good;
  if (auto good = check_admin(call, with(policy, *account)); !good) return good;
  call.engine.accounts().set(asker(call), std::move(*account));
  return {};
}

}  // namespace

// -- accounts

Result<void> carry_out(const Call& call, const AddAccount& arguments) {
  const auto policy = call.engine.accounts().policy();
  if (policy.find(arguments.name) != nullptr) {
    return failure(ErrorCode::already_exists, fmt::format("there is an account {} already", arguments.name),
                   "`folkmoot account rotate` gives it a new key, `account change` changes what it is");
  }
  if (auto good = check_role(policy, arguments.role); !good) return good;
  auto key = new_key(call, arguments.key_ttl);
  if (!key) return std::unexpected(std::move(key.error()));
  access::Account account{.name = arguments.name,
                          .role = arguments.role,
                          .names = arguments.names,
                          .note = arguments.note,
                          .created_at = now(call),
                          .expires_at = Instant{arguments.expires_at},
                          .keys = {key->key}};
  if (account.names.empty()) account.names = {arguments.name, arguments.name + "/*"};
  if (auto good = access::check(account); !good) return good;
  if (auto good = check_admin(call, with(policy, account)); !good) return good;
  const auto answer = shown(account, *key);
  call.engine.accounts().set(asker(call), std::move(account), &answer);
  return {};
}

Result<void> carry_out(const Call& call, const ChangeAccount& arguments) {
  return change(call, arguments.name, [&](const access::Policy& policy, access::Account& account) -> Result<void> {
    if (arguments.role) {
      if (auto good = check_role(policy, *arguments.role); !good) return good;
      account.role = *arguments.role;
    }
    if (!arguments.names.empty()) account.names = arguments.names;
    if (arguments.note) account.note = *arguments.note;
    if (arguments.expires_at) account.expires_at = Instant{*arguments.expires_at};
    return access::check(account);
  });
}

Result<void> carry_out(const Call& call, const DisableAccount& arguments) {
  return change(call, arguments.name, [](const access::Policy&, access::Account& account) -> Result<void> {
    account.disabled = true;
    return {};
  });
}

Result<void> carry_out(const Call& call, const EnableAccount& arguments) {
  return change(call, arguments.name, [](const access::Policy&, access::Account& account) -> Result<void> {
    account.disabled = false;
    return {};
  });
}

Result<void> carry_out(const Call& call, const RotateAccount& arguments) {
  auto account = known_account(call.engine.accounts().policy(), arguments.name);
  if (!account) return std::unexpected(std::move(account.error()));
  auto key = new_key(call, arguments.key_ttl);
  if (!key) return std::unexpected(std::move(key.error()));
  const auto last = now(call) + Duration{arguments.grace.count()};
  std::erase_if(account->keys, [&](const access::Key& old) {
    return arguments.grace.count() == 0 || (old.expires_at != 0 && old.expires_at <= now(call));
  });
  for (auto& old : account->keys) {
    if (old.expires_at == 0 || old.expires_at > last) old.expires_at = last;
  }
  account->keys.push_back(key->key);
  if (auto good = access::check(*account); !good) return good;
  const auto answer = shown(*account, *key);
  call.engine.accounts().set(asker(call), std::move(*account), &answer);
  return {};
}

Result<void> carry_out(const Call& call, const RemoveAccount& arguments) {
  auto policy = call.engine.accounts().policy();
  if (policy.accounts.erase(arguments.name) == 0) return no_account(arguments.name);
  if (auto good = check_admin(call, policy); !good) return good;
  call.engine.accounts().remove(asker(call), arguments.name);
  return {};
}

Result<void> carry_out(const Call& call, const ShowAccount& arguments) {
  const auto account = known_account(call.engine.accounts().policy(), arguments.name);
  if (!account) return std::unexpected(account.error());
  return call.answer(status_of(call, *account));
}

Result<void> carry_out(const Call& call, const ListAccounts& arguments) {
  const auto policy = call.engine.accounts().policy();
  AccountPage page;
  for (auto at = policy.accounts.upper_bound(arguments.after);
       at != policy.accounts.end() && page.accounts.size() < arguments.limit; ++at)
    page.accounts.push_back(status_of(call, *at->second));
  return call.answer(page);
}

// -- roles

Result<void> carry_out(const Call& call, const SetRole& arguments) {
  access::OwnRole role{.name = arguments.name};
  for (const auto& word : arguments.rights) {
    const auto* const right = std::ranges::find(kRightWords, word);
    if (right == std::end(kRightWords)) {
      return failure(ErrorCode::invalid_field, fmt::format("there is no right to {}", printable(word)),
                     "rights are publish, consume, observe, administer, discover and secure");
    }
    role.rights.add(Right(right - kRightWords));
  }
  auto after = call.engine.accounts().policy();
  after.roles.insert_or_assign(role.name, role.rights);
  if (auto good = check_admin(call, after); !good) return good;
  call.engine.accounts().set(asker(call), role);
  return {};
}

Result<void> carry_out(const Call& call, const RemoveRole& arguments) {
  const auto policy = call.engine.accounts().policy();
  const auto user =
      std::ranges::find_if(policy.accounts, [&](const auto& each) { return each.second->role == arguments.name; });
  if (policy.roles.contains(arguments.name) && user != policy.accounts.end()) {
    return failure(ErrorCode::in_use, fmt::format("the account {} has the role {}", user->first, arguments.name),
                   "give its accounts another role first (`folkmoot account change`)");
  }
  call.engine.accounts().remove_role(asker(call), arguments.name);
  return {};
}

Result<void> carry_out(const Call& call, const ListRoles&) {
  RolePage page;
  const auto add = [&](std::string_view name, access::RightSet rights) {
    auto& role = page.roles.emplace_back(RoleRule{.name = std::string(name), .rights = {}});
    for (std::size_t right = 0; right < std::size(kRightWords); ++right) {
      if (rights.has(Right(right))) role.rights.emplace_back(kRightWords[right]);
    }
  };
  for (const auto& role : access::kBuiltInRoles) add(role.name, role.rights);
  for (const auto& [name, rights] : call.engine.accounts().policy().roles) add(name, rights);
  return call.answer(page);
}

// -- rules

Result<void> carry_out(const Call& call, const GrantAccess& arguments) {
  auto rule =
      access::make_rule(arguments.deny, arguments.subject, arguments.action, arguments.resource, arguments.filter);
  if (!rule) return std::unexpected(std::move(rule.error()));
  call.engine.accounts().set(asker(call), std::move(*rule));
  return {};
}

Result<void> carry_out(const Call& call, const RevokeAccess& arguments) {
  call.engine.accounts().remove_rule(asker(call),
                                     access::Rule::key(arguments.subject, arguments.action, arguments.resource));
  return {};
}

Result<void> carry_out(const Call& call, const ListAccess&) {
  AccessRulePage page;
  for (const auto& rule : call.engine.accounts().policy().rules) {
    page.rules.push_back({.subject = rule->subject,
                          .action = rule->action,
                          .resource = rule->resource,
                          .deny = rule->deny,
                          .filter = rule->filter ? std::string(rule->filter->text()) : std::string()});
  }
  return call.answer(page);
}

Result<void> carry_out(const Call& call, const CheckAccess& arguments) {
  const auto policy = call.engine.accounts().policy();
  const auto account = known_account(policy, arguments.account);
  if (!account) return std::unexpected(account.error());
  if (account->disabled || account->is_expired(now(call)))
    return call.answer(AccessVerdict{.allowed = false, .why = "the account is disabled or has expired"});
  if (access::is_about_topics(arguments.action) && !is_pattern(arguments.resource))
    return failure(ErrorCode::invalid_topic, "that is neither a topic nor a pattern");
  auto base = Right::consume;
  if (arguments.action <= AccessAction::conversation) base = Right::publish;
  if (arguments.action == AccessAction::stream) base = Right::observe;
  if (arguments.action == AccessAction::call) {
    const auto* const operation = find_operation(arguments.resource);
    if (operation == nullptr) return failure(ErrorCode::not_found, no_such_operation(arguments.resource));
    base = operation->right;
  }
  const access::Mandate mandate(policy, *account);
  const auto finding = mandate.decide(arguments.action, arguments.resource, base);
  return call.answer(
      AccessVerdict{.allowed = finding.allowed, .why = mandate.explain(finding, arguments.action, arguments.resource)});
}

}  // namespace folkmoot
