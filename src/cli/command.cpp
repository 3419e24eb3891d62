// folkmoot command: has an agent do something, shows how far it is, and prints what came of it.
#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "cli/cli.hpp"
#include "cli/message_options.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "cli/terminal.hpp"
#include "cli/whole_content.hpp"

namespace folkmoot::cli {
namespace {

struct CommandOptions {
  std::string agent, name;
  std::vector<std::string> parameters;
  Milliseconds timeout{60'000};
  bool json = false;
};

void command(const CommandOptions& options) {
  const Command what{options.name, parse_pairs(options.parameters)};
  Session session;
  const auto show = [&](const Message& status) {
    if (options.json) return print_message(status, Style::json);
    tell("{}: {}", status.from, status.content);
  };
  auto result = value(session->send_command(options.agent, what, options.timeout, show));
  if (!options.json) result.content = value(whole_content(session, result));
  const bool failed = result.type == "error";
  if (failed && !options.json) {
    tell("folkmoot: {} answered with an error: {}", result.from, result.content);
    throw Exit{ExitStatus::failed};
  }
  print_message(result, options.json ? Style::json : Style::raw);
  if (!options.json && !result.content.ends_with('\n')) print_line("");
  if (failed) throw Exit{ExitStatus::failed};
}

}  // namespace

void add_command(App& app) {
  auto* sub = app.add_subcommand("command", "Have an agent do something: statuses go to stderr, the result to stdout");
  const auto options = std::make_shared<CommandOptions>();
  sub->add_option("AGENT", options->agent, "Who is to do it")->required()->check(not_empty());
  sub->add_option("NAME", options->name, "What is to be done")->required()->check(not_empty());
  sub->add_option("PARAMETER", options->parameters, "KEY=VALUE; a value that is JSON is sent as such")
      ->type_name("KEY=VALUE");
  add_duration(*sub, "--timeout", options->timeout, "How long to wait for the result (default 1m)")
      ->check(longer_than_zero());
  sub->add_flag("--json", options->json, "Print statuses and result as JSON, one message a line");
  set_example(*sub,
              "  $ folkmoot command deployer deploy change=12 dry_run=true\n"
              "  deployer: fetching change 12\n"
              "  deployed");
  sub->callback([options] { command(*options); });
}

}  // namespace folkmoot::cli
