#include "cli/serve_arguments.hpp"

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace folkmoot::cli {

void add_serve_arguments(App& command, ServeArguments& arguments) {
  command.add_option("--config", arguments.config_file, "TOML file with settings")->check(existing_file());
  command.add_option("--data", arguments.data, "Data folder (default ./folkmoot-data)");
  command.add_option("--listen", arguments.listen, "HOST:PORT (default 127.0.0.1:7470)");
  command.add_option("--token", arguments.token, "What clients must give (better: FOLKMOOT_TOKEN)");
  command.add_option("--unix-socket", arguments.unix_socket, "Path of the Unix socket, or none");
  command.add_option("--sync", arguments.sync, "always, never, or an interval such as 200ms");
  command.add_option("--log-level", arguments.log_level, "debug, info, warn or error");
  command.add_option("--set", arguments.settings, "KEY=VALUE, any setting that `folkmoot serve --help` lists");
}

Result<ServerConfig> read_settings(const ServeArguments& arguments) {
  ServerConfig config;
  Result<void> done;
  const auto step = [&](auto&& call) {
    if (done) done = call();
  };
  if (!arguments.config_file.empty()) step([&] { return read_config_file(config, arguments.config_file); });
  step([&] { return read_config_environment(config); });
  const std::pair<std::string_view, const std::string&> flags[] = {
      {"data", arguments.data},   {"listen", arguments.listen},
      {"token", arguments.token}, {"unix_socket", arguments.unix_socket},
      {"sync", arguments.sync},   {"log_level", arguments.log_level}};
  for (const auto& [key, value] : flags) {
    if (!value.empty()) step([&] { return set_config(config, key, value, SettingSource::flag); });
  }
  for (const auto& setting : arguments.settings) {
    const auto equals = setting.find('=');
    step([&]() -> Result<void> {
      if (equals == std::string::npos)
        return failure(ErrorCode::invalid_field, fmt::format("`--set {}`: write KEY=VALUE", setting));
      return set_config(config, setting.substr(0, equals), setting.substr(equals + 1), SettingSource::flag);
    });
  }
  step([&] { return read_jwt_keys(config); });
  step([&] { return read_policy(config); });
  if (!done) return std::unexpected(done.error());
  return config;
}

}  // namespace folkmoot::cli
