// JSON Web Tokens: vectors of the RFCs (tests/vectors/jws.json), and what attackers send.
#include "access/jwt.hpp"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>

#include "base/base64.hpp"
#include "base/hmac.hpp"

namespace folkmoot::access {
namespace {

constexpr std::string_view kSecret =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
const Instant kNow{1'800'000'000'000};

JwtOptions all() {
  return {.algorithms = {std::begin(kJwtAlgorithms), std::end(kJwtAlgorithms)}, .issuer = "joe", .audience = "bus"};
}
std::string set_of(std::string_view jwk) { return std::string(R"({"keys":[)").append(jwk).append("]}"); }

std::string encode(std::string_view bytes) {
  auto text = encode_base64(bytes);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  text.resize(std::min(text.size(), text.find('=')));
  return text;
}
std::string sign(std::string_view header, std::string_view claims, std::string_view secret) {
  auto token = encode(header) + "." + encode(claims);
  return token + "." + encode(hmac_sha256(secret, token));
}
std::string good_claims() { return R"({"iss":"joe","aud":"bus","sub":"ann","exp":1800000600})"; }

class JwtTest : public ::testing::Test {
 protected:
  void SetUp() override { take(std::string(R"({"kty":"oct","kid":"one","k":")").append(kSecret).append("\"}")); }
  void take(std::string_view jwk, JwtOptions options = all()) {
    auto made = JwtVerifier::make(std::move(options), set_of(jwk));
    ASSERT_TRUE(made) << made.error().text;
    verifier_ = *made;
  }
  static std::string secret() { return *decode_base64(kSecret); }
  static std::string token(std::string_view claims, std::string_view header = R"({"alg":"HS256","kid":"one"})") {
    return sign(header, claims, secret());
  }
  // Empty: it is good.
  std::string why(std::string_view token, Instant now = kNow) const {
    const auto done = verifier_->verify(token, now);
    EXPECT_TRUE(done || done.error().code == ErrorCode::unauthorized);
    return done ? "" : done.error().text.substr(std::string_view("the token is not good: ").size());
  }
  std::string why_claims(std::string_view claims, Instant now = kNow) const { return why(token(claims), now); }

