#include "access/account.hpp"

#include <gtest/gtest.h>

namespace folkmoot::access {
namespace {

Key key(char digit) {
  return {.id = std::string(16, digit),
          .salt = std::string(16, 's'),
          .hash = std::string(32, 'h'),
          .created_at = Instant{1},
          .expires_at = Instant{2}};
}

TEST(AccountTest, A18_an_account_is_read_as_it_was_written) {
  const Account account{.name = "planner",
                        .role = "own role",
                        .names = {"planner", "planner/*"},
                        .note = "of Ann",
                        .disabled = true,
                        .created_at = Instant{7},
                        .expires_at = Instant{8},
                        .keys = {key('a'), key('b')}};
  const auto body = pack(account);
  const auto read = unpack_account(as_bytes(body));
  ASSERT_TRUE(read) << read.error().text;
  EXPECT_EQ(pack(*read), body);
  EXPECT_EQ(read->names, account.names);
  EXPECT_EQ(read->find_key(std::string(16, 'b'))->hash, account.keys[1].hash);
  EXPECT_EQ(read->find_key("none"), nullptr);
  for (std::size_t size = 0; size < body.size(); ++size)
    EXPECT_FALSE(unpack_account(as_bytes(body).first(size))) << size;
}

TEST(AccountTest, A18_roles_and_rules_are_read_as_they_were_written) {
  const OwnRole role{.name = "reporter", .rights = {Right::publish, Right::secure}};
  const auto body = pack(role);
  const auto read = unpack_role(as_bytes(body));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->rights, role.rights);
  for (std::size_t size = 0; size < body.size(); ++size) EXPECT_FALSE(unpack_role(as_bytes(body).first(size)));

  const auto rule = make_rule(true, "role:agent", AccessAction::publish, "a.>", "type = 'task'");
  ASSERT_TRUE(rule) << rule.error().text;
  const auto packed = pack(*rule);
  const auto again = unpack_rule(as_bytes(packed));
  ASSERT_TRUE(again);
  EXPECT_EQ(pack(*again), packed);
  EXPECT_EQ(again->key(), "publish role:agent a.>");
  for (std::size_t size = 0; size < packed.size(); ++size) EXPECT_FALSE(unpack_rule(as_bytes(packed).first(size)));
}

TEST(AccountTest, A18_what_cannot_be_told_apart_in_lists_is_no_name_of_an_account) {
  const auto with = [](std::string name) {
    return check(Account{.name = std::move(name), .role = "agent", .names = {"x"}}).has_value();
  };
  EXPECT_TRUE(with("planner"));
  EXPECT_TRUE(with("team/a"));
  for (const auto* const name : {"", "@a", "$bus", "a*", "role:agent"}) EXPECT_FALSE(with(name)) << name;
  EXPECT_FALSE(check(Account{.name = "a", .role = "agent", .names = {}}));
  EXPECT_FALSE(check(Account{.name = "a", .role = "agent", .names = {"$bus"}}));
  EXPECT_FALSE(check(Account{.name = "a", .role = "agent", .names = std::vector<std::string>(65, "x")}));
  EXPECT_FALSE(check(Account{.name = "a", .role = "agent", .names = {"x"}, .keys = std::vector<Key>(9, key('a'))}));
  EXPECT_FALSE(check(OwnRole{.name = "admin"}));
  EXPECT_FALSE(check(OwnRole{.name = "a*"}));
}

TEST(AccountTest, A18_rules_are_about_what_there_can_be) {
  EXPECT_TRUE(make_rule(false, "*", AccessAction::send, "*", ""));
  EXPECT_FALSE(make_rule(false, "", AccessAction::send, "*", ""));
  EXPECT_FALSE(make_rule(false, "role:", AccessAction::send, "*", ""));
  EXPECT_FALSE(make_rule(false, "a", AccessAction::send, "", ""));
  EXPECT_FALSE(make_rule(false, "a", AccessAction::publish, "a..b", ""));
  EXPECT_FALSE(make_rule(false, "a", AccessAction::subscribe, "a.>.b", ""));
  EXPECT_FALSE(make_rule(false, "a", AccessAction::send, "b", "type = "));
  EXPECT_FALSE(make_rule(false, "a", AccessAction::consume, "b", "type = 'task'"));
}

TEST(AccountTest, X14_names_of_people_are_given_by_patterns_that_say_so) {
  const auto owns_it = [](std::vector<std::string> names, std::string_view agent) { return owns(names, agent); };
  EXPECT_TRUE(owns_it({"*"}, "planner"));
  EXPECT_FALSE(owns_it({"*"}, "human:ann"));
  EXPECT_FALSE(owns_it({"h*"}, "human:ann"));
  EXPECT_TRUE(owns_it({"human:*"}, "human:ann"));
  EXPECT_TRUE(owns_it({"*", "human:ann"}, "human:ann"));
  EXPECT_FALSE(owns_it({"human:ann"}, "human:bob"));
}

}  // namespace
}  // namespace folkmoot::access
