#include "cli/server_config.hpp"

#include <fmt/format.h>

#include <sys/stat.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "access/demands.hpp"
#include "access/jwt.hpp"
#include "base/assert.hpp"
#include "base/nearest.hpp"
#include "cli/settings_table.hpp"

namespace folkmoot {
namespace {

std::string variable_of(std::string_view setting) {
  std::string variable = "FOLKMOOT_";
  for (const char c : setting)
    variable += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return variable;
}

Result<void> read_table(ServerConfig& config, const toml::table& table, const std::string& prefix) {
  for (const auto& [name, node] : table) {
    const auto key = prefix + std::string(name.str());
    if (const auto* inner = node.as_table()) {
      if (auto done = read_table(config, *inner, key + "."); !done) return done;
      continue;
    }
    std::string value;
    if (const auto* string = node.as_string()) {
      value = string->get();
    } else if (const auto* integer = node.as_integer()) {
      value = std::to_string(integer->get());
    } else if (const auto* real = node.as_floating_point()) {
      value = fmt::format("{}", real->get());
    } else {
      return failure(ErrorCode::invalid_field, fmt::format("`{}` is neither text nor a number", key));
    }
    if (auto done = set_config(config, key, value, SettingSource::file); !done)
      return std::unexpected(within(fmt::format("line {}", node.source().begin.line), done.error()));
  }
  return {};
}

}  // namespace

Result<void> set_config(ServerConfig& config, std::string_view name, const std::string& value, SettingSource source) {
  for (const auto& key : settings_table()) {
    if (key.name != name) continue;
    if (auto done = key.value.set(config, value); !done) {
      return std::unexpected(within(fmt::format("`{}`", name), done.error()));
    }
    config.sources[key.name] = source;
    return {};
  }
  std::vector<std::string_view> known;
  for (const auto& key : settings_table()) known.push_back(key.name);
  return failure(ErrorCode::invalid_field, fmt::format("there is no setting `{}`{}; `folkmoot serve --help` lists them",
                                                       name, did_you_mean(name, known)));
}

Result<void> read_config_file(ServerConfig& config, const std::string& path) {
  // Read again while the server runs: nothing that may be waited for.
  struct stat file{};
  if (::stat(path.c_str(), &file) != 0) return std::unexpected(system_error(ErrorCode::io_error, path, errno));
  if (!S_ISREG(file.st_mode)) return failure(ErrorCode::io_error, fmt::format("{} is not a regular file", path));
  try {
    const auto table = toml::parse_file(path);
    if (auto done = read_table(config, table, {}); !done) {
      return std::unexpected(within(path, done.error()));
    }
    return {};
  } catch (const toml::parse_error& error) {
    return failure(ErrorCode::malformed,
                   fmt::format("{}: line {}: {}", path, error.source().begin.line, error.description()));
  }
}

Result<void> check_environment() {
  // Of clients; of what `folkmoot reply --exec` tells its command; of the scripts.
  std::vector<std::string> variables = {
      "FOLKMOOT_ADDRESS",  "FOLKMOOT_AGENT",     "FOLKMOOT_FROM",         "FOLKMOOT_TYPE",     "FOLKMOOT_ID",
      "FOLKMOOT_PRIORITY", "FOLKMOOT_PROGRAM",   "FOLKMOOT_CONVERSATION", "FOLKMOOT_REPLY_TO", "FOLKMOOT_WAKE",
      "FOLKMOOT_ATTEMPT",  "FOLKMOOT_UNREAD",    "FOLKMOOT_READY",        "FOLKMOOT_CA",       "FOLKMOOT_CERT",
      "FOLKMOOT_CERT_KEY", "FOLKMOOT_KNOWN_KEYS"};
  for (const auto& key : settings_table()) variables.push_back(variable_of(key.name));
  const std::vector<std::string_view> known(variables.begin(), variables.end());
  for (char** each = environ; each != nullptr && *each != nullptr; ++each) {
    const auto name = std::string_view(*each).substr(0, std::string_view(*each).find('='));
    if (!name.starts_with("FOLKMOOT_") || std::ranges::find(known, name) != known.end()) continue;
    return failure(ErrorCode::invalid_field, fmt::format("the environment has {}, which is no variable of folkmoot{}",
                                                         name, did_you_mean(name, known)));
  }
  return {};
}

namespace {

Result<void> read_key_source(ServerConfig& config, const access::JwtOptions& options) {
  const auto& jwt = config.jwt;
  if (auto good = check_key_url(jwt.keys); !good) return std::unexpected(within(jwt.keys, good.error()));
  if (jwt.keep_ms < jwt.refresh_ms) {
    return failure(ErrorCode::invalid_field, "jwt.keep is shorter than jwt.refresh",
                   "keys would be good no more before they are fetched again: make it longer");
  }
  auto verifier = access::JwtVerifier::make_for_fetched(options);
  if (!verifier) return std::unexpected(std::move(verifier.error()));
  config.jwt_source = {.url = jwt.keys,
                       .verifier = *verifier,
                       .refresh = std::chrono::milliseconds(jwt.refresh_ms),
                       .keep = std::chrono::milliseconds(jwt.keep_ms),
                       .software = "folkmoot/" + config.server.version};
  config.server.jwt = std::move(*verifier);
  return {};
}

}  // namespace

Result<void> read_jwt_keys(ServerConfig& config) {
  config.server.jwt = nullptr;
  config.jwt_source = {};
  const auto& jwt = config.jwt;
  if (jwt.keys.empty()) return {};
  const access::JwtOptions options{
      .algorithms = jwt.algorithms, .issuer = jwt.issuer, .audience = jwt.audience, .leeway = Duration{jwt.leeway_ms}};
  if (is_key_url(jwt.keys)) return read_key_source(config, options);
  struct stat file{};
  if (::stat(jwt.keys.c_str(), &file) != 0) return std::unexpected(system_error(ErrorCode::io_error, jwt.keys, errno));
  std::ifstream stream(jwt.keys, std::ios::binary);
  std::ostringstream text;
  if (!S_ISREG(file.st_mode) || file.st_size > static_cast<off_t>(access::kJwkSetBytesMax) || !(text << stream.rdbuf()))
    return failure(ErrorCode::io_error, fmt::format("{} is not a file of keys that can be read", jwt.keys),
                   fmt::format("it is a regular file of up to {} bytes", access::kJwkSetBytesMax));
  auto verifier = access::JwtVerifier::make(options, text.str());
  if (!verifier) return std::unexpected(within(jwt.keys, verifier.error()));
  config.server.jwt = std::move(*verifier);
  return {};
}

namespace {

Result<KnownKeys> open_known_keys(const std::string& path) {
  if (std::error_code none; !path.empty() && !std::filesystem::is_regular_file(path, none)) {
    return failure(ErrorCode::io_error, fmt::format("{} is not a file that can be read", path),
                   "policy.known_keys names a file as `folkmoot key trust` makes it");
  }
  return KnownKeys::open(path);
}

}  // namespace

Result<void> read_policy(ServerConfig& config) {
  config.server.demands = nullptr;
  config.server.engine.keys_kept_ms = {};
  const auto& policy = config.policy;
  if (policy.require_signature && policy.known_keys.empty()) {
    return failure(ErrorCode::invalid_field, "policy.require_signature is set, and policy.known_keys is not",
                   "make the file with `FOLKMOOT_KNOWN_KEYS=FILE folkmoot key trust AGENT KEY`, and name it");
  }
  if (policy.known_keys.empty() && !policy.require_encryption) return {};
  // As long as a signature is good whose signer's clock was ahead.
  const auto good_ms = policy.signature_age_ms + access::kSignerAheadMs;
  if (!policy.known_keys.empty() && good_ms > config.server.engine.keys_ms.ms) {
    return failure(ErrorCode::invalid_field, "policy.signature_age, and a minute, is longer than keys.window",
                   "a message that was sent before is told by its key as long as keys.window says: make it longer");
  }
  if (policy.require_signature) config.server.engine.keys_kept_ms = Duration{good_ms};
  auto known = open_known_keys(policy.known_keys);
  if (!known) return std::unexpected(std::move(known.error()));
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  // Who reads the settings again keeps what the server remembers (LiveSettings).
  auto nonces = std::make_shared<access::Nonces>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  config.server.demands =
      std::make_shared<const access::Demands>(std::move(*known),
                                              access::Demands::Asked{.sealed = policy.require_encryption,
                                                                     .is_signed = policy.require_signature,
                                                                     .age_ms = policy.signature_age_ms},
                                              std::move(nonces));
  return {};
}

namespace {

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

// As OpenTelemetry names it, likewise; unless that asks for another protocol than is spoken here.
Result<void> read_telemetry_environment(ServerConfig& config) {
  const auto set = [&](std::string_view name, const std::string& value) -> Result<void> {
    if (value.empty() || config.sources.contains(name)) return {};
    return set_config(config, name, value, SettingSource::environment);
  };
  auto protocol = variable("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL");
  if (protocol.empty()) protocol = variable("OTEL_EXPORTER_OTLP_PROTOCOL");
  if (variable("OTEL_SDK_DISABLED") == "true" || (!protocol.empty() && protocol != "http/json")) return {};
  auto endpoint = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
  if (endpoint.empty() && !variable("OTEL_EXPORTER_OTLP_ENDPOINT").empty()) {
    endpoint = variable("OTEL_EXPORTER_OTLP_ENDPOINT");
    endpoint += endpoint.ends_with('/') ? "v1/traces" : "/v1/traces";
  }
  auto headers = variable("OTEL_EXPORTER_OTLP_TRACES_HEADERS");
  if (headers.empty()) headers = variable("OTEL_EXPORTER_OTLP_HEADERS");
  if (auto done = set("traces.endpoint", endpoint); !done) return done;
  if (auto done = set("traces.headers", headers); !done) return done;
  return set("traces.service", variable("OTEL_SERVICE_NAME"));
}

}  // namespace

Result<void> read_config_environment(ServerConfig& config) {
  for (const auto& key : settings_table()) {
    const auto variable = variable_of(key.name);
    const char* const value = std::getenv(variable.c_str());
    if (value == nullptr || *value == '\0') continue;  // as scripts unset one: `FOLKMOOT_LISTEN= folkmoot serve`
    if (auto done = set_config(config, key.name, value, SettingSource::environment); !done) {
      return std::unexpected(within(variable, done.error()));
    }
  }
  // As other programs name it: it may be meant for them, and counts if nothing was said to folkmoot.
  const char* const database = std::getenv("DATABASE_URL");
  if (database != nullptr && *database != '\0' && !config.sources.contains("history.url")) {
    if (auto done = set_config(config, "history.url", database, SettingSource::environment); !done) return done;
  }
  return read_telemetry_environment(config);
}

namespace {

SettingSource source_of(const ServerConfig& config, std::string_view name) {
  const auto found = config.sources.find(name);
  return found == config.sources.end() ? SettingSource::builtin : found->second;
}

}  // namespace

std::vector<SettingRow> list_settings(const ServerConfig& in_force, const ServerConfig& latest) {
  static const ServerConfig kDefaults;
  std::vector<SettingRow> rows;
  for (const auto& key : settings_table()) {
    SettingRow row{.name = std::string(key.name),
                   .value = key.shown(in_force),
                   .source = source_of(in_force, key.name),
                   .changes_at_once = key.takes == Takes::at_once,
                   .default_value = key.shown(kDefaults),
                   .what = std::string(key.meaning)};
    if (key.value.show(latest) != key.value.show(in_force)) row.after_restart = key.shown(latest);
    rows.push_back(std::move(row));
  }
  return rows;
}

ReloadedSettings change_settings(ServerConfig& config, const ServerConfig& next) {
  ReloadedSettings out;
  for (const auto& key : settings_table()) {
    const auto to = key.value.show(next);
    const bool is_same = to == key.value.show(config);
    if (key.takes == Takes::restart && !is_same) {
      out.restart_needed.push_back({std::string(key.name), key.shown(config), key.shown(next)});
      continue;
    }
    config.sources[key.name] = source_of(next, key.name);
    if (is_same) continue;
    SettingChange change{std::string(key.name), key.shown(config), {}};
    const auto done = key.value.set(config, to);
    FOLKMOOT_ASSERT(done.has_value());  // it reads what it has written
    change.to = key.shown(config);
    out.changed.push_back(std::move(change));
  }
  return out;
}

std::string config_help() {
  static const ServerConfig kDefaults;
  std::string out;
  for (const auto& key : settings_table()) {
    out += fmt::format("  {:<32}{}: {}{}\n", key.name, key.shown(kDefaults), key.meaning,
                       key.takes == Takes::restart ? " (restart)" : "");
  }
  return out;
}

}  // namespace folkmoot
