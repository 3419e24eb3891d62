// The ciphers and signatures that messages are sealed with, each as a function of bytes. Nothing here is ours:
// AES-256-GCM (NIST SP 800-38D), AES key wrap (RFC 3394), Concat KDF (NIST SP 800-56A, as RFC 7518 uses it).
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace folkmoot {

constexpr std::size_t kAesKeyBytes = 32;
constexpr std::size_t kGcmNonceBytes = 12;
constexpr std::size_t kGcmTagBytes = 16;

/// Errors: io_error, if the system has none.
Result<std::string> random_bytes(std::size_t count);
/// Takes as long for texts that differ as for those that do not.
bool is_same_secret(std::string_view one, std::string_view other);

/// Encrypted, with the tag behind it. Requires: a key of kAesKeyBytes; a nonce of kGcmNonceBytes that was never used
/// with it. `bound` is not encrypted, and has to be given to open it.
std::string seal_gcm(std::string_view key, std::string_view nonce, std::string_view bound, std::string_view plain);
/// Nothing if any of it is not what it was when it was sealed. `sealed` has the tag behind it.
std::optional<std::string> open_gcm(std::string_view key, std::string_view nonce, std::string_view bound,
                                    std::string_view sealed);

/// A key encrypted by a key (RFC 3394). Requires: `by` of kAesKeyBytes, `key` of 16 bytes or more, of eights.
std::string wrap_key(std::string_view by, std::string_view key);
std::optional<std::string> unwrap_key(std::string_view by, std::string_view wrapped);

/// The key of 256 bits that follows from a shared secret (RFC 7518, section 4.6.2), for `algorithm`.
std::string concat_kdf(std::string_view secret, std::string_view algorithm, std::string_view sender,
                       std::string_view recipient);

/// AES-128 in CBC mode with PKCS #7 padding. Requires: a key and a vector of 16 bytes.
std::string encrypt_cbc(std::string_view key, std::string_view vector, std::string_view plain);
std::optional<std::string> decrypt_cbc(std::string_view key, std::string_view vector, std::string_view sealed);

std::string sha256_of(std::string_view text);

}  // namespace folkmoot
