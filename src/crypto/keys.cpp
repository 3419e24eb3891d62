#include "folkmoot/keys.hpp"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <vector>

#include "base/assert.hpp"
#include "crypto/base64url.hpp"
#include "crypto/files.hpp"
#include "crypto/openssl.hpp"
#include "crypto/primitives.hpp"

namespace folkmoot {
namespace {

using OwnedSecretNumber = std::unique_ptr<BIGNUM, OpensslDeleter<BN_clear_free>>;
using OwnedBuilder = std::unique_ptr<OSSL_PARAM_BLD, OpensslDeleter<OSSL_PARAM_BLD_free>>;
using OwnedParameters = std::unique_ptr<OSSL_PARAM, OpensslDeleter<OSSL_PARAM_free>>;
using OwnedDigest = std::unique_ptr<EVP_MD_CTX, OpensslDeleter<EVP_MD_CTX_free>>;

constexpr std::size_t kRawBytes = 32;
constexpr std::size_t kSignatureBytes = 64;
constexpr std::size_t kOaepOverhead = 2 * 32 + 2;  // RFC 8017, section 7.1.1, with SHA-256
constexpr int kPbkdf2Rounds = 600'000;

// The numbers of an RSA key, as JWK and OpenSSL call them.
struct RsaPart {
  const char* jwk;
  const char* name;
  bool is_secret;
};
constexpr RsaPart kRsaParts[] = {
    {"n", OSSL_PKEY_PARAM_RSA_N, false},         {"e", OSSL_PKEY_PARAM_RSA_E, false},
    {"d", OSSL_PKEY_PARAM_RSA_D, true},          {"p", OSSL_PKEY_PARAM_RSA_FACTOR1, true},
    {"q", OSSL_PKEY_PARAM_RSA_FACTOR2, true},    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1, true},
    {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2, true}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1, true},
};

