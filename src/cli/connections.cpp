// folkmoot connections: who is there, over which door, and what they have.
#include <fmt/format.h>

#include <chrono>
#include <memory>

#include "base/duration.hpp"
#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot::cli {
namespace {

struct ConnectionsOptions {
  std::string agent;
  bool json = false;
};

constexpr std::string_view kConnectionRow = "{:<24} {:<10} {:<14} {:>9} {:>13} {:>5}  {:<26} {}";

std::string time_or(std::int64_t at, std::string_view otherwise) {
  return at == 0 ? std::string(otherwise) : format_time_ms(at);
}

void print_connection(const ConnectionInfo& one, bool json) {
  if (json) return print_line(to_json_text(one, Sparse::as_described));
  print_line(fmt::format(kConnectionRow, one.agent.empty() ? "-" : one.agent, one.door, one.id, one.consumers,
                         one.subscriptions, one.held, time_or(one.held_since_ms, "-"), time_or(one.last_seen_ms, "-")));
}

// One that has no connection now: it polls, or is gone.
void print_agent(const AgentInfo& one, bool json) {
  if (json) return print_line(to_json_text(one, Sparse::as_described));
  std::string doors;
  for (const auto& door : one.doors) doors += (doors.empty() ? "" : ",") + door.door;
  print_line(fmt::format(kConnectionRow, one.agent, doors.empty() ? "-" : doors, "-", 0, 0, one.held,
                         time_or(one.held_since_ms, "-"), time_or(one.last_seen_ms, "-")));
}

void list_connections(const ConnectionsOptions& options) {
  Session session;
  if (!options.json) {
    print_line(fmt::format(kConnectionRow, "agent", "door", "connection", "consumers", "subscriptions", "held",
                           "held since", "last seen"));
  }
  ListConnections page{.agent = options.agent, .limit = 500};
  do {
    const auto got = value(session->call(page));
    for (const auto& one : got.connections) print_connection(one, options.json);
    page.after = got.next;
  } while (!page.after.empty());
  ListAgents agents{.limit = 500};
  do {
    const auto got = value(session->call(agents));
    for (const auto& one : got.agents) {
      if (one.connections == 0 && (options.agent.empty() || options.agent == one.agent)) print_agent(one, options.json);
    }
    agents.after = got.next;
  } while (!agents.after.empty());
}

}  // namespace

void add_connections(App& app) {
  auto* command = app.add_subcommand(
      "connections", "List who is connected, and who was: the door, what they take, what they hold since when");
  const auto options = std::make_shared<ConnectionsOptions>();
  command->add_option("--of", options->agent, "Those of this agent alone")->type_name("AGENT");
  command->add_flag("--json", options->json, "One a line, as JSON; those without a connection have no id");
  set_example(*command, "  $ folkmoot connections");
  command->callback([options] { list_connections(*options); });
}

}  // namespace folkmoot::cli
