// folkmoot reply: an agent in one line. Each message of a mailbox goes to a command's stdin; what the command writes to
// stdout is the answer. A command that fails gives its message back, with what it said on stderr as the reason: it is
// tried again as the retry policy says, then it is a dead letter, of which the server tells whoever waits for an
// answer. What came once and cannot be given back is answered with a message of type `error`, if it is a request.
//
// Answer and acknowledgement are one fact: whatever is killed, there are both or neither. With --to the answer goes on
// to other agents. An answer goes to the message's reply address. A task or query or command without one is answered
// into its sender's mailbox; other messages without one are not answered, so that two such agents never answer each
// other's answers for ever.
#include <fmt/format.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "cli/protection.hpp"
#include "cli/run_command.hpp"
#include "cli/session.hpp"
#include "cli/terminal.hpp"
#include "cli/whole_content.hpp"
#include "message/limits.hpp"

namespace folkmoot::cli {
namespace {

struct ReplyOptions {
  std::string agent, command;
  std::vector<std::string> to;  // whom the answer goes to; empty: to who asked
  Protection protection;
  std::uint32_t parallel = 1;
  bool once = false, until_empty = false, json = false;
  Milliseconds wait{0};
};

// What became of a message.
enum class End { answered, failed, withdrawn, interrupted };

std::string_view word(End end) {
  switch (end) {
    case End::answered:
      return "answered";
    case End::failed:
      return "failed";
    case End::withdrawn:
      return "withdrawn";
    case End::interrupted:
      return "interrupted";
  }
  return "unknown";
}

bool wants_answer(const Message& asked) {
  if (!asked.reply_to.empty()) return true;
  const bool asks = asked.type == "task" || asked.type == "query" || asked.type == "command" || asked.type.empty();
  return asks && !asked.from.empty() && asked.from != "anonymous";
}

void complain(const Message& asked, const std::string& what) {
  tell("folkmoot: {} from {}: {}", asked.id.text(), asked.from, what);
}
void complain(const Message& asked, const Error& error) { complain(asked, error.describe()); }

// Where the answer goes: to each of --to, or to who asked.
std::vector<Message> answers_of(const ReplyOptions& options, const Delivery& task, const std::string& output) {
  const auto& asked = task.message;
  std::vector<Message> answers;
  for (const auto& to : options.to) {
    auto& next = answers.emplace_back(make_forward(task, to));
    next.content = output;
    next.encoding.clear();
    next.content_ref.reset();
    // Its answer is the request's: whoever waits for that hears of its death.
    next.bounce = options.to.size() == 1 && asked.reply_to.starts_with('@');
  }
  if (options.to.empty() && wants_answer(asked) && asked.expects_reply) answers.push_back(make_reply(task, output));
  for (auto& answer : answers) {
    answer.from = options.agent;
    answer.content_type = "text/plain";
  }
  return answers;
}

void protect(Session& session, const ReplyOptions& options, Message& answer) {
  const auto& as = client_options().agent;
  if (answer.from.empty()) answer.from = as.empty() ? options.agent : as;
  options.protection.apply(session, answer);
}

// The work failed: it goes back, to be tried again. What came once and is gone already cannot: then the one who waits
// for an answer is told, and what the command had written until then.
End fail(Session& session, const ReplyOptions& options, const Delivery& task, const std::string& reason,
         std::string_view written = {}) {
  const auto& asked = task.message;
  complain(asked, reason);
  if (task.leased()) {
    if (const auto settled = session->nack(task, {.reason = reason}); !settled) complain(asked, settled.error());
    return End::failed;
  }
  if (!asked.reply_to.starts_with('@')) return End::failed;
  const auto* const line_end = written.empty() || written.ends_with('\n') ? "" : "\n";
  auto answer = make_reply(task, fmt::format("{}{}{}", written, line_end, reason));
  answer.from = options.agent;
  answer.type = "error";
  answer.content_type = "text/plain";
  protect(session, options, answer);
  if (const auto sent = session->publish(answer); !sent) complain(asked, sent.error());
  return End::failed;
}

// Answers and settles the message, both or neither. What nobody wants an answer to is settled all the same; what cannot
// be handed on fails.
End settle(Session& session, const ReplyOptions& options, const Delivery& task, const std::string& output) {
  const auto& asked = task.message;
  auto answers = answers_of(options, task, output);
  for (auto& answer : answers) protect(session, options, answer);
  if (!task.leased()) {  // it came once, and is gone already
    for (const auto& answer : answers) {
      if (const auto sent = session->publish(answer); !sent) complain(asked, sent.error());
    }
    return End::answered;
  }
  const auto done = session->complete(task, answers);
  if (done) {
    for (const auto& result : *done) {
      if (!result) complain(asked, result.error());
    }
    return End::answered;
  }
  const auto code = done.error().code;
  if (code != ErrorCode::lease_lost && (code != ErrorCode::no_reply_wanted || !options.to.empty()))
    return fail(session, options, task, done.error().text);
  complain(asked, done.error());
  if (code == ErrorCode::lease_lost) return End::failed;
  if (const auto settled = session->ack(task); !settled) complain(asked, settled.error());
  return End::answered;
}

End work_at(Session& session, const ReplyOptions& options, const Delivery& task) {
  const auto& asked = task.message;
  const auto content = whole_content(session, asked, task.content_error);
  if (!content) return fail(session, options, task, content.error().describe());
  const auto ran = run_command(options.command, *content,
                               {{"FOLKMOOT_FROM", asked.from},
                                {"FOLKMOOT_TYPE", asked.type},
                                {"FOLKMOOT_ID", asked.id.text()},
                                {"FOLKMOOT_REPLY_TO", asked.reply_to},
                                {"FOLKMOOT_CONVERSATION", asked.conversation},
                                {"FOLKMOOT_PRIORITY", std::to_string(asked.priority)}},
                               kContentBytesDefault, [&] { return session.interrupted() || task.withdrawn(); });
  if (!ran && ran.error().code == ErrorCode::cancelled) {
    if (session.interrupted()) return End::interrupted;  // goes back to the mailbox with the connection
    tell("folkmoot: {} from {} is wanted no more", asked.id.text(), asked.from);
    session.undisturbed([&] {
      if (!task.leased()) return;
      if (const auto settled = session->ack(task); !settled) complain(asked, settled.error());
    });
    return End::withdrawn;
  }
  auto end = End::interrupted;
  session.undisturbed([&] {  // otherwise the task goes back, and its answer would come twice
    if (ran && ran->status == 0) {
      end = settle(session, options, task, ran->output);
      return;
    }
    if (!ran) {
      end = fail(session, options, task, ran.error().describe());
      return;
    }
    const auto silent = fmt::format("the command ended with status {}", ran->status);
    end = fail(session, options, task, ran->errors.empty() ? silent : ran->errors, ran->output);
  });
  return end;
}

End answer(Session& session, const ReplyOptions& options, const Delivery& task) {
  const auto end = work_at(session, options, task);
  if (options.json) {
    print_done(true, {},
               {{"id", task.message.id.text()},
                {"from", task.message.from},
                {"type", task.message.type.empty() ? std::string_view("task") : task.message.type},
                {"outcome", word(end)}});
  }
  return end;
}

// Runs `work` on as many threads as --parallel says, and returns when all are done.
template <class Work>
void in_parallel(const ReplyOptions& options, Work work) {
  std::vector<std::jthread> workers;
  for (std::uint32_t i = 0; i < options.parallel; ++i) workers.emplace_back(work);
}

void reply(Session& session, const ReplyOptions& options) {
  auto inbox = value(session->consume(options.agent, {.credit = options.parallel}));
  std::mutex lock;
  std::optional<Error> ended;
  in_parallel(options, [&] {
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
  if (!session.interrupted() && ended) throw Failure(*ended);
}

// One message, or what there is: each is taken when there is a hand for it, so that none is held in vain.
void reply_and_end(Session& session, const ReplyOptions& options) {
  std::mutex lock;
  std::optional<Error> ended;
  std::atomic<std::uint32_t> taken = 0, failed = 0;
  in_parallel(options, [&] {
    do {
      const auto got = session->receive(options.agent, {.max = 1, .wait = options.wait});
      if (!got) {
        const std::lock_guard guard(lock);
        ended = got.error();
        return;
      }
      if (got->empty()) return;
      ++taken;
      if (answer(session, options, got->front()) == End::failed) ++failed;
    } while (!options.once && !session.interrupted());
  });
  if (session.interrupted()) return;
  if (ended) throw Failure(*ended);
  if (failed > 0) throw Exit{ExitStatus::failed};
  if (taken > 0 || !options.once) return;
  tell("folkmoot: nothing waits for {}", options.agent);
  throw Exit{ExitStatus::nothing};
}

void start(const ReplyOptions& options) {
  auto with = client_options();
  if (with.agent.empty()) with.agent = options.agent;
  Session session(std::move(with));
  options.once || options.until_empty ? reply_and_end(session, options) : reply(session, options);
}

}  // namespace

void add_reply(App& app) {
  auto* command =
      app.add_subcommand("reply", "Answer an agent's messages with a command, until stopped, or until there are none");
  const auto options = std::make_shared<ReplyOptions>();
  command->add_option("AGENT", options->agent, "The mailbox to serve")->required()->check(not_empty());
  command
      ->add_option("--exec", options->command,
                   "Run by /bin/sh for each message: content on stdin, answer from stdout; FOLKMOOT_FROM, _TYPE, _ID, "
                   "_CONVERSATION, _PRIORITY and _REPLY_TO are set. A status other than 0 gives the message back, with "
                   "what was said on stderr as the reason. It gets SIGTERM when whoever asked wants the answer no more")
      ->required();
  command
      ->add_option("--to", options->to,
                   "Hand what comes out on to this agent, instead of answering; the message is settled in the same "
                   "instant, so that a "
                   "step of a pipeline happens once or not at all. May be given several times")
      ->type_name("AGENT")
      ->expected(1)
      ->take_all();
  options->protection.add_to(*command, true);
  command->add_option("--parallel", options->parallel, "Commands at the same time (default 1)")
      ->check(in_range(1, 256));
  auto* once = command->add_flag("--once", options->once,
                                 "One message, then end: exit status 3 if there is none, 1 if the command failed");
  auto* until_empty = command->add_flag("--until-empty", options->until_empty,
                                        "All that there are, then end: exit status 1 if a command failed");
  until_empty->excludes(once);
  auto* wait = add_duration(*command, "--wait", options->wait,
                            "With --once or --until-empty: wait this long for a message (default: do not wait)");
  command->add_flag("--json", options->json, "Print what became of each message, as JSON");
  set_example(*command,
              "  $ folkmoot reply analyst --exec 'wc -w' &\n"
              "  $ echo 'how many words are these' | folkmoot request analyst -\n"
              "  5\n"
              "  $ folkmoot reply scan --exec ./ocr --to translate &  folkmoot reply translate --exec ./translate --to "
              "archive &");
  command->callback([options, wait] {
    if (wait->count() > 0 && !options->once && !options->until_empty)
      throw_missing("--once or --until-empty, with --wait,");
    if (options->once) options->parallel = 1;
    start(*options);
  });
}

}  // namespace folkmoot::cli
