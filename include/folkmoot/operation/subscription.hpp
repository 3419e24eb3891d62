// Durable subscriptions: events that are also messages in a mailbox (docs/subscriptions.md).
#pragma once

#include <string>
#include <vector>

#include "folkmoot/describe.hpp"

namespace folkmoot {

struct DurableSubscriptionRule {
  std::string name{};
  std::string pattern{};
  std::string filter{};   // docs/filters.md; empty: every event
  std::string mailbox{};  // empty: the one of its own name

  bool operator==(const DurableSubscriptionRule&) const = default;

  using Answer = Nothing;
  static constexpr OperationRow kOperation{
      .name = "subscription.set",
      .what =
          "Puts each event of a pattern into a mailbox as well; in the place of a durable subscription of that name",
      .right = Right::consume,
      .where = Where::all,
      .http = "POST /api/subscriptions",
      .again = true};
  static constexpr auto fields() {
    return std::array{
        field<&DurableSubscriptionRule::name>(0, "name", "By which it is removed again", {.required = true}),
        field<&DurableSubscriptionRule::pattern>(1, "pattern", "Words joined by dots; `*` is one, a last `>` the rest",
                                                 {.required = true}),
        field<&DurableSubscriptionRule::filter>(2, "filter", "Which events (docs/filters.md); left out: every one",
                                                {.max = 4'096, .sparse = true}),
        field<&DurableSubscriptionRule::mailbox>(3, "mailbox", "Where they go; left out: the one of its own name",
                                                 {.sparse = true}),
    };
  }
};
using SetSubscription = DurableSubscriptionRule;

struct RemoveSubscription {
  std::string name{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{.name = "subscription.remove",
                                           .what = "Ends a durable subscription; what its mailbox has stays",
                                           .right = Right::consume,
                                           .where = Where::all,
                                           .http = "DELETE /api/subscriptions/{name}"};
  static constexpr auto fields() {
    return std::array{field<&RemoveSubscription::name>(0, "name", "As it was set", {.required = true})};
  }
};

struct SubscriptionStatus {
  DurableSubscriptionRule rule{};
  std::uint64_t kept = 0;    // events since the server started
  std::uint64_t missed = 0;  // for want of room, likewise

  static constexpr auto fields() {
    return std::array{
        fields_of<&SubscriptionStatus::rule>(),
        field<&SubscriptionStatus::kept>(4, "kept", "Events since the server started", {.merge = Merge::sum}),
        field<&SubscriptionStatus::missed>(5, "missed", "Events that there was no room for, since then",
                                           {.merge = Merge::sum}),
    };
  }
};

struct SubscriptionPage {
  std::vector<SubscriptionStatus> subscriptions{};

  static constexpr auto fields() {
    return std::array{field<&SubscriptionPage::subscriptions>(0, "subscriptions", "By name",
                                                              {.max = 1'000'000, .merge = Merge::by_name})};
  }
};

struct ListSubscriptions {
  using Answer = SubscriptionPage;
  static constexpr OperationRow kOperation{.name = "subscription.list",
                                           .what = "Lists the durable subscriptions",
                                           .right = Right::observe,
                                           .where = Where::all,
                                           .http = "GET /api/subscriptions",
                                           .again = true};
  static constexpr std::array<FieldInfo, 0> fields() { return {}; }
};

}  // namespace folkmoot
