#include "cli/live_settings.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "access/demands.hpp"
#include "server/data_folder.hpp"
#include "server/listen.hpp"

namespace folkmoot {
namespace {

std::string told(const std::vector<SettingChange>& changes) {
  std::string out;
  for (const auto& change : changes)
    out += fmt::format("{}{} ({} to {})", out.empty() ? "" : ", ", change.name, change.from, change.to);
  return out;
}

}  // namespace

GatewayOptions gateway_options(const ServerConfig& config) {
  auto options = config.gateway;
  options.software = "folkmoot/" + config.server.version;
  options.content_bytes_max = config.server.content.bytes_max;
  options.content_pace_bytes = config.server.content.pace_bytes;
  options.read_timeout = std::chrono::milliseconds(config.http_timeout_ms);
  options.idle_timeout = std::chrono::milliseconds(config.http_idle_ms);
  options.hello_timeout = std::chrono::milliseconds(config.server.login.timeout_ms);
  options.hosts.push_back(config.server.host);  // if it is a name
  return options;
}

WebhookOptions webhook_options(const ServerConfig& config) {
  const bool is_local = config.webhooks_local == WebhooksLocal::yes ||
                        (config.webhooks_local == WebhooksLocal::automatic && is_loopback(config.server.host));
  return {.timeout = std::chrono::milliseconds(config.webhooks_timeout_ms),
          .at_once = config.webhooks_at_once,
          .deliveries = config.webhooks_deliveries,
          .local = is_local,
          .history = config.server.history.store != HistoryOptions::Store::none,
          .software = "folkmoot/" + config.server.version,
          .failing_file = fmt::format("{}/{}", config.server.data, kFailingFile)};
}

TraceOptions trace_options(const ServerConfig& config, std::uint16_t port) {
  TraceOptions options{.endpoint = config.traces.endpoint,
                       .resource = {.service = config.traces.service,
                                    .version = config.server.version,
                                    .host = config.server.host,
                                    .port = port}};
  for (const auto& header : config.traces.headers) {
    const auto equals = header.find('=');
    options.headers.push_back(header.substr(0, equals) + ": " + header.substr(equals + 1));
  }
  return options;
}

LiveSettings::LiveSettings(ServerConfig in_force, std::string config_file, std::function<Result<ServerConfig>()> read,
                           Server& server, Gateway& gateway, Webhooks& webhooks, Deliveries& deliveries,
                           TraceExporter& traces, KeyFetcher& fetcher, LogSink& log)
    : in_force_(std::move(in_force)),
      latest_(in_force_),
      config_file_(std::move(config_file)),
      read_(std::move(read)),
      server_(server),
      gateway_(gateway),
      webhooks_(webhooks),
      deliveries_(deliveries),
      traces_(traces),
      fetcher_(fetcher),
      log_(log) {}

SettingsList LiveSettings::list() const {
  return {.settings = list_settings(in_force_, latest_), .config_file = config_file_};
}

Result<ReloadedSettings> LiveSettings::take() {
  auto read = read_();
  if (!read) return std::unexpected(read.error());
  auto next = in_force_;
  auto done = change_settings(next, *read);
  // What was fetched stays good, if nothing was said otherwise.
  if (read->jwt_source.verifier && read->jwt == in_force_.jwt) {
    read->jwt_source = in_force_.jwt_source;
    read->server.jwt = in_force_.server.jwt;
  }
  next.jwt_source = read->jwt_source;
  next.server.jwt = read->server.jwt;
  const auto& before = in_force_.server.demands;
  next.server.demands = read->server.demands && before ? read->server.demands->after(*before) : read->server.demands;
  next.server.engine.keys_kept_ms = read->server.engine.keys_kept_ms;  // which follows from the policy
  if (auto good = check_options(next.server, server_.has_accounts()); !good) return std::unexpected(good.error());
  if (auto opened = log_.direct(next.log); !opened) return std::unexpected(opened.error());
  if (auto good = server_.read_certificates(next.server); !good) return std::unexpected(good.error());
  set_log_level(next.log.level);
  server_.change(next.server);
  gateway_.change(gateway_options(next));
  webhooks_.change(webhook_options(next));
  traces_.change(trace_options(next, server_.port()));
  deliveries_.change(webhook_options(next));
  fetcher_.change(next.jwt_source);
  in_force_ = std::move(next);
  latest_ = std::move(*read);
  return done;
}

Result<ReloadedSettings> LiveSettings::reload() {
  auto done = take();
  if (!done) {
    (void)log_.direct(in_force_.log);  // whoever rotates it does not care
    spdlog::error("settings: nothing has changed: {}", done.error().describe());
    return done;
  }
  const auto where = config_file_.empty() ? std::string("there is no configuration file; ")
                                          : fmt::format("{} was read again; ", config_file_);
  spdlog::info("settings: {}{}", where,
               done->changed.empty() ? "nothing has changed" : fmt::format("changed: {}", told(done->changed)));
  if (!done->restart_needed.empty()) spdlog::warn("settings: restart needed for {}", told(done->restart_needed));
  return done;
}

}  // namespace folkmoot
