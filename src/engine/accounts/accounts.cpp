#include "engine/accounts/accounts.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.hpp"

namespace folkmoot {

// -- one table like the other

template <class T>
void Accounts::write(Asker caller, Table<T>& table, std::string key, T what, FactKind kind,
                     const NewAccountKey* shown) {
  const auto body = access::pack(what);
  if (!ledger_.has_room(Urgency::durable, body.size()))
    return replies_.refuse(caller, {ErrorCode::disk_full, "no room to keep who may do what"});
  const auto place = ledger_.note(kind, {as_bytes(body)}, Life::live);
  put(table, std::move(key), std::move(what), place);
  ledger_.when_or_now(Durable(place),
                      waiting::AccessChanged{.to = caller, .key = shown == nullptr ? kNoSlot : shown_.insert(*shown)});
}

template <class T>
void Accounts::put(Table<T>& table, std::string key, T what, FactPlace place) {
  forget(table, key);
  table.emplace(std::move(key), Row<T>{std::make_shared<const T>(std::move(what)), place});
}

template <class T>
bool Accounts::forget(Table<T>& table, std::string_view key) {
  const auto known = table.find(key);
  if (known == table.end()) return false;
  ledger_.release(known->second.place);
  table.erase(known);
  return true;
}

template <class T>
void Accounts::erase(Asker caller, Table<T>& table, std::string_view key, FactKind kind, std::string_view what) {
  if (!table.contains(key))
    return replies_.refuse(caller, {ErrorCode::not_found, fmt::format("there is no {} {}", what, printable(key))});
  if (!ledger_.has_room(Urgency::settling, key.size()))
    return replies_.refuse(caller, {ErrorCode::disk_full, fmt::format("no room to note that the {} is gone", what)});
  const auto place = ledger_.note(kind, {as_bytes(key)});
  forget(table, key);
  ledger_.when_or_now(Durable(place), waiting::AccessChanged{.to = caller});
}

template <class T>
void Accounts::copy(Table<T>& table, const Fact& fact) {
  const auto mine = std::ranges::find_if(table, [&](const auto& each) { return each.second.place == fact.place; });
  if (mine != table.end()) ledger_.copy(fact.kind, mine->second.place, {fact.body});
}

// -- setting and removing

void Accounts::set(Asker caller, access::Account account, const NewAccountKey* shown) {
  if (const auto good = access::check(account); !good) return replies_.refuse(caller, good.error());
  if (!accounts_.contains(account.name) && accounts_.size() >= options_.accounts_max) {
    return replies_.refuse(caller,
                           {ErrorCode::limit_reached, fmt::format("there are {} accounts already", accounts_.size())});
  }
  auto name = account.name;
  write(caller, accounts_, std::move(name), std::move(account), FactKind::account_set, shown);
}

void Accounts::set(Asker caller, const access::OwnRole& role) {
  if (const auto good = access::check(role); !good) return replies_.refuse(caller, good.error());
  if (!roles_.contains(role.name) && roles_.size() >= options_.roles_max) {
    return replies_.refuse(caller,
                           {ErrorCode::limit_reached, fmt::format("there are {} roles already", roles_.size())});
  }
  write(caller, roles_, role.name, role, FactKind::role_set);
}

void Accounts::set(Asker caller, access::Rule rule) {
  auto key = rule.key();
  if (!rules_.contains(key) && rules_.size() >= options_.access_rules_max) {
    return replies_.refuse(caller,
                           {ErrorCode::limit_reached, fmt::format("there are {} rules already", rules_.size())});
  }
  write(caller, rules_, std::move(key), std::move(rule), FactKind::rule_set);
}

void Accounts::remove(Asker caller, std::string_view account) {
  erase(caller, accounts_, account, FactKind::account_removed, "account");
}

void Accounts::remove_role(Asker caller, std::string_view role) {
  erase(caller, roles_, role, FactKind::role_removed, "role");
}

void Accounts::remove_rule(Asker caller, std::string_view key) {
  erase(caller, rules_, key, FactKind::rule_removed, "rule");
}

void Accounts::on_durable(const waiting::AccessChanged& item) {
  ++version_;
  if (item.key == kNoSlot) return replies_.answer(item.to);
  effects_.new_key(item.to.session, item.to.request, shown_[item.key]);
  shown_.erase(item.key);
}

access::Policy Accounts::policy() const {
  access::Policy policy{.version = version_};
  for (const auto& [name, row] : accounts_) policy.add(row.what);
  for (const auto& [name, row] : roles_) policy.add(*row.what);
  for (const auto& [key, row] : rules_) policy.add(row.what);
  return policy;
}

// -- recovery and compaction

Result<void> Accounts::enter(const Fact& fact) {
  const auto take = [&](auto& table, auto read, const auto& key_of) -> Result<void> {
    if (!read) return std::unexpected(std::move(read.error()));
    ledger_.retain(fact.place);
    auto key = key_of(*read);
    put(table, std::move(key), std::move(*read), fact.place);
    return {};
  };
  const auto by_name = [](const auto& what) { return what.name; };
  switch (fact.kind) {
    case FactKind::account_set:
      return take(accounts_, access::unpack_account(fact.body), by_name);
    case FactKind::role_set:
      return take(roles_, access::unpack_role(fact.body), by_name);
    case FactKind::rule_set:
      return take(rules_, access::unpack_rule(fact.body), [](const auto& rule) { return rule.key(); });
    case FactKind::account_removed:
      forget(accounts_, as_text(fact.body));
      return {};
    case FactKind::role_removed:
      forget(roles_, as_text(fact.body));
      return {};
    default:
      forget(rules_, as_text(fact.body));
      return {};
  }
}

bool Accounts::keep(const Fact& fact) {
  if (fact.kind == FactKind::account_set) copy(accounts_, fact);
  if (fact.kind == FactKind::role_set) copy(roles_, fact);
  if (fact.kind == FactKind::rule_set) copy(rules_, fact);
  return true;
}

}  // namespace folkmoot
