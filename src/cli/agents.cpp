// folkmoot agents: who is there and what each can do; registering, finding, watching.
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <optional>

#include "base/duration.hpp"
#include "cli/cli.hpp"
#include "cli/key_files.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "cli/wake_lines.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::string_view kRow = "{:<24} {:<8} {:<12} {:<16} {:>6}  {}";

std::string_view status_of(const KnownAgent& one) {
  if (one.quarantined_at_ms != 0) return "quarantined";
  return one.registered ? kAgentStatusWords[static_cast<std::size_t>(one.record.status)] : "-";
}

std::string names_of(const std::vector<AgentCapability>& capabilities) {
  std::string names;
  for (const auto& each : capabilities) names.append(names.empty() ? "" : ",").append(each.name);
  return names.empty() ? "-" : names;
}

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

void print_head() { print_line(fmt::format(kRow, "agent", "health", "status", "type", "load", "capabilities")); }

void print_row(const KnownAgent& one) {
  print_line(fmt::format(kRow, one.record.agent, kAgentHealthWords[static_cast<std::size_t>(one.health)],
                         status_of(one), or_dash(one.record.type), one.load, names_of(one.record.capabilities)));
}

// -- list, discover

struct FindOptions {
  DiscoverAgents query;
  std::string health = "any";
  std::uint32_t limit = 0;
  bool json = false;
};

void show_found(const FindOptions& options) {
  auto query = options.query;
  query.health =
      static_cast<AgentsWanted>(std::ranges::find(kAgentsWantedWords, options.health) - std::begin(kAgentsWantedWords));
  Session session;
  if (!options.json) print_head();
  std::size_t left = options.limit == 0 ? SIZE_MAX : options.limit;
  do {
    query.limit = static_cast<std::uint32_t>(std::min<std::size_t>(left, 500));
    const auto got = value(session->call(query));
    for (const auto& one : got.agents)
      options.json ? print_line(to_json_text(one, Sparse::as_described)) : print_row(one);
    left -= std::min(left, got.agents.size());
    query.after = got.next;
  } while (!query.after.empty() && left > 0);
}

void add_find_options(App& command, const std::shared_ptr<FindOptions>& options) {
  command
      .add_option("--health", options->health,
                  "routable: those that may be chosen; up, grace or stale; any (default: " + options->health + ")")
      ->check(one_of({"routable", "up", "grace", "stale", "any"}));
  command.add_option("--type", options->query.type, "Those of this sort alone");
  command.add_option("--limit", options->limit, "So many at most")->check(at_least_one());
  command.add_flag("--full", options->query.full, "With --json: their whole records");
  command.add_flag("--json", options->json, "One a line, as JSON");
  command.callback([options] { show_found(*options); });
}

void add_list(App& agents) {
  auto* command = agents.add_subcommand("list", "List all that are registered or there");
  const auto options = std::make_shared<FindOptions>();
  add_find_options(*command, options);
  set_example(*command, "  $ folkmoot agents list --health stale");
}

void add_discover(App& agents) {
  auto* command = agents.add_subcommand("discover", "Find those that can do something and may be chosen now");
  const auto options = std::make_shared<FindOptions>();
  options->health = "routable";
  command->add_option("CAPABILITY", options->query.all_of, "They must have it; of several, all of them")->take_all();
  command->add_option("--any", options->query.any_of, "They must have one of these")->take_all();
  command->add_option("--prefix", options->query.prefix, "They must have one that begins so");
  command->add_option("--filter", options->query.filter,
                      "And this must hold for their records (docs/filters.md), such as \"metadata.region = 'eu'\"");
  add_find_options(*command, options);
  set_example(*command,
              "  $ folkmoot agents discover translate summarize --filter \"metadata.region = 'eu'\"\n"
              "  $ folkmoot send capability:translate+summarize \"the report\"");
}

// -- show