  std::shared_ptr<const JwtVerifier> verifier_;
};

TEST_F(JwtTest, U11_signatures_of_the_RFCs_are_good_and_altered_ones_are_not) {
  simdjson::dom::parser parser;
  simdjson::dom::array vectors;
  ASSERT_EQ(parser.load(FOLKMOOT_VECTORS "/jws.json")["vectors"].get(vectors), simdjson::SUCCESS);
  std::size_t tried = 0;
  for (const auto vector : vectors) {
    const std::string name{std::string_view{vector["name"]}}, token{std::string_view{vector["token"]}};
    take(simdjson::minify(vector["jwk"]));
    const bool is_signed{vector["is_signed"]};
    const auto payload = verifier_->verify_signature(token);
    ASSERT_EQ(payload.has_value(), is_signed) << name;
    ++tried;
    if (!is_signed) continue;
    EXPECT_EQ(encode(*payload), token.substr(token.find('.') + 1, token.rfind('.') - token.find('.') - 1));
    for (std::size_t at = 0; at < token.size(); at += 3) {
      auto altered = token;
      altered[at] = altered[at] == 'A' ? 'B' : 'A';
      EXPECT_NE(altered == token, !verifier_->verify_signature(altered).has_value()) << name << " " << at;
    }
    EXPECT_FALSE(verifier_->verify_signature(token.substr(0, token.rfind('.') + 1)));
    EXPECT_FALSE(verifier_->verify_signature(token.substr(0, token.rfind('.'))));
    EXPECT_FALSE(verifier_->verify_signature(token + "="));
    EXPECT_FALSE(verifier_->verify_signature(token + ".x"));
    // Under another algorithm than the configuration allows, the same key is none.
    auto options = all();
    std::erase_if(options.algorithms, [&](const auto& each) { return name.ends_with(each); });
    EXPECT_FALSE(JwtVerifier::make(options, set_of(simdjson::minify(vector["jwk"])))) << name;
  }
  EXPECT_EQ(tried, 5u);
}

TEST_F(JwtTest, U11_what_it_claims_is_checked) {
  EXPECT_EQ(why_claims(good_claims()), "");
  const auto subject = verifier_->verify(token(good_claims()), kNow);
  EXPECT_EQ(subject->name, "ann");
  EXPECT_EQ(subject->expires_at, Instant{1'800'000'630'000});
  EXPECT_EQ(why_claims(R"({"iss":"joe","aud":["x","bus"],"sub":"ann","exp":1800000600})"), "");
  EXPECT_EQ(why_claims(good_claims(), Instant{1'800'000'629'999}), "");
  EXPECT_EQ(why_claims(good_claims(), Instant{1'800'000'630'000}), "it has expired");
  EXPECT_EQ(why_claims(R"({"iss":"joe","aud":"bus","sub":"ann"})"), "it does not say when it expires (`exp`)");
  for (const auto* const exp : {"\"1800000600\"", "-1", "1e300", "null", "[1800000600]"}) {
    const auto claims = std::string(R"({"iss":"joe","aud":"bus","sub":"ann","exp":)").append(exp).append("}");
    EXPECT_EQ(why_claims(claims), "it does not say when it expires (`exp`)") << exp;
  }
  EXPECT_EQ(why_claims(R"({"iss":"joe","aud":"bus","sub":"ann","exp":1800000600,"nbf":1800000031})"),
            "it is of the future (`nbf`)");
  EXPECT_EQ(why_claims(R"({"iss":"joe","aud":"bus","sub":"ann","exp":1800000600,"nbf":1800000030})"), "");
  EXPECT_EQ(why_claims(R"({"iss":"joe","aud":"bus","sub":"ann","exp":1800000600,"iat":1800009999})"),
            "it is of the future (`iat`)");
  EXPECT_EQ(why_claims(R"({"iss":"eve","aud":"bus","sub":"ann","exp":1800000600})"), "it is of another issuer");
  EXPECT_EQ(why_claims(R"({"aud":"bus","sub":"ann","exp":1800000600})"), "it is of another issuer");
  for (const auto* const aud : {"\"other\"", "[]", "[\"other\"]", "{\"bus\":1}", "null"}) {
    const auto claims = std::string(R"({"iss":"joe","sub":"ann","exp":1800000600,"aud":)").append(aud).append("}");
    EXPECT_EQ(why_claims(claims), "it is for another audience") << aud;
  }
  EXPECT_EQ(why_claims(R"({"iss":"joe","aud":"bus","exp":1800000600})"), "it does not say whom it is about (`sub`)");
  EXPECT_EQ(why_claims(R"({"iss":"joe","aud":"bus","sub":7,"exp":1800000600})"),
            "it does not say whom it is about (`sub`)");
  for (const auto* const claims : {"", "[]", "7", "{", R"({"sub":"ann","sub":"eve"})"})
    EXPECT_EQ(why_claims(claims), "what it claims is no object") << claims;
}

TEST_F(JwtTest, U11_a_token_does_not_choose_how_it_is_checked) {
  const std::string none = "no key that is trusted has signed it";
  for (const auto* const algorithm : {"none", "None", "NONE", "", "hs256", "HS512", "RS256", "ES256", "EdDSA"}) {
    const auto header = std::string(R"({"alg":")").append(algorithm).append("\"}");
    EXPECT_EQ(why(token(good_claims(), header)), none) << algorithm;
    EXPECT_EQ(why(encode(header) + "." + encode(good_claims()) + "."), "it is none") << algorithm;
  }
  EXPECT_EQ(why(token(good_claims(), "{}")), none);
  EXPECT_EQ(why(token(good_claims(), R"({"alg":"HS256"})")), "");  // the only key there is
  // The name of a key is compared, and that is all that is done with it.
  for (const auto* const kid : {"two", "../../dev/null", "one' OR '1'='1", "/etc/passwd", "one\\u0000"}) {
    const auto header = std::string(R"({"alg":"HS256","kid":")").append(kid).append("\"}");
    EXPECT_EQ(why(token(good_claims(), header)), none) << kid;
    EXPECT_EQ(why(sign(header, good_claims(), "")), none) << kid;
  }
  // Keys that are brought along, places of keys, and what must be understood.
  for (const auto* const name : {"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip"}) {
    const auto header = std::string(R"({"alg":"HS256",")").append(name).append("\":[\"http://eve/keys\"]}");
    EXPECT_EQ(why(token(good_claims(), header)),
              std::string("its header has `").append(name).append("`, which is not taken from tokens"));
  }
  EXPECT_EQ(why(token(good_claims(), R"({"alg":"HS256","alg":"none"})")), "its header is none");
  EXPECT_EQ(why(token(good_claims(), "[]")), "its header is none");
}

TEST_F(JwtTest, U11_a_public_key_is_no_secret) {
  const std::string n =
      "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-"
      "pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2Cap"
      "Hg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h"
      "4FRWyuXpoQ";
  const auto jwk = std::string(R"({"kty":"RSA","e":"AQAB","kid":"one","n":")").append(n).append("\"}");
  take(jwk);
  for (const auto& secret : {n, *decode_base64(n), jwk, set_of(jwk), std::string()}) {
    for (const auto* const header : {R"({"alg":"HS256"})", R"({"alg":"HS256","kid":"one"})"})
      EXPECT_EQ(why(sign(header, good_claims(), secret)), "no key that is trusted has signed it");
  }
}

