// Keys in and out (folkmoot/keys.hpp), and the primitives that no vector of others covers (crypto/primitives.hpp).
#include "folkmoot/keys.hpp"

#include <gtest/gtest.h>

#include "crypto/base64url.hpp"
#include "crypto/primitives.hpp"

namespace folkmoot {
namespace {

constexpr KeyType kTypes[] = {KeyType::ed25519, KeyType::x25519, KeyType::rsa};

TEST(Keys, U13_come_back_as_they_went_out) {
  for (const auto type : kTypes) {
    const auto key = *PrivateKey::generate(type, kRsaBitsMin);
    const auto& open = key.public_key();
    for (const auto& text : {key.pem(), key.jwk()}) {
      const auto read = PrivateKey::parse(text);
      ASSERT_TRUE(read) << read.error().text;
      EXPECT_EQ(read->public_key().thumbprint(), open.thumbprint());
      EXPECT_EQ(read->jwk(), key.jwk());
    }
    for (const auto& text : {open.pem(), open.jwk(), " \n" + open.jwk()}) {
      const auto read = PublicKey::parse(text);
      ASSERT_TRUE(read) << read.error().text;
      EXPECT_EQ(read->thumbprint(), open.thumbprint());
    }
    EXPECT_EQ(open.thumbprint().size(), 43u);
    EXPECT_EQ(open.jwk().find("\"d\""), std::string::npos);
    EXPECT_FALSE(PrivateKey::parse(open.pem()));
    EXPECT_FALSE(PrivateKey::parse(open.jwk()));
  }
}

// RFC 8037, appendices A.1 to A.4.
TEST(Keys, U13_are_those_of_rfc_8037) {
  const auto key =
      PrivateKey::from_jwk(R"({"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
      "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})");
  ASSERT_TRUE(key);
  EXPECT_EQ(key->public_key().thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
  EXPECT_EQ(encode_base64url(key->sign("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc")),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
}

TEST(Keys, U13_may_have_a_passphrase) {
  const auto key = *PrivateKey::generate(KeyType::ed25519);
  const auto text = key.pem("correct horse");
  EXPECT_NE(text.find("ENCRYPTED"), std::string::npos);
  EXPECT_EQ(PrivateKey::parse(text, "correct horse")->jwk(), key.jwk());
  EXPECT_EQ(PrivateKey::parse(text).error().code, ErrorCode::unauthorized);
  EXPECT_EQ(PrivateKey::parse(text, "battery").error().code, ErrorCode::unauthorized);
}

TEST(Keys, U13_what_is_none_is_refused) {
  for (const auto* const text :
       {"", "x", "{", "{}", "[]", R"({"kty":"oct","k":"AAAA"})", R"({"kty":"OKP","crv":"Ed448","x":"AAAA"})",
        R"({"kty":"OKP","crv":"Ed25519","x":"AAAA"})", R"({"kty":"OKP","crv":"Ed25519","x":7})",
        R"({"kty":"RSA","n":"","e":"AQAB"})", R"({"kty":"RSA","n":"AQAB","e":"AQAB"})",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"}) {
    EXPECT_FALSE(PublicKey::parse(text)) << text;
    EXPECT_FALSE(PrivateKey::parse(text)) << text;
  }
  const auto one = PrivateKey::generate(KeyType::ed25519)->jwk(), two = PrivateKey::generate(KeyType::ed25519)->jwk();
  auto mixed = one;  // the public key of one with the secret of the other
  const auto at = one.find("\"d\"");
  mixed.replace(at, one.size() - at, two.substr(two.find("\"d\"")));
  EXPECT_FALSE(PrivateKey::parse(mixed));
  EXPECT_FALSE(PrivateKey::generate(KeyType::rsa, 1024));
}

TEST(Keys, U13_numbers_that_do_not_belong_together_are_no_rsa_key) {
  const auto pem = PrivateKey::generate(KeyType::rsa, kRsaBitsMin)->pem();
  ASSERT_TRUE(PrivateKey::parse(pem));
  for (const std::size_t line : {8, 12, 16, 20}) {  // the secret exponent, the primes, what follows from them
    auto changed = pem;
    auto& digit = changed[28 + line * 65 + 30];
    digit = digit == 'A' ? 'B' : 'A';
    EXPECT_FALSE(PrivateKey::parse(changed)) << line;
  }
}

TEST(Keys, U13_signatures_are_of_one_key_and_one_text) {
  const auto key = *PrivateKey::generate(KeyType::ed25519), other = *PrivateKey::generate(KeyType::ed25519);
  const auto signature = key.sign("a text");
  EXPECT_TRUE(key.public_key().verifies("a text", signature));
  EXPECT_FALSE(key.public_key().verifies("a texT", signature));
  EXPECT_FALSE(other.public_key().verifies("a text", signature));
  EXPECT_FALSE(key.public_key().verifies("a text", signature.substr(1)));
  EXPECT_FALSE(key.public_key().verifies("a text", ""));
}

TEST(Keys, U13_what_is_for_rsa_has_a_bound_and_a_label) {
  const auto key = *PrivateKey::generate(KeyType::rsa, kRsaBitsMin);
  const auto& open = key.public_key();
  EXPECT_EQ(open.encrypt_bytes_max(), 190u);
  const auto sealed = *open.encrypt(std::string(190, 'x'), "bound");
  EXPECT_EQ(*key.decrypt(sealed, "bound"), std::string(190, 'x'));
  EXPECT_FALSE(key.decrypt(sealed, "other"));
  EXPECT_FALSE(key.decrypt(sealed));
  EXPECT_EQ(open.encrypt(std::string(191, 'x')).error().code, ErrorCode::content_too_large);
}

TEST(Primitives, U13_key_wrap_is_that_of_rfc_3394) {
  // Section 4.6: 256 bits of key data with a key of 256 bits.
  std::string by, key;
  for (int i = 0; i < 32; ++i) by.push_back(static_cast<char>(i));
  for (int i = 0; i < 16; ++i) key.push_back(static_cast<char>(i * 0x11));
  for (int i = 0; i < 16; ++i) key.push_back(static_cast<char>(i));
  const auto wrapped = wrap_key(by, key);
  EXPECT_EQ(encode_base64url(wrapped), "KMn0BMS4EPTLzLNc-4f4Jj9XhuLYDtMmy8fw5xqZ9Dv7mIubegLdIQ");
  EXPECT_EQ(*unwrap_key(by, wrapped), key);
  auto altered = wrapped;
  altered[3] = static_cast<char>(altered[3] ^ 1);
  EXPECT_FALSE(unwrap_key(by, altered));
  EXPECT_FALSE(unwrap_key(by, wrapped.substr(8)));
  EXPECT_FALSE(unwrap_key(by, ""));
}

TEST(Primitives, U13_what_is_sealed_opens_with_all_that_is_bound_alone) {
  const std::string key(32, 'k'), nonce(12, 'n');
  const auto sealed = seal_gcm(key, nonce, "bound", "plain");
  EXPECT_EQ(*open_gcm(key, nonce, "bound", sealed), "plain");
  EXPECT_FALSE(open_gcm(key, nonce, "other", sealed));
  EXPECT_FALSE(open_gcm(std::string(32, 'x'), nonce, "bound", sealed));
  EXPECT_FALSE(open_gcm(key, std::string(12, 'x'), "bound", sealed));
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    auto altered = sealed;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    EXPECT_FALSE(open_gcm(key, nonce, "bound", altered)) << i;
    EXPECT_FALSE(open_gcm(key, nonce, "bound", sealed.substr(0, i))) << i;
  }
  EXPECT_EQ(*open_gcm(key, nonce, "", seal_gcm(key, nonce, "", "")), "");
}

TEST(Primitives, U13_base64url_has_one_text_for_some_bytes) {
  for (const auto* const bytes : {"", "f", "fo", "foo", "\xff\xfe\xfd\xfc"}) {
    EXPECT_EQ(*decode_base64url(encode_base64url(bytes)), bytes);
    EXPECT_EQ(*decode_base64url(encode_base64url(bytes, Padding::yes)), bytes);
  }
  for (const auto* const text : {"a", "ab+c", "ab/c", "ab c", "ab==c", "AB"})
    EXPECT_FALSE(decode_base64url(text)) << text;
}

}  // namespace
}  // namespace folkmoot
