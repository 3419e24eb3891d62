// Accounts, roles and rules: who may speak to the server, and who may do what (docs/security.md).
#pragma once

#include <string>
#include <vector>

#include "folkmoot/describe.hpp"

namespace folkmoot {

constexpr std::uint64_t kAccountNamesMax = 64, kAccountKeysMax = 8, kAccountNoteMax = 255;

/// What a rule speaks of.
enum class AccessAction : std::uint8_t {
  send = 0,          // a message to a mailbox
  publish = 1,       // an event on a topic
  conversation = 2,  // a message of a conversation
  consume = 3,       // messages out of a mailbox
  subscribe = 4,     // the events of a pattern
  stream = 5,        // whatever is done with a stream
  call = 6,          // an operation of the list
};
inline constexpr std::string_view kAccessActionWords[] = {"send",      "publish", "conversation", "consume",
                                                          "subscribe", "stream",  "call"};
template <>
inline constexpr std::span<const std::string_view> kWords<AccessAction> = kAccessActionWords;

// -- accounts

/// The answer that shows a key, for the only time.
struct NewAccountKey {
  std::string account{}, key_id{}, key{};
  std::int64_t expires_at = 0;

  static constexpr auto fields() {
    using K = NewAccountKey;
    return std::array{
        field<&K::account>(0, "account", "Whose it is"),
        field<&K::key_id>(1, "key_id", "By which it is listed"),
        field<&K::key>(2, "key", "The key, which is shown this once and kept nowhere"),
        field<&K::expires_at>(3, "expires_at", "Until when it is good; null: for ever", {.nullable = true}),
    };
  }
};

struct AddAccount {
  std::string name{};
  std::string role = "agent";
  std::vector<std::string> names{};
  std::string note{};
  std::int64_t expires_at = 0;
  std::chrono::milliseconds key_ttl{0};

  using Answer = NewAccountKey;
  static constexpr OperationRow kOperation{.name = "account.add",
                                           .what = "Makes an account, and its first key",
                                           .right = Right::secure,
                                           .where = Where::first,
                                           .http = "POST /api/accounts"};
  static constexpr auto fields() {
    using A = AddAccount;
    return std::array{
        field<&A::name>(0, "name", "What it is called", {.required = true}),
        field<&A::role>(1, "role", "admin, operator, agent, observer, or one of role.set"),
        field<&A::names>(2, "names",
                         "Whom it may speak as: names, with `*` for anything; left out: its own, and those behind it "
                         "and a slash",
                         {.max = kAccountNamesMax}),
        field<&A::note>(3, "note", "For people"),
        field<&A::expires_at>(4, "expires_at", "Until when it is good; left out: for ever"),
        field<&A::key_ttl>(5, "key_ttl", "How long its key is good; 0: for ever"),
    };
  }
};

/// What is left out stays as it is.
struct ChangeAccount {
  std::string name{};
  std::optional<std::string> role{}, note{};
  std::vector<std::string> names{};
  std::optional<std::int64_t> expires_at{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{.name = "account.change",
                                           .what = "Changes what an account is; what is left out stays as it is",
                                           .right = Right::secure,
                                           .where = Where::first,
                                           .http = "PUT /api/accounts/{name}",
                                           .again = true};
  static constexpr auto fields() {
    using C = ChangeAccount;
    return std::array{
        field<&C::name>(0, "name", "Which", {.required = true}),
        field<&C::role>(1, "role", "admin, operator, agent, observer, or one of role.set"),
        field<&C::names>(2, "names", "Whom it may speak as, in the place of those so far", {.max = kAccountNamesMax}),
        field<&C::note>(3, "note", "For people"),
        field<&C::expires_at>(4, "expires_at", "Until when it is good; 0: for ever"),
    };
  }
};

struct DisableAccount {
  std::string name{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{.name = "account.disable",
                                           .what = "Lets an account in no more, and ends its connections",
                                           .right = Right::secure,
                                           .where = Where::first,
                                           .http = "POST /api/accounts/{name}/disable",
                                           .again = true};
  static constexpr auto fields() {
    return std::array{field<&DisableAccount::name>(0, "name", "Which", {.required = true})};
  }
};

struct EnableAccount {
  std::string name{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{.name = "account.enable",
                                           .what = "Lets an account in again",
                                           .right = Right::secure,
                                           .where = Where::first,
                                           .http = "POST /api/accounts/{name}/enable",
                                           .again = true};
  static constexpr auto fields() {
    return std::array{field<&EnableAccount::name>(0, "name", "Which", {.required = true})};
  }
};

struct RotateAccount {
  std::string name{};
  std::chrono::milliseconds grace{0}, key_ttl{0};

