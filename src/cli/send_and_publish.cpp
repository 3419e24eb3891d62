// folkmoot send and folkmoot publish: a message into a mailbox, or to a topic; or the lines of a file, a message each.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <memory>

#include "base/error.hpp"
#include "cli/cli.hpp"
#include "cli/line_reader.hpp"
#include "cli/message_options.hpp"
#include "cli/print.hpp"
#include "cli/protection.hpp"
#include "cli/session.hpp"
#include "cli/terminal.hpp"
#include "cli/whole_content.hpp"
#include "message/cloud_event.hpp"
#include "message/json_mapping.hpp"
#include "message/limits.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::size_t kLinesAtOnce = 1'000;
constexpr std::size_t kLinesBytesAtOnce = 2 * 1024 * 1024;  // and one line more: they go in one frame

struct SendAndPublishOptions {
  MessageOptions message;
  Protection protection;
  std::string lines, event;
  bool json = false, atomic = false, kept = false, is_cloud_event = false;
};

void print_receipt(const SendAndPublishOptions& options, const PublishReceipt& receipt, const Message& message) {
  print_line(options.json ? to_json(receipt) : fmt::format("{}  {}", receipt.id.text(), describe(receipt, message)));
}

// To whom what was sent to a capability went: its receipt says that, and the address if nobody could take it yet.
std::string describe_placed(Session& session, const PublishReceipt& receipt, const Message& message) {
  const auto receipts = session->receipts({receipt.id});
  if (!receipts || receipts->empty() || receipts->front().recipient.empty()) return describe(receipt, message);
  const auto& agent = receipts->front().recipient;
  if (agent == message.to) {
    return fmt::format(
        "held for {}: no agent that can do it may be chosen now, it goes to the first one that may, {} held",
        message.to, receipt.unread);
  }
  return fmt::format("{} for {}, which can do it: {} unread", name(receipt.outcome), agent, receipt.unread);
}

void print_publish(Session& session, const SendAndPublishOptions& options, const Message& message) {
  const auto receipt = value(session->publish(message));
  const bool was_placed = message.to.starts_with("capability:") &&
                          (receipt.outcome == Outcome::queued || receipt.outcome == Outcome::offered);
  if (options.json || !was_placed) return print_receipt(options, receipt, message);
  print_line(fmt::format("{}  {}", receipt.id.text(), describe_placed(session, receipt, message)));
}

void publish(const SendAndPublishOptions& options, Message message) {
  Session session(options.message.with_client_options());
  options.protection.apply_to_mail(session, message);
  print_publish(session, options, message);
}

// CONTENT is the event in JSON; what the options say stands beside it.
Message cloud_event(const SendAndPublishOptions& options) {
  auto message = options.message.build();
  JsonDocument document;
  auto event = value(message_from_event(value(document.parse(message.content, Vocabulary::cloud_events))));
  for (auto& [name, attribute] : event.metadata) message.metadata[name] = std::move(attribute);
  message.content = std::move(event.content);
  message.content_type = std::move(event.content_type);
  return message;
}

bool is_empty(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return file && file.peek() == std::ifstream::traits_type::eof();
}

// A small file goes in the message, as any content; an empty one too, as there is nothing to refer to.
void send_file(const SendAndPublishOptions& options) {
  const auto& path = options.message.file();
  if (is_empty(path)) return publish(options, options.message.build_with({}));
  const auto file = value(content_of_file(path));
  if (file.size <= kContentBytesDefault)
    return publish(options, options.message.build_with(value(file.source(0, file.size))));
  auto message = options.message.build_with({}, false);
  Session session(options.message.with_client_options());
  message.content_ref = upload(session, path);
  options.protection.apply_to_mail(session, message);
  print_publish(session, options, message);
}

// Lines of the input that are sent together, and what became of all before them.
class Lines {
 public:
  explicit Lines(const SendAndPublishOptions& options) : options_(options) {}

  std::size_t size() const { return batch_.size(); }
  bool is_full() const { return batch_.size() >= kLinesAtOnce || bytes_ >= kLinesBytesAtOnce; }
  std::size_t refused() const { return refused_; }
  void add(std::string line, std::size_t number) {
    batch_.push_back(options_.message.build_with(std::move(line)));
    numbers_.push_back(number);
    bytes_ += batch_.back().content.size();
  }
  /// "all lines up to 12 are confirmed"
  std::string how_far() const;
  /// Throws Failure, and Exit if the server has no room: what comes after would be refused as well.
  void send(Session& session);

 private:
  void end_without_room(const std::vector<Result<PublishReceipt>>& results, const Error& why) const;

  const SendAndPublishOptions& options_;
  std::vector<Message> batch_;
  std::size_t bytes_ = 0;             // of their contents
  std::vector<std::size_t> numbers_;  // of each, from 1 on; empty lines count
  std::size_t confirmed_up_to_ = 0;   // every line up to this one has been, but for `refused_`
  std::size_t refused_ = 0;
};

void Lines::send(Session& session) {
  for (auto& message : batch_) options_.protection.apply_to_mail(session, message);
  const auto results = value(session->publish_batch(batch_, {.atomic = options_.atomic}));
  const Error* no_room = nullptr;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i]) {
      if (no_room == nullptr) confirmed_up_to_ = numbers_[i];
      print_receipt(options_, *results[i], batch_[i]);
    } else if (results[i].error().code == ErrorCode::disk_full) {
      if (no_room == nullptr) no_room = &results[i].error();
    } else {
      ++refused_;
      tell("folkmoot: line {}: {}", numbers_[i], results[i].error().describe());
    }
  }
  if (no_room != nullptr) end_without_room(results, *no_room);
  batch_.clear();
  numbers_.clear();
  bytes_ = 0;
}

