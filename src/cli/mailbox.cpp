// folkmoot mailbox: makes a mailbox, or changes how it is bounded.
#include <fmt/format.h>

#include <memory>

#include "cli/cli.hpp"
#include "cli/message_options.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"

namespace folkmoot::cli {

void add_mailbox(App& app) {
  auto* command = app.add_subcommand(
      "mailbox", "Make a mailbox, or change how it is bounded; what is left out is the server's default again");
  struct Options {
    std::string mailbox, overflow, retry;
    MailboxOptions bounds;
    bool json = false;
  };
  const auto options = std::make_shared<Options>();
  command->add_option("AGENT", options->mailbox, "The mailbox")->required()->check(not_empty());
  command->add_option("--max-messages", options->bounds.max_messages, "Messages it holds at most")
      ->check(at_least_one());
  command->add_option("--overflow", options->overflow, "When it is full: reject, or drop_oldest (to the dead letters)")
      ->check(one_of({"reject", "drop_oldest"}));
  add_duration(*command, "--ttl", options->bounds.default_ttl,
               "Messages without a time to live of their own expire after this");
  command->add_option("--max-deliveries", options->bounds.max_deliveries, "Deliveries before a message is given up")
      ->check(at_least_one());
  command
      ->add_option("--retry", options->retry,
                   "How messages without a policy of their own are tried again, as with send --retry")
      ->type_name("POLICY");
  command->add_flag("--json", options->json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot mailbox reviewer --max-messages 1000 --overflow drop_oldest\n"
              "  mailbox reviewer is set");
  command->callback([options] {
    if (!options->overflow.empty()) options->bounds.drop_oldest = options->overflow == "drop_oldest";
    if (!options->retry.empty()) options->bounds.retry = parse_retry(options->retry);
    Session session;
    value(session->configure_mailbox(options->mailbox, options->bounds));
    print_done(options->json, fmt::format("mailbox {} is set", options->mailbox),
               {{"mailbox", options->mailbox}, {"status", "set"}});
  });
}

}  // namespace folkmoot::cli
