#include "access/jwt.hpp"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <set>

#include "access/api_key.hpp"
#include "base/hmac.hpp"
#include "base/utf8.hpp"
#include "crypto/base64url.hpp"
#include "crypto/openssl.hpp"
#include "message/limits.hpp"

namespace folkmoot::access {
namespace {

using Object = simdjson::dom::object;

constexpr std::size_t kSecretBytesMin = 32;  // RFC 7518, section 3.2
constexpr int kRsaBitsMin = 2048;            // likewise, section 3.3
constexpr std::size_t kCoordinateBytes = 32, kEd25519Bytes = 32;
// What would say where the key is, that it is in the token, or that it must be understood to be checked rightly.
constexpr std::string_view kRefusedHeaders[] = {"jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc"};

using Params = std::unique_ptr<OSSL_PARAM, OpensslDeleter<OSSL_PARAM_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, OpensslDeleter<OSSL_PARAM_BLD_free>>;
using Digest = std::unique_ptr<EVP_MD_CTX, OpensslDeleter<EVP_MD_CTX_free>>;
using BigNumber = std::unique_ptr<BIGNUM, OpensslDeleter<BN_free>>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, OpensslDeleter<ECDSA_SIG_free>>;

const unsigned char* raw(std::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

std::unexpected<Error> refused(std::string_view why) {
  return failure(ErrorCode::unauthorized, fmt::format("the token is not good: {}", why),
                 "get a new one from who gives them out");
}

std::unexpected<Error> bad_key(std::size_t place, std::string_view why) {
  return failure(ErrorCode::invalid_field, fmt::format("key {} of the JWK set {}", place, why),
                 "jwt.keys names public keys, and secrets for HS256, as RFC 7517 has them");
}

// Base64url without padding, as JOSE has it and no other way: a token has one spelling.
std::optional<std::string> decode(std::string_view text) {
  if (text.contains('=')) return std::nullopt;
  return decode_base64url(text);
}

// The members of a JSON object, each of which stands there once.
std::optional<Object> object_of(simdjson::dom::parser& parser, const std::string& text) {
  Object object;
  if (parser.parse(text).get(object) != simdjson::SUCCESS) return std::nullopt;
  std::set<std::string_view> names;
  for (const auto& [name, value] : object) {
    if (!names.insert(name).second) return std::nullopt;
  }
  return object;
}

std::string_view text_in(const Object& object, std::string_view name) {
  std::string_view text;
  return object[name].get(text) == simdjson::SUCCESS ? text : std::string_view();
}
bool has(const Object& object, std::string_view name) { return object[name].error() == simdjson::SUCCESS; }

// Seconds since 1970, whole or not (RFC 7519, section 2). Nothing for what is none, or far from any time.
std::optional<Instant> time_in(const Object& object, std::string_view name) {
  constexpr double kSecondsMax = 1e11;
  double seconds = 0;
  if (object[name].get(seconds) != simdjson::SUCCESS || !(seconds >= 0 && seconds < kSecondsMax)) return std::nullopt;
  return Instant{static_cast<std::int64_t>(std::floor(seconds * 1000))};
}

OwnedKey make_key(const char* type, const Builder& builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder.get()));
  const OwnedKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
    return nullptr;
  return OwnedKey(key);
}

OwnedKey make_rsa(std::string_view modulus, std::string_view exponent) {
  const BigNumber n(BN_bin2bn(raw(modulus), static_cast<int>(modulus.size()), nullptr));
  const BigNumber e(BN_bin2bn(raw(exponent), static_cast<int>(exponent.size()), nullptr));
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!n || !e || !builder || BN_num_bits(n.get()) < kRsaBitsMin || !BN_is_odd(e.get()) || BN_is_one(e.get()) ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1)
    return nullptr;
  return make_key("RSA", builder);
}

OwnedKey make_p256(std::string_view x, std::string_view y) {
  if (x.size() != kCoordinateBytes || y.size() != kCoordinateBytes) return nullptr;
  const auto point = std::string("\4").append(x).append(y);
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!builder || OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1)
    return nullptr;
  return make_key("EC", builder);
}

