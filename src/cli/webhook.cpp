// folkmoot webhook: endpoints that the server posts the mail of agents to.
#include <fmt/format.h>

#include <memory>
#include <ranges>

#include "base/duration.hpp"
#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "cli/webhook_secret.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot::cli {
namespace {

// How it goes, but for the agent's name.
std::string webhook_line(const WebhookStatus& webhook) {
  auto line = fmt::format("{}  {}  ready {}  delivered {}  failed {}", webhook.state, webhook.url, webhook.ready,
                          webhook.delivered, webhook.failed);
  if (webhook.under_way > 0) line += fmt::format("  under way {}", webhook.under_way);
  if (webhook.next_at_ms != 0) line += "  next at " + format_time_ms(webhook.next_at_ms);
  if (!webhook.last_error.empty()) line += fmt::format("  last: {}", webhook.last_error);
  return line;
}

std::vector<std::string> webhook_lines(const WebhookStatus& webhook) {
  const auto& policy = webhook.policy;
  const auto told = [](std::chrono::milliseconds time) { return format_duration_ms(time.count()); };
  std::vector<std::string> lines;
  if (webhook.disabled_at_ms != 0)
    lines.push_back(fmt::format("disabled since {}: {}", format_time_ms(webhook.disabled_at_ms),
                                webhook.disabled_reason.empty() ? "-" : webhook.disabled_reason));
  if (webhook.failing_since_ms != 0)
    lines.push_back(fmt::format("nothing was delivered since {} ({} failures in a row)",
                                format_time_ms(webhook.failing_since_ms), webhook.failures_in_row));
  if (webhook.last_at_ms != 0)
    lines.push_back(fmt::format("last request ended {} with {}", format_time_ms(webhook.last_at_ms),
                                webhook.last_code != 0 ? std::to_string(webhook.last_code) : "no answer"));
  lines.push_back(fmt::format("{} at a time{}, {} for each", policy.concurrency,
                              policy.rate != 0 ? fmt::format(", {} a minute", policy.rate) : "",
                              policy.timeout.count() != 0 ? told(policy.timeout) : "webhooks.timeout"));
  lines.push_back(fmt::format("left alone for {} after {} failures in a row; disabled after {}", told(policy.open),
                              policy.failures,
                              policy.disable_after.count() != 0 ? told(policy.disable_after) : "never"));
  lines.push_back(fmt::format("signed with {} secret{}", webhook.secrets, webhook.secrets == 1 ? "" : "s"));
  return lines;
}

void add_webhook_set(App& webhook) {
  auto* command = webhook.add_subcommand("set", "Post the mail of an agent to its endpoint, from now on");
  struct WebhookSetOptions {
    SetWebhook set;
    bool new_secret = false, json = false;
  };
  const auto options = std::make_shared<WebhookSetOptions>();
  auto& policy = options->set.policy;
  command->add_option("AGENT", options->set.agent, "Whose mailbox is posted")->required()->check(not_empty());
  command->add_option("--url", options->set.url, "What the server posts to")->required()->check(not_empty());
  command->add_option("--secret", options->set.secret,
                      "whsec_ and base64 (default: that of before; of a new one, one is made, and shown this once)");
  add_duration(*command, "--timeout", policy.timeout, "For a request and its answer (default: webhooks.timeout)");
  command->add_option("--concurrency", policy.concurrency, "Requests at a time (default 4)")->check(at_least_one());
  command->add_option("--rate", policy.rate, "Requests a minute at most (default: no bound)");
  command->add_option("--failures", policy.failures, "So many in a row, and it is left alone ... (default 5)")
      ->check(at_least_one());
  add_duration(*command, "--open", policy.open,
               "... for so long, twice as long each time that one more fails (default 30s)");
  add_duration(*command, "--disable-after", policy.disable_after,
               "Disable it after so long without one delivered; 0: never (default 5d)");
  command->add_flag("--json", options->json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot webhook set planner --url https://agents.example.com/mail --rate 60\n"
              "  planner: mail is posted to https://agents.example.com/mail; its secret, which is not shown again: "
              "whsec_...");
  command->callback([options] {
    auto& set = options->set;
    Session session;
    if (set.secret.empty()) {
      const auto known = session->call(ShowWebhook{set.agent});
      if (!known && known.error().code != ErrorCode::not_found) throw Failure(known.error());
      options->new_secret = !known;
      if (options->new_secret) set.secret = make_webhook_secret();
    }
    value(session->call(set));
    const auto told = fmt::format("{}: mail is posted to {}", set.agent, set.url);
    if (!options->new_secret)
      return print_done(options->json, told, {{"agent", set.agent}, {"url", set.url}, {"status", "set"}});
    print_done(options->json, fmt::format("{}; its secret, which is not shown again: {}", told, set.secret),
               {{"agent", set.agent}, {"url", set.url}, {"secret", set.secret}, {"status", "set"}});
  });
}

void add_webhook_list(App& webhook) {
  auto* command = webhook.add_subcommand("list", "List webhooks, and how they go");
  struct WebhookListOptions {
    ListWebhooks list;
    bool json = false;
  };
  const auto options = std::make_shared<WebhookListOptions>();
  command->add_option("MATCH", options->list.match, "Agents whose names it fits: `*` stands for anything");
  command->add_flag("--json", options->json, "One a line, as JSON");
  set_example(*command,
              "  $ folkmoot webhook list\n"
              "  planner  closed  https://agents.example.com/mail  ready 0  delivered 41  failed 0");
  command->callback([options] {
    Session session;
    auto& list = options->list;
    do {
      const auto page = value(session->call(list));
      for (const auto& one : page.webhooks) {
        print_line(options->json ? to_json_text(one, Sparse::as_described)
                                 : fmt::format("{}  {}", one.agent, webhook_line(one)));
      }
      list.after = page.next;
    } while (!list.after.empty());
  });
}

void add_webhook_show(App& webhook) {
  auto* command = webhook.add_subcommand("show", "One webhook: how it goes, why it is left alone or disabled");
  const auto agent = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("AGENT", *agent, "Whose")->required()->check(not_empty());
  command->add_flag("--json", *json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot webhook show planner\n"
              "  planner  open  https://agents.example.com/mail  ready 12  delivered 41  failed 5  next at "
              "2026-12-02T10:00:30.000Z  last: it answered 500");
  command->callback([agent, json] {
    Session session;
    const auto found = value(session->call(ShowWebhook{*agent}));
    if (*json) return print_line(to_json_text(found, Sparse::as_described));
    print_line(fmt::format("{}  {}", found.agent, webhook_line(found)));
    for (const auto& line : webhook_lines(found)) print_line(fmt::format("  {}", line));
  });
}

void add_webhook_rotate(App& webhook) {
  auto* command = webhook.add_subcommand("rotate", "Sign with a new secret, and for a while with the old one as well");
  struct WebhookRotateOptions {
    RotateWebhook rotate;
    bool json = false;
  };
  const auto options = std::make_shared<WebhookRotateOptions>();
  command->add_option("AGENT", options->rotate.agent, "Whose")->required()->check(not_empty());
  command->add_option("--secret", options->rotate.secret, "The new one (default: one is made, and shown this once)");
  add_duration(*command, "--keep", options->rotate.keep,
               "How long the old one is used as well; 0: no more (default 1d)");
  command->add_flag("--json", options->json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot webhook rotate planner --keep 2h\n"
              "  planner: signed with a new secret, which is not shown again: whsec_...");
  command->callback([options] {
    auto& rotate = options->rotate;
    const bool is_made = rotate.secret.empty();
    if (is_made) rotate.secret = make_webhook_secret();
    Session session;
    value(session->call(rotate));
    if (!is_made)
      return print_done(options->json, fmt::format("{}: signed with the new secret", rotate.agent),
                        {{"agent", rotate.agent}, {"status", "rotated"}});
    print_done(options->json,
               fmt::format("{}: signed with a new secret, which is not shown again: {}", rotate.agent, rotate.secret),
               {{"agent", rotate.agent}, {"secret", rotate.secret}, {"status", "rotated"}});
  });
}

void add_webhook_disable(App& webhook) {
  auto* command = webhook.add_subcommand("disable", "Post nothing until it is enabled; the mail waits");
  struct WebhookDisableOptions {
    DisableWebhook disable;
    bool json = false;
  };
  const auto options = std::make_shared<WebhookDisableOptions>();
  command->add_option("AGENT", options->disable.agent, "Whose")->required()->check(not_empty());
  command->add_option("--reason", options->disable.reason, "Why, for whoever looks");
  command->add_flag("--json", options->json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot webhook disable planner --reason 'moves to another host'\n"
              "  planner: nothing is posted until it is enabled");
  command->callback([options] {
    Session session;
    value(session->call(options->disable));
    print_done(options->json, fmt::format("{}: nothing is posted until it is enabled", options->disable.agent),
               {{"agent", options->disable.agent}, {"status", "disabled"}});
  });
}

// One that takes an agent and nothing else.
template <class Op>
void add_webhook_change(App& webhook, const char* word, const char* what, const char* told, const char* status) {
  auto* command = webhook.add_subcommand(word, what);
  const auto agent = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("AGENT", *agent, "Whose")->required()->check(not_empty());
  command->add_flag("--json", *json, "Print as JSON");
  set_example(*command, fmt::format("  $ folkmoot webhook {} planner\n  planner: {}", word, told));
  command->callback([agent, json, told, status] {
    Session session;
    value(session->call(Op{*agent}));
    print_done(*json, fmt::format("{}: {}", *agent, told), {{"agent", *agent}, {"status", status}});
  });
}

}  // namespace

void add_webhook(App& app) {
  auto* command = app.add_subcommand("webhook", "Mail that the server posts to the endpoints of agents");
  command->require_subcommand(1);
  add_webhook_set(*command);
  add_webhook_list(*command);
  add_webhook_show(*command);
  add_webhook_rotate(*command);
  add_webhook_change<EnableWebhook>(*command, "enable", "Post again, whatever it was disabled or left alone for",
                                    "mail is posted again", "enabled");
  add_webhook_disable(*command);
  add_webhook_change<RemoveWebhook>(*command, "remove", "Post the mail of an agent no more; it waits",
                                    "mail is posted no more", "removed");
  set_example(
      *command,
      "  $ folkmoot webhook set planner --url https://agents.example.com/mail\n  $ folkmoot webhook show planner");
}

}  // namespace folkmoot::cli
