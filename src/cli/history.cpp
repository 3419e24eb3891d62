// folkmoot history: what became of messages, those that are settled and gone among them.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/duration.hpp"
#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "cli/terminal.hpp"
#include "message/json_document.hpp"
#include "message/json_mapping.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::uint32_t kHistoryPage = 200;

struct HistoryOptions {
  FindHistory find;
  std::string state, cause, id;
  std::uint32_t limit = 50, priority = 0;
  bool json = false;
};

std::string in_words(const HistoryMessage& message) {
  auto line = fmt::format("{}  {}  {:<9}  {} > {}", message.id.text(), format_time_ms(message.accepted_at),
                          kHistoryStateWords[static_cast<std::size_t>(message.state)], message.from,
                          message.to.empty() ? message.topic : message.to);
  for (const auto& more : {message.type, shown_on_one_line(message.reason)})
    if (!more.empty()) line += "  " + more;
  return line;
}

std::string line_of(const HistoryMessage& message, bool json) {
  return json ? on_one_line(to_json_text(message, Sparse::as_described)) : in_words(message);
}

FindHistory question(const HistoryOptions& options) {
  auto find = options.find;
  find.priority = static_cast<std::uint8_t>(std::min<std::uint32_t>(options.priority, 255));
  if (!options.cause.empty()) find.cause = parse_id(options.cause);
  if (options.state.empty()) return find;
  const auto* const word = std::ranges::find(kHistoryStateWords, options.state);
  if (word == std::end(kHistoryStateWords))
    throw_invalid("--state",
                  fmt::format("`{}` is not pending, delivered, processed, failed, expired or event", options.state));
  find.state = static_cast<HistoryState>(word - std::begin(kHistoryStateWords));
  return find;
}

// JSON as it is; what was text is shown as such, and not as a string of JSON.
std::string content_in_words(const HistoryMessage& message) {
  const auto& json = message.content.text;
  const auto& type = message.content_type;
  if (!json.starts_with('"') || is_json_type(type)) return json;
  JsonDocument document;
  const auto value = document.parse(json);
  std::string_view text;
  return value && !value->get(text) ? std::string(text) : json;
}

// On stderr: what was found is not all there is. Said once, of the first page.
void warn_of_what_is_missing(const HistoryPage& page) {
  if (!page.problem.empty()) {
    tell("folkmoot history: it does not go on, and what happened last is not in it: {}",
         shown_on_one_line(page.problem));
  } else if (page.lag_bytes > 0) {
    tell(
        "folkmoot history: it is {} bytes of the journal behind: what happened last may not be in it yet; ask again in "
        "a moment",
        page.lag_bytes);
  }
}

void find_history(const HistoryOptions& options) {
  auto find = question(options);
  Session session;
  std::size_t left = options.limit;
  bool is_first = true;
  do {
    find.limit = static_cast<std::uint32_t>(std::min<std::size_t>(left, kHistoryPage));
    const auto page = value(session->call(find));
    if (std::exchange(is_first, false)) warn_of_what_is_missing(page);
    for (const auto& message : page.messages) {
      print_line(line_of(message, options.json));
      if (find.content && !options.json) print_content(content_in_words(message) + "\n");
    }
    left -= std::min(left, page.messages.size());
    find.after = page.next;
  } while (!find.after.empty() && left > 0);
}

void show_history(const HistoryOptions& options) {
  const auto id = parse_id(options.id);
  Session session;
  const auto record = value(session->call(ShowHistory{id}));
  if (options.json) return print_line(on_one_line(to_json_text(record, Sparse::as_described)));
  print_line(in_words(record.message));
  for (const auto& attempt : record.attempts) {
    print_line(fmt::format("  {}  {}  {}  {}", format_time_ms(attempt.at_ms),
                           attempt.holder.empty() ? "-" : attempt.holder, attempt.end,
                           shown_on_one_line(attempt.reason)));
  }
  print_content(content_in_words(record.message) + "\n");
}

void show_status(bool json) {
  Session session;
  const auto status = value(session->call(ShowHistoryStatus{}));
  if (json) return print_line(on_one_line(to_json_text(status, Sparse::as_described)));
  print_line(fmt::format("messages    {}", status.messages));
  print_line(fmt::format("bytes       {}", status.bytes));
  print_line(fmt::format("oldest      {}", status.oldest_at == 0 ? "-" : format_time_ms(status.oldest_at)));
  print_line(fmt::format("behind by   {} bytes of the journal", status.lag_bytes));
  if (!status.problem.empty()) print_line(fmt::format("problem     {}", status.problem));
  for (const auto& gap : status.gaps)
    print_line(fmt::format("missing     shard {}, {} to {}, noticed {}", gap.shard, gap.from, gap.to,
                           format_time_ms(gap.noticed_at)));
}

void add_history_find(App& app) {
  auto* const command =
      app.add_subcommand("find", "Find messages and events, newest first; all that is given must hold");
  auto options = std::make_shared<HistoryOptions>();
  auto& find = options->find;
  command->add_option("--agent", find.agent, "Sent by this agent or to it")->type_name("AGENT");
  command->add_option("--from", find.from, "Sent by this agent")->type_name("AGENT");
  command->add_option("--to", find.to, "Sent to this mailbox")->type_name("AGENT");
  command->add_option("--state", options->state, "pending, delivered, processed, failed, expired or event");
  command->add_option("--type", find.type, "Of this type");
  command->add_option("--topic", find.topic, "Events of this topic or pattern, and what subscriptions made of them")
      ->type_name("PATTERN");
  command->add_option("--priority", options->priority, "Of this priority, 1 to 10")->check(at_least_one());
  command->add_option("--conversation", find.conversation, "Of this conversation");
  command->add_option("--correlation", find.correlation, "With this correlation");
  command->add_option("--cause", options->cause, "That follow from this message")->type_name("ID");
  command->add_option("--text", find.text, "With these words one after the other in the content");
  add_time(*command, "--since", find.since_ms, "Accepted then or later");
  add_time(*command, "--until", find.until_ms, "Accepted before then");
  command->add_option("--limit", options->limit, "So many at most (default 50)")->check(at_least_one());
  command->add_flag("--content", find.content, "With their contents");
  command->add_flag("--json", options->json, "A JSON object for each message");
  set_example(*command,
              "  folkmoot history find --agent reviewer --state failed\n"
              "  folkmoot history find --text 'invoice 4711' --content\n"
              "  folkmoot history find --topic 'orders.>'\n");
  command->callback([options] { find_history(*options); });
}

void add_history_show(App& app) {
  auto* const command = app.add_subcommand("show", "A message with its content, and the attempts at it");
  auto options = std::make_shared<HistoryOptions>();
  command->add_option("ID", options->id, "As send prints it")->required();
  command->add_flag("--json", options->json, "As a JSON object");
  set_example(*command, "  folkmoot history show 019a0c5e-7d00-7000-8000-00000004d2e1");
  command->callback([options] { show_history(*options); });
}

}  // namespace

void add_history(App& app) {
  auto* const command =
      app.add_subcommand("history", "What became of messages, for as long as the server keeps that (`history.store`)");
  command->require_subcommand(1);
  add_history_find(*command);
  add_history_show(*command);
  auto* const status = command->add_subcommand("status", "How far the history is, and what is missing in it");
  auto json = std::make_shared<bool>(false);
  status->add_flag("--json", *json, "As a JSON object");
  set_example(*status, "  folkmoot history status");
  status->callback([json] { show_status(*json); });
  set_example(*command, "  folkmoot history find --to reviewer --state failed");
}

}  // namespace folkmoot::cli