void Lines::end_without_room(const std::vector<Result<PublishReceipt>>& results, const Error& why) const {
  std::size_t first = 0, full = 0, confirmed = 0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const bool is_full = !results[i] && results[i].error().code == ErrorCode::disk_full;
    if (is_full && full++ == 0) first = numbers_[i];
    if (full > 0 && results[i]) ++confirmed;
  }
  tell("folkmoot: {}\n  {}; of lines {} to {}, {} are confirmed and {} refused; nothing after them was sent",
       why.describe(), how_far(), first, numbers_.back(), confirmed, full);
  throw Exit{ExitStatus::failed};
}

std::string Lines::how_far() const {
  if (confirmed_up_to_ == 0) return "no line is confirmed";
  return fmt::format("all lines up to {} are confirmed{}", confirmed_up_to_,
                     refused_ == 0 ? "" : ", but for those told of");
}

// Empty lines are none.
void send_lines(const SendAndPublishOptions& options) {
  auto input = value(LineReader::open(options.lines));
  Session session(options.message.with_client_options());
  Lines lines(options);
  Progress progress("sending");
  try {
    for (std::string line; value(input.next(line));) {
      if (line.empty()) continue;
      if (options.atomic && lines.size() == kBatchMessagesMax) {
        throw Failure({ErrorCode::out_of_range,
                       fmt::format("more than {} lines; so many may be in one atomic batch", kBatchMessagesMax)});
      }
      lines.add(std::move(line), input.number());
      if (options.atomic || !lines.is_full()) continue;
      lines.send(session);
      progress.at(input.number(), 0, "lines");
    }
    if (lines.size() > 0) lines.send(session);
  } catch (const Failure&) {
    if (!options.atomic) tell("folkmoot: {}", lines.how_far());
    throw;
  }
  if (lines.refused() > 0) throw Exit{ExitStatus::failed};
}

// -- events as JSON, in the fields of a message

Message event_of(const SendAndPublishOptions& options, std::string_view json, const std::string& where) {
  auto event = message_from_json(json);
  if (!event) throw Failure({event.error().code, fmt::format("{}: {}", where, event.error().text)});
  if (event->topic.empty() || !event->to.empty())
    throw Failure({ErrorCode::invalid_field, fmt::format("{}: an event has a `topic`, and no `to`", where)});
  if (options.kept) event->mode = DeliveryMode::at_least_once;
  return std::move(*event);
}

// One, or those of stdin, an object a line.
void publish_events(const SendAndPublishOptions& options) {
  if (options.event != "-") return publish(options, event_of(options, options.event, "--event"));
  auto input = value(LineReader::open("-"));
  Session session(options.message.with_client_options());
  for (std::string line; value(input.next(line));) {
    if (line.empty()) continue;
    auto event = event_of(options, line, fmt::format("line {}", input.number()));
    options.protection.apply(session, event);
    print_receipt(options, value(session->publish(event)), event);
  }
}

}  // namespace

void add_send(App& app) {
  auto* command =
      app.add_subcommand("send", "Put a message into an agent's mailbox; done when it is on the server's disk");
  const auto options = std::make_shared<SendAndPublishOptions>();
  options->message.add_to(*command, false, false);
  options->message.add_file_to(*command);
  options->protection.add_to(*command, false);
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
              "  $ folkmoot --as ann send bob \"the plan\" --encrypt --sign ann-sign.pem\n"
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
  auto* command = app.add_subcommand("publish", "Send an event to everybody who is subscribed to its topic");
  const auto options = std::make_shared<SendAndPublishOptions>();
  auto* topic = options->message.add_to(*command, true, false);
  options->protection.add_to(*command, true);
  topic->required(false);
  auto* event =
      command
          ->add_option("--event", options->event,
                       "Instead of TOPIC and CONTENT: the event as JSON, such as {\"topic\":\"orders.eu\",\"type\":"
                       "\"order.created\",\"from\":\"shop\",\"content\":{\"total\":12}}; - reads one a line from stdin")
          ->type_name("JSON")
          ->check(not_empty())
          ->excludes(topic);
  command->add_flag("--kept", options->kept,
                    "Done when all that keep events of its topic have it on disk: durable subscriptions and streams; "
                    "refused if there is none");
  command->add_flag("--cloudevent", options->is_cloud_event,
                    "CONTENT is a CloudEvent in JSON: its attributes go along");
  command->add_flag("--json", options->json, "Print the receipt as JSON");
  set_example(
      *command,
      "  $ folkmoot publish build.done \"change 12 is green\"\n"
      "  0193f2c4-...  sent to 2 subscriptions\n"
      "  $ folkmoot publish --kept --event '{\"topic\":\"orders.eu\",\"type\":\"order.created\",\"content\":{}}'\n"
      "  0193f2c4-...  kept in 1 place");
  command->callback([options, topic, event] {
    if (event->count() > 0) return publish_events(*options);
    if (topic->count() == 0 || !options->message.has_content()) throw_missing("TOPIC and CONTENT, or --event,");
    auto message = options->is_cloud_event ? cloud_event(*options) : options->message.build();
    if (options->kept) message.mode = DeliveryMode::at_least_once;
    publish(*options, message);
  });
}

}  // namespace folkmoot::cli