  using Answer = NewAccountKey;
  static constexpr OperationRow kOperation{.name = "account.rotate",
                                           .what = "Gives an account a new key; those it had end after the grace",
                                           .right = Right::secure,
                                           .where = Where::first,
                                           .http = "POST /api/accounts/{name}/rotate"};
  static constexpr auto fields() {
    using R = RotateAccount;
    return std::array{
        field<&R::name>(0, "name", "Which", {.required = true}),
        field<&R::grace>(1, "grace", "How long its older keys are good; 0: they are withdrawn at once"),
        field<&R::key_ttl>(2, "key_ttl", "How long the new key is good; 0: for ever"),
    };
  }
};

struct RemoveAccount {
  std::string name{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{.name = "account.remove",
                                           .what = "Removes an account with its keys, and ends its connections",
                                           .right = Right::secure,
                                           .where = Where::first,
                                           .http = "DELETE /api/accounts/{name}"};
  static constexpr auto fields() {
    return std::array{field<&RemoveAccount::name>(0, "name", "Which", {.required = true})};
  }
};

struct AccountKeyStatus {
  std::string id{};
  std::int64_t created_at = 0, expires_at = 0;

  static constexpr auto fields() {
    using K = AccountKeyStatus;
    return std::array{
        field<&K::id>(0, "id", "What the key begins with, behind `fm_`"),
        field<&K::created_at>(1, "created_at", "When it was made"),
        field<&K::expires_at>(2, "expires_at", "Until when it is good; null: for ever", {.nullable = true}),
    };
  }
};

struct AccountStatus {
  std::string name{}, role{};
  std::vector<std::string> names{};
  std::string note{};
  bool disabled = false;
  std::int64_t created_at = 0, expires_at = 0, used_at = 0;
  std::vector<AccountKeyStatus> keys{};

  static constexpr auto fields() {
    using A = AccountStatus;
    return std::array{
        field<&A::name>(0, "name", "What it is called"),
        field<&A::role>(1, "role", "What it may do at all"),
        field<&A::names>(2, "names", "Whom it may speak as", {.max = kAccountNamesMax}),
        field<&A::note>(3, "note", "For people", {.sparse = true}),
        field<&A::disabled>(4, "disabled", "It is let in no more"),
        field<&A::created_at>(5, "created_at", "When it was made"),
        field<&A::expires_at>(6, "expires_at", "Until when it is good; null: for ever", {.nullable = true}),
        field<&A::used_at>(7, "used_at", "When it connected last, since the server started; null: not once",
                           {.nullable = true}),
        field<&A::keys>(8, "keys", "Its keys", {.max = kAccountKeysMax}),
    };
  }
};

struct ShowAccount {
  std::string name{};

  using Answer = AccountStatus;
  static constexpr OperationRow kOperation{.name = "account.show",
                                           .what = "An account with its keys, but for what they are",
                                           .right = Right::secure,
                                           .where = Where::first,
                                           .http = "GET /api/accounts/{name}",
                                           .again = true};
  static constexpr auto fields() {
    return std::array{field<&ShowAccount::name>(0, "name", "Which", {.required = true})};
  }
};

struct AccountPage {
  std::vector<AccountStatus> accounts{};

