// folkmoot subscribe: the events of a topic pattern, as they are published; or, durable, out of the mailbox that keeps
// them. folkmoot subscriptions: the durable ones there are.
#include <fmt/format.h>

#include <memory>

#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "cli/terminal.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot::cli {
namespace {

struct SubscribeOptions {
  std::string pattern, filter, durable, mailbox;
  std::uint64_t count = 0;
  bool json = false, raw = false, set_only = false;
  Style style() const { return json ? Style::json : raw ? Style::raw : Style::human; }
};

void subscribe(const SubscribeOptions& options) {
  Session session;
  auto events = value(session->subscribe(options.pattern, {.filter = options.filter}));
  for (std::uint64_t shown = 0; options.count == 0 || shown < options.count; ++shown) {
    auto event = events.next();
    if (!event && session.interrupted()) return;
    const auto got = value(std::move(event));
    if (got.missed > 0) tell("folkmoot: {} events were missed here: this program reads too slowly", got.missed);
    if (!options.json && !options.raw) print_line(got.message.topic);
    print_message(got.message, options.style());
  }
}

// Each is acknowledged after it was printed.
void receive_from(Session& session, const std::string& mailbox, const SubscribeOptions& options) {
  auto inbox = value(session->consume(mailbox, {.credit = 1}));
  for (std::uint64_t shown = 0; options.count == 0 || shown < options.count; ++shown) {
    auto delivery = inbox.next();
    if (!delivery && session.interrupted()) return;
    const auto got = value(std::move(delivery));
    const bool was_shown = session.undisturbed([&] {
      if (!options.json && !options.raw && !got.message.event_topic.empty()) print_line(got.message.event_topic);
      print_message(got.message, options.style(), {.redelivered = got.redelivered, .delivery = got.delivery});
      value(session->ack(got));
    });
    if (!was_shown) return;
  }
}

void subscribe_durably(const SubscribeOptions& options) {
  Session session;
  value(session->call(SetSubscription{
      .name = options.durable, .pattern = options.pattern, .filter = options.filter, .mailbox = options.mailbox}));
  const auto& mailbox = options.mailbox.empty() ? options.durable : options.mailbox;
  if (!options.set_only) return receive_from(session, mailbox, options);
  print_done(
      options.json,
      fmt::format("durable subscription {} is set: events of {} go to {}", options.durable, options.pattern, mailbox),
      {{"subscription", options.durable}, {"mailbox", mailbox}, {"status", "set"}});
}

std::string describe(const SubscriptionStatus& subscription) {
  const auto& rule = subscription.rule;
  auto line = fmt::format("{}  {}  to {}", rule.name, rule.pattern, rule.mailbox);
  if (!rule.filter.empty()) line += "  if " + rule.filter;
  line += fmt::format("  kept {}", subscription.kept);
  return subscription.missed == 0 ? line : line + fmt::format("  missed {}", subscription.missed);
}

void add_subscribe_list(App& subscriptions) {
  auto* command = subscriptions.add_subcommand("list", "List the durable subscriptions");
  const auto as_json = std::make_shared<bool>(false);
  command->add_flag("--json", *as_json, "One a line, as JSON");
  set_example(*command,
              "  $ folkmoot subscriptions list\n"
              "  billing  orders.*  to billing  if content.total > 100  kept 12");
  command->callback([as_json] {
    Session session;
    for (const auto& one : value(session->call(ListSubscriptions{})).subscriptions)
      print_line(*as_json ? to_json_text(one, Sparse::as_described) : describe(one));
  });
}

void add_subscribe_remove(App& subscriptions) {
  auto* command = subscriptions.add_subcommand("remove", "End one; what its mailbox has stays");
  const auto name = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("NAME", *name, "As it was set")->required();
  command->add_flag("--json", *json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot subscriptions remove billing\n"
              "  durable subscription billing is removed");
  command->callback([name, json] {
    Session session;
    value(session->call(RemoveSubscription{*name}));
    print_done(*json, fmt::format("durable subscription {} is removed", *name),
               {{"subscription", *name}, {"status", "removed"}});
  });
}

}  // namespace

void add_subscribe(App& app) {
  auto* command =
      app.add_subcommand("subscribe", "Print the events of a topic pattern as they are published, until stopped");
  const auto options = std::make_shared<SubscribeOptions>();
  command->add_option("PATTERN", options->pattern, "A topic; * stands for one word, a last > for one or more")
      ->required();
  command
      ->add_option("--filter", options->filter,
                   "Only events that this holds for, such as \"priority <= 3 AND content.change > 10\"")
      ->type_name("EXPR");
  command->add_option("--count", options->count, "Stop after this many events")->check(at_least_one());
  auto* durable =
      command
          ->add_option("--durable", options->durable,
                       "Each event is a message in a mailbox as well, also while nobody listens, until `folkmoot "
                       "subscriptions remove NAME`; they are taken and acknowledged from there")
          ->type_name("NAME")
          ->check(not_empty());
  command
      ->add_option("--mailbox", options->mailbox, "Which mailbox; several subscriptions may share one (default: NAME)")
      ->needs(durable);
  command->add_flag("--set-only", options->set_only, "Make the durable subscription and take nothing")->needs(durable);
  auto* json = command->add_flag("--json", options->json, "One event a line, as JSON");
  command->add_flag("--raw", options->raw, "The content and nothing else")->excludes(json);
  set_example(*command,
              "  $ folkmoot subscribe 'build.*' --count 1\n"
              "  build.done\n"
              "  anonymous event normal 0193f2c4-...\n"
              "  change 12 is green\n"
              "  $ folkmoot subscribe 'build.>' --filter \"metadata.branch = 'main' AND content.failed > 0\"\n"
              "  $ folkmoot subscribe --durable billing 'orders.*' --filter 'content.total > 100'");
  command->callback([options] { options->durable.empty() ? subscribe(*options) : subscribe_durably(*options); });
}

void add_subscriptions(App& app) {
  auto* command = app.add_subcommand("subscriptions", "Durable subscriptions: list them, end one");
  command->require_subcommand(1);
  add_subscribe_list(*command);
  add_subscribe_remove(*command);
  set_example(*command,
              "  $ folkmoot subscribe --durable billing 'orders.*' --set-only\n"
              "  durable subscription billing is set: events of orders.* go to billing\n"
              "  $ folkmoot subscriptions list");
}

}  // namespace folkmoot::cli
