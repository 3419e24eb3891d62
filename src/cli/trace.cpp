// folkmoot trace: one message from its beginning to its end. folkmoot tail: all of them, as things happen.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <thread>

#include "base/duration.hpp"
#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot::cli {
namespace {

constexpr Milliseconds kBetweenLooks{200};

std::string in_words(const TracedMessage& one) {
  auto line = fmt::format("{}  {}  {}  {}", format_time_ms(one.sent_at_ms), one.id.text(),
                          one.mailbox.empty() ? "-" : one.mailbox, name(one.state));
  if (!one.reason.empty()) line += fmt::format(" ({})", one.reason);
  if (one.deliveries > 0) line += fmt::format("  {} deliver{}", one.deliveries, one.deliveries == 1 ? "y" : "ies");
  if (one.held_since_ms != 0) {
    line += fmt::format("  with {} since {}", one.holder.empty() ? "somebody not named" : one.holder,
                        format_time_ms(one.held_since_ms));
  } else if (one.at_ms != 0) {
    line += "  " + format_time_ms(one.at_ms);
  }
  if (!one.after.is_nil()) line += fmt::format("  {} from {}", one.how, one.after.text());
  if (!one.cause.is_nil()) line += fmt::format("  caused by {}", one.cause.text());
  return line;
}

void trace(const std::string& text, bool json) {
  const auto id = parse_id(text);
  Session session;
  auto found = value(session->call(TraceMessage{.id = id}));
  std::ranges::stable_sort(found.messages, {}, &TracedMessage::sent_at_ms);
  for (const auto& one : found.messages) {
    print_line(json ? to_json_text(one, Sparse::as_described) : in_words(one));
    if (json) continue;
    for (const auto& attempt : one.attempts) {
      print_line(fmt::format("  {}  {}  {}  {}", format_time_ms(attempt.at_ms),
                             attempt.holder.empty() ? "-" : attempt.holder, attempt.end, attempt.reason));
    }
  }
}

std::string in_words(const TapEvent& event) {
  auto line = fmt::format("{}  {:<9}  {}  {}", format_time_ms(event.at_ms), event.what, event.mailbox, event.id.text());
  if (!event.from.empty()) line += "  from " + event.from;
  if (!event.holder.empty()) line += "  with " + event.holder;
  if (event.deliveries > 1) line += fmt::format("  delivery {}", event.deliveries);
  if (!event.reason.empty()) line += "  " + event.reason;
  return line;
}

struct TailOptions {
  ReadTap read;
  std::uint32_t max = 0;
  bool json = false;
};

void tail(const TailOptions& options) {
  Session session;
  auto read = options.read;
  for (std::uint32_t shown = 0; !session.interrupted();) {
    auto page = session->call(read);
    if (!page && session.interrupted()) return;
    if (!page) throw Failure(page.error());
    auto& got = *page;
    if (got.missed > 0) fmt::print(stderr, "folkmoot: {} things happened in between that are not shown\n", got.missed);
    std::ranges::stable_sort(got.events, {}, &TapEvent::at_ms);
    for (const auto& event : got.events) {
      print_line(options.json ? to_json_text(event, Sparse::as_described) : in_words(event));
      if (++shown == options.max) return;
    }
    if (read.after.empty()) fmt::print(stderr, "folkmoot: looking on; stop with Ctrl-C\n");
    read.after = got.next;
    if (got.events.empty()) std::this_thread::sleep_for(kBetweenLooks);
  }
}

}  // namespace

void add_trace(App& app) {
  auto* command = app.add_subcommand(
      "trace", "Follow a message: what it was sent again as, what caused it and what it caused, with times");
  struct TraceOptions {
    std::string id;
    bool json = false;
  };
  const auto options = std::make_shared<TraceOptions>();
  command->add_option("ID", options->id, "Any message of the chain")->required();
  command->add_flag("--json", options->json, "One message a line, as JSON");
  set_example(*command, "  $ folkmoot trace 0193f2c4-...");
  command->callback([options] { trace(options->id, options->json); });
}

void add_tail(App& app) {
  auto* command = app.add_subcommand(
      "tail",
      "Look on: messages accepted, delivered, settled, returned, dead; holds nobody up, and says what it left out");
  const auto options = std::make_shared<TailOptions>();
  command->add_option("--mailbox", options->read.mailbox, "Of mailboxes whose names it fits: `*` stands for anything")
      ->type_name("PATTERN");
  command->add_option("--filter", options->read.filter,
                      "Only messages that this fits (docs/filters.md), such as \"priority <= 3\"");
  command->add_option("--max", options->max, "End after so many")->check(at_least_one());
  command->add_flag("--json", options->json, "One a line, as JSON");
  set_example(*command,
              "  $ folkmoot tail --mailbox 'review*'\n"
              "  2026-11-21T10:00:00.000Z  accepted   reviewer  0193f2c4-...  from ann");
  command->callback([options] { tail(*options); });
}

}  // namespace folkmoot::cli