  static constexpr auto fields() {
    return std::array{field<&AccountPage::accounts>(0, "accounts", "By name", {.max = 1'000})};
  }
};

struct ListAccounts {
  std::string after{};
  std::uint32_t limit = 100;

  using Answer = AccountPage;
  static constexpr OperationRow kOperation{.name = "account.list",
                                           .what = "Lists the accounts by name, a page at a time",
                                           .right = Right::secure,
                                           .where = Where::first,
                                           .http = "GET /api/accounts",
                                           .again = true};
  static constexpr auto fields() {
    return std::array{
        field<&ListAccounts::after>(0, "after", "The last name of the page before"),
        field<&ListAccounts::limit>(1, "limit", "So many at most", {.min = 1, .max = 1'000, .unit = "accounts"}),
    };
  }
};

// -- roles

struct RoleRule {
  std::string name{};
  std::vector<std::string> rights{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{.name = "role.set",
                                           .what = "Makes a role of one's own, in the place of one of that name",
                                           .right = Right::secure,
                                           .where = Where::first,
                                           .http = "POST /api/roles",
                                           .again = true};
  static constexpr auto fields() {
    return std::array{
        field<&RoleRule::name>(0, "name", "As accounts name it", {.required = true}),
        field<&RoleRule::rights>(1, "rights", "publish, consume, observe, administer, discover, secure",
                                 {.required = true, .min = 1, .max = std::size(kRightWords)}),
    };
  }
};
using SetRole = RoleRule;

struct RemoveRole {
  std::string name{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{.name = "role.remove",
                                           .what = "Removes a role that no account has",
                                           .right = Right::secure,
                                           .where = Where::first,
                                           .http = "DELETE /api/roles/{name}"};
  static constexpr auto fields() {
    return std::array{field<&RemoveRole::name>(0, "name", "As it was set", {.required = true})};
  }
};

struct RolePage {
  std::vector<RoleRule> roles{};

  static constexpr auto fields() {
    return std::array{field<&RolePage::roles>(0, "roles", "The server's own first", {.max = 1'000})};
  }
};

struct ListRoles {
  using Answer = RolePage;
  static constexpr OperationRow kOperation{.name = "role.list",
                                           .what = "Lists the roles with their rights",
                                           .right = Right::secure,
                                           .where = Where::first,
                                           .http = "GET /api/roles",
                                           .again = true};
  static constexpr std::array<FieldInfo, 0> fields() { return {}; }
};

// -- rules

struct AccessRule {
  std::string subject{};
  AccessAction action{};
  std::string resource{};
  bool deny = false;
  std::string filter{};

  bool operator==(const AccessRule&) const = default;

  using Answer = Nothing;
  static constexpr OperationRow kOperation{
      .name = "access.grant",
      .what = "A rule about who may do what, in the place of the one with that subject, action and resource",
      .right = Right::secure,
      .where = Where::first,
      .http = "POST /api/access",
      .again = true};
  static constexpr auto fields() {
    using R = AccessRule;
    return std::array{
        field<&R::subject>(0, "subject", "An account's name, with `*` for anything, or `role:NAME`",
                           {.required = true}),
        field<&R::action>(1, "action", "What it is about", {.required = true}),
        field<&R::resource>(2, "resource",
                            "Of publish and subscribe a topic or pattern; else a name, with `*` for anything",
                            {.required = true}),
        field<&R::deny>(3, "deny", "It is refused, whatever others allow", {.sparse = true}),
        field<&R::filter>(4, "filter", "Only messages that this holds for (docs/filters.md)",
                          {.max = 4'096, .sparse = true}),
    };
  }
};
using GrantAccess = AccessRule;

struct RevokeAccess {
  std::string subject{};
  AccessAction action{};
  std::string resource{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{.name = "access.revoke",
                                           .what = "Removes a rule",
                                           .right = Right::secure,
                                           .where = Where::first,
                                           .http = "DELETE /api/access"};
  static constexpr auto fields() {
    using R = RevokeAccess;
    return std::array{
        field<&R::subject>(0, "subject", "As it was granted", {.required = true}),
        field<&R::action>(1, "action", "As it was granted", {.required = true}),
        field<&R::resource>(2, "resource", "As it was granted", {.required = true}),
    };
  }
};

struct AccessRulePage {
  std::vector<AccessRule> rules{};

  static constexpr auto fields() {
    return std::array{field<&AccessRulePage::rules>(0, "rules", "By action, subject and resource", {.max = 10'000})};
  }
};

struct ListAccess {
  using Answer = AccessRulePage;
  static constexpr OperationRow kOperation{.name = "access.list",
                                           .what = "Lists the rules about who may do what",
                                           .right = Right::secure,
                                           .where = Where::first,
                                           .http = "GET /api/access",
                                           .again = true};
  static constexpr std::array<FieldInfo, 0> fields() { return {}; }
};

struct AccessVerdict {
  bool allowed = false;
  std::string why{};

  static constexpr auto fields() {
    return std::array{field<&AccessVerdict::allowed>(0, "allowed", "Whether it may"),
                      field<&AccessVerdict::why>(1, "why", "What decides it")};
  }
};

struct CheckAccess {
  std::string account{};
  AccessAction action{};
  std::string resource{};

  using Answer = AccessVerdict;
  static constexpr OperationRow kOperation{.name = "access.check",
                                           .what = "Whether an account may do something, and why",
                                           .right = Right::secure,
                                           .where = Where::first,
                                           .http = "GET /api/access/check",
                                           .again = true};
  static constexpr auto fields() {
    using C = CheckAccess;
    return std::array{
        field<&C::account>(0, "account", "Who", {.required = true}),
        field<&C::action>(1, "action", "What", {.required = true}),
        field<&C::resource>(2, "resource", "Of what: a mailbox, topic, pattern, conversation, stream or operation",
                            {.required = true}),
    };
  }
};

}  // namespace folkmoot