const unsigned char* raw_of(std::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }
unsigned char* raw_of(std::string& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

std::shared_ptr<EVP_PKEY> shared(EVP_PKEY* key) {
  return key == nullptr ? nullptr : std::shared_ptr<EVP_PKEY>(key, ::EVP_PKEY_free);
}

Error no_key(std::string_view why) {
  auto error = openssl_error(ErrorCode::malformed, fmt::format("that is no key: {}", why));
  error.advice = "give one in PEM or JWK, as `folkmoot key` writes it";
  return error;
}

int evp_type(KeyType type) { return type == KeyType::ed25519 ? EVP_PKEY_ED25519 : EVP_PKEY_X25519; }

struct Passphrase {
  std::string_view text;
  bool was_asked = false;
};

int give_passphrase(char* into, int size, int, void* given) {
  auto& passphrase = *static_cast<Passphrase*>(given);
  passphrase.was_asked = true;
  if (passphrase.text.empty() || passphrase.text.size() > static_cast<std::size_t>(size)) return -1;
  passphrase.text.copy(into, passphrase.text.size());
  return static_cast<int>(passphrase.text.size());
}

std::string number_of(const EVP_PKEY& key, const char* part) {
  BIGNUM* found = nullptr;
  if (::EVP_PKEY_get_bn_param(&key, part, &found) != 1) return {};
  const OwnedSecretNumber number(found);
  std::string bytes(static_cast<std::size_t>(BN_num_bytes(found)), '\0');
  ::BN_bn2bin(found, raw_of(bytes));
  return bytes;
}

Result<boost::json::object> parse_jwk(std::string_view json) {
  if (json.size() > kKeyFileBytesMax) return std::unexpected(no_key("it is too long"));
  boost::system::error_code error;
  auto value = boost::json::parse(json, error);
  if (error || !value.is_object()) return std::unexpected(no_key("it is no JSON object"));
  return std::move(value.as_object());
}

std::string text_at(const boost::json::object& object, std::string_view key) {
  const auto* const found = object.if_contains(key);
  return found != nullptr && found->is_string() ? std::string(found->as_string()) : std::string();
}

Result<std::shared_ptr<EVP_PKEY>> rsa_of(const boost::json::object& jwk, bool with_secret) {
  const OwnedBuilder builder(::OSSL_PARAM_BLD_new());
  std::vector<OwnedSecretNumber> numbers;  // live until the key is made
  for (const auto& part : kRsaParts) {
    if (part.is_secret && !with_secret) continue;
    const auto bytes = decode_base64url(text_at(jwk, part.jwk));
    if (!bytes || bytes->empty() || bytes->size() > kRsaBitsMax / 8 + 1)
      return std::unexpected(no_key(fmt::format("`{}` is no number in base64url", part.jwk)));
    numbers.emplace_back(::BN_bin2bn(raw_of(std::string_view(*bytes)), static_cast<int>(bytes->size()), nullptr));
    ::OSSL_PARAM_BLD_push_BN(builder.get(), part.name, numbers.back().get());
  }
  const OwnedParameters parameters(::OSSL_PARAM_BLD_to_param(builder.get()));
  const OwnedKeyContext context(::EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* made = nullptr;
  ::EVP_PKEY_fromdata_init(context.get());
  if (::EVP_PKEY_fromdata(context.get(), &made, with_secret ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
                          parameters.get()) != 1)
    return std::unexpected(no_key("its numbers are of no RSA key"));
  return shared(made);
}

Result<KeyType> okp_type(const boost::json::object& jwk) {
  const auto curve = text_at(jwk, "crv");
  if (text_at(jwk, "kty") != "OKP" || (curve != "Ed25519" && curve != "X25519"))
    return failure(ErrorCode::invalid_field, "that is no key of a kind that is used here",
                   "Ed25519, X25519 and RSA are");
  return curve == "Ed25519" ? KeyType::ed25519 : KeyType::x25519;
}

bool set_oaep(EVP_PKEY_CTX* context, std::string_view label) {
  if (::EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) != 1 ||
      ::EVP_PKEY_CTX_set_rsa_oaep_md(context, ::EVP_sha256()) != 1 ||
      ::EVP_PKEY_CTX_set_rsa_mgf1_md(context, ::EVP_sha256()) != 1)
    return false;
  if (label.empty()) return true;
  auto* const copy = ::OPENSSL_memdup(label.data(), label.size());  // the context owns it
  return copy != nullptr && ::EVP_PKEY_CTX_set0_rsa_oaep_label(context, copy, static_cast<int>(label.size())) == 1;
}

void add_jwk_number(boost::json::object& out, const EVP_PKEY& key, const RsaPart& part) {
  out[part.jwk] = encode_base64url(number_of(key, part.name));
}

}  // namespace

// -- public keys

Result<PublicKey> PublicKey::of(std::shared_ptr<EVP_PKEY> key) {
  if (!key) return std::unexpected(no_key("it cannot be read"));
  (void)openssl_reason();
  if (::EVP_PKEY_is_a(key.get(), "ED25519") == 1) return PublicKey(std::move(key), KeyType::ed25519);
  if (::EVP_PKEY_is_a(key.get(), "X25519") == 1) return PublicKey(std::move(key), KeyType::x25519);
  if (::EVP_PKEY_is_a(key.get(), "RSA") != 1)
    return failure(ErrorCode::invalid_field,
                   fmt::format("{} keys are not used here", ::EVP_PKEY_get0_type_name(key.get())),
                   "Ed25519, X25519 and RSA keys are");
  const auto bits = static_cast<unsigned>(::EVP_PKEY_get_bits(key.get()));
  if (bits < kRsaBitsMin || bits > kRsaBitsMax)
    return failure(ErrorCode::invalid_field,
                   fmt::format("an RSA key of {} bits; {} to {} are used", bits, kRsaBitsMin, kRsaBitsMax));
  const OwnedKeyContext check(::EVP_PKEY_CTX_new(key.get(), nullptr));
  if (::EVP_PKEY_public_check(check.get()) != 1) return std::unexpected(no_key("its numbers are of no RSA key"));
  return PublicKey(std::move(key), KeyType::rsa);
}

Result<PublicKey> PublicKey::from_pem(std::string_view text) {
  const auto in = memory_bio(text);
  Passphrase none;
  return of(shared(::PEM_read_bio_PUBKEY(in.get(), nullptr, give_passphrase, &none)));
}

