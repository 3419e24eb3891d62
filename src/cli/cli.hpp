// What the subcommands share. Each has a file of its own with one function, add_NAME(app), that declares its options
// and its callback. A callback that fails throws Failure (main prints it and exits with 1) or, having told the reason
// itself, Exit.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "folkmoot/failure.hpp"
#include "folkmoot/options.hpp"
#include "folkmoot/uuid.hpp"

namespace folkmoot::cli {

/// The options before the subcommand.
struct Globals {
  std::string server, token, agent;
};
Globals& globals();

/// Ends the program with this status.
struct Exit {
  int status = 1;
};

/// `--server`, else $FOLKMOOT_ADDRESS, else ./folkmoot-data/folkmoot.sock if it is there, else 127.0.0.1:7470.
ClientOptions client_options();

/// An option that takes a duration such as 30s.
CLI::Option* add_duration(CLI::App& app, const std::string& names, Milliseconds& into, const std::string& help);

/// An option that takes a time such as 2026-11-21T10:00:00Z, as Unix milliseconds.
CLI::Option* add_time(CLI::App& app, const std::string& names, std::int64_t& into, const std::string& help);

/// Checks of what an option is given: a whole number from 1 on; a text; a duration that is not 0.
CLI::Validator at_least_one();
CLI::Validator not_empty();
CLI::Validator longer_than_zero();

/// Errors: invalid_field, thrown as Failure.
Uuid parse_id(const std::string& text);

/// The text under a subcommand's --help.
void set_example(CLI::App& app, const std::string& example);

/// The argument, or all of stdin for `-`. Errors: content_too_large, io_error.
std::string read_content(const std::string& argument);

void add_send(CLI::App& app);
void add_recv(CLI::App& app);
void add_wait(CLI::App& app);
void add_publish(CLI::App& app);
void add_subscribe(CLI::App& app);
void add_request(CLI::App& app);
void add_reply(CLI::App& app);
void add_receipts(CLI::App& app);
void add_stats(CLI::App& app);
void add_mailbox(CLI::App& app);
void add_command(CLI::App& app);
void add_cancel(CLI::App& app);
void add_dead(CLI::App& app);
void add_route(CLI::App& app);
void add_schedule(CLI::App& app);
void add_conversation(CLI::App& app);
void add_content(CLI::App& app);
void add_call(CLI::App& app);
void add_describe(CLI::App& app);
void add_journal(CLI::App& app);
void add_bench(CLI::App& app);

}  // namespace folkmoot::cli
