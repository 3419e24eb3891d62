#include "access/api_key.hpp"

#include <gtest/gtest.h>

#include "access/policy.hpp"

namespace folkmoot::access {
namespace {

KeyChance chance(std::uint8_t seed) {
  KeyChance out;
  out.id.fill(seed);
  out.salt.fill(static_cast<std::uint8_t>(seed + 1));
  out.secret.fill(static_cast<std::uint8_t>(seed + 2));
  return out;
}

TEST(ApiKeyTest, U11_a_key_is_known_by_its_text_alone) {
  const auto made = make_api_key(chance(0xfb), Instant{5}, Instant{});
  EXPECT_EQ(made.text.size(), 63u);
  EXPECT_EQ(made.text.substr(0, 20), "fm_fbfbfbfbfbfbfbfb_");
  EXPECT_EQ(made.text.find_first_of("+/="), std::string::npos);
  EXPECT_EQ(api_key_id(made.text), made.key.id);
  EXPECT_TRUE(is_api_key(made.text, made.key));
  // What is kept does not have the secret in it.
  EXPECT_EQ(pack(Account{.name = "a", .role = "agent", .names = {"a"}, .keys = {made.key}}).find(made.text.substr(20)),
            std::string::npos);
}

TEST(ApiKeyTest, U11_a_key_with_any_character_changed_is_none) {
  const auto made = make_api_key(chance(7), Instant{5}, Instant{});
  for (std::size_t at = 0; at < made.text.size(); ++at) {
    for (const char other : {'A', 'z', '0', '_', '\0', static_cast<char>(made.text[at] ^ 1)}) {
      if (made.text[at] == other) continue;
      auto text = made.text;
      text[at] = other;
      const auto id = api_key_id(text);
      EXPECT_FALSE(id && *id == made.key.id && is_api_key(text, made.key)) << at;
    }
  }
  for (std::size_t size = 0; size < made.text.size(); ++size)
    EXPECT_FALSE(is_api_key(made.text.substr(0, size), made.key));
  EXPECT_FALSE(is_api_key(made.text + "A", made.key));
  EXPECT_FALSE(is_api_key(make_api_key(chance(8), Instant{5}, Instant{}).text, made.key));
}

TEST(ApiKeyTest, U11_texts_are_compared_whole) {
  EXPECT_TRUE(same_secret("", ""));
  EXPECT_TRUE(same_secret("abc", "abc"));
  for (const auto* const given : {"", "a", "ab", "abd", "abcd", "Abc"})
    EXPECT_FALSE(same_secret(given, "abc")) << given;
}

class IdentifyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    made_ = make_api_key(chance(1), Instant{100}, Instant{1'000});
    account_ = {.name = "ann", .role = "agent", .names = {"ann"}, .created_at = Instant{100}, .keys = {made_.key}};
  }
  Policy policy() const {
    Policy policy{.version = 1};
    policy.add(std::make_shared<const Account>(account_));
    return policy;
  }
  std::string why(std::string_view shown, std::int64_t now = 500) const {
    const auto identity = identify(policy(), shown, Instant{now});
    return identity ? "" : identity.error().text;
  }

  NewApiKey made_;
  Account account_;
};

TEST_F(IdentifyTest, U11_only_who_has_the_secret_hears_what_is_wrong_with_its_account) {
  EXPECT_EQ(why(made_.text), "");
  EXPECT_EQ(why(""), "this server wants the key of an account");
  auto wrong = made_.text;
  wrong.back() = wrong.back() == 'A' ? 'B' : 'A';
  const std::string unknown = "the key is none of this server's";
  EXPECT_EQ(why(wrong), unknown);
  EXPECT_EQ(why(make_api_key(chance(9), Instant{1}, Instant{}).text), unknown);
  EXPECT_EQ(why("fm_"), unknown);
  EXPECT_EQ(why(std::string(2'000, 'x')), unknown);
  EXPECT_EQ(why(made_.text, 999), "");
  EXPECT_EQ(why(made_.text, 1'000), "the key of ann has expired");
  EXPECT_EQ(why(wrong, 1'000), unknown);
  account_.disabled = true;
  EXPECT_EQ(why(made_.text), "the account ann is disabled");
  EXPECT_EQ(why(wrong), unknown);
  account_.disabled = false;
  account_.expires_at = Instant{400};
  EXPECT_EQ(why(made_.text), "the key of ann has expired");
}

TEST_F(IdentifyTest, U11_who_is_there_is_judged_by_what_is_in_force_now) {
  const auto known = identify(policy(), made_.text, Instant{500});
  ASSERT_TRUE(known);
  EXPECT_EQ(known->expires_at, Instant{1'000});
  EXPECT_TRUE(identify_again(policy(), *known, Instant{500}));
  EXPECT_FALSE(identify_again(policy(), *known, Instant{1'000}));
  account_.keys.clear();
  const auto gone = identify_again(policy(), *known, Instant{500});
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().text, "the key of ann is withdrawn");
  // The same key under another account: nobody is somebody else without connecting anew.
  account_.keys = {made_.key};
  account_.name = "bob";
  EXPECT_FALSE(identify_again(policy(), *known, Instant{500}));
}

TEST_F(IdentifyTest, U11_an_admin_is_one_that_can_come_in) {
  EXPECT_FALSE(policy().has_admin(Instant{500}));
  account_.role = "admin";
  EXPECT_TRUE(policy().has_admin(Instant{500}));
  EXPECT_FALSE(policy().has_admin(Instant{1'000}));
  account_.disabled = true;
  EXPECT_FALSE(policy().has_admin(Instant{500}));
}

}  // namespace
}  // namespace folkmoot::access