Result<PublicKey> PublicKey::from_raw(KeyType type, std::string_view bytes) {
  if (type == KeyType::rsa || bytes.size() != kRawBytes) return std::unexpected(no_key("it has not 32 bytes"));
  return of(shared(::EVP_PKEY_new_raw_public_key(evp_type(type), nullptr, raw_of(bytes), bytes.size())));
}

Result<PublicKey> PublicKey::from_jwk(std::string_view json) {
  const auto jwk = parse_jwk(json);
  if (!jwk) return std::unexpected(jwk.error());
  if (text_at(*jwk, "kty") == "RSA") {
    auto key = rsa_of(*jwk, false);
    if (!key) return std::unexpected(key.error());
    return of(std::move(*key));
  }
  const auto type = okp_type(*jwk);
  if (!type) return std::unexpected(type.error());
  const auto bytes = decode_base64url(text_at(*jwk, "x"));
  if (!bytes) return std::unexpected(no_key("`x` is not in base64url"));
  return from_raw(*type, *bytes);
}

Result<PublicKey> PublicKey::parse(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == text.find('{') && text.contains('{') ? from_jwk(text) : from_pem(text);
}

std::string PublicKey::pem() const {
  const auto out = memory_bio();
  const int done = ::PEM_write_bio_PUBKEY(out.get(), key_.get());
  FOLKMOOT_ASSERT(done == 1);
  return text_of(*out);
}

std::string PublicKey::raw() const {
  std::string bytes(kRawBytes, '\0');
  auto size = bytes.size();
  const int done = ::EVP_PKEY_get_raw_public_key(key_.get(), raw_of(bytes), &size);
  FOLKMOOT_ASSERT(done == 1 && size == kRawBytes);
  return bytes;
}

// The members that RFC 7638 has, in its order and without a blank.
std::string PublicKey::canonical() const {
  if (type_ == KeyType::rsa)
    return fmt::format(R"({{"e":"{}","kty":"RSA","n":"{}"}})",
                       encode_base64url(number_of(*key_, OSSL_PKEY_PARAM_RSA_E)),
                       encode_base64url(number_of(*key_, OSSL_PKEY_PARAM_RSA_N)));
  return fmt::format(R"({{"crv":"{}","kty":"OKP","x":"{}"}})", type_ == KeyType::ed25519 ? "Ed25519" : "X25519",
                     encode_base64url(raw()));
}

std::string PublicKey::jwk() const { return canonical(); }
std::string PublicKey::thumbprint() const { return encode_base64url(sha256_of(canonical())); }

