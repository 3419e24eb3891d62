// All that is in force at one moment: accounts, roles and rules. Never changes once it is made: the first shard makes
// one when something has changed, and all who ask hold on to it as long as they look.
#pragma once

#include <bitset>
#include <boost/unordered/unordered_flat_map.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "access/account.hpp"

namespace folkmoot::access {

constexpr std::size_t kActions = std::size(kAccessActionWords);

struct Policy {
  std::uint64_t version = 0;  // grows with each; 0: nothing was ever said
  std::map<std::string, std::shared_ptr<const Account>, std::less<>> accounts{};
  std::map<std::string, RightSet, std::less<>> roles{};  // own ones
  std::vector<std::shared_ptr<const Rule>> rules{};      // by their keys
  std::bitset<kActions> ruled{};                         // actions that some rule speaks of: denied by default
  boost::unordered_flat_map<std::string, std::shared_ptr<const Account>> of_key{};  // by the ids of keys

  void add(std::shared_ptr<const Account> account);
  void add(const OwnRole& role) { roles.emplace(role.name, role.rights); }
  void add(std::shared_ptr<const Rule> rule);

  /// Whether nobody needs to show anything for its sake.
  bool is_empty() const { return accounts.empty(); }
  const Account* find(std::string_view account) const;
  /// Of a role that is none: nothing at all.
  RightSet rights_of(std::string_view role) const;
  bool has_role(std::string_view role) const;
  /// Whether somebody could change who may do what.
  bool has_admin(Instant now) const;
};

/// By what somebody is known.
enum class Proof : std::uint8_t { key, jwt, certificate, user };
inline constexpr std::string_view kProofWords[] = {"key", "jwt", "certificate", "user"};

/// Who has shown what.
struct Identity {
  std::shared_ptr<const Account> account{};
  std::string key{};  // its id; empty: it is known by a token, a certificate, or as a user of this machine
  Proof proof = Proof::key;
  Instant token_expires_at = 0;
  Instant expires_at = 0;  // of account, key and token, what comes first; 0: never
};

/// Whose API key it would be, if it is right; empty: nobody's. Lives as long as the policy.
std::string_view account_of_key(const Policy& policy, std::string_view shown);
/// Who shows this API key. Errors: unauthorized, saying why to who has the secret, and nothing else to others.
Result<Identity> identify(const Policy& policy, std::string_view shown, Instant now);
/// The same of one who is known to be that account by other means; `expires_at`: until when, 0: as long as it is there.
/// Errors: unauthorized.
Result<Identity> identify_subject(const Policy& policy, std::string_view subject, Proof proof, Instant expires_at,
                                  Instant now);
/// The same of one who was identified before, by what is in force now. Errors: unauthorized.
Result<Identity> identify_again(const Policy& policy, const Identity& known, Instant now);

}  // namespace folkmoot::access
