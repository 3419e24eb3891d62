// Contents that only those open who have a key (folkmoot/sealing.hpp).
#include "folkmoot/sealing.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "crypto/base64url.hpp"
#include "crypto/primitives.hpp"

namespace folkmoot {
namespace {

PrivateKey key(KeyType type) { return *PrivateKey::generate(type, kRsaBitsMin); }
template <class T>
ErrorCode code(const Result<T>& result) {
  return result ? ErrorCode{} : result.error().code;
}

TEST(Sealing, U13_all_recipients_open_it_and_nobody_else) {
  const std::vector keys{key(KeyType::x25519), key(KeyType::rsa), key(KeyType::x25519)};
  std::vector<PublicKey> open;
  for (const auto& each : keys) open.push_back(each.public_key());
  const auto sealed = *seal_for(open, "to bob", "the plan");
  EXPECT_EQ(sealed.find("the plan"), std::string::npos);
  for (const auto& each : keys) EXPECT_EQ(*open_sealed({&each, 1}, "to bob", sealed), "the plan");
  EXPECT_EQ(*open_sealed(keys, "to bob", sealed), "the plan");
  const auto stranger = key(KeyType::x25519);
  EXPECT_EQ(code(open_sealed({&stranger, 1}, "to bob", sealed)), ErrorCode::not_found);
  const auto names = *sealed_for(sealed);
  ASSERT_EQ(names.size(), 3u);
  EXPECT_EQ(names[1], open[1].thumbprint());
}

TEST(Sealing, U13_what_is_bound_cannot_be_swapped) {
  const auto own = key(KeyType::x25519);
  const auto sealed = *seal_for(std::vector{own.public_key()}, "to bob", "the plan");
  EXPECT_EQ(code(open_sealed({&own, 1}, "to eve", sealed)), ErrorCode::unauthorized);
  auto object = boost::json::parse(sealed).as_object();
  object["aad"] = encode_base64url("to eve");
  EXPECT_EQ(code(open_sealed({&own, 1}, "to eve", boost::json::serialize(object))), ErrorCode::unauthorized);
}

TEST(Sealing, U13_any_part_that_was_altered_is_seen) {
  const auto own = key(KeyType::x25519);
  const auto sealed = *seal_for(std::vector{own.public_key()}, "bound", std::string(100, 'x'));
  for (const auto* const part : {"protected", "aad", "iv", "ciphertext", "tag"}) {
    auto object = boost::json::parse(sealed).as_object();
    auto bytes = *decode_base64url(std::string(object[part].as_string()));
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    object[part] = encode_base64url(bytes);
    EXPECT_FALSE(open_sealed({&own, 1}, "bound", boost::json::serialize(object))) << part;
    object.erase(part);
    EXPECT_FALSE(open_sealed({&own, 1}, "bound", boost::json::serialize(object))) << part;
  }
  auto object = boost::json::parse(sealed).as_object();
  auto& recipient = object["recipients"].as_array()[0].as_object();
  const auto wrapped = *decode_base64url(std::string(recipient["encrypted_key"].as_string()));
  for (const auto& other : {std::string(40, 'x'), wrapped.substr(8), std::string()}) {
    recipient["encrypted_key"] = encode_base64url(other);
    EXPECT_EQ(code(open_sealed({&own, 1}, "bound", boost::json::serialize(object))), ErrorCode::unauthorized);
  }
}

TEST(Sealing, U13_no_algorithm_is_taken_from_what_came) {
  const auto own = key(KeyType::rsa);
  const auto sealed = *seal_for(std::vector{own.public_key()}, "", "x");
  for (const auto* const algorithm : {"dir", "none", "RSA1_5", "RSA-OAEP", "ECDH-ES+A256KW", ""}) {
    auto object = boost::json::parse(sealed).as_object();
    object["recipients"].as_array()[0].as_object()["header"].as_object()["alg"] = algorithm;
    EXPECT_EQ(code(open_sealed({&own, 1}, "", boost::json::serialize(object))), ErrorCode::unauthorized) << algorithm;
  }
}

TEST(Sealing, U13_with_a_shared_key) {
  const std::string shared(kAesKeyBytes, 'k');
  const auto sealed = *seal_shared(shared, "team", "bound", "the plan");
  EXPECT_EQ(*open_shared(shared, "bound", sealed), "the plan");
  EXPECT_EQ(sealed_for(sealed)->front(), "team");
  EXPECT_EQ(code(open_shared(std::string(kAesKeyBytes, 'x'), "bound", sealed)), ErrorCode::unauthorized);
  EXPECT_EQ(code(open_shared(shared, "other", sealed)), ErrorCode::unauthorized);
  EXPECT_EQ(code(seal_shared("short", "", "", "x")), ErrorCode::invalid_field);
  const auto own = key(KeyType::x25519);
  EXPECT_FALSE(open_sealed({&own, 1}, "bound", sealed));
  EXPECT_FALSE(open_shared(shared, "bound", *seal_for(std::vector{own.public_key()}, "bound", "x")));
  EXPECT_NE(*seal_shared(shared, "", "", "x"), *seal_shared(shared, "", "", "x")) << "a nonce of its own each time";
}

TEST(Sealing, U13_what_cannot_be_is_refused) {
  const auto signing = key(KeyType::ed25519), own = key(KeyType::x25519);
  EXPECT_EQ(code(seal_for({}, "", "x")), ErrorCode::invalid_field);
  EXPECT_EQ(code(seal_for(std::vector{signing.public_key()}, "", "x")), ErrorCode::invalid_field);
  EXPECT_EQ(code(seal_for(std::vector(kSealRecipientsMax + 1, own.public_key()), "", "x")), ErrorCode::invalid_field);
  for (const auto* const text :
       {"", "x", "{}", "[]", R"({"protected":"e30","aad":"","iv":"","ciphertext":"","tag":""})",
        R"({"protected":7})"}) {
    EXPECT_EQ(code(open_sealed({&own, 1}, "", text)), ErrorCode::malformed) << text;
    EXPECT_EQ(code(sealed_for(text)), ErrorCode::malformed) << text;
  }
}

TEST(Sealing, U13_an_empty_content_and_a_large_one) {
  const auto own = key(KeyType::x25519);
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{3'000'000}}) {
    const std::string plain(size, 'p');
    EXPECT_EQ(*open_sealed({&own, 1}, "", *seal_for(std::vector{own.public_key()}, "", plain)), plain);
  }
}

}  // namespace
}  // namespace folkmoot