bool PublicKey::verifies(std::string_view text, std::string_view signature) const {
  FOLKMOOT_ASSERT(type_ == KeyType::ed25519);
  const OwnedDigest digest(::EVP_MD_CTX_new());
  const bool good =
      signature.size() == kSignatureBytes &&
      ::EVP_DigestVerifyInit(digest.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
      ::EVP_DigestVerify(digest.get(), raw_of(signature), signature.size(), raw_of(text), text.size()) == 1;
  (void)openssl_reason();
  return good;
}

std::size_t PublicKey::encrypt_bytes_max() const {
  return static_cast<std::size_t>(::EVP_PKEY_get_size(key_.get())) - kOaepOverhead;
}

Result<std::string> PublicKey::encrypt(std::string_view plain, std::string_view label) const {
  FOLKMOOT_ASSERT(type_ == KeyType::rsa);
  if (plain.size() > encrypt_bytes_max())
    return failure(ErrorCode::content_too_large,
                   fmt::format("{} bytes; RSA-OAEP with this key takes {}", plain.size(), encrypt_bytes_max()),
                   "use the hybrid suite, which takes any");
  const OwnedKeyContext context(::EVP_PKEY_CTX_new(key_.get(), nullptr));
  std::string out(static_cast<std::size_t>(::EVP_PKEY_get_size(key_.get())), '\0');
  auto size = out.size();
  if (::EVP_PKEY_encrypt_init(context.get()) != 1 || !set_oaep(context.get(), label) ||
      ::EVP_PKEY_encrypt(context.get(), raw_of(out), &size, raw_of(plain), plain.size()) != 1)
    return std::unexpected(openssl_error(ErrorCode::internal, "RSA-OAEP failed"));
  out.resize(size);
  return out;
}

// -- private keys

// Every way in ends here: what a file or a JWK calls an RSA key may be numbers that have nothing to do with each other.
Result<PrivateKey> PrivateKey::of(std::shared_ptr<EVP_PKEY> key) {
  auto made = PublicKey::of(std::move(key));
  if (!made) return std::unexpected(made.error());
  if (made->type() == KeyType::rsa) {
    if (!number_of(*made->key_, OSSL_PKEY_PARAM_RSA_FACTOR3).empty())
      return failure(ErrorCode::invalid_field, "an RSA key of more than two primes is not used here",
                     "make one with `folkmoot key`");
    const OwnedKeyContext check(::EVP_PKEY_CTX_new(made->key_.get(), nullptr));
    if (::EVP_PKEY_check(check.get()) != 1) return std::unexpected(no_key("its numbers do not belong together"));
  }
  (void)openssl_reason();
  return PrivateKey(std::move(*made));
}

Result<PrivateKey> PrivateKey::generate(KeyType type, unsigned rsa_bits) {
  if (type == KeyType::rsa && (rsa_bits < kRsaBitsMin || rsa_bits > kRsaBitsMax))
    return failure(ErrorCode::out_of_range,
                   fmt::format("an RSA key of {} bits; {} to {} can be", rsa_bits, kRsaBitsMin, kRsaBitsMax));
  auto key = shared(type == KeyType::rsa
                        ? ::EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{rsa_bits})
                        : ::EVP_PKEY_Q_keygen(nullptr, nullptr, type == KeyType::ed25519 ? "ED25519" : "X25519"));
  return of(std::move(key));
}

Result<PrivateKey> PrivateKey::from_pem(std::string_view text, std::string_view passphrase) {
  const auto in = memory_bio(text);
  Passphrase given{passphrase};
  auto key = shared(::PEM_read_bio_PrivateKey(in.get(), nullptr, give_passphrase, &given));
  if (!key && given.was_asked) {
    (void)openssl_reason();
    return failure(ErrorCode::unauthorized,
                   passphrase.empty() ? "the key has a passphrase" : "the passphrase is not the key's",
                   "give its passphrase");
  }
  return of(std::move(key));
}

Result<PrivateKey> PrivateKey::from_raw(KeyType type, std::string_view bytes) {
  if (type == KeyType::rsa || bytes.size() != kRawBytes) return std::unexpected(no_key("it has not 32 bytes"));
  return of(shared(::EVP_PKEY_new_raw_private_key(evp_type(type), nullptr, raw_of(bytes), bytes.size())));
}

Result<PrivateKey> PrivateKey::from_jwk(std::string_view json) {
  const auto jwk = parse_jwk(json);
  if (!jwk) return std::unexpected(jwk.error());
  if (text_at(*jwk, "kty") == "RSA") {
    auto key = rsa_of(*jwk, true);
    if (!key) return std::unexpected(key.error());
    return of(std::move(*key));
  }
  const auto type = okp_type(*jwk);
  if (!type) return std::unexpected(type.error());
  const auto secret = decode_base64url(text_at(*jwk, "d"));
  if (!secret) return std::unexpected(no_key("`d` is not in base64url"));
  auto made = from_raw(*type, *secret);
  if (made && text_at(*jwk, "x") != encode_base64url(made->public_key().raw()))
    return std::unexpected(no_key("`x` is not the public key of `d`"));
  return made;
}

Result<PrivateKey> PrivateKey::parse(std::string_view text, std::string_view passphrase) {
  return text.find_first_not_of(" \t\r\n") == text.find('{') && text.contains('{') ? from_jwk(text)
                                                                                   : from_pem(text, passphrase);
}

