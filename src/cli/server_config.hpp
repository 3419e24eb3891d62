// A server's settings from the places they can stand in, each over the one before: defaults, a TOML file, the
// environment (FOLKMOOT_*), flags. docs/operations.md lists the keys.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "cli/log.hpp"
#include "folkmoot/operation/settings.hpp"
#include "gateway/gateway.hpp"
#include "issuer/key_fetcher.hpp"
#include "server/options.hpp"
#include "traces/exporter.hpp"
#include "webhook/deliveries.hpp"
#include "webhook/webhooks.hpp"

namespace folkmoot {

/// Whether webhooks may go to this machine and to private networks; automatic: if the server itself listens on loopback
/// alone, where only those can set them who are on this machine.
enum class WebhooksLocal : std::uint8_t { automatic, yes, no };

/// Whose tokens about accounts are taken (docs/security.md).
struct JwtConfig {
  std::string keys;  // path or URL of a JWK set; empty: nobody's
  std::string issuer, audience;
  std::vector<std::string> algorithms{"RS256", "ES256", "EdDSA"};
  std::int64_t leeway_ms = 30'000;
  std::int64_t refresh_ms = 3'600'000;  // how often keys are fetched, if it is a URL
  std::int64_t keep_ms = 86'400'000;    // how long they are good while it cannot be reached

  bool operator==(const JwtConfig&) const = default;
};

/// Where the key comes from that the journal is sealed with (docs/journal.md).
struct JournalKeyConfig {
  std::string file, command;  // at most one of them; none: it is not sealed
};

struct PolicyConfig {
  std::string known_keys;  // path of a file of known keys; empty: nobody is known or blocked
  bool require_signature = false;
  bool require_encryption = false;
  std::int64_t signature_age_ms = 300'000;
};

/// Where spans of traces are told.
struct TraceConfig {
  std::string endpoint;              // URL; empty: nowhere
  std::vector<std::string> headers;  // NAME=VALUE; secrets
  std::string service = "folkmoot";
};

struct ServerConfig {
  ServerOptions server;
  GatewayOptions gateway;
  std::int64_t http_timeout_ms = 30'000;
  std::int64_t http_idle_ms = 120'000;
  WebhooksLocal webhooks_local = WebhooksLocal::automatic;
  std::int64_t webhooks_timeout_ms = 10'000;
  std::uint32_t webhooks_at_once = 16;
  std::uint32_t webhooks_deliveries = 256;
  JwtConfig jwt;
  KeySource jwt_source{};  // where keys are fetched, and whom they are for, if jwt.keys is a URL
  PolicyConfig policy;
  JournalKeyConfig journal_key;
  TraceConfig traces;
  LogOptions log;
  std::map<std::string_view, SettingSource> sources{};  // of those that were set, by their names in the table
};

/// Sets one key as the file and the environment have it ("mailbox.max_messages", "1000000"). Errors: invalid_field,
/// out_of_range.
Result<void> set_config(ServerConfig& config, std::string_view key, const std::string& value, SettingSource source);
/// Reads a TOML file. Errors: io_error, malformed, and those of set_config, all naming the file and the key.
Result<void> read_config_file(ServerConfig& config, const std::string& path);
/// Reads FOLKMOOT_*: FOLKMOOT_MAILBOX_MAX_MESSAGES is mailbox.max_messages.
Result<void> read_config_environment(ServerConfig& config);
/// Whether each FOLKMOOT_... variable is one that the program knows. Errors: invalid_field, with the nearest one.
Result<void> check_environment();
/// Every setting with its value; `latest`: what a restart would take.
std::vector<SettingRow> list_settings(const ServerConfig& in_force, const ServerConfig& latest);
/// Gives `config` what `next` says of all settings that may change while the server runs, and tells what is different.
ReloadedSettings change_settings(ServerConfig& config, const ServerConfig& next);
/// Makes what verifies tokens, of the file that `jwt.keys` names, or without its keys if that is a URL; nothing if it
/// names none. Errors: io_error, and those of check_key_url() and JwtVerifier::make().
Result<void> read_jwt_keys(ServerConfig& config);
/// Makes what looks at messages, as `policy` says and with the file that `policy.known_keys` names; nothing if it asks
/// for nothing. Errors: invalid_field, and those of KnownKeys::open().
Result<void> read_policy(ServerConfig& config);
/// One line a key: name, default, meaning, and whether it takes a restart; for --help.
std::string config_help();

}  // namespace folkmoot