// r and s, 32 bytes each, as OpenSSL wants them.
std::string der_of(std::string_view signature) {
  const EcdsaSignature pair(ECDSA_SIG_new());
  BigNumber r(BN_bin2bn(raw(signature), kCoordinateBytes, nullptr));
  BigNumber s(BN_bin2bn(raw(signature) + kCoordinateBytes, kCoordinateBytes, nullptr));
  if (!pair || !r || !s || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) return {};
  (void)r.release();
  (void)s.release();
  std::array<unsigned char, 80> out{};
  auto* at = out.data();
  const auto size = i2d_ECDSA_SIG(pair.get(), &at);
  return size <= 0 ? std::string()
                   : std::string(reinterpret_cast<const char*>(out.data()), static_cast<std::size_t>(size));
}

}  // namespace

struct JwtVerifier::Key {
  std::string id{}, algorithm{};
  std::string secret{};  // of HS256
  OwnedKey key{};        // of the others

  bool has_signed(std::string_view input, std::string_view signature) const {
    if (algorithm == "HS256") return same_secret(hmac_sha256(secret, input), signature);
    std::string der;
    if (algorithm == "ES256") {
      if (signature.size() != 2 * kCoordinateBytes) return false;
      der = der_of(signature);
      signature = der;
    }
    const Digest digest(EVP_MD_CTX_new());
    const auto* const hash = algorithm == "EdDSA" ? nullptr : EVP_sha256();
    return digest && EVP_DigestVerifyInit(digest.get(), nullptr, hash, nullptr, key.get()) == 1 &&
           EVP_DigestVerify(digest.get(), raw(signature), signature.size(), raw(input), input.size()) == 1;
  }
};

namespace {

// What a key is for, by its kind; empty: for nothing that is known here.
std::string_view algorithm_of(const Object& jwk) {
  const auto kind = text_in(jwk, "kty"), curve = text_in(jwk, "crv");
  if (kind == "oct") return "HS256";
  if (kind == "RSA") return "RS256";
  if (kind == "EC" && curve == "P-256") return "ES256";
  if (kind == "OKP" && curve == "Ed25519") return "EdDSA";
  return {};
}

OwnedKey public_key(std::string_view algorithm, const Object& jwk) {
  const auto part = [&](std::string_view name) { return decode(text_in(jwk, name)).value_or(std::string()); };
  if (algorithm == "RS256") return make_rsa(part("n"), part("e"));
  if (algorithm == "ES256") return make_p256(part("x"), part("y"));
  const auto x = part("x");
  if (x.size() != kEd25519Bytes) return nullptr;
  return OwnedKey(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, raw(x), x.size()));
}

}  // namespace

struct JwtVerifier::KeySet {
  std::vector<std::unique_ptr<const Key>> list{};
  Instant good_until = 0;  // 0: for ever

  bool has(std::string_view id) const {
    return std::ranges::any_of(list, [&](const auto& key) { return key->id == id; });
  }
};

JwtVerifier::JwtVerifier(JwtOptions options) : options_(std::move(options)), keys_(std::make_shared<KeySet>()) {}
JwtVerifier::~JwtVerifier() = default;

Result<void> JwtVerifier::check(const JwtOptions& options) {
  for (const auto& algorithm : options.algorithms) {
    if (std::ranges::find(kJwtAlgorithms, algorithm) != std::end(kJwtAlgorithms)) continue;
    return failure(ErrorCode::invalid_field, fmt::format("there is no algorithm {}", printable(algorithm)),
                   "jwt.algorithms may have HS256, RS256, ES256 and EdDSA");
  }
  if (!options.issuer.empty() && !options.audience.empty()) return {};
  return failure(ErrorCode::invalid_field, "jwt.keys needs jwt.issuer and jwt.audience",
                 "say whose tokens are taken, and whom they are for");
}

