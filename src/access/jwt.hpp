// JSON Web Tokens (RFC 7519) as compact JWS (RFC 7515; EdDSA: RFC 8037), by OpenSSL. Which algorithm a key is for says
// the set of keys and the configuration; what a token says of itself must agree with that, and chooses nothing. So a
// token without a signature, one that is signed with a public key as if it were a secret, and one that brings its key
// along are all the same: tokens of no key.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/time.hpp"

namespace folkmoot::access {

constexpr std::size_t kJwkSetBytesMax = 256 * 1024;
constexpr std::size_t kJwksMax = 64;
constexpr std::string_view kJwtAlgorithms[] = {"HS256", "RS256", "ES256", "EdDSA"};

struct JwtOptions {
  std::vector<std::string> algorithms{};  // of kJwtAlgorithms; empty: none, so no token is good
  std::string issuer{}, audience{};       // what `iss` is and `aud` has; both must be there
  Duration leeway{30'000};                // by which other clocks may be wrong
};

/// Whom a token is about, and how long it says so.
struct JwtSubject {
  std::string name{};
  Instant expires_at = 0;
};

class JwtVerifier {
 public:
  /// `jwk_set`: a JWK Set (RFC 7517, section 5) of public keys, and of secrets for HS256. Keys for nothing that is
  /// allowed are passed over. Errors: malformed; invalid_field (a key that is weak or private, an algorithm that is
  /// none, no key at all).
  static Result<std::shared_ptr<const JwtVerifier>> make(JwtOptions options, std::string_view jwk_set);
  /// One whose keys are fetched from somewhere: until some have come it takes no token. Errors: invalid_field, for
  /// HS256 too: its secrets are not for who can read what is fetched.
  static Result<std::shared_ptr<JwtVerifier>> make_for_fetched(JwtOptions options);
  ~JwtVerifier();

  /// Those alone from now on, good until then (0: for ever). What is wrong changes nothing. Any thread. Errors: as of
  /// make().
  Result<void> take_keys(std::string_view jwk_set, Instant good_until);
  /// Called, on whatever thread verifies, when a token says a key that was not fetched, or none is good any more; an
  /// empty one: nothing is. Any thread.
  void on_unknown_key(std::function<void()> call);

  /// Whether it is one by its shape.
  static bool is_token(std::string_view text);
  /// Whom it would be about, if it were good; empty: it does not say.
  static std::string claimed_subject(std::string_view token);
  /// Errors: unauthorized; busy if there are no keys (yet, or any more) that it could be told by.
  Result<JwtSubject> verify(std::string_view token, Instant now) const;
  /// The payload of a JWS that one of the keys has signed. Errors: unauthorized.
  Result<std::string> verify_signature(std::string_view token) const;

 private:
  struct Key;
  struct KeySet;
  explicit JwtVerifier(JwtOptions options);
  static Result<void> check(const JwtOptions& options);
  std::shared_ptr<const KeySet> keys() const;
  void ask_for_keys() const;

  const JwtOptions options_;
  bool is_fetched_ = false;  // constant once it is made
  mutable std::mutex lock_;  // of what follows: logins on every shard, and whoever fetches
  std::shared_ptr<const KeySet> keys_;
  std::function<void()> on_unknown_key_;
};

}  // namespace folkmoot::access
