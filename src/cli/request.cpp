// folkmoot request: asks an agent and prints its answer.
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "cli/cli.hpp"
#include "cli/message_options.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"

namespace folkmoot::cli {
namespace {

struct Options {
  MessageOptions message;
  Milliseconds timeout{30'000};
  bool json = false;
};

void request(const Options& options) {
  auto asked = options.message.build();
  if (asked.type.empty()) asked.type = "query";
  Session session;
  const auto answer = value(session->request(std::move(asked), options.timeout));
  const bool failed = answer.type == "error";
  if (failed && !options.json) {
    // The one who answered could not do it: its words are no result.
    std::fprintf(stderr, "folkmoot: %s answered with an error: %s\n", answer.from.c_str(), answer.content.c_str());
    throw Exit{1};
  }
  print_message(answer, options.json ? Style::json : Style::raw);
  if (!options.json && ::isatty(STDOUT_FILENO) && !answer.content.ends_with('\n')) print_line("");
  if (failed) throw Exit{1};
}

}  // namespace

void add_request(CLI::App& app) {
  auto* command = app.add_subcommand("request", "Ask an agent and print its answer; exit status 1 if it answers with an error");
  const auto options = std::make_shared<Options>();
  options->message.add_to(*command, false);
  add_duration(*command, "--timeout", options->timeout, "How long to wait for the answer (default 30s)");
  command->add_flag("--json", options->json, "Print the answering message as JSON");
  set_example(*command,
              "  $ echo 'how many words are these' | folkmoot request analyst -\n"
              "  5");
  command->callback([options] { request(*options); });
}

}  // namespace folkmoot::cli