Result<std::shared_ptr<const JwtVerifier>> JwtVerifier::make(JwtOptions options, std::string_view jwk_set) {
  if (auto good = check(options); !good) return std::unexpected(std::move(good.error()));
  std::shared_ptr<JwtVerifier> verifier(new JwtVerifier(std::move(options)));
  if (auto taken = verifier->take_keys(jwk_set, {}); !taken) return std::unexpected(std::move(taken.error()));
  return verifier;
}

Result<std::shared_ptr<JwtVerifier>> JwtVerifier::make_for_fetched(JwtOptions options) {
  if (auto good = check(options); !good) return std::unexpected(std::move(good.error()));
  if (std::ranges::find(options.algorithms, "HS256") != options.algorithms.end()) {
    return failure(ErrorCode::invalid_field, "jwt.keys is a URL, and jwt.algorithms has HS256, whose keys are secrets",
                   "have the issuer sign with RS256, ES256 or EdDSA, or put its keys into a file");
  }
  std::shared_ptr<JwtVerifier> verifier(new JwtVerifier(std::move(options)));
  verifier->is_fetched_ = true;
  return verifier;
}

Result<void> JwtVerifier::take_keys(std::string_view jwk_set, Instant good_until) {
  simdjson::dom::parser parser(kJwkSetBytesMax);
  simdjson::dom::array list;
  if (jwk_set.size() > kJwkSetBytesMax || parser.parse(std::string(jwk_set))["keys"].get(list) != simdjson::SUCCESS)
    return failure(ErrorCode::malformed, "that is no JWK set", "it is a JSON object with `keys`");
  auto taken = std::make_shared<KeySet>();
  taken->good_until = good_until;
  std::size_t place = 0;
  for (const auto& element : list) {
    Object jwk;
    if (++place > kJwksMax) return bad_key(place, fmt::format("is one too many: {} may be there", kJwksMax));
    if (element.get(jwk) != simdjson::SUCCESS) return bad_key(place, "is no object");
    const auto algorithm = algorithm_of(jwk);
    const auto& allowed = options_.algorithms;
    const bool is_for_that = !has(jwk, "alg") || text_in(jwk, "alg") == algorithm;
    const bool is_for_signatures = !has(jwk, "use") || text_in(jwk, "use") == "sig";
    if (!is_for_that || !is_for_signatures || std::ranges::find(allowed, algorithm) == allowed.end()) continue;
    auto key = std::make_unique<Key>();
    key->id = text_in(jwk, "kid");
    key->algorithm = algorithm;
    if (algorithm == "HS256") {
      key->secret = decode(text_in(jwk, "k")).value_or(std::string());
      if (key->secret.size() < kSecretBytesMin)
        return bad_key(place, fmt::format("has a secret of less than {} bytes", kSecretBytesMin));
    } else {
      if (has(jwk, "d")) return bad_key(place, "is a private one, which a server has no use for");
      key->key = public_key(algorithm, jwk);
      if (!key->key) return bad_key(place, fmt::format("is none for {}, or a weak one", algorithm));
    }
    taken->list.push_back(std::move(key));
  }
  if (taken->list.empty()) {
    return failure(ErrorCode::invalid_field, "the JWK set has no key for any algorithm that is allowed",
                   "see jwt.algorithms");
  }
  const std::lock_guard guard(lock_);
  keys_ = std::move(taken);
  return {};
}

void JwtVerifier::on_unknown_key(std::function<void()> call) {
  const std::lock_guard guard(lock_);
  on_unknown_key_ = std::move(call);
}

std::shared_ptr<const JwtVerifier::KeySet> JwtVerifier::keys() const {
  const std::lock_guard guard(lock_);
  return keys_;
}

void JwtVerifier::ask_for_keys() const {
  std::function<void()> call;
  {
    const std::lock_guard guard(lock_);
    call = on_unknown_key_;
  }
  if (call) call();
}

bool JwtVerifier::is_token(std::string_view text) {
  return text.starts_with("ey") && std::ranges::count(text, '.') == 2;
}

