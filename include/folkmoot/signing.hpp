// Messages that say who wrote them whatever server they passed through, and contents that no server reads
// (docs/sealed.md). A signature stands in the metadata under `signature`: a JSON Web Signature (RFC 7515, 8037) whose
// payload says each field that is signed, so any JOSE library checks it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "folkmoot/error.hpp"
#include "folkmoot/keys.hpp"
#include "folkmoot/message.hpp"
#include "folkmoot/sealing.hpp"

namespace folkmoot {

constexpr std::string_view kSignatureField = "signature";
constexpr std::size_t kSignatureBytesMax = 64 * 1024;

/// Signs sender, recipient or topic, type, conversation, correlation, reply address, key, group, cause, metadata,
/// content type and the SHA-256 of the content, and a number that is drawn for it and used once, by which one that is
/// sent again by whoever saw it is told. Gives the message the type `task` or `event` if it has none. Requires: a
/// content that is not compressed. Errors: invalid_field (no `from`, a key that is not Ed25519), out_of_range (beyond
/// kSignatureBytesMax), io_error (no random numbers).
Result<void> sign_message(Message& message, const PrivateKey& key, std::int64_t now_ms);

struct Signature {
  std::string key{};           // thumbprint of the key that it says it is of
  std::int64_t signed_at = 0;  // Unix milliseconds, by the signer's clock; whole seconds
  std::string nonce{};         // `jti`: drawn for this message alone; empty: a signer that draws none
  bool signs_key = false;      // the message's `key` is its signer's; else it is the server's, or anybody's
  std::string to{};            // whom it was signed for; empty or `capability:...`: whom the server finds
};
/// What the message says of its signature, which proves nothing yet. Errors: not_found if it has none; malformed.
Result<Signature> signature_of(const Message& message);
/// Whether who has the key signed this very message. A recipient may be another than the one that was signed only if
/// that one stood for it (`capability:...`, or none: a route, a topic). Errors: those, unauthorized (another key, or
/// something was altered; it says what).
Result<Signature> verify_message(const Message& message, const PublicKey& key);

/// What one recipient has met of signatures lately, so that a signed message that comes a second time as another one is
/// known; the same one may come as often as it is delivered. The last kMetSignaturesMax at least are remembered. Not
/// for several threads.
constexpr std::size_t kMetSignaturesMax = 64 * 1024;
class MetSignatures {
 public:
  explicit MetSignatures(std::size_t max = kMetSignaturesMax) : max_(max) {}
  /// Requires: verify_message() has said so. A signature without a number of its own passes. Errors: unauthorized.
  Result<void> meet(const Message& message, const Signature& signature);

 private:
  using Met = std::unordered_map<std::string, std::string>;  // sender, number and mailbox; which message that was
  std::size_t max_;
  Met young_, old_;
};

/// Seals the content for those whose keys these are; what the message says beside it (sender, recipient or topic, type,
/// conversation, content type) is bound to it. Errors: those of seal_for(), invalid_field (sealed already, compressed
/// or by reference).
Result<void> seal_message(Message& message, std::span<const PublicKey> recipients);
bool is_sealed(const Message& message);
/// Puts content and content type back as they were before they were sealed. Errors: those of open_sealed(),
/// unauthorized if it was sealed for another message.
Result<void> open_message(Message& message, std::span<const PrivateKey> keys);

}  // namespace folkmoot
