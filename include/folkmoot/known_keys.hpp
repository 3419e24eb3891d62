// Which keys are whose, as this user knows it: what was pinned by hand, and what an agent had registered when it was
// first met. From then on a key of that agent's that is another one is refused (docs/sealed.md).
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "folkmoot/error.hpp"
#include "folkmoot/keys.hpp"
#include "folkmoot/operation/registry.hpp"
#include "folkmoot/signing.hpp"

namespace folkmoot {

class SyncClient;

constexpr std::size_t kKnownAgentsMax = 10'000;
constexpr std::size_t kKnownKeysOfAgentMax = 16;

struct KnownKey {
  PublicKey key;
  bool is_pinned = false;  // by hand; else taken as the agent was first met
  std::int64_t since = 0;  // Unix milliseconds
};

struct KnownAgentKeys {
  bool is_blocked = false;  // nothing of this agent's is accepted
  std::vector<KnownKey> keys{};
};

/// A file that several programs may use at a time; each change is made to what it has then. Not for several threads.
class KnownKeys {
 public:
  /// $FOLKMOOT_KNOWN_KEYS, else known-keys.json of the user's folder of configuration.
  static std::string default_path();
  /// A file that is not there yet has nothing in it. Errors: io_error, damaged.
  static Result<KnownKeys> open(std::string path);

  const std::map<std::string, KnownAgentKeys, std::less<>>& agents() const { return agents_; }

  /// The agent's key to sign with, if it has this thumbprint and the agent is not blocked; else null.
  const PublicKey* find(std::string_view agent, std::string_view thumbprint) const;

  /// Takes `key` as the agent's one of its kind, whatever was known of it before. Errors, here and below: io_error,
  /// limit_reached.
  Result<void> pin(std::string_view agent, const PublicKey& key);
  Result<void> block(std::string_view agent);
  /// As if the agent had never been met. Errors: not_found.
  Result<void> forget(std::string_view agent);

  /// The agent's key with this thumbprint. One of an agent of which no key of that kind is known is taken from those
  /// that are offered, and remembered. Errors: unauthorized (the agent is blocked, or has another key), not_found.
  Result<PublicKey> key_of(std::string_view agent, std::string_view thumbprint,
                           std::span<const AgentPublicKey> offered);
  /// A key that contents for this agent are sealed for. Errors: as there.
  Result<PublicKey> sealing_key_of(std::string_view agent, std::span<const AgentPublicKey> offered);

 private:
  explicit KnownKeys(std::string path) : path_(std::move(path)) {}
  Result<void> load();
  Result<void> save() const;
  template <class Change>
  Result<void> update(Change change);
  Result<PublicKey> meet(std::string_view agent, const PublicKey& key);

  std::string path_;
  std::map<std::string, KnownAgentKeys, std::less<>> agents_;
};

/// Whether the message is of its sender: what it is signed with is a key that is known as that agent's, or that the
/// agent has registered if none is known yet. Errors: those of verify_message() and KnownKeys, and of the call that
/// asks for what is registered.
Result<Signature> verify_sender(SyncClient& bus, KnownKeys& known, const Message& message);
/// The same, and whether it has come before as another message. Errors: those, unauthorized.
Result<Signature> verify_sender(SyncClient& bus, KnownKeys& known, MetSignatures& met, const Message& message);
/// The key that a content for this agent is sealed for, likewise.
Result<PublicKey> find_sealing_key(SyncClient& bus, KnownKeys& known, std::string_view agent);

}  // namespace folkmoot
