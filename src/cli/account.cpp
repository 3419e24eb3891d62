// folkmoot account: who may speak to the server, and with which keys.
#include <fmt/format.h>

#include <memory>

#include "base/duration.hpp"
#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot::cli {
namespace {

void print_key(bool json, const NewAccountKey& made) {
  if (json) return print_line(to_json_text(made, Sparse::as_described));
  const auto until = made.expires_at == 0 ? std::string() : " until " + format_time_ms(made.expires_at);
  print_line(fmt::format("the key of {}{}, which is shown this once:", made.account, until));
  print_line(made.key);
}

std::string in_words(const AccountStatus& account) {
  auto line = fmt::format("{}  {}  as {}", account.name, account.role, fmt::join(account.names, ", "));
  if (account.disabled) line += "  disabled";
  if (account.expires_at != 0) line += "  until " + format_time_ms(account.expires_at);
  line += fmt::format("  {} key{}", account.keys.size(), account.keys.size() == 1 ? "" : "s");
  if (account.used_at != 0) line += "  connected last " + format_time_ms(account.used_at);
  if (!account.note.empty()) line += "  " + account.note;
  return line;
}

void add_account_add(App& parent) {
  auto* command = parent.add_subcommand("add", "Make an account, and print its first key, which is shown this once");
  const auto account = std::make_shared<AddAccount>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("NAME", account->name, "What it is called")->required();
  command->add_option("--role", account->role,
                      "admin, operator, agent (default), observer, or one of `folkmoot access role`");
  command->add_option("--speaks-as", account->names,
                      "A name that it may speak as, with * for anything; may be repeated (default: NAME and NAME/*)");
  command->add_option("--note", account->note, "For people");
  add_time(*command, "--until", account->expires_at, "When the account ends (default: never)");
  add_duration(*command, "--key-ttl", account->key_ttl, "How long its key is good (default: for ever)");
  command->add_flag("--json", *json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot account add root --role admin\n"
              "  the key of root, which is shown this once:\n"
              "  fm_5f1c09ae77b2d3e4_...\n"
              "  $ export FOLKMOOT_TOKEN=fm_5f1c09ae77b2d3e4_...");
  command->callback([account, json] {
    Session session;
    print_key(*json, value(session->call(*account)));
  });
}

void add_account_list(App& parent) {
  auto* command = parent.add_subcommand("list", "List the accounts by name");
  const auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "One a line, as JSON");
  set_example(*command,
              "  $ folkmoot account list\n"
              "  planner  agent  as planner, planner/*  1 key\n"
              "  root  admin  as root, root/*  1 key");
  command->callback([json] {
    Session session;
    ListAccounts next{.limit = 1'000};
    for (;;) {
      const auto page = value(session->call(next));
      for (const auto& each : page.accounts)
        print_line(*json ? to_json_text(each, Sparse::as_described) : in_words(each));
      if (page.accounts.size() < next.limit) return;
      next.after = page.accounts.back().name;
    }
  });
}

void add_account_show(App& parent) {
  auto* command = parent.add_subcommand("show", "An account and its keys, but for what they are");
  const auto name = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("NAME", *name, "Which")->required();
  command->add_flag("--json", *json, "Print as JSON");
  set_example(*command, "  $ folkmoot account show planner");
  command->callback([name, json] {
    Session session;
    const auto account = value(session->call(ShowAccount{*name}));
    if (*json) return print_line(to_json_text(account, Sparse::as_described));
    print_line(in_words(account));
    for (const auto& key : account.keys) {
      print_line(
          fmt::format("  key fm_{}_...  made {}  good {}", key.id, format_time_ms(key.created_at),
                      key.expires_at == 0 ? std::string("for ever") : "until " + format_time_ms(key.expires_at)));
    }
  });
}

struct AccountChangeOptions {
  ChangeAccount change;
  std::string role, note;
  std::int64_t until = 0;
  bool for_ever = false, json = false;
};

void add_account_change(App& parent) {
  auto* command = parent.add_subcommand("change", "Change what an account is; what is left out stays as it is");
  const auto options = std::make_shared<AccountChangeOptions>();
  command->add_option("NAME", options->change.name, "Which")->required();
  auto* const role = command->add_option("--role", options->role, "Another role");
  command->add_option("--speaks-as", options->change.names,
                      "A name that it may speak as; those that are given take the place of all it had");
  auto* const note = command->add_option("--note", options->note, "For people");
  add_time(*command, "--until", options->until, "When the account ends");
  command->add_flag("--for-ever", options->for_ever, "It does not end");
  command->add_flag("--json", options->json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot account change planner --role operator\n"
              "  account planner is changed");
  command->callback([options, role, note] {
    auto& change = options->change;
    if (role->count() > 0) change.role = options->role;
    if (note->count() > 0) change.note = options->note;
    if (options->until != 0) change.expires_at = options->until;
    if (options->for_ever) change.expires_at = 0;
    Session session;
    value(session->call(change));
    print_done(options->json, fmt::format("account {} is changed", change.name),
               {{"account", change.name}, {"status", "changed"}});
  });
}

void add_account_rotate(App& parent) {
  auto* command = parent.add_subcommand("rotate", "Give an account a new key, and print it; older ones end");
  const auto rotate = std::make_shared<RotateAccount>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("NAME", rotate->name, "Which")->required();
  add_duration(*command, "--grace", rotate->grace, "How long its older keys are good still (default: not at all)");
  add_duration(*command, "--key-ttl", rotate->key_ttl, "How long the new one is good (default: for ever)");
  command->add_flag("--json", *json, "Print as JSON");
  set_example(*command, "  $ folkmoot account rotate planner --grace 1h");
  command->callback([rotate, json] {
    Session session;
    print_key(*json, value(session->call(*rotate)));
  });
}

// Those that take a name and answer nothing.
template <class Op>
void add_account_plain(App& parent, const std::string& word, const std::string& done, const std::string& help) {
  auto* command = parent.add_subcommand(word, help);
  const auto name = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("NAME", *name, "Which")->required();
  command->add_flag("--json", *json, "Print as JSON");
  set_example(*command, fmt::format("  $ folkmoot account {} planner\n  account planner is {}", word, done));
  command->callback([name, json, done] {
    Session session;
    value(session->call(Op{*name}));
    print_done(*json, fmt::format("account {} is {}", *name, done), {{"account", *name}, {"status", done}});
  });
}

}  // namespace

void add_account(App& app) {
  auto* command = app.add_subcommand("account", "Who may speak to the server: accounts and their keys");
  command->require_subcommand(1);
  add_account_add(*command);
  add_account_list(*command);
  add_account_show(*command);
  add_account_change(*command);
  add_account_plain<DisableAccount>(*command, "disable", "disabled",
                                    "Let an account in no more, and end its connections");
  add_account_plain<EnableAccount>(*command, "enable", "enabled", "Let an account in again");
  add_account_rotate(*command);
  add_account_plain<RemoveAccount>(*command, "remove", "removed",
                                   "Remove an account with its keys, end its connections");
  set_example(*command, "  $ folkmoot account add planner --speaks-as 'planner/*'");
}

}  // namespace folkmoot::cli