void print_shown(const KnownAgent& shown) {
  const auto& record = shown.record;
  const auto line = [](std::string_view what, const std::string& text) {
    if (!text.empty()) print_line(fmt::format("{:<14} {}", what, text));
  };
  const auto time = [](std::int64_t at) { return at == 0 ? std::string() : format_time_ms(at); };
  line("agent", record.agent);
  line("id", shown.registered ? shown.id.text() : "not registered");
  line("health", fmt::format("{}{}", kAgentHealthWords[static_cast<std::size_t>(shown.health)],
                             shown.routable ? ", may be chosen" : ""));
  if (shown.registered) line("status", std::string(status_of(shown)));
  line("quarantine", shown.quarantine);
  line("type", record.type);
  line("description", record.description);
  for (const auto& each : record.capabilities) {
    line("capability", fmt::format("{}{}{}{}{}", each.name, each.version.empty() ? "" : " ", each.version,
                                   each.data.text.empty() ? "" : "  ", each.data.text));
  }
  for (const auto& each : record.addresses) line("address", fmt::format("{} {}", each.transport, each.address));
  for (const auto& each : record.keys) line("key", fmt::format("{} {} {}", each.name, each.kind, each.key));
  line("metadata", record.metadata.text);
  if (shown.registered) line("weight", std::to_string(record.weight));
  line("load", std::to_string(shown.load));
  line("last seen", shown.connections > 0 ? "now: it is connected" : time(shown.last_seen_ms));
  line("registered", time(shown.registered_at_ms));
  line("revision", std::to_string(shown.revision));
}

struct NameOptions {
  std::string name, reason;
  bool json = false;
};

// One that takes an agent's name or id, and --json.
std::shared_ptr<NameOptions> add_named(App& command) {
  const auto options = std::make_shared<NameOptions>();
  command.add_option("AGENT", options->name, "Its name or id")->required()->check(not_empty());
  command.add_flag("--json", options->json, "Print as JSON");
  return options;
}

// How it is woken, if anything is set for that and this client may know it: the registry does not have it.
std::optional<WakeStatus> wake_of(Session& session, const std::string& agent) {
  auto wake = session->call(ShowWake{agent});
  if (wake) return std::move(*wake);
  const auto code = wake.error().code;
  if (code != ErrorCode::not_found && code != ErrorCode::not_permitted && code != ErrorCode::invalid_name)
    throw Failure(wake.error());
  return std::nullopt;
}

void show(const NameOptions& options) {
  Session session;
  auto shown = session->call(ShowAgent{options.name});
  const auto wake = wake_of(session, shown ? shown->record.agent : options.name);
  if (!shown && !(wake && shown.error().code == ErrorCode::not_found)) throw Failure(shown.error());
  if (!shown) shown.emplace().record.agent = options.name;  // it sleeps, and has never been there
  if (!options.json) {
    print_shown(*shown);
    if (!wake) return;
    for (std::string_view what = "wake"; const auto& line : wake_lines(*wake)) {
      print_line(fmt::format("{:<14} {}", what, line));
      what = "";
    }
    return;
  }
  auto text = to_json_text(*shown, Sparse::as_described);
  if (wake) {
    text.pop_back();
    text.append(",\"wake\":").append(to_json_text(*wake, Sparse::as_described)).append("}");
  }
  print_line(text);
}

void add_show(App& agents) {
  auto* command = agents.add_subcommand("show", "Show all that is known of one, and how it is woken");
  const auto options = add_named(*command);
  set_example(*command, "  $ folkmoot agents show translator-1");
  command->callback([options] { show(*options); });
}

// -- register

struct RegisterOptions {
  AgentRecord record;
  std::vector<std::string> capabilities, addresses, keys;
  std::string metadata, status, card;
  bool json = false;
};

// NAME or NAME@VERSION.
AgentCapability capability_of(const std::string& text) {
  const auto at = text.find('@');
  if (at == std::string::npos) return {.name = text};
  return {.name = text.substr(0, at), .version = text.substr(at + 1)};
}

// WHAT=REST.
std::pair<std::string, std::string> pair_of(const std::string& option, const std::string& text) {
  const auto at = text.find('=');
  if (at == 0 || at == std::string::npos) throw_invalid(option, text + " is not NAME=VALUE");
  return {text.substr(0, at), text.substr(at + 1)};
}

