// Conversations: what they have cost.
#pragma once

#include "folkmoot/describe.hpp"

namespace folkmoot {

/// What the messages of a conversation reported in metadata as cost_tokens and cost_money.
struct ConversationCost {
  std::string conversation{};
  std::uint64_t messages = 0;
  double tokens = 0, money = 0;

  static constexpr auto fields() {
    return std::array{
        field<&ConversationCost::conversation>(0, "conversation", "Its name"),
        field<&ConversationCost::messages>(1, "messages", "So many reported a cost", {.merge = Merge::sum}),
        field<&ConversationCost::tokens>(2, "tokens", "In all", {.unit = "tokens", .merge = Merge::sum}),
        field<&ConversationCost::money>(3, "money", "In all, in whatever currency they report", {.merge = Merge::sum}),
    };
  }
};

struct ShowCost {
  std::string conversation{};

  using Answer = ConversationCost;
  static constexpr OperationRow kOperation{.name = "conversation.cost",
                                           .what = "What the messages of a conversation have cost",
                                           .right = Right::observe,
                                           .where = Where::all,
                                           .http = "GET /api/conversations/{conversation}/cost",
                                           .again = true};
  static constexpr auto fields() {
    return std::array{field<&ShowCost::conversation>(0, "conversation", "Its name", {.required = true})};
  }
};

}  // namespace folkmoot
