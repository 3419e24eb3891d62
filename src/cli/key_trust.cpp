// folkmoot key trust|block|forget|known: which keys are whose, as this user knows it.
#include <fmt/format.h>

#include <memory>

#include "base/duration.hpp"
#include "cli/cli.hpp"
#include "cli/key_files.hpp"
#include "cli/print.hpp"
#include "folkmoot/known_keys.hpp"
#include "message/json_writer.hpp"

namespace folkmoot::cli {
namespace {

struct TrustOptions {
  std::string agent, file;
  bool json = false;
};

KnownKeys known_keys() { return value(KnownKeys::open(KnownKeys::default_path())); }

void trust_key(const TrustOptions& options) {
  const auto key = public_key_of(options.file);
  auto known = known_keys();
  value(known.pin(options.agent, key));
  print_done(options.json, fmt::format("{} has the key {}", options.agent, key.thumbprint()),
             {{"agent", options.agent}, {"key", key.thumbprint()}, {"status", "trusted"}});
}

void block_agent(const TrustOptions& options) {
  auto known = known_keys();
  value(known.block(options.agent));
  print_done(options.json, fmt::format("{} is blocked", options.agent),
             {{"agent", options.agent}, {"status", "blocked"}});
}

void forget_agent(const TrustOptions& options) {
  auto known = known_keys();
  value(known.forget(options.agent));
  print_done(options.json, fmt::format("nothing is known of {} any more", options.agent),
             {{"agent", options.agent}, {"status", "forgotten"}});
}

void print_known(const std::string& agent, const KnownAgentKeys& known, bool json) {
  if (!json) {
    for (const auto& each : known.keys) {
      print_line(fmt::format("{}  {} {}  {}{}", agent, name(each.key.type()), each.key.thumbprint(),
                             each.is_pinned ? "pinned" : "since it was first met",
                             known.is_blocked ? ", blocked" : ""));
    }
    if (known.keys.empty()) print_line(fmt::format("{}  {}", agent, known.is_blocked ? "blocked" : "no key"));
    return;
  }
  std::string out;
  JsonWriter writer(out);
  writer.begin_object().field("agent", agent).field("blocked", known.is_blocked).key("keys").begin_array();
  for (const auto& each : known.keys) {
    writer.begin_object().field("type", name(each.key.type())).field("thumbprint", each.key.thumbprint());
    writer.field("pinned", each.is_pinned).field("since", format_time_ms(each.since)).end_object();
  }
  writer.end_array().end_object();
  print_line(out);
}

std::shared_ptr<TrustOptions> add_trust_command(App& key, const std::string& name, const std::string& help,
                                                const std::string& example, void (*call)(const TrustOptions&)) {
  auto* const command = key.add_subcommand(name, help);
  const auto options = std::make_shared<TrustOptions>();
  command->add_option("AGENT", options->agent, "Its name")->required()->check(not_empty());
  if (call == trust_key) {
    command->add_option("FILE", options->file, "Its public key, in PEM or JWK")->required()->check(existing_file());
  }
  command->add_flag("--json", options->json, "Print as JSON");
  set_example(*command, example);
  command->callback([options, call] { call(*options); });
  return options;
}

}  // namespace

void add_key_trust(App& key) {
  add_trust_command(key, "trust", "Take a key as an agent's, whatever was known before",
                    "  $ folkmoot key trust ann ann-sign.pub.pem", trust_key);
  add_trust_command(key, "block", "Accept nothing of an agent", "  $ folkmoot key block mallory", block_agent);
  add_trust_command(key, "forget", "As if an agent had never been met", "  $ folkmoot key forget ann", forget_agent);
  auto* const command = key.add_subcommand("known", "List which keys are known of which agents, and who is blocked");
  const auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "An agent a line, as JSON");
  set_example(*command, "  $ folkmoot key known");
  command->callback([json] {
    const auto known = known_keys();
    for (const auto& [agent, keys] : known.agents()) print_known(agent, keys, *json);
  });
}

}  // namespace folkmoot::cli
