// folkmoot request: asks an agent and prints its answer; or asks several, until there are answers enough.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "cli/cli.hpp"
#include "cli/message_options.hpp"
#include "cli/print.hpp"
#include "cli/protection.hpp"
#include "cli/session.hpp"
#include "cli/terminal.hpp"
#include "cli/whole_content.hpp"
#include "message/gather.hpp"
#include "message/json_mapping.hpp"
#include "message/json_text.hpp"

namespace folkmoot::cli {
namespace {

struct RequestOptions {
  MessageOptions message;
  Protection protection;
  std::vector<std::string> also;
  std::string need = "all";
  Milliseconds timeout{30'000};
  bool json = false;
};

void request_one(const RequestOptions& options, Message asked) {
  Session session(options.message.with_client_options());
  options.protection.apply(session, asked);
  const auto on_status = [](const Message& status) { tell("{}: {}", status.from, status.content); };
  auto answer = value(session->request(std::move(asked), options.timeout, on_status));
  if (!options.json) answer.content = value(whole_content(session, answer));
  const bool failed = answer.type == "error";
  if (failed && !options.json) {
    // The one who answered could not do it: its words are no result.
    tell("folkmoot: {} answered with an error: {}", answer.from, answer.content);
    throw Exit{ExitStatus::failed};
  }
  print_message(answer, options.json ? Style::json : Style::raw);
  if (!options.json && ::isatty(STDOUT_FILENO) && !answer.content.ends_with('\n')) print_line("");
  if (failed) throw Exit{ExitStatus::failed};
}

Need need_of(const std::string& text) {
  const auto count = parse_need(text);
  if (!count) throw_invalid("--need", fmt::format("`{}`; it may be first, a number or all", text));
  return {*count};
}

void print_answer(Session& session, const std::string& recipient, const Message& answer, bool json) {
  if (json) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().field("recipient", recipient).key("message");
    append_json(writer, answer);
    writer.end_object();
    return print_line(on_one_line(std::move(out)));
  }
  auto text = value(whole_content(session, answer));
  if (text.ends_with('\n')) text.pop_back();
  print_content(fmt::format("{}{}: {}\n", recipient, answer.type == "error" ? " (error)" : "", text));
}

/// False if what it says could not be fetched.
bool show_answer(Session& session, const std::string& recipient, const Message& answer, bool json) {
  try {
    print_answer(session, recipient, answer, json);
    return true;
  } catch (const Failure& failed) {
    tell("folkmoot: {}: {}", recipient, failed.error().describe());
    return false;
  }
}

void request_many(const RequestOptions& options, const Message& asked) {
  std::vector<std::string> recipients{asked.to};
  recipients.insert(recipients.end(), options.also.begin(), options.also.end());
  const auto need = need_of(options.need);
  Session session(options.message.with_client_options());
  auto questions = to_each(asked, recipients);
  for (auto& question : questions) options.protection.apply(session, question);
  const auto got = value(session->request_all(std::move(questions), {.need = need, .timeout = options.timeout}));
  bool shown = true;
  for (const auto& answer : got.answers)
    shown = show_answer(session, recipients[answer.index], answer.message, options.json) && shown;
  for (const auto& missing : got.missing) {
    if (missing.why.code != ErrorCode::cancelled) tell("folkmoot: {}: {}", missing.recipient, missing.why.describe());
  }
  if (!got.enough || !shown) throw Exit{ExitStatus::failed};
}

}  // namespace

void add_request(App& app) {
  auto* command =
      app.add_subcommand("request", "Ask an agent and print its answer; exit status 1 if it answers with an error");
  const auto options = std::make_shared<RequestOptions>();
  options->message.add_to(*command, false);
  options->protection.add_to(*command, false);
  add_duration(*command, "--timeout", options->timeout, "How long to wait for the answer (default 30s)")
      ->check(longer_than_zero());
  auto* also = command->add_option("--also", options->also, "Ask this agent too; may be given several times")
                   ->type_name("AGENT")
                   ->expected(1)
                   ->take_all();
  command
      ->add_option("--need", options->need,
                   "Of several: go on until the first, so many, or all have answered (default all)")
      ->type_name("first|N|all")
      ->needs(also);
  command->add_flag("--json", options->json, "Print the answering message as JSON");
  set_example(*command,
              "  $ echo 'how many words are these' | folkmoot request analyst -\n"
              "  5\n"
              "  $ folkmoot request alice 'ship it?' --also bob --also carol --need 2\n"
              "  carol: yes\n"
              "  alice: yes");
  command->callback([options] {
    auto asked = options->message.build();
    if (asked.type.empty()) asked.type = "query";
    options->also.empty() ? request_one(*options, std::move(asked)) : request_many(*options, asked);
  });
}

}  // namespace folkmoot::cli
