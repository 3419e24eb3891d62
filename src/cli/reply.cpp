// folkmoot reply: an agent in one line. Each message of a mailbox goes to a command's stdin; what the command writes to
// stdout is the answer. A command that fails answers with a message of type `error`.
//
// An answer goes to the message's reply address. A task or query or command without one is answered into its sender's mailbox;
// other messages without one are not answered, so that two such agents never answer each other's answers for ever.
#include <fmt/format.h>

#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "cli/cli.hpp"
#include "cli/run_command.hpp"
#include "cli/session.hpp"
#include "message/limits.hpp"

namespace folkmoot::cli {
namespace {

struct Options {
  std::string agent, command;
  std::uint32_t parallel = 1;
};

bool wants_answer(const Message& asked) {
  if (!asked.reply_to.empty()) return true;
  const bool asks = asked.type == "task" || asked.type == "query" || asked.type == "command" || asked.type.empty();
  return asks && !asked.from.empty() && asked.from != "anonymous";
}

void complain(const Message& asked, const Error& error) {
  fmt::print(stderr, "folkmoot: {} from {}: {}\n", asked.id.text(), asked.from, error.describe());
}

void answer(Session& session, const Options& options, const Delivery& task) {
  const auto& asked = task.message;
  const auto ran = run_command(options.command, asked.content,
                               {{"FOLKMOOT_FROM", asked.from},
                                {"FOLKMOOT_TYPE", asked.type},
                                {"FOLKMOOT_ID", asked.id.text()},
                                {"FOLKMOOT_CONVERSATION", asked.conversation},
                                {"FOLKMOOT_PRIORITY", std::to_string(asked.priority)}},
                               kContentBytesDefault, [&] { return session.interrupted(); });
  if (!ran && ran.error().code == ErrorCode::cancelled) return;  // goes back to the mailbox with the connection

  Message response;
  response.from = options.agent;
  response.content_type = "text/plain";
  if (!ran) {
    response.type = "error";
    response.content = ran.error().describe();
  } else if (ran->status != 0) {
    response.type = "error";
    response.content = fmt::format("{}the command ended with status {}", ran->output, ran->status);
  } else {
    response.content = ran->output;
  }
  session.undisturbed([&] {  // otherwise the task goes back, and its answer would come twice
    if (response.type == "error") complain(asked, {ErrorCode::internal, response.content});
    if (wants_answer(asked)) {
      if (const auto sent = session->reply(task, std::move(response)); !sent) complain(asked, sent.error());
    }
    if (const auto settled = session->ack(task); !settled) complain(asked, settled.error());
  });
}

void reply(const Options& options) {
  auto with = client_options();
  if (with.agent.empty()) with.agent = options.agent;
  Session session(std::move(with));
  auto inbox = value(session->consume(options.agent, {.credit = options.parallel}));
  std::mutex lock;
  std::optional<Error> ended;
  std::vector<std::jthread> workers;
  for (std::uint32_t i = 0; i < options.parallel; ++i) {
    workers.emplace_back([&] {
      for (;;) {
        const auto task = inbox.next();
        if (task) {
          answer(session, options, *task);
          continue;
        }
        const std::lock_guard guard(lock);
        ended = task.error();
        return;
      }
    });
  }
  workers.clear();
  if (!session.interrupted() && ended) throw Failure(*ended);
}

}  // namespace

void add_reply(CLI::App& app) {
  auto* command = app.add_subcommand("reply", "Answer an agent's messages with a command, until stopped");
  const auto options = std::make_shared<Options>();
  command->add_option("AGENT", options->agent, "The mailbox to serve")->required();
  command->add_option("--exec", options->command,
                      "Run by /bin/sh for each message: content on stdin, answer from stdout; FOLKMOOT_FROM, _TYPE, _ID, "
                      "_CONVERSATION and _PRIORITY are set. A status other than 0 answers with an error")
      ->required();
  command->add_option("--parallel", options->parallel, "Commands at the same time (default 1)")->check(CLI::Range(1, 256));
  set_example(*command,
              "  $ folkmoot reply analyst --exec 'wc -w' &\n"
              "  $ echo 'how many words are these' | folkmoot request analyst -\n"
              "  5");
  command->callback([options] { reply(*options); });
}

}  // namespace folkmoot::cli
