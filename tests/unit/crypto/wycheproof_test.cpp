// Wycheproof's vectors for AES-GCM, Ed25519, RSA-OAEP and X25519 (tests/vectors/wycheproof).
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "crypto/gcm_key.hpp"
#include "crypto/primitives.hpp"
#include "folkmoot/keys.hpp"
#include "unit/crypto/vectors.hpp"

namespace folkmoot {
namespace {

using testing::bytes;
using testing::each_wycheproof;
using testing::text;

std::string id(const boost::json::value& test) {
  return "tcId " + std::to_string(test.at("tcId").as_int64()) + " " + text(test, "comment");
}

TEST(Wycheproof, U13_aes_gcm) {
  std::size_t used = 0, refused = 0;
  const auto count = each_wycheproof("aes_gcm_test.json", [&](const auto& group, const auto& test) {
    // What is used here is a key of 256 bits, a nonce of 96 and a tag of 128; another nonce or key does not open at
    // all.
    const auto key = bytes(test, "key"), nonce = bytes(test, "iv"), bound = bytes(test, "aad");
    const auto sealed = bytes(test, "ct") + bytes(test, "tag");
    const bool is_ours = key.size() == kAesKeyBytes && nonce.size() == kGcmNonceBytes;
    const auto opened = open_gcm(key, nonce, bound, sealed);
    EXPECT_EQ(group.at("tagSize").as_int64(), 128);
    if (!is_ours) {
      ++refused;
      EXPECT_FALSE(opened) << id(test);
      return;
    }
    ++used;
    const bool is_valid = text(test, "result") == "valid";
    ASSERT_EQ(opened.has_value(), is_valid) << id(test);
    // The same by the key that is expanded once: also after it has refused something.
    GcmKey once(key);
    const auto body = as_bytes(sealed).first(sealed.size() - kGcmTagBytes), tag = as_bytes(sealed).last(kGcmTagBytes);
    std::vector<std::uint8_t> plain(body.size()), made_tag(kGcmTagBytes);
    EXPECT_EQ(once.open(as_bytes(nonce), as_bytes(bound), body, tag, plain), is_valid) << id(test);
    EXPECT_FALSE(once.open(as_bytes(nonce), as_bytes(bound + "x"), body, tag, plain)) << id(test);
    if (!is_valid) return;
    EXPECT_EQ(*opened, bytes(test, "msg")) << id(test);
    EXPECT_EQ(seal_gcm(key, nonce, bound, *opened), sealed) << id(test);
    EXPECT_TRUE(once.open(as_bytes(nonce), as_bytes(bound), body, tag, plain)) << id(test);
    EXPECT_EQ(as_text(plain), *opened) << id(test);
    once.seal(as_bytes(nonce), as_bytes(bound), plain, made_tag);
    EXPECT_TRUE(std::ranges::equal(plain, body) && std::ranges::equal(made_tag, tag)) << id(test);
  });
  EXPECT_EQ(count, 316u);
  EXPECT_GT(used, 60u);
  EXPECT_EQ(used + refused, count);
}

TEST(Wycheproof, U13_ed25519) {
  const auto count = each_wycheproof("ed25519_test.json", [](const auto& group, const auto& test) {
    const auto key = PublicKey::from_raw(KeyType::ed25519, bytes(group.at("publicKey"), "pk"));
    ASSERT_TRUE(key) << id(test);
    EXPECT_EQ(key->verifies(bytes(test, "msg"), bytes(test, "sig")), text(test, "result") == "valid") << id(test);
    const auto pem = PublicKey::from_pem(text(group, "publicKeyPem"));
    const auto jwk = PublicKey::from_jwk(boost::json::serialize(group.at("publicKeyJwk")));
    ASSERT_TRUE(pem && jwk);
    EXPECT_EQ(pem->raw(), key->raw());
    EXPECT_EQ(jwk->thumbprint(), key->thumbprint());
    EXPECT_EQ(pem->pem(), text(group, "publicKeyPem"));
  });
  EXPECT_EQ(count, 151u);
}

TEST(Wycheproof, U13_rsa_oaep) {
  const auto count =
      each_wycheproof("rsa_oaep_2048_sha256_mgf1sha256_test.json", [](const auto& group, const auto& test) {
        static std::optional<PrivateKey> key;
        if (!key) {
          auto pem = PrivateKey::from_pem(text(group, "privateKeyPem"));
          auto jwk = PrivateKey::from_jwk(boost::json::serialize(group.at("privateKeyJwk")));
          ASSERT_TRUE(pem && jwk);
          EXPECT_EQ(pem->public_key().thumbprint(), jwk->public_key().thumbprint());
          key = *jwk;
        }
        const auto opened = key->decrypt(bytes(test, "ct"), bytes(test, "label"));
        ASSERT_EQ(opened.has_value(), text(test, "result") == "valid") << id(test);
        if (opened) {
          EXPECT_EQ(*opened, bytes(test, "msg")) << id(test);
        }
      });
  EXPECT_EQ(count, 37u);
}

TEST(Wycheproof, U13_x25519) {
  const auto count = each_wycheproof("x25519_test.json", [](const auto&, const auto& test) {
    const auto own = PrivateKey::from_raw(KeyType::x25519, bytes(test, "private"));
    const auto other = PublicKey::from_raw(KeyType::x25519, bytes(test, "public"));
    ASSERT_TRUE(own && other) << id(test);
    const auto shared = own->agree(*other);
    // "acceptable" are keys of small order, whose secret is zero, and unusual ones with a good secret.
    const bool is_zero = bytes(test, "shared").find_first_not_of('\0') == std::string::npos;
    if (is_zero) {
      EXPECT_FALSE(shared) << id(test);
    } else {
      ASSERT_TRUE(shared) << id(test);
      EXPECT_EQ(*shared, bytes(test, "shared")) << id(test);
    }
  });
  EXPECT_EQ(count, 518u);
}

}  // namespace
}  // namespace folkmoot
