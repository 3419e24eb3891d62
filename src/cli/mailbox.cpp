// folkmoot mailbox: how mailboxes are bounded, and what stands in them, looked at without touching.
#include <fmt/format.h>

#include <memory>

#include "base/duration.hpp"
#include "cli/cli.hpp"
#include "cli/message_options.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot::cli {
namespace {

std::string ago(const std::optional<Milliseconds>& age, std::string_view otherwise) {
  return age ? format_duration_ms(age->count()) + " ago" : std::string(otherwise);
}

// -- set

struct SetOptions {
  std::string mailbox, overflow, retry;
  std::optional<std::chrono::milliseconds> ttl;
  ConfigureMailbox bounds;
  bool json = false;
};

void set(const SetOptions& options) {
  auto bounds = options.bounds;
  bounds.name = options.mailbox;
  bounds.default_ttl = options.ttl;
  if (!options.overflow.empty()) {
    bounds.overflow = options.overflow == "drop_oldest" ? OverflowPolicy::drop_oldest : OverflowPolicy::reject;
  }
  if (!options.retry.empty()) bounds.retry = parse_retry(options.retry);
  Session session;
  value(session->call(bounds));
  print_done(options.json, fmt::format("mailbox {} is set", options.mailbox),
             {{"mailbox", options.mailbox}, {"status", "set"}});
}

template <class Number>
void add_number(App& app, const std::string& name, std::optional<Number>& into, std::uint64_t most,
                const std::string& help) {
  app.add_option(
         name,
         [&into, name, most](const std::string& text) {
           const auto number = std::stoull(text);
           if (number > most) throw_invalid(name, fmt::format("{} is too many; {} are the most", number, most));
           into = static_cast<Number>(number);
         },
         help)
      ->check(at_least_one())
      ->type_name("N");
}

void add_bounds(App& command, SetOptions& options) {
  add_number(command, "--max-messages", options.bounds.max_messages, kMailboxMessagesMost, "Messages it holds at most");
  command.add_option("--overflow", options.overflow, "When it is full: reject, or drop_oldest (to the dead letters)")
      ->check(one_of({"reject", "drop_oldest"}));
  command
      .add_option(
          "--ttl",
          [&options](const std::string& text) {
            const auto ms = parse_duration_ms(text);
            if (!ms) throw_invalid("--ttl", ms.error().text);
            options.ttl = std::chrono::milliseconds(*ms);
          },
          "Messages without a time to live of their own expire after this; 0: they do not")
      ->type_name("DURATION");
  add_number(command, "--max-deliveries", options.bounds.max_deliveries, kDeliveriesMost,
             "Deliveries before a message is given up");
  command
      .add_option("--retry", options.retry,
                  "How messages without a policy of their own are tried again, as with send --retry")
      ->type_name("POLICY");
  command.add_flag("--reset", options.bounds.reset, "But first all settings are the server's again");
  command.add_flag("--json", options.json, "Print as JSON");
}

void add_mailbox_set(App& mailbox) {
  auto* command = mailbox.add_subcommand("set", "Make a mailbox, or change how it is bounded; what is left out stays");
  const auto options = std::make_shared<SetOptions>();
  command->add_option("AGENT", options->mailbox, "The mailbox")->required()->check(not_empty());
  add_bounds(*command, *options);
  set_example(*command,
              "  $ folkmoot mailbox set reviewer --max-messages 1000 --overflow drop_oldest\n"
              "  mailbox reviewer is set");
  command->callback([options] { set(*options); });
}

// -- list

struct ListOptions {
  std::string match;
  std::uint32_t limit = 0;
  bool json = false;
};

void list(const ListOptions& options) {
  Session session;
  ListMailboxes page{.match = options.match};
  std::size_t left = options.limit == 0 ? SIZE_MAX : options.limit;
  if (!options.json) {
    print_line(fmt::format("{:<32} {:>9} {:>9} {:>7} {:>6} {:>9}  {:<14} {}", "mailbox", "ready", "scheduled", "leased",
                           "dead", "consumers", "oldest", "last read"));
  }
  do {
    page.limit = static_cast<std::uint32_t>(std::min<std::size_t>(left, 500));
    const auto got = value(session->call(page));
    for (const auto& one : got.mailboxes) {
      print_line(options.json ? to_json_text(one, Sparse::as_described)
                              : fmt::format("{:<32} {:>9} {:>9} {:>7} {:>6} {:>9}  {:<14} {}", one.name, one.ready,
                                            one.scheduled, one.leased, one.dead, one.consumers,
                                            ago(one.oldest_age, "-"), ago(one.last_read_age, "never")));
    }
    left -= std::min(left, got.mailboxes.size());
    page.after = got.next;
  } while (!page.after.empty() && left > 0);
}

void add_mailbox_list(App& mailbox) {
  auto* command = mailbox.add_subcommand("list", "List the mailboxes by name, with what stands in them");
  const auto options = std::make_shared<ListOptions>();
  command->add_option("--match", options->match, "Those whose names it fits: `*` stands for anything")
      ->type_name("PATTERN");
  command->add_option("--limit", options->limit, "So many at most")->check(at_least_one());
  command->add_flag("--json", options->json, "One a line, as JSON");
  set_example(*command, "  $ folkmoot mailbox list --match 'review*'");
  command->callback([options] { list(*options); });
}

// -- show

void print_shown(const ShownMailbox& shown) {
  const auto& info = shown.info;
  const auto line = [](std::string_view name, const std::string& text) {
    print_line(fmt::format("{:<16} {}", name, text));
  };
  line("mailbox", info.name);
  line("messages",
       fmt::format("{} ready, {} scheduled, {} leased, {} dead", info.ready, info.scheduled, info.leased, info.dead));
  line("oldest", ago(info.oldest_age, "-"));
  line("last read", ago(info.last_read_age, "never"));
  const auto whose = [&](std::string_view setting) {
    return std::ranges::find(shown.own, setting) != shown.own.end() ? "its own" : "the server's";
  };
  line("max messages", fmt::format("{}  ({})", shown.max_messages, whose("max_messages")));
  line("default ttl",
       fmt::format("{}  ({})", shown.default_ttl.count() == 0 ? "none" : format_duration_ms(shown.default_ttl.count()),
                   whose("default_ttl_ms")));
  line("overflow",
       fmt::format("{}  ({})", kOverflowWords[static_cast<std::size_t>(shown.overflow)], whose("overflow")));
  line("max deliveries", fmt::format("{}  ({})", shown.max_deliveries, whose("max_deliveries")));
  line("retry",
       fmt::format("{}  ({})",
                   shown.retry.initial_ms == 0 ? "at once" : "after " + format_duration_ms(shown.retry.initial_ms),
                   whose("retry")));
  for (const auto& consumer : shown.consumers_list) {
    line("taken by",
         fmt::format("{} over {} (connection {}), {}", consumer.agent.empty() ? "nobody named" : consumer.agent,
                     consumer.door, consumer.connection,
                     consumer.waits ? "waits for the next"
                                    : fmt::format("holds {}, takes {} more", consumer.held, consumer.credit)));
  }
}

void add_mailbox_show(App& mailbox) {
  auto* command =
      mailbox.add_subcommand("show", "Show one: what stands in it, the settings in force, who takes from it");
  struct MailboxOptions {
    std::string name;
    bool json = false;
  };
  const auto options = std::make_shared<MailboxOptions>();
  command->add_option("AGENT", options->name, "The mailbox")->required()->check(not_empty());
  command->add_flag("--json", options->json, "Print as JSON");
  set_example(*command, "  $ folkmoot mailbox show reviewer");
  command->callback([options] {
    Session session;
    const auto shown = value(session->call(ShowMailbox{options->name}));
    options->json ? print_line(to_json_text(shown, Sparse::as_described)) : print_shown(shown);
  });
}

// -- peek

struct PeekOptions {
  PeekMailbox page;
  std::uint32_t limit = 0;
  bool json = false;
};

std::string in_words(const PeekedMessage& peeked) {
  const auto& message = peeked.message;
  auto line =
      fmt::format("{}  {}  {} {} {}", peeked.id.text(), peeked.state, message.from.empty() ? "anonymous" : message.from,
                  message.type.empty() ? "task" : message.type, message.priority);
  if (peeked.deliveries > 0)
    line += fmt::format("  {} deliver{}", peeked.deliveries, peeked.deliveries == 1 ? "y" : "ies");
  if (peeked.due_ms != 0) line += "  due " + format_time_ms(peeked.due_ms);
  if (peeked.held_since_ms != 0) {
    line += fmt::format("  with {} since {}", peeked.holder.empty() ? "somebody not named" : peeked.holder,
                        format_time_ms(peeked.held_since_ms));
  }
  return line;
}

void peek(const PeekOptions& options) {
  Session session;
  auto page = options.page;
  std::size_t left = options.limit == 0 ? SIZE_MAX : options.limit;
  do {
    page.limit = static_cast<std::uint32_t>(std::min<std::size_t>(left, 500));
    const auto got = value(session->call(page));
    for (const auto& one : got.messages) {
      print_line(options.json ? to_json_text(one, Sparse::as_described) : in_words(one));
      if (!options.json && options.page.content) print_line(one.message.content);
    }
    left -= std::min(left, got.messages.size());
    page.after = got.next;
  } while (!page.after.is_nil() && left > 0);
}

void add_peek(App& mailbox) {
  auto* command = mailbox.add_subcommand(
      "peek", "Show what waits, is scheduled or held, oldest first; takes nothing, and counts as nothing");
  const auto options = std::make_shared<PeekOptions>();
  command->add_option("AGENT", options->page.name, "The mailbox")->required()->check(not_empty());
  command->add_option("--state", options->page.state, "Those that stand so alone: waiting, blocked, scheduled, leased")
      ->check(one_of({"waiting", "blocked", "scheduled", "leased"}));
  command->add_option("--filter", options->page.filter,
                      "Only messages that this fits (docs/filters.md), such as \"priority <= 3\"");
  command->add_option("--limit", options->limit, "So many at most")->check(at_least_one());
  command->add_flag("--content", options->page.content, "With their contents");
  command->add_flag("--json", options->json, "One a line, as JSON");
  set_example(*command,
              "  $ folkmoot mailbox peek reviewer --state leased\n"
              "  0193f2c4-...  leased  ann task 5  1 delivery  with reviewer since 2026-11-21T10:00:00.000Z");
  command->callback([options] { peek(*options); });
}

// -- delete

void remove(const DeleteMailbox& which, bool json) {
  Session session;
  DeletedMailbox all;
  while (!all.deleted) {
    const auto gone = value(session->call(which));
    all.messages += gone.messages;
    all.dead += gone.dead;
    all.deleted = gone.deleted;
    if (!gone.deleted && gone.messages + gone.dead == 0)
      throw Failure({ErrorCode::disk_full, "the disk is too full to note that the mailbox is deleted"});
  }
  if (json) return print_line(to_json_text(all, Sparse::as_described));
  auto line = fmt::format("mailbox {} is deleted", which.name);
  if (all.messages + all.dead > 0)
    line += fmt::format(", with {} message(s) and {} dead letter(s)", all.messages, all.dead);
  print_line(line);
}

void add_delete(App& mailbox) {
  auto* command = mailbox.add_subcommand("delete", "Delete one with its settings, if nobody takes from it");
  struct MailboxOptions {
    DeleteMailbox which;
    bool json = false;
  };
  const auto options = std::make_shared<MailboxOptions>();
  command->add_option("AGENT", options->which.name, "The mailbox")->required()->check(not_empty());
  command->add_flag("--messages", options->which.messages,
                    "Its messages and dead letters go, too; else it must be empty");
  command->add_flag("--json", options->json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot mailbox delete reviewer-2\n"
              "  mailbox reviewer-2 is deleted");
  command->callback([options] { remove(options->which, options->json); });
}

}  // namespace

void add_mailbox(App& app) {
  auto* command = app.add_subcommand(
      "mailbox", "Look at mailboxes without touching what is in them; set how they are bounded; delete one");
  add_mailbox_list(*command);
  add_mailbox_show(*command);
  add_peek(*command);
  add_mailbox_set(*command);
  add_delete(*command);
  // The older spelling, `mailbox AGENT --max-messages 10`, goes on working.
  const auto options = std::make_shared<SetOptions>();
  auto* const name = command->add_option("AGENT", options->mailbox, "The mailbox: the same as `mailbox set AGENT`");
  add_bounds(*command, *options);
  set_example(*command,
              "  $ folkmoot mailbox list\n"
              "  $ folkmoot mailbox peek reviewer --filter \"priority <= 3\"\n"
              "  $ folkmoot mailbox set reviewer --max-messages 1000");
  command->callback([=] {
    if (name->count() > 0) return set(*options);
    if (!command->got_subcommand()) throw_missing("list, show, peek, set or delete");
  });
}

}  // namespace folkmoot::cli
