// folkmoot wake: how agents that sleep while they have no mail are woken. Who wakes them is `folkmoot watch`, or, by
// webhooks, the server.
#include <fmt/format.h>

#include <functional>
#include <memory>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

#include "base/duration.hpp"
#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "cli/wake_lines.hpp"
#include "cli/webhook_secret.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot::cli {
namespace {

struct WakeSetOptions {
  SetWake set;
  std::string how, priority;
  bool json = false;
  // Those of the policy that may be given, and what each takes over from the wake that is set: what was not given.
  std::vector<std::pair<Option*, std::function<void(WakePolicy&, const WakePolicy&)>>> parts;
  Option *url = nullptr, *batch_wait = nullptr;

  template <class T>
  void part(Option* option, T WakePolicy::* member) {
    parts.emplace_back(option, [member](WakePolicy& to, const WakePolicy& from) { to.*member = from.*member; });
  }
};

std::optional<WakeStatus> wake_that_is_set(Session& session, const std::string& agent) {
  auto found = session->call(ShowWake{agent});
  if (found) return std::move(*found);
  if (found.error().code != ErrorCode::not_found) throw Failure(found.error());
  return std::nullopt;
}

// What was not said stays as it is, so that who changes the budget of a hook does not make a process of it.
void take_over(WakeSetOptions& options, const WakeStatus& old) {
  auto& wake = options.set;
  for (const auto& [option, copy] : options.parts) {
    if (option->count() == 0) copy(wake.policy, old.policy);
  }
  if (wake.policy.batch == 1 && options.batch_wait->count() == 0) wake.policy.batch_wait = {};  // they go together
  const bool has_url = options.url->count() > 0;
  if (options.how.empty()) options.how = has_url ? "webhook" : kWakeKindWords[static_cast<std::size_t>(old.how)];
  if (options.how == "webhook" && !has_url) wake.url = old.url;
}

void set(WakeSetOptions& options) {
  auto& wake = options.set;
  if (!options.priority.empty()) {
    const auto priority = parse_priority(options.priority);
    if (!priority)
      throw_invalid("--priority", fmt::format("`{}` is not a priority; it may be critical, high, normal, low, "
                                              "background or 1 to 10",
                                              options.priority));
    wake.policy.priority = *priority;
  }
  Session session;
  const auto old = wake_that_is_set(session, wake.agent);
  if (old) take_over(options, *old);
  if (options.how.empty()) options.how = wake.url.empty() ? "process" : "webhook";
  for (std::size_t i = 0; i < std::size(kWakeKindWords); ++i) {
    if (kWakeKindWords[i] == options.how) wake.how = static_cast<WakeKind>(i);
  }
  const bool has_secret = !wake.secret.empty() || (old && old->how == WakeKind::webhook);
  const bool is_new_secret = wake.how == WakeKind::webhook && !has_secret;
  if (is_new_secret) wake.secret = make_webhook_secret();
  value(session->call(wake));
  const auto told = fmt::format("{} is woken by a {}", wake.agent, options.how);
  if (!is_new_secret)
    return print_done(options.json, told, {{"agent", wake.agent}, {"how", options.how}, {"status", "set"}});
  print_done(options.json, fmt::format("{}; its secret, which is not shown again: {}", told, wake.secret),
             {{"agent", wake.agent}, {"how", options.how}, {"secret", wake.secret}, {"status", "set"}});
}

void add_wake_set(App& wake) {
  auto* command =
      wake.add_subcommand("set", "How an agent is woken by its mail; of a wake that is set, what is not given stays");
  const auto options = std::make_shared<WakeSetOptions>();
  auto& policy = options->set.policy;
  command->add_option("AGENT", options->set.agent, "Whose mailbox wakes it")->required()->check(not_empty());
  command
      ->add_option(
          "--how", options->how,
          "hook or process: by `folkmoot watch`; webhook: by the server (default: process, with --url webhook)")
      ->check(one_of({"hook", "process", "webhook"}));
  options->url = command->add_option("--url", options->set.url, "Of a webhook: what the server posts to");
  command->add_option(
      "--secret", options->set.secret,
      "Of a webhook: whsec_ and base64 (default: the one that is set, else one is made, and shown this once)");
  using Policy = WakePolicy;
  options->part(command->add_option("--priority", options->priority,
                                    "Only for messages of this priority and higher ones (default: any, which is 10)"),
                &Policy::priority);
  options->part(command->add_option("--batch", policy.batch, "When so many messages wait ... (default: 1)")
                    ->check(at_least_one()),
                &Policy::batch);
  options->batch_wait = add_duration(*command, "--batch-wait", policy.batch_wait, "... or so long after the first");
  options->part(options->batch_wait, &Policy::batch_wait);
  options->part(command->add_option("--quiet", policy.quiet, "Not between these times of the day; '': at any time")
                    ->type_name("22:00-07:00"),
                &Policy::quiet);
  options->part(command->add_option("--zone", policy.zone,
                                    "Time zone of quiet hours and budget, such as Europe/Berlin (default UTC)"),
                &Policy::zone);
  options->part(command->add_option("--budget", policy.budget, "So many wakes a day at most; 0: no bound"),
                &Policy::budget);
  options->part(
      add_duration(*command, "--retry", policy.retry,
                   "After a wake that brought nobody: the next so much later, twice as long each time (default 1s; "
                   "30s for hooks and webhooks that were done, so that who they tell has time to come)"),
      &Policy::retry);
  options->part(add_duration(*command, "--retry-max", policy.retry_max, "At most so much later (default 10m)"),
                &Policy::retry_max);
  command->add_flag("--json", options->json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot wake set reviewer --batch 10 --batch-wait 5m --quiet 22:00-07:00 --zone Europe/Berlin\n"
              "  reviewer is woken by a process\n"
              "  $ folkmoot wake set planner --url https://agents.example.com/wake --budget 50\n"
              "  planner is woken by a webhook; its secret, which is not shown again: whsec_...\n"
              "  $ folkmoot wake set planner --budget 100\n"
              "  planner is woken by a webhook");
  command->callback([options] { set(*options); });
}

void add_wake_list(App& wake) {
  auto* command = wake.add_subcommand("list", "List how agents are woken, and how that stands");
  struct WakeOptions {
    ListWakes list;
    bool json = false;
  };
  const auto options = std::make_shared<WakeOptions>();
  command->add_option("MATCH", options->list.match, "Agents whose names it fits: `*` stands for anything");
  command->add_flag("--json", options->json, "One a line, as JSON");
  set_example(*command,
              "  $ folkmoot wake list\n"
              "  reviewer  process  idle  unread 0  woken today 4  last done");
  command->callback([options] {
    Session session;
    auto& list = options->list;
    do {
      const auto page = value(session->call(list));
      for (const auto& one : page.wakes)
        print_line(options->json ? to_json_text(one, Sparse::as_described) : wake_line(one));
      list.after = page.next;
    } while (!list.after.empty());
  });
}

void add_wake_show(App& wake) {
  auto* command = wake.add_subcommand("show", "How one agent is woken: due, taken by whom, tries, when next");
  const auto agent = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("AGENT", *agent, "Who")->required()->check(not_empty());
  command->add_flag("--json", *json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot wake show reviewer\n"
              "  reviewer  process  taken  unread 3  woken today 5  with host:4711 since 2026-11-21T10:00:00.000Z");
  command->callback([agent, json] {
    Session session;
    const auto found = value(session->call(ShowWake{*agent}));
    if (*json) return print_line(to_json_text(found, Sparse::as_described));
    print_line(wake_line(found));
    for (const auto& line : wake_lines(found) | std::views::drop(1)) print_line(fmt::format("  {}", line));
  });
}

void add_wake_remove(App& wake) {
  auto* command = wake.add_subcommand("remove", "Wake an agent no more");
  const auto agent = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("AGENT", *agent, "Who")->required()->check(not_empty());
  command->add_flag("--json", *json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot wake remove reviewer\n"
              "  reviewer is woken no more");
  command->callback([agent, json] {
    Session session;
    value(session->call(RemoveWake{*agent}));
    print_done(*json, fmt::format("{} is woken no more", *agent), {{"agent", *agent}, {"status", "removed"}});
  });
}

// But for the agent's name.
std::string state_of(const WakeStatus& wake) {
  const auto& policy = wake.policy;
  auto line = fmt::format("{}  {}  unread {}  woken today {}", kWakeKindWords[static_cast<std::size_t>(wake.how)],
                          wake.state, wake.unread, wake.woken_today);
  if (policy.budget != 0) line += fmt::format(" of {}", policy.budget);
  if (!wake.url.empty()) line += "  to " + wake.url;
  if (!wake.taken_by.empty())
    line += fmt::format("  with {} since {}", wake.taken_by, format_time_ms(wake.taken_at_ms));
  if (wake.due_at_ms != 0) line += "  due since " + format_time_ms(wake.due_at_ms);
  if (wake.next_at_ms != 0 && wake.state == "waiting") line += "  next at " + format_time_ms(wake.next_at_ms);
  if (wake.last_end != "none") line += "  last " + wake.last_end;
  if (!wake.last_reason.empty()) line += fmt::format(" ({})", wake.last_reason);
  if (wake.tries > 0) line += fmt::format("  {} in vain", wake.tries);
  return line;
}

}  // namespace