TEST_F(JwtTest, U11_bytes_that_are_no_token_are_none) {
  const auto good = token(good_claims());
  for (const auto& text :
       {std::string(), std::string("."), std::string(".."), std::string("a.b.c"), good + "\n", " " + good,
        good + "==", std::string(5'000, 'a'), std::string(2'000, '.'), std::string("ey") + std::string(2'000, '.')}) {
    EXPECT_NE(why(text), "") << text;
  }
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_NE(why(good.substr(0, size)), "") << size;
  EXPECT_TRUE(JwtVerifier::is_token(good));
  EXPECT_FALSE(JwtVerifier::is_token("fm_0000000000000000_x"));
  EXPECT_FALSE(JwtVerifier::is_token("a.b.c"));
}

TEST_F(JwtTest, U11_keys_that_are_fetched_come_later_and_are_good_for_a_time) {
  constexpr std::string_view kPublic =
      R"({"kty":"OKP","crv":"Ed25519","kid":"one","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";
  auto options = all();
  EXPECT_FALSE(JwtVerifier::make_for_fetched(options)) << "HS256: its keys are secrets";
  options.algorithms = {"EdDSA"};
  const auto verifier = *JwtVerifier::make_for_fetched(options);
  unsigned asked = 0;
  verifier->on_unknown_key([&] { ++asked; });
  const auto code = [&](std::string_view kid, Instant now) {
    const auto header = std::string(R"({"alg":"EdDSA","kid":")").append(kid).append("\"}");
    return verifier->verify(token(good_claims(), header), now).error().code;
  };
  EXPECT_EQ(code("one", kNow), ErrorCode::busy) << "none has come";
  EXPECT_EQ(asked, 1u);
  EXPECT_FALSE(verifier->take_keys(set_of(""), kNow + Duration{1'000}));
  EXPECT_EQ(code("one", kNow), ErrorCode::busy);
  ASSERT_TRUE(verifier->take_keys(set_of(kPublic), kNow + Duration{1'000}));
  asked = 0;
  EXPECT_EQ(code("one", kNow), ErrorCode::unauthorized) << "it has not signed that";
  EXPECT_EQ(asked, 0u);
  EXPECT_EQ(code("two", kNow), ErrorCode::unauthorized);
  EXPECT_EQ(asked, 1u);
  EXPECT_FALSE(verifier->take_keys("no set", kNow + Duration{9'000}));
  EXPECT_EQ(code("one", kNow + Duration{999}), ErrorCode::unauthorized);
  EXPECT_EQ(code("one", kNow + Duration{1'000}), ErrorCode::busy) << "too old";
  EXPECT_EQ(asked, 2u);
  verifier->on_unknown_key({});
  EXPECT_EQ(code("two", kNow), ErrorCode::unauthorized);
  EXPECT_EQ(asked, 2u);
}

TEST_F(JwtTest, U11_weak_and_private_keys_are_refused_and_others_passed_over) {
  const auto makes = [](const std::string& keys, JwtOptions options = all()) {
    return JwtVerifier::make(std::move(options), keys).has_value();
  };
  const auto good = std::string(R"({"kty":"oct","k":")").append(kSecret).append("\"}");
  EXPECT_TRUE(makes(set_of(good)));
  EXPECT_TRUE(
      makes(set_of(std::string(R"({"kty":"EC","crv":"P-521"},{"kty":"new"},{"kty":"oct","use":"enc"},)") + good)));
  for (const auto* const bad :
       {R"({"kty":"oct","k":"c2hvcnQ"})", R"({"kty":"oct"})", R"({"kty":"RSA","n":"AQAB","e":"AQAB"})",
        R"({"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"})", R"({"kty":"OKP","crv":"Ed25519","x":"AAAA"})",
        R"({"kty":"OKP","crv":"Ed25519","d":"AAAA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})"}) {
    EXPECT_FALSE(makes(set_of(good + "," + bad))) << bad;
  }
  EXPECT_FALSE(makes(set_of("")));
  EXPECT_FALSE(makes("[]"));
  EXPECT_FALSE(makes(""));
  auto options = all();
  options.algorithms = {"RS256"};
  EXPECT_FALSE(makes(set_of(good), options));
  options.algorithms = {"none"};
  EXPECT_FALSE(makes(set_of(good), options));
  options = all();
  options.issuer.clear();
  EXPECT_FALSE(makes(set_of(good), options));
  options = all();
  options.audience.clear();
  EXPECT_FALSE(makes(set_of(good), options));
}

}  // namespace
}  // namespace folkmoot::access