std::string PrivateKey::pem(std::string_view passphrase) const {
  const auto out = memory_bio();
  int done = 0;
  if (passphrase.empty()) {
    done = ::PEM_write_bio_PKCS8PrivateKey(out.get(), public_.key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
  } else {
    using OwnedSafe = std::unique_ptr<X509_SIG, OpensslDeleter<X509_SIG_free>>;
    using OwnedPlain = std::unique_ptr<PKCS8_PRIV_KEY_INFO, OpensslDeleter<PKCS8_PRIV_KEY_INFO_free>>;
    const OwnedPlain plain(::EVP_PKEY2PKCS8(public_.key_.get()));
    auto* const cipher =
        ::PKCS5_pbe2_set_iv(::EVP_aes_256_cbc(), kPbkdf2Rounds, nullptr, 0, nullptr, NID_hmacWithSHA256);
    const OwnedSafe safe(::PKCS8_set0_pbe(passphrase.data(), static_cast<int>(passphrase.size()), plain.get(), cipher));
    done = safe ? ::PEM_write_bio_PKCS8(out.get(), safe.get()) : 0;
  }
  FOLKMOOT_ASSERT(done == 1);
  return text_of(*out);
}

std::string PrivateKey::jwk() const {
  boost::json::object out;
  const auto& key = *public_.key_;
  if (type() == KeyType::rsa) {
    out["kty"] = "RSA";
    for (const auto& part : kRsaParts) add_jwk_number(out, key, part);
    return boost::json::serialize(out);
  }
  std::string secret(kRawBytes, '\0');
  auto size = secret.size();
  const int done = ::EVP_PKEY_get_raw_private_key(&key, raw_of(secret), &size);
  FOLKMOOT_ASSERT(done == 1 && size == kRawBytes);
  out["kty"] = "OKP";
  out["crv"] = type() == KeyType::ed25519 ? "Ed25519" : "X25519";
  out["x"] = encode_base64url(public_.raw());
  out["d"] = encode_base64url(secret);
  return boost::json::serialize(out);
}

std::string PrivateKey::sign(std::string_view text) const {
  FOLKMOOT_ASSERT(type() == KeyType::ed25519);
  const OwnedDigest digest(::EVP_MD_CTX_new());
  std::string out(kSignatureBytes, '\0');
  auto size = out.size();
  const bool good = ::EVP_DigestSignInit(digest.get(), nullptr, nullptr, nullptr, public_.key_.get()) == 1 &&
                    ::EVP_DigestSign(digest.get(), raw_of(out), &size, raw_of(text), text.size()) == 1;
  FOLKMOOT_ASSERT(good && size == kSignatureBytes);
  return out;
}

std::optional<std::string> PrivateKey::agree(const PublicKey& other) const {
  FOLKMOOT_ASSERT(type() == KeyType::x25519 && other.type() == KeyType::x25519);
  const OwnedKeyContext context(::EVP_PKEY_CTX_new(public_.key_.get(), nullptr));
  std::string out(kRawBytes, '\0');
  auto size = out.size();
  // A key of small order, whose secret is zero with anybody's, is refused by OpenSSL.
  const bool good = ::EVP_PKEY_derive_init(context.get()) == 1 &&
                    ::EVP_PKEY_derive_set_peer(context.get(), other.key_.get()) == 1 &&
                    ::EVP_PKEY_derive(context.get(), raw_of(out), &size) == 1 && size == kRawBytes;
  (void)openssl_reason();
  if (!good) return std::nullopt;
  return out;
}

std::optional<std::string> PrivateKey::decrypt(std::string_view sealed, std::string_view label) const {
  FOLKMOOT_ASSERT(type() == KeyType::rsa);
  const OwnedKeyContext context(::EVP_PKEY_CTX_new(public_.key_.get(), nullptr));
  std::string out(static_cast<std::size_t>(::EVP_PKEY_get_size(public_.key_.get())), '\0');
  auto size = out.size();
  const bool good = ::EVP_PKEY_decrypt_init(context.get()) == 1 && set_oaep(context.get(), label) &&
                    ::EVP_PKEY_decrypt(context.get(), raw_of(out), &size, raw_of(sealed), sealed.size()) == 1;
  (void)openssl_reason();
  if (!good) return std::nullopt;
  out.resize(size);
  return out;
}

}  // namespace folkmoot
