// folkmoot settings and folkmoot reload: what a server's settings are, and reading them again.
#include <fmt/format.h>

#include <memory>

#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot::cli {
namespace {

void print_row(const SettingRow& row) {
  auto line = fmt::format("{:<32} {:<20} {:<12} {:<8}", row.name, row.value,
                          kSettingSourceWords[static_cast<std::size_t>(row.source)],
                          row.changes_at_once ? "at once" : "restart");
  if (!row.after_restart.empty()) line += fmt::format("  after a restart: {}", row.after_restart);
  print_line(line);
}

void print_settings(const std::string& name, bool json) {
  Session session;
  const auto all = value(session->call(ListSettings{.name = name}));
  if (json) return print_line(to_json_text(all, Sparse::as_described));
  if (name.empty())
    print_line(all.config_file.empty() ? "no configuration file" : "configuration file: " + all.config_file);
  print_line(fmt::format("{:<32} {:<20} {:<12} {:<8}", "setting", "value", "from", "changes"));
  for (const auto& row : all.settings) print_row(row);
}

void reload(bool json) {
  Session session;
  const auto done = value(session->call(ReloadSettings{}));
  if (json) return print_line(to_json_text(done, Sparse::as_described));
  if (done.changed.empty() && done.restart_needed.empty()) return print_line("nothing has changed");
  for (const auto& each : done.changed) print_line(fmt::format("{}: {} to {}", each.name, each.from, each.to));
  for (const auto& each : done.restart_needed)
    print_line(fmt::format("{}: {} to {} after a restart", each.name, each.from, each.to));
}

}  // namespace

void add_settings(App& app) {
  auto* command = app.add_subcommand(
      "settings", "Show a server's settings: the values, where they come from, and whether one may change meanwhile");
  struct SettingsOptions {
    std::string name;
    bool json = false;
  };
  const auto options = std::make_shared<SettingsOptions>();
  command->add_option("NAME", options->name, "This one alone");
  command->add_flag("--json", options->json, "Print as JSON");
  set_example(*command, "  $ folkmoot settings mailbox.max_messages");
  command->callback([options] { print_settings(options->name, options->json); });
}

void add_reload(App& app) {
  auto* command = app.add_subcommand(
      "reload",
      "Have a server read its configuration file again, as SIGHUP does: what may change is in force, else it says so");
  const auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "Print as JSON");
  set_example(*command, "  $ folkmoot reload\n  log_level: info to debug\n  shards: 1 to 3 after a restart");
  command->callback([json] { reload(*json); });
}

}  // namespace folkmoot::cli
