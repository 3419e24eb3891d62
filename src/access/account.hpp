// Who may speak to the server, as it is kept: accounts with their keys, roles and rules.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "base/time.hpp"
#include "filter/filter.hpp"
#include "folkmoot/operation/account.hpp"

namespace folkmoot::access {

/// Rights together.
class RightSet {
 public:
  constexpr RightSet() = default;
  constexpr RightSet(std::initializer_list<Right> rights) {
    for (const auto right : rights) add(right);
  }
  constexpr void add(Right right) { bits_ |= bit(right); }
  constexpr bool has(Right right) const { return (bits_ & bit(right)) != 0; }
  constexpr bool covers(RightSet other) const { return (other.bits_ & ~bits_) == 0; }
  constexpr bool operator==(const RightSet&) const = default;

 private:
  static constexpr std::uint32_t bit(Right right) { return 1u << static_cast<unsigned>(right); }
  std::uint32_t bits_ = 0;
};

/// What is kept of an API key: nothing that it could be shown with.
struct Key {
  std::string id{};    // 16 hex digits, which the key begins with
  std::string salt{};  // what its secret is hashed with
  std::string hash{};  // HMAC-SHA-256 of the secret under the salt
  Instant created_at = 0;
  Instant expires_at = 0;  // 0: never
};

struct Account {
  std::string name{};
  std::string role{};
  std::vector<std::string> names{};  // patterns: whom it may speak as
  std::string note{};
  bool disabled = false;
  Instant created_at = 0;
  Instant expires_at = 0;  // 0: never
  std::vector<Key> keys{};

  const Key* find_key(std::string_view id) const;
  bool is_expired(Instant now) const { return expires_at != 0 && now >= expires_at; }
};

/// The name up to its first slash, by which accounts belong together: `blue` of `blue`, `blue/search` and `blue/a/b`.
constexpr std::string_view team_of(std::string_view account) { return account.substr(0, account.find('/')); }

/// Whether an account with these names may speak under that one. Those that begin with `human:` are people's: only a
/// pattern that begins so gives them.
bool owns(const std::vector<std::string>& names, std::string_view agent);

/// One that somebody has made; those of kBuiltInRoles are always there.
struct OwnRole {
  std::string name{};
  RightSet rights{};
};

struct Rule {
  bool deny = false;
  std::string subject{};  // "role:NAME", or a pattern of accounts' names
  AccessAction action{};
  std::string resource{};  // a pattern: of topics for publish and subscribe, else of names
  std::optional<Filter> filter{};

  /// By which it is told from others.
  std::string key() const { return key(subject, action, resource); }
  static std::string key(std::string_view subject, AccessAction action, std::string_view resource);
  bool concerns(std::string_view account, std::string_view role) const;
  bool fits(std::string_view what) const;   // of an ALLOW: all of it
  bool meets(std::string_view what) const;  // of a DENY: some of it
};

constexpr bool is_about_topics(AccessAction action) {
  return action == AccessAction::publish || action == AccessAction::subscribe;
}

struct BuiltInRole {
  std::string_view name;
  RightSet rights;
};
inline constexpr std::array kBuiltInRoles = {
    BuiltInRole{"admin",
                {Right::publish, Right::consume, Right::observe, Right::administer, Right::discover, Right::secure}},
    BuiltInRole{"operator", {Right::publish, Right::consume, Right::observe, Right::administer, Right::discover}},
    BuiltInRole{"agent", {Right::publish, Right::consume, Right::discover}},
    BuiltInRole{"observer", {Right::observe, Right::discover}},
};
const BuiltInRole* find_built_in_role(std::string_view name);

// Each as its fact has it: a MessagePack list, behind which a later version adds. Reading checks all that is asked of
// one that is made.

std::string pack(const Account& account);
std::string pack(const OwnRole& role);
std::string pack(const Rule& rule);
/// Errors of all three: damaged.
Result<Account> unpack_account(Bytes body);
Result<OwnRole> unpack_role(Bytes body);
Result<Rule> unpack_rule(Bytes body);

/// Errors: invalid_name, invalid_field, out_of_range.
Result<void> check(const Account& account);
Result<void> check(const OwnRole& role);
/// Errors: those, invalid_topic, invalid_filter.
Result<Rule> make_rule(bool deny, std::string_view subject, AccessAction action, std::string_view resource,
                       std::string_view filter);

}  // namespace folkmoot::access
