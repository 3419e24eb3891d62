// folkmoot dead: the messages that were given up; looked at, sent again, done away with.
#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <memory>

#include "base/duration.hpp"
#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "cli/terminal.hpp"
#include "message/json_text.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot::cli {
namespace {

struct DeadOptions {
  std::string id, to;
  DeadFilter filter;
  std::vector<std::string> set;
  std::uint32_t limit = 0, rate = 0;
  bool all = false, dry_run = false, json = false, content = false;

  bool any() const {
    return !filter.mailbox.empty() || !filter.reason.empty() || filter.before_ms != 0 || !filter.filter.empty();
  }
};

void add_filter(App& app, DeadOptions& options) {
  app.add_option("--mailbox", options.filter.mailbox, "Only those of this mailbox")->type_name("AGENT");
  app.add_option("--reason", options.filter.reason,
                 "Only those that died of this: expired, overflow, max_deliveries, rejected, ...");
  add_time(app, "--before", options.filter.before_ms, "Only those that died before then");
  app.add_option("--filter", options.filter.filter,
                 "Only messages that this fits (docs/filters.md), such as \"priority <= 3\"");
  app.add_option("--limit", options.limit, "So many at most")->check(at_least_one());
}

std::string in_words(const DeadMessage& dead) {
  return fmt::format("{}  {}  {}  {}  {} deliver{}{}{}", dead.id.text(), format_time_ms(dead.at_ms), dead.mailbox,
                     dead.reason, dead.deliveries, dead.deliveries == 1 ? "y" : "ies", dead.text.empty() ? "" : "  ",
                     shown_on_one_line(dead.text));
}

void list(const DeadOptions& options) {
  Session session;
  ListDead page{.which = options.filter, .content = options.content};
  std::size_t left = options.limit == 0 ? SIZE_MAX : options.limit;
  do {
    page.limit = static_cast<std::uint32_t>(std::min<std::size_t>(left, 500));
    const auto got = value(session->call(page));
    for (const auto& dead : got.dead)
      print_line(options.json ? on_one_line(to_json_text(dead, Sparse::as_described)) : in_words(dead));
    left -= std::min(left, got.dead.size());
    page.after = got.next;
  } while (!page.after.is_nil() && left > 0);
}

void show(const DeadOptions& options) {
  const auto id = parse_id(options.id);
  Session session;
  const auto dead = value(session->call(ShowDead{id}));
  if (options.json) return print_line(on_one_line(to_json_text(dead, Sparse::as_described)));
  print_line(in_words(dead));
  for (const auto& attempt : dead.attempts) {
    print_line(fmt::format("  {}  {}  {}  {}", format_time_ms(attempt.at_ms),
                           attempt.holder.empty() ? "-" : attempt.holder, attempt.end,
                           shown_on_one_line(attempt.reason)));
  }
  print_message(dead.message, Style::human);
}

// A value that is JSON is taken as such; anything else is a text.
JsonText changes_of(const DeadOptions& options) {
  Metadata changes;
  for (const auto& pair : options.set) {
    const auto equals = pair.find('=');
    if (equals == std::string::npos || equals == 0)
      throw_invalid("--set", fmt::format("`{}` is not FIELD=VALUE", pair));
    boost::system::error_code not_json;
    auto value = boost::json::parse(pair.substr(equals + 1), not_json);
    changes[pair.substr(0, equals)] = not_json ? boost::json::value(pair.substr(equals + 1)) : std::move(value);
  }
  if (!options.to.empty()) changes["to"] = options.to;
  return changes.empty() ? JsonText{} : json_text(changes);
}

void resubmit_one(Session& session, const DeadOptions& options, const DeadFilter& filter) {
  if (options.any() && value(session->call(ListDead{.which = filter, .limit = 1})).dead.empty()) {
    throw Failure({ErrorCode::not_found,
                   fmt::format("{} is no dead letter that fits the conditions: nothing was sent", options.id),
                   "`folkmoot dead list` tells what there is"});
  }
  const auto receipt = value(session->call(ResubmitDead{filter.id, changes_of(options)}));
  print_line(options.json ? cli::to_json(receipt) : fmt::format("{}  {}", receipt.id.text(), name(receipt.outcome)));
}

void resubmit(const DeadOptions& options) {
  if (options.id.empty() && !options.any() && !options.all) throw_missing("An ID, a condition or --all");
  auto filter = options.filter;
  if (!options.id.empty()) filter.id = parse_id(options.id);
  Session session;
  if (!options.id.empty() && !options.dry_run) return resubmit_one(session, options, filter);
  const auto done = value(session->call(RedriveDead{.which = filter,
                                                    .changes = changes_of(options),
                                                    .limit = options.limit,
                                                    .per_second = options.rate,
                                                    .dry_run = options.dry_run}));
  if (options.dry_run) {
    if (options.json) {
      std::string out;
      JsonWriter(out).begin_object().field("count", done.count.value_or(0)).end_object();
      return print_line(out);
    }
    for (const auto& id : done.ids) print_line(id.text());
    return print_line(fmt::format("{} would be sent again", done.count.value_or(0)));
  }
  std::string out;
  JsonWriter(out).begin_object().field("sent", done.sent).field("refused", done.refused).end_object();
  print_line(options.json ? out : fmt::format("{} sent again, {} refused", done.sent, done.refused));
  if (done.refused == 0) return;
  tell("folkmoot: what was refused is a dead letter still; `folkmoot dead resubmit ID` of one of them says why");
  throw Exit{ExitStatus::failed};
}

void purge(const DeadOptions& options) {
  if (options.id.empty() && !options.any() && !options.all) throw_missing("An ID, a condition or --all");
  auto filter = options.filter;
  if (!options.id.empty()) filter.id = parse_id(options.id);
  Session session;
  if (options.dry_run) {
    const auto would = value(session->call(RedriveDead{.which = filter, .limit = options.limit, .dry_run = true}));
    if (options.json) return print_line(fmt::format(R"({{"count":{}}})", would.count.value_or(0)));
    return print_line(fmt::format("{} would be gone", would.count.value_or(0)));
  }
  const auto gone = value(session->call(PurgeDead{.which = filter, .limit = options.limit, .all = options.all}));
  print_line(options.json ? fmt::format(R"({{"purged":{}}})", gone.purged) : fmt::format("{} gone", gone.purged));
}

void add_dead_list(App& dead) {
  auto* command = dead.add_subcommand("list", "List dead letters, oldest first within a mailbox");
  const auto options = std::make_shared<DeadOptions>();
  add_filter(*command, *options);
  command->add_flag("--content", options->content, "With --json: their contents too");
  command->add_flag("--json", options->json, "One a line, as JSON");
  set_example(*command,
              "  $ folkmoot dead list --mailbox reviewer --reason rejected\n"
              "  0193f2c4-...  2026-11-21T10:00:00.000Z  reviewer  rejected  3 deliveries  cannot be read");
  command->callback([options] { list(*options); });
}

void add_dead_show(App& dead) {
  auto* command = dead.add_subcommand("show", "Show one with its content and the attempts made at it");
  const auto options = std::make_shared<DeadOptions>();
  command->add_option("ID", options->id, "The message")->required();
  command->add_flag("--json", options->json, "Print as JSON");
  set_example(*command, "  $ folkmoot dead show 0193f2c4-...");
  command->callback([options] { show(*options); });
}

void add_resubmit(App& dead) {
  auto* command = dead.add_subcommand(
      "resubmit", "Send one again, or all that fit the conditions; each as a new message, without its key and times");
  const auto options = std::make_shared<DeadOptions>();
  command->add_option("ID", options->id, "The message, if it fits the conditions; without it all that fit");
  add_filter(*command, *options);
  command->add_flag("--all", options->all, "All of them, without a condition");
  command->add_option("--to", options->to, "To this mailbox instead")->type_name("AGENT");
  command
      ->add_option("--set", options->set,
                   "With this field changed, such as priority=1, or one within: content.topic=x, metadata.try=2; may "
                   "be given several "
                   "times")
      ->type_name("FIELD=VALUE")
      ->expected(1)
      ->take_all();
  command->add_option("--rate", options->rate, "So many a second (default: at once)")->check(at_least_one());
  command->add_flag("--dry-run", options->dry_run, "Say what would be sent again");
  command->add_flag("--json", options->json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot dead resubmit --mailbox reviewer --to reviewer-2 --set priority=1 --rate 10\n"
              "  12 sent again, 0 refused");
  command->callback([options] { resubmit(*options); });
}

void add_dead_purge(App& dead) {
  auto* command = dead.add_subcommand("purge", "Do away with one, or with all that fit the conditions");
  const auto options = std::make_shared<DeadOptions>();
  command->add_option("ID", options->id, "The message; without it all that fit");
  add_filter(*command, *options);
  command->add_flag("--all", options->all, "All of them, without a condition");
  command->add_flag("--dry-run", options->dry_run, "Say how many it would be");
  command->add_flag("--json", options->json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot dead purge --reason expired\n"
              "  3 gone");
  command->callback([options] { purge(*options); });
}

}  // namespace

void add_dead(App& app) {
  auto* command = app.add_subcommand("dead", "Look after dead letters: messages that were given up");
  command->require_subcommand(1);
  add_dead_list(*command);
  add_dead_show(*command);
  add_resubmit(*command);
  add_dead_purge(*command);
  set_example(*command,
              "  $ folkmoot dead list\n"
              "  $ folkmoot dead resubmit --reason max_deliveries --rate 10");
}

}  // namespace folkmoot::cli