AgentRecord record_of(const RegisterOptions& options) {
  auto record = options.record;
  if (!options.card.empty()) {
    const auto text = read_content(options.card);
    if (auto done = read_json(folkmoot::describe<AgentRecord>(), &record, text); !done)
      throw_invalid("--record", done.error().text);
    if (!options.record.agent.empty()) record.agent = options.record.agent;
  }
  for (const auto& each : options.capabilities) record.capabilities.push_back(capability_of(each));
  for (const auto& each : options.addresses) {
    const auto [transport, address] = pair_of("--address", each);
    record.addresses.push_back({transport, address});
  }
  for (const auto& each : options.keys) {
    const auto [name, key] = pair_of("--key", each);
    // The file of a key, as `folkmoot key generate` makes it, or the key itself.
    if (!key.starts_with('@')) {
      record.keys.push_back({.name = name, .kind = {}, .key = key});
      continue;
    }
    const auto from_file = public_key_of(key.substr(1));
    record.keys.push_back(
        {.name = name, .kind = std::string(folkmoot::name(from_file.type())), .key = from_file.pem()});
  }
  if (!options.metadata.empty()) record.metadata.text = options.metadata;
  if (!options.status.empty()) {
    record.status =
        static_cast<AgentStatus>(std::ranges::find(kAgentStatusWords, options.status) - std::begin(kAgentStatusWords));
  }
  return record;
}

void add_register(App& agents) {
  auto* command = agents.add_subcommand(
      "register",
      "Register one with what it can do, in the place of what was registered under its name. It counts as heard of: "
      "for 5 minutes (agents.stale_after) it may be chosen, then it wants a connection or a heartbeat");
  const auto options = std::make_shared<RegisterOptions>();
  auto& record = options->record;
  command->add_option("AGENT", record.agent, "Its name (default: that of --as)");
  command->add_option("--capability", options->capabilities, "What it can do: NAME or NAME@VERSION; several times")
      ->take_all();
  command->add_option("--type", record.type, "What sort of agent it is");
  command->add_option("--description", record.description, "What it is, for people and models");
  command->add_option("--address", options->addresses, "TRANSPORT=ADDRESS where else it can be met; several times")
      ->take_all();
  command->add_option("--key", options->keys, "NAME=KEY, or NAME=@FILE: a public key of it; several times")->take_all();
  command->add_option("--metadata", options->metadata, "Anything else: a JSON object");
  command->add_option("--weight", record.weight, "How often it is chosen against others (default 1)")
      ->check(in_range(1, static_cast<std::int64_t>(kAgentWeightMost)));
  command->add_option("--status", options->status, "active (default), inactive or maintenance")
      ->check(one_of({"active", "inactive", "maintenance"}));
  command->add_option("--record", options->card, "All of it as JSON, as agent.register takes it; - for stdin")
      ->type_name("JSON");
  command->add_flag("--json", options->json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot agents register translator-1 --capability translate@2 --capability summarize \\\n"
              "      --type worker --metadata '{\"region\":\"eu\"}'\n"
              "  translator-1 is registered: 0193f2c4-...");
  command->callback([options] {
    const auto all = record_of(*options);
    Session session;
    const auto done = value(session->call(all));
    // This connection ends now, which over one of the agent's own says that it goes: it would be stale in 30 s, and
    // nothing be sent to it. Who registers is heard of, as over any other connection.
    if (auto beat = session->call(BeatAgent{.agent = all.agent});
        !beat && beat.error().code != ErrorCode::not_permitted)
      throw Failure(beat.error());
    if (options->json) return print_line(to_json_text(done, Sparse::as_described));
    print_line(fmt::format("{} is registered{}: {}", all.agent.empty() ? globals().agent : all.agent,
                           done.created ? "" : " anew", done.id.text()));
  });
}

// -- what is done to one

void add_remove(App& agents) {
  auto* command = agents.add_subcommand("remove", "Take back what was registered of one; its mailbox stays");
  const auto options = add_named(*command);
  set_example(*command,
              "  $ folkmoot agents remove translator-1\n"
              "  translator-1 is removed");
  command->callback([options] {
    Session session;
    value(session->call(RemoveAgent{options->name}));
    print_done(options->json, fmt::format("{} is removed", options->name),
               {{"agent", options->name}, {"status", "removed"}});
  });
}

