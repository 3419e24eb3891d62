// Fernet tokens, by the specification's own vectors (tests/vectors/fernet).
#include "crypto/fernet.hpp"

#include <gtest/gtest.h>

#include "unit/crypto/vectors.hpp"

namespace folkmoot {
namespace {

using testing::text;
using testing::vectors;

// 1985-10-26T01:20:00-07:00, and a second later.
std::int64_t time_of(const boost::json::value& test) {
  constexpr std::int64_t kThen = 499'162'800;
  const auto at = text(test, "now");
  EXPECT_TRUE(at.starts_with("1985-10-26T01:2") && at.ends_with("-07:00")) << at;
  return kThen + (std::stoi(at.substr(14, 2)) - 20) * 60 + std::stoi(at.substr(17, 2));
}

FernetKey key_of(const boost::json::value& test) { return *FernetKey::parse(text(test, "secret")); }

TEST(Fernet, U13_tokens_are_those_of_the_specification) {
  for (const auto& test : vectors("fernet/generate.json").as_array()) {
    std::string vector;
    for (const auto& byte : test.at("iv").as_array()) vector.push_back(static_cast<char>(byte.as_int64()));
    EXPECT_EQ(key_of(test).seal_with(text(test, "src"), time_of(test), vector), text(test, "token"));
    EXPECT_EQ(key_of(test).text(), text(test, "secret"));
  }
}

TEST(Fernet, U13_tokens_of_the_specification_are_taken) {
  for (const auto& test : vectors("fernet/verify.json").as_array()) {
    const auto opened = key_of(test).open(text(test, "token"), time_of(test), test.at("ttl_sec").as_int64());
    ASSERT_TRUE(opened) << opened.error().text;
    EXPECT_EQ(*opened, text(test, "src"));
  }
}

TEST(Fernet, U13_what_the_specification_calls_invalid_is_refused) {
  const auto all = vectors("fernet/invalid.json");
  EXPECT_GE(all.as_array().size(), 7u);
  for (const auto& test : all.as_array()) {
    EXPECT_FALSE(key_of(test).open(text(test, "token"), time_of(test), test.at("ttl_sec").as_int64()))
        << text(test, "desc");
  }
}

TEST(Fernet, U13_each_token_is_another_and_any_alteration_is_seen) {
  const auto key = *FernetKey::generate();
  const auto one = *key.seal("secret", 1'000), two = *key.seal("secret", 1'000);
  EXPECT_NE(one, two);
  EXPECT_EQ(*key.open(one, 2'000'000'000, std::nullopt), "secret");
  for (std::size_t i = 0; i < one.size(); ++i) {
    auto altered = one;
    altered[i] = altered[i] == 'A' ? 'B' : 'A';
    const auto opened = key.open(altered, 1'000, std::nullopt);
    EXPECT_FALSE(opened) << i;
  }
  EXPECT_EQ(FernetKey::generate()->open(one, 1'000, std::nullopt).error().code, ErrorCode::unauthorized);
  EXPECT_EQ(key.open(one, 1'061, 60).error().code, ErrorCode::timed_out);
  EXPECT_EQ(*key.open(one, 1'060, 60), "secret");
  EXPECT_EQ(key.open(one, 900, std::nullopt).error().code, ErrorCode::timed_out);
}

TEST(Fernet, U13_keys_are_32_bytes) {
  EXPECT_FALSE(FernetKey::parse(""));
  EXPECT_FALSE(FernetKey::parse("AAAA"));
  EXPECT_FALSE(FernetKey::parse(std::string(44, '%')));
}

}  // namespace
}  // namespace folkmoot
