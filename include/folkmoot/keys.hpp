// Keys of agents: Ed25519 to sign, X25519 and RSA to be sealed for. In and out as PEM (PKCS #8, SubjectPublicKeyInfo)
// and as JWK (RFC 7517, RFC 8037). A key's name is its thumbprint (RFC 7638), the same wherever it is.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "folkmoot/error.hpp"

typedef struct evp_pkey_st EVP_PKEY;

namespace folkmoot {

enum class KeyType : std::uint8_t { ed25519, x25519, rsa };
constexpr std::string_view kKeyTypeWords[] = {"ed25519", "x25519", "rsa"};
constexpr std::string_view name(KeyType type) { return kKeyTypeWords[static_cast<std::size_t>(type)]; }

constexpr unsigned kRsaBitsMin = 2048, kRsaBitsMax = 8192;
constexpr unsigned kRsaBitsDefault = 3072;

class PublicKey {
 public:
  /// Errors, here and below: malformed for what is no key; invalid_field for one of a kind or a size that is not used.
  static Result<PublicKey> from_pem(std::string_view text);
  static Result<PublicKey> from_jwk(std::string_view json);
  /// Of 32 bytes, as Ed25519 and X25519 have it.
  static Result<PublicKey> from_raw(KeyType type, std::string_view bytes);
  /// Of either notation.
  static Result<PublicKey> parse(std::string_view text);

  KeyType type() const { return type_; }
  std::string pem() const;
  std::string jwk() const;
  /// RFC 7638 with SHA-256, in base64url: 43 characters.
  std::string thumbprint() const;
  /// Of Ed25519 and X25519.
  std::string raw() const;

  /// Whether `signature` is this key's of `text`. Requires: ed25519.
  bool verifies(std::string_view text, std::string_view signature) const;
  /// RSA-OAEP with SHA-256 (RFC 8017). Errors: content_too_large. Requires: rsa.
  Result<std::string> encrypt(std::string_view plain, std::string_view label = {}) const;
  /// What encrypt() takes at most.
  std::size_t encrypt_bytes_max() const;

 private:
  friend class PrivateKey;
  PublicKey(std::shared_ptr<EVP_PKEY> key, KeyType type) : key_(std::move(key)), type_(type) {}
  static Result<PublicKey> of(std::shared_ptr<EVP_PKEY> key);
  std::string canonical() const;

  std::shared_ptr<EVP_PKEY> key_;  // constant
  KeyType type_;
};

class PrivateKey {
 public:
  /// Errors: internal, out_of_range.
  static Result<PrivateKey> generate(KeyType type, unsigned rsa_bits = kRsaBitsDefault);
  /// Errors, beside those of PublicKey: unauthorized for a passphrase that is missing or wrong.
  static Result<PrivateKey> from_pem(std::string_view text, std::string_view passphrase = {});
  static Result<PrivateKey> from_jwk(std::string_view json);
  static Result<PrivateKey> from_raw(KeyType type, std::string_view bytes);
  static Result<PrivateKey> parse(std::string_view text, std::string_view passphrase = {});

  KeyType type() const { return public_.type(); }
  const PublicKey& public_key() const { return public_; }
  /// With a passphrase: encrypted by AES-256 and PBKDF2.
  std::string pem(std::string_view passphrase = {}) const;
  std::string jwk() const;

  /// 64 bytes. Requires: ed25519.
  std::string sign(std::string_view text) const;
  /// The secret shared with another's key; nothing for a key that has none with anybody. Requires: both x25519.
  std::optional<std::string> agree(const PublicKey& other) const;
  /// Nothing if it is not for this key and `label`. Requires: rsa.
  std::optional<std::string> decrypt(std::string_view sealed, std::string_view label = {}) const;

 private:
  explicit PrivateKey(PublicKey public_key) : public_(std::move(public_key)) {}
  static Result<PrivateKey> of(std::shared_ptr<EVP_PKEY> key);

  PublicKey public_;  // of the same EVP_PKEY
};

}  // namespace folkmoot
