// folkmoot send and folkmoot publish: a message into a mailbox, or to a topic; or the lines of a file, a message each.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>

#include "base/error.hpp"
#include "cli/cli.hpp"
#include "cli/message_options.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "cli/terminal.hpp"
#include "cli/whole_content.hpp"
#include "message/limits.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::size_t kLinesAtOnce = 1'000;

struct Options {
  MessageOptions message;
  std::string lines;
  bool json = false, atomic = false;
};

void print_receipt(const Options& options, const PublishReceipt& receipt, const Message& message) {
  print_line(options.json ? to_json(receipt) : fmt::format("{}  {}", receipt.id.text(), describe(receipt, message)));
}

void publish(const Options& options, const Message& message) {
  Session session(options.message.with_client_options());
  print_receipt(options, value(session->publish(message)), message);
}

bool is_empty(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return file && file.peek() == std::ifstream::traits_type::eof();
}

// A small file goes in the message, as any content; an empty one too, as there is nothing to refer to.
void send_file(const Options& options) {
  const auto& path = options.message.file();
  if (is_empty(path)) return publish(options, options.message.build_with({}));
  const auto file = value(content_of_file(path));
  if (file.size <= kContentBytesDefault)
    return publish(options, options.message.build_with(value(file.source(0, file.size))));
  auto message = options.message.build_with({}, false);
  Session session(options.message.with_client_options());
  message.content_ref = upload(session, path);
  print_receipt(options, value(session->publish(message)), message);
}

/// Publishes `batch`, whose first message is that of line `from`; returns how many were refused.
std::size_t send_batch(Session& session, const Options& options, const std::vector<Message>& batch, std::size_t from) {
  std::size_t refused = 0;
  const auto results = value(session->publish_batch(batch, {.atomic = options.atomic}));
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i]) {
      print_receipt(options, *results[i], batch[i]);
    } else {
      ++refused;
      tell("folkmoot: message {}: {}", from + i, results[i].error().describe());
    }
  }
  return refused;
}

// Empty lines are none.
void send_lines(const Options& options) {
  std::ifstream file;
  if (options.lines != "-") file.open(options.lines, std::ios::binary);
  if (options.lines != "-" && !file) {
    throw Failure(system_error(ErrorCode::io_error, options.lines, errno));
  }
  std::istream& in = options.lines == "-" ? std::cin : file;
  Session session(options.message.with_client_options());
  const auto most = options.atomic ? kBatchMessagesMax : kLinesAtOnce;
  std::vector<Message> batch;
  std::size_t from = 1, refused = 0;
  Progress progress("sending");
  for (std::string line; std::getline(in, line);) {
    if (line.empty()) continue;
    if (batch.size() == most && options.atomic) {
      throw Failure(
          {ErrorCode::out_of_range, fmt::format("more than {} lines; so many may be in one atomic batch", most)});
    }
    batch.push_back(options.message.build_with(std::move(line)));
    if (batch.size() < most || options.atomic) continue;
    refused += send_batch(session, options, batch, from);
    from += batch.size();
    batch.clear();
    progress.at(from - 1, 0, "messages");
  }
  if (!batch.empty()) refused += send_batch(session, options, batch, from);
  if (refused > 0) throw Exit{ExitStatus::failed};
}

}  // namespace

void add_send(App& app) {
  auto* command =
      app.add_subcommand("send", "Put a message into an agent's mailbox; done when it is on the server's disk");
  const auto options = std::make_shared<Options>();
  options->message.add_to(*command, false, false);
  options->message.add_file_to(*command);
  auto* lines = command
                    ->add_option("--lines", options->lines,
                                 "Instead of CONTENT: each line of this file is a message; - reads stdin")
                    ->type_name("FILE")
                    ->check({[](std::string& path) { return path == "-" ? "" : existing_file().wrong(path); }, ""});
  command->add_flag("--atomic", options->atomic, "All lines or none")->needs(lines);
  command->add_flag("--json", options->json, "Print the receipts as JSON, one a line");
  set_example(*command,
              "  $ folkmoot send reviewer \"please look at change 12\" --priority high --ttl 2h\n"
              "  0193f2c4-...  queued for reviewer: never seen, 1 unread\n"
              "  $ folkmoot send editor --file video.mp4 --type task\n"
              "  $ ls | folkmoot send reviewer --lines - --atomic --retry attempts=3,backoff=fixed,initial=10s");
  command->callback([options] {
    const bool from_file = !options->message.file().empty(), from_lines = !options->lines.empty();
    if (options->message.has_content() + from_file + from_lines != 1)
      throw_missing("CONTENT, --file or --lines, one of them,");
    if (from_lines && options->message.has_key()) {
      throw_invalid("--key", "with --lines all lines but the first would be its duplicates: leave it out");
    }
    if (from_file) return send_file(*options);
    if (from_lines) return send_lines(*options);
    publish(*options, options->message.build());
  });
}

void add_publish(App& app) {
  auto* command = app.add_subcommand("publish", "Send an event to everybody who is subscribed to its topic now");
  const auto options = std::make_shared<Options>();
  options->message.add_to(*command, true);
  command->add_flag("--json", options->json, "Print the receipt as JSON");
  set_example(*command,
              "  $ folkmoot publish build.done \"change 12 is green\"\n"
              "  0193f2c4-...  sent to 2 subscriptions");
  command->callback([options] { publish(*options, options->message.build()); });
}

}  // namespace folkmoot::cli
