#include "access/mandate.hpp"

#include <gtest/gtest.h>

#include "message/envelope.hpp"

namespace folkmoot::access {
namespace {

using enum AccessAction;

class MandateTest : public ::testing::Test {
 protected:
  void rule(bool deny, std::string_view subject, AccessAction action, std::string_view resource,
            std::string_view filter = "") {
    auto made = make_rule(deny, subject, action, resource, filter);
    ASSERT_TRUE(made) << made.error().text;
    policy_.add(std::make_shared<const Rule>(std::move(*made)));
  }
  void allow(std::string_view subject, AccessAction action, std::string_view resource, std::string_view filter = "") {
    rule(false, subject, action, resource, filter);
  }
  void deny(std::string_view subject, AccessAction action, std::string_view resource, std::string_view filter = "") {
    rule(true, subject, action, resource, filter);
  }
  Mandate of(std::string role, std::string name = "ann") const {
    const Account account{.name = name, .role = std::move(role), .names = {name, name + "/*"}};
    return {policy_, account};
  }
  // "yes" or "no", and why.
  static std::string ask(const Mandate& mandate, AccessAction action, std::string_view resource, Right base) {
    const auto finding = mandate.decide(action, resource, base);
    return std::string(finding.allowed ? "yes: " : "no: ") + mandate.explain(finding, action, resource);
  }

