// folkmoot access: who may do what, and why.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "cli/terminal.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot::cli {
namespace {

struct AccessRuleOptions {
  AccessRule rule;
  std::string action;
  bool json = false;
};

std::vector<std::string> actions() { return {std::begin(kAccessActionWords), std::end(kAccessActionWords)}; }

AccessAction action_of(const std::string& word) {
  return AccessAction(std::ranges::find(kAccessActionWords, word) - kAccessActionWords);
}

void add_rule_words(App& command, AccessRuleOptions& options) {
  command.add_option("SUBJECT", options.rule.subject, "An account's name, with * for anything, or role:NAME")
      ->required();
  command.add_option("ACTION", options.action, "send, publish, conversation, consume, subscribe, stream or call")
      ->required()
      ->check(one_of(actions()));
  command
      .add_option("RESOURCE", options.rule.resource,
                  "Of publish and subscribe a topic or pattern; else a name, with * for anything")
      ->required();
  command.add_flag("--json", options.json, "Print as JSON");
}

std::string in_words(const AccessRule& rule) {
  auto line = fmt::format("{} {} {} {}", rule.deny ? "DENY" : "ALLOW", rule.subject,
                          kAccessActionWords[static_cast<std::size_t>(rule.action)], rule.resource);
  if (!rule.filter.empty()) line += "  if " + rule.filter;
  return line;
}

std::string_view word_of(AccessAction action) { return kAccessActionWords[static_cast<std::size_t>(action)]; }

// Whether any rule speaks of it: then what none allows is refused.
bool is_closed(Session& session, AccessAction action) {
  const auto rules = value(session->call(ListAccess{})).rules;
  return std::ranges::any_of(rules, [&](const auto& each) { return each.action == action; });
}

// What gives everybody all of an action.
std::string everything_of(AccessAction action) {
  const bool is_of_topics = action == AccessAction::publish || action == AccessAction::subscribe;
  return fmt::format("'*' {} '{}'", word_of(action), is_of_topics ? ">" : "*");
}

bool gives_everybody_all(const AccessRule& rule) {
  const std::string_view all = rule.resource;
  return !rule.deny && rule.filter.empty() && rule.subject == "*" && (all == "*" || all == ">");
}

// Said beside what was asked for, as it concerns others than whom the rule names.
void tell_closed(AccessAction action) {
  tell(
      "folkmoot: this is the first rule about {}: from now on every account but admins is refused what no rule allows. "
      "`folkmoot access grant {}` gives all of them the rest back",
      word_of(action), everything_of(action));
}

void grant(const AccessRuleOptions& options) {
  const auto& rule = options.rule;
  Session session;
  const bool was_closed = is_closed(session, rule.action);
  value(session->call(rule));
  const bool closes = !was_closed && !gives_everybody_all(rule);
  const auto words = in_words(rule);
  if (!closes) return print_done(options.json, words, {{"rule", words}, {"status", "set"}});
  print_done(options.json, words, {{"rule", words}, {"status", "set"}, {"closed", word_of(rule.action)}});
  if (!options.json) tell_closed(rule.action);
}

void add_access_grant(App& parent) {
  auto* command = parent.add_subcommand(
      "grant",
      "Allow something, or refuse it; once there is any rule about an action, also one with --deny, all of that action "
      "that none allows is refused to every account but admins");
  const auto options = std::make_shared<AccessRuleOptions>();
  add_rule_words(*command, *options);
  command->add_flag("--deny", options->rule.deny, "Refuse it, whatever other rules allow");
  command->add_option("--filter", options->rule.filter, "Only messages that this holds for, such as \"type = 'task'\"");
  set_example(
      *command,
      "  $ folkmoot access grant role:agent publish 'market.>'\n"
      "  ALLOW role:agent publish market.>\n"
      "  folkmoot: this is the first rule about publish: from now on every account but admins is refused what ...");
  command->callback([options] {
    options->rule.action = action_of(options->action);
    grant(*options);
  });
}

void revoke(const AccessRuleOptions& options) {
  const auto action = action_of(options.action);
  Session session;
  value(session->call(RevokeAccess{options.rule.subject, action, options.rule.resource}));
  const std::string done = "the rule is removed";
  if (is_closed(session, action)) return print_done(options.json, done, {{"status", "removed"}});
  print_done(options.json, done, {{"status", "removed"}, {"opened", options.action}});
  if (!options.json)
    tell("folkmoot: no rule is about {} any more: what an account may do of it is as its role says", options.action);
}

void add_access_revoke(App& parent) {
  auto* command = parent.add_subcommand("revoke", "Remove a rule");
  const auto options = std::make_shared<AccessRuleOptions>();
  add_rule_words(*command, *options);
  set_example(*command,
              "  $ folkmoot access revoke role:agent publish 'market.>'\n"
              "  the rule is removed");
  command->callback([options] { revoke(*options); });
}

void add_access_list(App& parent) {
  auto* command = parent.add_subcommand("list", "List the rules");
  const auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "One a line, as JSON");
  set_example(*command,
              "  $ folkmoot access list\n"
              "  ALLOW role:agent publish market.>");
  command->callback([json] {
    Session session;
    for (const auto& each : value(session->call(ListAccess{})).rules)
      print_line(*json ? to_json_text(each, Sparse::as_described) : in_words(each));
  });
}

