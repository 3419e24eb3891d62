// What the subcommands share. Each has a file of its own with one function, add_NAME(app), that declares its options
// and its callback. A callback that fails throws Failure (main prints it and exits with the status of its code) or,
// having told the reason itself, Exit.
#pragma once

#include <optional>
#include <string>

#include "cli/command_line.hpp"
#include "cli/exit_status.hpp"
#include "folkmoot/failure.hpp"
#include "folkmoot/options.hpp"
#include "folkmoot/uuid.hpp"

namespace folkmoot::cli {

/// The options before the subcommand.
struct Globals {
  std::string server, token, agent;
  ClientTls tls;
};
Globals& globals();

/// Ends the program with this status.
struct Exit {
  explicit Exit(ExitStatus with) : status(static_cast<int>(with)) {}
  explicit Exit(int with) : status(with) {}

  int status;
};

/// `--server`, else $FOLKMOOT_ADDRESS, else ./folkmoot-data/folkmoot.sock if it is there, else 127.0.0.1:7470.
ClientOptions client_options();

/// An option that takes a duration such as 30s.
Option* add_duration(App& app, const std::string& names, Milliseconds& into, const std::string& help);

/// An option that takes a time such as 2026-11-21T10:00:00Z, as Unix milliseconds.
Option* add_time(App& app, const std::string& names, std::int64_t& into, const std::string& help);

/// Checks of what an option is given: a whole number from 1 on; a text; a duration that is not 0.
Check at_least_one();
Check not_empty();
Check longer_than_zero();

/// What is no id ends the program with status 2.
Uuid parse_id(const std::string& text);

/// The text under a subcommand's --help.
void set_example(App& app, const std::string& example);

/// The argument, or all of stdin for `-`. Errors: content_too_large, io_error.
std::string read_content(const std::string& argument);

void add_send(App& app);
void add_recv(App& app);
void add_ack(App& app);
void add_nack(App& app);
void add_reject(App& app);
void add_complete(App& app);
void add_extend(App& app);
void add_wait(App& app);
void add_wake(App& app);
void add_webhook(App& app);
void add_watch(App& app);
void add_publish(App& app);
void add_subscribe(App& app);
void add_subscriptions(App& app);
void add_request(App& app);
void add_reply(App& app);
void add_receipts(App& app);
void add_stats(App& app);
void add_settings(App& app);
void add_reload(App& app);
void add_mailbox(App& app);
void add_connections(App& app);
void add_agents(App& app);
void add_trace(App& app);
void add_tail(App& app);
void add_command(App& app);
void add_cancel(App& app);
void add_dead(App& app);
void add_account(App& app);
void add_access(App& app);
void add_audit(App& app);
void add_route(App& app);
void add_schedule(App& app);
void add_stream(App& app);
void add_conversation(App& app);
void add_content(App& app);
void add_call(App& app);
void add_describe(App& app);
void add_journal(App& app);
void add_backup(App& app);
void add_restore(App& app);
void add_bridge(App& app);
void add_bench(App& app);
void add_history(App& app);
void add_cert(App& app);
void add_key(App& app);
void add_key_trust(App& key);
void add_help(App& app);

}  // namespace folkmoot::cli