std::string JwtVerifier::claimed_subject(std::string_view token) {
  if (token.size() > kTokenBytesMax || !is_token(token)) return {};
  const auto first = token.find('.');
  const auto payload = decode(token.substr(first + 1, token.rfind('.') - first - 1));
  if (!payload) return {};
  simdjson::dom::parser parser(kTokenBytesMax);
  const auto claims = object_of(parser, *payload);
  return claims ? std::string(text_in(*claims, "sub")) : std::string();
}

Result<std::string> JwtVerifier::verify_signature(std::string_view token) const {
  if (token.size() > kTokenBytesMax || std::ranges::count(token, '.') != 2) return refused("it is none");
  const auto first = token.find('.'), last = token.rfind('.');
  const auto header_text = decode(token.substr(0, first));
  const auto payload = decode(token.substr(first + 1, last - first - 1));
  const auto signature = decode(token.substr(last + 1));
  if (!header_text || !payload || !signature || signature->empty()) return refused("it is none");
  simdjson::dom::parser parser(kTokenBytesMax);
  const auto header = object_of(parser, *header_text);
  if (!header) return refused("its header is none");
  for (const auto name : kRefusedHeaders) {
    if (has(*header, name)) return refused(fmt::format("its header has `{}`, which is not taken from tokens", name));
  }
  const auto id = text_in(*header, "kid"), algorithm = text_in(*header, "alg");
  const auto trusted = keys();
  for (const auto& key : trusted->list) {
    if ((!id.empty() && id != key->id) || algorithm != key->algorithm) continue;
    if (key->has_signed(token.substr(0, last), *signature)) return *payload;
  }
  if (is_fetched_ && !id.empty() && !trusted->has(id)) {
    ask_for_keys();
    return failure(ErrorCode::unauthorized, "the token is not good: no key that is trusted has signed it",
                   "if its key is a new one, come again in a minute: the issuer is asked for its keys");
  }
  return refused("no key that is trusted has signed it");
}

Result<JwtSubject> JwtVerifier::verify(std::string_view token, Instant now) const {
  if (is_fetched_) {
    const auto trusted = keys();
    if (trusted->list.empty() || now >= trusted->good_until) {
      ask_for_keys();
      return failure(ErrorCode::busy,
                     trusted->list.empty() ? "the keys of the issuer have not come yet, so no token can be looked at"
                                           : "the keys of the issuer are too old, and no newer ones could be had",
                     "come again in a moment; the server's log says what is wrong");
    }
  }
  const auto payload = verify_signature(token);
  if (!payload) return std::unexpected(payload.error());
  simdjson::dom::parser parser(kTokenBytesMax);
  const auto claims = object_of(parser, *payload);
  if (!claims) return refused("what it claims is no object");
  const auto expires = time_in(*claims, "exp");
  if (!expires) return refused("it does not say when it expires (`exp`)");
  const auto last = *expires + options_.leeway;
  if (now >= last) return refused("it has expired");
  for (const auto* const name : {"nbf", "iat"}) {
    if (!has(*claims, name)) continue;
    const auto begins = time_in(*claims, name);
    if (!begins || *begins > now + options_.leeway) return refused(fmt::format("it is of the future (`{}`)", name));
  }
  if (text_in(*claims, "iss") != options_.issuer) return refused("it is of another issuer");
  bool is_for_us = text_in(*claims, "aud") == options_.audience;
  simdjson::dom::array audiences;
  if ((*claims)["aud"].get(audiences) == simdjson::SUCCESS) {
    for (const auto& each : audiences) {
      std::string_view text;
      is_for_us = is_for_us || (each.get(text) == simdjson::SUCCESS && text == options_.audience);
    }
  }
  if (!is_for_us) return refused("it is for another audience");
  const auto subject = text_in(*claims, "sub");
  if (!is_name(subject)) return refused("it does not say whom it is about (`sub`)");
  return JwtSubject{.name = std::string(subject), .expires_at = last};
}

}  // namespace folkmoot::access
