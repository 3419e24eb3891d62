// Contents that only those open who have a key: JSON Web Encryption (RFC 7516, 7518, 8037), so that any JOSE library
// does it too. The content is encrypted once, by AES-256-GCM with a key of its own, and that key for each recipient:
//
//   X25519     ECDH-ES+A256KW, an ephemeral key for each recipient
//   RSA        RSA-OAEP-256
//   shared     dir: the shared key is the content's
//
// What must not be altered or swapped beside it (who says it to whom, and as what) is bound: it is in `aad`, and
// whoever opens it says what it has to be.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "folkmoot/error.hpp"
#include "folkmoot/keys.hpp"

namespace folkmoot {

constexpr std::size_t kSealRecipientsMax = 64;
constexpr std::string_view kSealedContentType = "application/jose+json";

/// For each of these, who all open it. Errors: invalid_field for none, too many, and keys that sign.
Result<std::string> seal_for(std::span<const PublicKey> recipients, std::string_view bound, std::string_view plain);
/// With a key of kAesKeyBytes that both sides have; `key_name` tells which. Errors: invalid_field.
Result<std::string> seal_shared(std::string_view key, std::string_view key_name, std::string_view bound,
                                std::string_view plain);

/// Errors: malformed; not_found if it is for none of the keys; unauthorized if it was altered, or bound to other than
/// `bound`.
Result<std::string> open_sealed(std::span<const PrivateKey> keys, std::string_view bound, std::string_view sealed);
Result<std::string> open_shared(std::string_view key, std::string_view bound, std::string_view sealed);

/// What it says it is bound to, which proves nothing before it was opened with that. Errors: malformed.
Result<std::string> bound_of(std::string_view sealed);
/// For whom it is: thumbprints, or the name of a shared key. Errors: malformed.
Result<std::vector<std::string>> sealed_for(std::string_view sealed);

}  // namespace folkmoot