std::string wake_line(const WakeStatus& wake) { return fmt::format("{}  {}", wake.agent, state_of(wake)); }

std::vector<std::string> wake_lines(const WakeStatus& wake) {
  const auto& policy = wake.policy;
  std::vector<std::string> lines{state_of(wake)};
  if (policy.priority != kPriorityMax) lines.push_back(fmt::format("priority {} and higher", policy.priority));
  if (policy.batch > 1) {
    lines.push_back(
        fmt::format("{} messages, or {} after the first", policy.batch, format_duration_ms(policy.batch_wait.count())));
  }
  if (!policy.quiet.empty()) lines.push_back(fmt::format("quiet {} ({})", policy.quiet, policy.zone));
  if (policy.budget != 0) lines.push_back(fmt::format("{} wakes a day ({})", policy.budget, policy.zone));
  return lines;
}

void add_wake(App& app) {
  auto* command = app.add_subcommand("wake", "How agents that sleep while they have no mail are woken");
  command->require_subcommand(1);
  add_wake_set(*command);
  add_wake_list(*command);
  add_wake_show(*command);
  add_wake_remove(*command);
  set_example(*command,
              "  $ folkmoot wake set reviewer --budget 50\n  $ folkmoot watch reviewer --start './reviewer.sh'");
}

}  // namespace folkmoot::cli