void add_access_check(App& parent) {
  auto* command = parent.add_subcommand("check", "Whether an account may do something, and what decides it");
  const auto options = std::make_shared<AccessRuleOptions>();
  command->add_option("ACCOUNT", options->rule.subject, "Who")->required();
  command->add_option("ACTION", options->action, "send, publish, conversation, consume, subscribe, stream or call")
      ->required()
      ->check(one_of(actions()));
  command
      ->add_option("RESOURCE", options->rule.resource,
                   "Of what: a mailbox, topic, pattern, conversation, stream or operation")
      ->required();
  command->add_flag("--json", options->json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot access check planner consume reviewer\n"
              "  no: role agent does not have the right to administer");
  command->callback([options] {
    Session session;
    const auto verdict =
        value(session->call(CheckAccess{options->rule.subject, action_of(options->action), options->rule.resource}));
    print_line(options->json ? to_json_text(verdict, Sparse::as_described)
                             : fmt::format("{}: {}", verdict.allowed ? "yes" : "no", verdict.why));
    if (!verdict.allowed) throw Exit(1);
  });
}

void add_access_role(App& parent) {
  auto* command = parent.add_subcommand("role", "Make a role of your own, or with --remove end it");
  const auto role = std::make_shared<RoleRule>();
  const auto remove = std::make_shared<bool>(false);
  const auto json = std::make_shared<bool>(false);
  command->add_option("NAME", role->name, "As accounts name it")->required();
  command->add_option("RIGHT", role->rights, "publish, consume, observe, administer, discover, secure");
  command->add_flag("--remove", *remove, "End it; no account may have it");
  command->add_flag("--json", *json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot access role reporter publish observe\n"
              "  role reporter is set");
  command->callback([role, remove, json] {
    if (!*remove && role->rights.empty()) throw_missing("RIGHT, such as publish, or --remove,");
    Session session;
    if (*remove) {
      value(session->call(RemoveRole{role->name}));
    } else {
      value(session->call(*role));
    }
    const auto* const done = *remove ? "removed" : "set";
    print_done(*json, fmt::format("role {} is {}", role->name, done), {{"role", role->name}, {"status", done}});
  });
}

void add_access_roles(App& parent) {
  auto* command = parent.add_subcommand("roles", "List the roles with their rights");
  const auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "One a line, as JSON");
  set_example(*command,
              "  $ folkmoot access roles\n"
              "  agent  publish, consume, discover");
  command->callback([json] {
    Session session;
    for (const auto& each : value(session->call(ListRoles{})).roles) {
      print_line(*json ? to_json_text(each, Sparse::as_described)
                       : fmt::format("{}  {}", each.name, fmt::join(each.rights, ", ")));
    }
  });
}

}  // namespace

void add_access(App& app) {
  auto* command = app.add_subcommand("access", "Who may do what: rules about accounts and roles, and what they decide");
  command->require_subcommand(1);
  add_access_grant(*command);
  add_access_revoke(*command);
  add_access_list(*command);
  add_access_check(*command);
  add_access_role(*command);
  add_access_roles(*command);
  set_example(*command, "  $ folkmoot access grant planner consume tasks");
}

}  // namespace folkmoot::cli