void add_heartbeat(App& agents) {
  auto* command = agents.add_subcommand("heartbeat", "Say that one is there, and how busy it is");
  struct AgentsOptions {
    BeatAgent beat;
    std::uint32_t load = 0;
    bool json = false;
  };
  const auto options = std::make_shared<AgentsOptions>();
  command->add_option("AGENT", options->beat.agent, "Its name or id (default: that of --as)");
  auto* const load = command->add_option("--load", options->load, "In messages; holds until it says otherwise");
  command->add_flag("--json", options->json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot agents heartbeat translator-1 --load 3\n"
              "  translator-1 is up for 5m");
  command->callback([options, load] {
    if (load->count() > 0) options->beat.load = options->load;
    Session session;
    const auto done = value(session->call(options->beat));
    if (options->json) return print_line(to_json_text(done, Sparse::as_described));
    print_line(fmt::format("{} is {} for {}{}", options->beat.agent.empty() ? globals().agent : options->beat.agent,
                           kAgentHealthWords[static_cast<std::size_t>(done.health)],
                           format_duration_ms(done.stale_after.count()),
                           done.routable ? "" : ", and is not chosen: see `folkmoot agents show`"));
  });
}

void add_quarantine(App& agents) {
  auto* command =
      agents.add_subcommand("quarantine", "Have one chosen no more, whatever it says of itself; --end ends that");
  const auto options = add_named(*command);
  command->add_option("--reason", options->reason, "Why, for whoever looks");
  const auto ends = std::make_shared<bool>(false);
  command->add_flag("--end", *ends, "It may be chosen again");
  set_example(*command,
              "  $ folkmoot agents quarantine translator-1 --reason \"answers nonsense\"\n"
              "  translator-1 is in quarantine");
  command->callback([options, ends] {
    Session session;
    if (*ends) {
      value(session->call(ReleaseAgent{options->name}));
    } else {
      value(session->call(QuarantineAgent{options->name, options->reason}));
    }
    print_done(options->json, fmt::format("{} is {}", options->name, *ends ? "released" : "in quarantine"),
               {{"agent", options->name}, {"status", *ends ? "released" : "quarantined"}});
  });
}

// -- watch

struct AgentsWatchOptions {
  WatchAgents what;
  bool once = false, json = false;
};

void print_change(const AgentChange& change) {
  if (change.gone) return print_line(fmt::format("{:<24} gone", change.agent.record.agent));
  print_row(change.agent);
}

void watch(const AgentsWatchOptions& options) {
  constexpr std::chrono::milliseconds kWait{20'000};
  Session session;
  auto what = options.what;
  what.wait = options.once ? std::chrono::milliseconds{0} : kWait;
  what.limit = 500;
  for (;;) {
    const auto got = session->call(what);
    if (!got && session.interrupted()) return;
    const auto changes = value(got);
    if (changes.reset && !options.json) print_head();
    for (const auto& change : changes.changes)
      options.json ? print_line(to_json_text(change, Sparse::as_described)) : print_change(change);
    const bool is_all = changes.changes.size() < what.limit;
    what.after = changes.next;
    if (!options.once || !is_all) continue;
    if (options.json) print_line(fmt::format("{{\"next\":\"{}\"}}", what.after));
    return;
  }
}

void add_agents_watch(App& agents) {
  auto* command =
      agents.add_subcommand("watch", "Show all agents, and then each that changes as it changes, until it is stopped");
  const auto options = std::make_shared<AgentsWatchOptions>();
  command->add_option("--after", options->what.after, "Only what has changed since: `next` of --once --json");
  command->add_flag("--once", options->once, "What has changed by now, and no more");
  command->add_flag("--json", options->json, "One a line, as JSON");
  set_example(*command, "  $ folkmoot agents watch");
  command->callback([options] { watch(*options); });
}

}  // namespace

void add_agents(App& app) {
  auto* command =
      app.add_subcommand("agents", "See which agents there are and what each can do; register, find and watch them");
  add_list(*command);
  add_show(*command);
  add_register(*command);
  add_remove(*command);
  add_heartbeat(*command);
  add_discover(*command);
  add_agents_watch(*command);
  add_quarantine(*command);
  command->require_subcommand(1);
  set_example(*command,
              "  $ folkmoot agents register translator-1 --capability translate\n"
              "  $ folkmoot agents discover translate\n"
              "  $ folkmoot send capability:translate \"good morning\"");
}

}  // namespace folkmoot::cli
