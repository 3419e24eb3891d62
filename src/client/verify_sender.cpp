#include "folkmoot/known_keys.hpp"
#include "folkmoot/sync.hpp"

namespace folkmoot {
namespace {

// What the agent has registered; nothing of one that has not.
Result<std::vector<AgentPublicKey>> offered_by(SyncClient& bus, std::string_view agent) {
  auto shown = bus.call(ShowAgent{std::string(agent)});
  if (shown) return std::move(shown->record.keys);
  if (shown.error().code == ErrorCode::not_found) return std::vector<AgentPublicKey>();
  return std::unexpected(std::move(shown.error()));
}

}  // namespace

Result<Signature> verify_sender(SyncClient& bus, KnownKeys& known, const Message& message) {
  const auto said = signature_of(message);
  if (!said) return said;
  auto key = known.key_of(message.from, said->key, {});
  if (!key && key.error().code == ErrorCode::not_found) {
    const auto offered = offered_by(bus, message.from);
    if (!offered) return std::unexpected(offered.error());
    key = known.key_of(message.from, said->key, *offered);
  }
  if (!key) return std::unexpected(std::move(key.error()));
  return verify_message(message, *key);
}

Result<Signature> verify_sender(SyncClient& bus, KnownKeys& known, MetSignatures& met, const Message& message) {
  auto signature = verify_sender(bus, known, message);
  if (!signature) return signature;
  if (auto good = met.meet(message, *signature); !good) return std::unexpected(std::move(good.error()));
  return signature;
}

Result<PublicKey> find_sealing_key(SyncClient& bus, KnownKeys& known, std::string_view agent) {
  auto key = known.sealing_key_of(agent, {});
  if (key || key.error().code != ErrorCode::not_found) return key;
  const auto offered = offered_by(bus, agent);
  if (!offered) return std::unexpected(offered.error());
  return known.sealing_key_of(agent, *offered);
}

}  // namespace folkmoot
