// Accounts, roles and rules as the engine keeps them.
#include "engine_fixture.hpp"

namespace folkmoot::test {
namespace {

class AccountTest : public EngineTest {
 protected:
  void new_key(SessionId, RequestNumber, const NewAccountKey& key) override { shown.push_back(key); }

  static access::Account account(std::string name, std::string role = "agent") {
    return {.name = name, .role = std::move(role), .names = {name}};
  }
  void set(const access::Account& account) { engine->accounts().set({kAlice, ++request}, account); }
  void allow(std::string_view subject, std::string_view resource) {
    engine->accounts().set({kAlice, ++request}, *access::make_rule(false, subject, AccessAction::send, resource, ""));
  }
  bool is_there(std::string_view name) const { return engine->accounts().policy().find(name) != nullptr; }

  std::vector<NewAccountKey> shown;
};

TEST_F(AccountTest, A18_what_is_on_disk_is_there_after_a_crash) {
  set(account("ann"));
  set(account("bob", "admin"));
  engine->accounts().set({kAlice, ++request}, access::OwnRole{.name = "reporter", .rights = {Right::publish}});
  allow("ann", "tasks");
  sync();
  engine->accounts().remove({kAlice, ++request}, "ann");
  sync();
  crash();
  const auto policy = engine->accounts().policy();
  EXPECT_FALSE(is_there("ann"));
  EXPECT_EQ(policy.find("bob")->role, "admin");
  EXPECT_TRUE(policy.has_role("reporter"));
  ASSERT_EQ(policy.rules.size(), 1u);
  EXPECT_TRUE(policy.ruled.test(static_cast<std::size_t>(AccessAction::send)));
  EXPECT_EQ(engine->accounts().version(), 1u);
}

TEST_F(AccountTest, A18_a_change_is_in_force_when_it_is_on_disk_and_confirmed_then) {
  EXPECT_EQ(engine->accounts().version(), 0u);
  set(account("ann"));
  EXPECT_EQ(engine->accounts().version(), 0u);
  sync();
  EXPECT_EQ(engine->accounts().version(), 1u);
  const auto cut = log.end;
  engine->accounts().remove({kAlice, ++request}, "ann");
  EXPECT_EQ(engine->accounts().version(), 1u);
  crash(cut);
  EXPECT_TRUE(is_there("ann"));
}

TEST_F(AccountTest, A18_compaction_keeps_what_is_there_and_nothing_else) {
  set(account("ann"));
  set(account("bob"));
  set(account("ann", "operator"));
  allow("ann", "tasks");
  allow("bob", "tasks");
  engine->accounts().set({kAlice, ++request}, access::OwnRole{.name = "reporter", .rights = {Right::publish}});
  engine->accounts().remove({kAlice, ++request}, "bob");
  engine->accounts().remove_rule({kAlice, ++request}, "send bob tasks");
  sync();
  copy_forward(log.end);
  crash();
  EXPECT_EQ(engine->accounts().policy().find("ann")->role, "operator");
  EXPECT_FALSE(is_there("bob"));
  EXPECT_EQ(engine->accounts().policy().rules.size(), 1u);
  EXPECT_TRUE(engine->accounts().policy().has_role("reporter"));
}

TEST_F(AccountTest, A18_a_key_is_shown_when_its_account_is_on_disk) {
  const NewAccountKey key{.account = "ann", .key_id = "1", .key = "secret"};
  engine->accounts().set({kAlice, ++request}, account("ann"), &key);
  EXPECT_TRUE(shown.empty());
  sync();
  ASSERT_EQ(shown.size(), 1u);
  EXPECT_EQ(shown[0].key, "secret");
}

TEST_F(AccountTest, A18_what_is_not_there_cannot_be_removed) {
  engine->accounts().remove({kAlice, ++request}, "ann");
  engine->accounts().remove_role({kAlice, ++request}, "ann");
  engine->accounts().remove_rule({kAlice, ++request}, "send ann tasks");
  ASSERT_EQ(answers.size(), 3u);
  for (const auto& answer : answers) EXPECT_EQ(answer.code, ErrorCode::not_found);
}

TEST_F(AccountTest, A18_there_are_as_many_as_the_options_say) {
  options.accounts_max = options.roles_max = options.access_rules_max = 1;
  start();
  set(account("ann"));
  set(account("ann", "admin"));  // no more than before
  set(account("bob"));
  EXPECT_EQ(answers.back().code, ErrorCode::limit_reached);
  allow("ann", "a");
  allow("ann", "b");
  EXPECT_EQ(answers.back().code, ErrorCode::limit_reached);
}

TEST_F(AccountTest, A18_one_bound_to_its_agent_settles_and_takes_back_nothing_of_others) {
  engine->accounts().bind(kCarol);
  put("one");
  receive(kBob, 1, 0, 60'000);
  const auto lease = delivered.back().lease;
  ack(lease, kCarol);
  EXPECT_EQ(answers.back().refused.size(), 1u);
  nack(lease, 0, kCarol);
  EXPECT_EQ(answers.back().refused.size(), 1u);
  engine->reject(kCarol, ++request, false, {&lease, 1}, "");
  EXPECT_EQ(answers.back().refused.size(), 1u);
  engine->extend(kCarol, ++request, false, {&lease, 1}, Duration{1'000});
  EXPECT_EQ(answers.back().refused.size(), 1u);
  engine->complete(kCarol, ++request, lease, {});
  EXPECT_EQ(answers.back().code, ErrorCode::lease_lost);
  ack(lease, kAlice);  // who is not bound may, as ever
  EXPECT_EQ(answers.back().count, 1u);
  put("two");
  Uuid id;
  for (const auto& answer : answers) {
    if (answer.kind == Answer::Kind::confirm) id = answer.confirm.id;
  }
  engine->settling().cancel({kCarol, ++request}, id);
  EXPECT_EQ(answers.back().code, ErrorCode::not_permitted);
  engine->settling().cancel({kAlice, ++request}, id);
  sync();
  EXPECT_EQ(answers.back().kind, Answer::Kind::done);
}

}  // namespace
}  // namespace folkmoot::test
