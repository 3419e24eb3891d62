// folkmoot send and folkmoot publish: a message into a mailbox, or to a topic.
#include <fmt/format.h>

#include <memory>

#include "cli/cli.hpp"
#include "cli/message_options.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"

namespace folkmoot::cli {
namespace {

void publish(const MessageOptions& options, bool json) {
  const auto message = options.build();
  Session session;
  const auto receipt = value(session->publish(message));
  print_line(json ? to_json(receipt) : fmt::format("{}  {}", receipt.id.text(), describe(receipt, message)));
}

}  // namespace

void add_send(CLI::App& app) {
  auto* command = app.add_subcommand("send", "Put a message into an agent's mailbox; done when it is on the server's disk");
  struct Options {
    MessageOptions message;
    bool json = false;
  };
  const auto options = std::make_shared<Options>();
  options->message.add_to(*command, false);
  command->add_flag("--json", options->json, "Print the receipt as JSON");
  set_example(*command,
              "  $ folkmoot send reviewer \"please look at change 12\" --priority high --ttl 2h\n"
              "  0193f2c4-...  queued for reviewer: never seen, 1 unread");
  command->callback([options] { publish(options->message, options->json); });
}

void add_publish(CLI::App& app) {
  auto* command = app.add_subcommand("publish", "Send an event to everybody who is subscribed to its topic now");
  struct Options {
    MessageOptions message;
    bool json = false;
  };
  const auto options = std::make_shared<Options>();
  options->message.add_to(*command, true);
  command->add_flag("--json", options->json, "Print the receipt as JSON");
  set_example(*command,
              "  $ folkmoot publish build.done \"change 12 is green\"\n"
              "  0193f2c4-...  sent to 2 subscriptions");
  command->callback([options] { publish(options->message, options->json); });
}

}  // namespace folkmoot::cli
