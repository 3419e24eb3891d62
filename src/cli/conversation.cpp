// folkmoot conversation: what a conversation has cost.
#include <fmt/format.h>

#include <memory>

#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot::cli {
namespace {

struct ConversationOptions {
  std::string name;
  bool json = false;
};

void show_cost(const ConversationOptions& options) {
  Session session;
  const auto cost = value(session->call(ShowCost{options.name}));
  if (!options.json) {
    return print_line(
        fmt::format("{}  {} messages, {} tokens, {} money", options.name, cost.messages, cost.tokens, cost.money));
  }
  print_line(to_json_text(cost, Sparse::as_described));
}

}  // namespace

void add_conversation(App& app) {
  auto* command = app.add_subcommand("conversation", "Ask about a conversation");
  command->require_subcommand(1);
  auto* cost =
      command->add_subcommand("cost", "Sum up what its messages report in metadata as cost_tokens and cost_money");
  const auto options = std::make_shared<ConversationOptions>();
  cost->add_option("NAME", options->name, "The conversation")->required();
  cost->add_flag("--json", options->json, "Print as JSON");
  constexpr const char* kExample =
      "  $ folkmoot conversation cost change-12\n"
      "  change-12  7 messages, 5200 tokens, 0.12 money";
  set_example(*command, kExample);
  set_example(*cost, kExample);
  cost->callback([options] { show_cost(*options); });
}

}  // namespace folkmoot::cli