  Policy policy_{.version = 1};
};

struct Expected {
  const char* role;
  AccessAction action;
  const char* resource;
  Right base;
  const char* answer;
};

TEST_F(MandateTest, A18_without_rules_it_is_as_the_role_says) {
  for (const auto& [role, action, resource, base, answer] :
       {Expected{"agent", send, "bob", Right::publish, "yes: role agent has the right to publish"},
        {"agent", publish, "a.b", Right::publish, "yes: role agent has the right to publish"},
        {"agent", consume, "ann", Right::consume, "yes: ann is one of the account's own names"},
        {"agent", consume, "ann/jobs", Right::consume, "yes: ann/jobs is one of the account's own names"},
        {"agent", consume, "bob", Right::consume, "no: role agent does not have the right to administer"},
        {"agent", subscribe, ">", Right::consume, "yes: role agent has the right to consume"},
        {"agent", call, "route.set", Right::administer, "no: role agent does not have the right to administer"},
        {"agent", call, "agent.discover", Right::discover, "yes: role agent has the right to discover"},
        {"observer", send, "bob", Right::publish, "no: role observer does not have the right to publish"},
        {"observer", consume, "ann", Right::consume, "no: role observer does not have the right to consume"},
        {"observer", call, "mailbox.peek", Right::observe, "yes: role observer has the right to observe"},
        {"operator", consume, "bob", Right::consume, "yes: role operator has the right to administer"},
        {"operator", call, "account.add", Right::secure, "no: role operator does not have the right to secure"},
        {"admin", call, "account.add", Right::secure, "yes: role admin may do everything"},
        {"admin", consume, "bob", Right::consume, "yes: role admin may do everything"},
        {"gone", send, "bob", Right::publish, "no: role gone does not have the right to publish"}}) {
    EXPECT_EQ(ask(of(role), action, resource, base), answer) << role << " " << resource;
  }
}

TEST_F(MandateTest, A18_once_there_is_a_rule_about_an_action_all_else_of_it_is_refused) {
  allow("bob", send, "tasks");
  EXPECT_EQ(ask(of("agent", "bob"), send, "tasks", Right::publish), "yes: rule ALLOW bob send tasks");
  EXPECT_EQ(ask(of("agent", "bob"), send, "other", Right::publish),
            "no: there are rules about send, and none allows it");
  EXPECT_EQ(ask(of("agent"), send, "tasks", Right::publish), "no: there are rules about send, and none allows it");
  EXPECT_EQ(ask(of("operator"), send, "tasks", Right::publish), "no: there are rules about send, and none allows it");
  EXPECT_TRUE(of("admin").decide(send, "tasks", Right::publish).allowed);
  EXPECT_TRUE(of("agent").decide(publish, "a", Right::publish).allowed);  // of another action
}

TEST_F(MandateTest, A18_a_denial_goes_before_all_that_is_allowed) {
  allow("*", send, "*");
  deny("role:agent", send, "payments/*");
  EXPECT_TRUE(of("agent").decide(send, "reports", Right::publish).allowed);
  EXPECT_EQ(ask(of("agent"), send, "payments/eu", Right::publish), "no: rule DENY role:agent send payments/*");
  EXPECT_TRUE(of("operator").decide(send, "payments/eu", Right::publish).allowed);
  deny("ann", consume, "ann/*");
  EXPECT_FALSE(of("agent").decide(consume, "ann/jobs", Right::consume).allowed);
  EXPECT_TRUE(of("agent").decide(consume, "ann", Right::consume).allowed);  // one's own, whatever rules there are
  EXPECT_TRUE(of("agent", "bob").decide(consume, "bob/x", Right::consume).allowed);
}

TEST_F(MandateTest, A18_a_rule_gives_what_the_role_does_not) {
  allow("ann", consume, "tasks");
  EXPECT_EQ(ask(of("agent"), consume, "tasks", Right::consume), "yes: rule ALLOW ann consume tasks");
  EXPECT_FALSE(of("agent", "bob").decide(consume, "tasks", Right::consume).allowed);
  EXPECT_FALSE(of("operator", "bob").decide(consume, "other", Right::consume).allowed);
}

TEST_F(MandateTest, A18_a_subscription_is_allowed_whole_and_denied_for_any_part) {
  allow("role:agent", subscribe, "market.>");
  deny("role:agent", subscribe, "market.*.secret");
  for (const auto& [pattern, allowed] : {std::pair{"market.eu", true},
                                         {"market.eu.open", true},
                                         {"market.*", true},
                                         {"market.eu.*", false},
                                         {"market.>", false},
                                         {"market.eu.secret", false},
                                         {"*.eu", false},
                                         {">", false},
                                         {"other", false},
                                         {"", false}}) {
    EXPECT_EQ(of("agent").decide(subscribe, pattern, Right::consume).allowed, allowed) << pattern;
  }
}

TEST_F(MandateTest, A18_filters_look_at_the_message) {
  allow("role:agent", send, "tasks", "type = 'task' and priority <= 3");
  const auto sends = [&](std::string type, Priority priority) {
    Message message;
    message.to = "tasks";
    message.type = std::move(type);
    message.priority = priority;
    std::string envelope;
    EXPECT_TRUE(encode_envelope(message, envelope));
    const FilterInput input(as_bytes(envelope), {});
    return of("agent").decide(send, "tasks", Right::publish, &input).allowed;
  };
  EXPECT_TRUE(of("agent").looks_inside());
  EXPECT_TRUE(sends("task", high));
  EXPECT_FALSE(sends("task", low));
  EXPECT_FALSE(sends("event", high));
  EXPECT_TRUE(of("agent").decide(send, "tasks", Right::publish).allowed);  // asked for none in particular
}

TEST_F(MandateTest, A18_no_rule_lets_anybody_say_who_may_do_what) {
  allow("*", call, "*");
  EXPECT_TRUE(of("agent").decide(call, "route.set", Right::administer).allowed);
  EXPECT_EQ(ask(of("agent"), call, "account.add", Right::secure), "no: role agent does not have the right to secure");
}

TEST_F(MandateTest, A18_what_nobody_has_looked_at_is_allowed_by_no_filter_and_refused_by_each) {
  allow("ann", send, "tasks", "type = 'task'");
  allow("ann", send, "more");
  EXPECT_TRUE(of("agent").decide(send, "tasks", Right::publish).allowed);
  EXPECT_FALSE(of("agent").decide_unseen(send, "tasks", Right::publish).allowed);
  EXPECT_TRUE(of("agent").decide_unseen(send, "more", Right::publish).allowed);
  deny("ann", send, "more", "type = 'query'");
  EXPECT_FALSE(of("agent").decide_unseen(send, "more", Right::publish).allowed);
  EXPECT_TRUE(of("admin").decide_unseen(send, "more", Right::publish).allowed);
}

TEST_F(MandateTest, A18_own_roles_have_the_rights_they_were_given) {
  policy_.add(OwnRole{.name = "reporter", .rights = {Right::publish}});
  policy_.add(OwnRole{.name = "keeper", .rights = {Right::secure}});
  EXPECT_TRUE(of("reporter").decide(send, "x", Right::publish).allowed);
  EXPECT_FALSE(of("reporter").decide(consume, "ann", Right::consume).allowed);
  EXPECT_TRUE(of("keeper").is_unbound());
}

TEST_F(MandateTest, A18_what_is_taken_away_is_told_from_what_is_added) {
  const auto plain = of("agent");
  EXPECT_TRUE(of("operator").keeps_all_of(plain));
  EXPECT_TRUE(of("admin").keeps_all_of(of("operator")));
  EXPECT_FALSE(plain.keeps_all_of(of("operator")));
  EXPECT_FALSE(of("operator").keeps_all_of(of("admin")));
  EXPECT_FALSE(of("agent", "bob").keeps_all_of(plain));  // other names
  allow("ann", send, "tasks");
  const auto ruled = of("agent");
  EXPECT_FALSE(ruled.keeps_all_of(plain));  // the first rule refuses all else
  allow("ann", send, "more");
  EXPECT_TRUE(of("agent").keeps_all_of(ruled));
  EXPECT_FALSE(ruled.keeps_all_of(of("agent")));
  const auto before = of("agent");
  deny("bob", send, "tasks");
  EXPECT_TRUE(of("agent").keeps_all_of(before));  // somebody else's
  deny("ann", send, "tasks");
  EXPECT_FALSE(of("agent").keeps_all_of(before));
}

}  // namespace
}  // namespace folkmoot::access
