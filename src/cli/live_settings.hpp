// The settings of a server that runs: read again on SIGHUP and when somebody asks for it, and put in force where that
// can be done. What cannot be read changes nothing.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cli/server_config.hpp"
#include "gateway/gateway.hpp"
#include "server/server.hpp"
#include "server/settings_keeper.hpp"

namespace folkmoot {

/// What the HTTP door is told of them.
GatewayOptions gateway_options(const ServerConfig& config);
/// What webhooks are told of them.
WebhookOptions webhook_options(const ServerConfig& config);

/// What the exporter of traces is told of them; `port`: that was taken.
TraceOptions trace_options(const ServerConfig& config, std::uint16_t port);

class LiveSettings final : public SettingsKeeper {
 public:
  /// `read`: all of them, from everywhere they may stand. `config_file`: empty if there is none. All must outlive it.
  LiveSettings(ServerConfig in_force, std::string config_file, std::function<Result<ServerConfig>()> read,
               Server& server, Gateway& gateway, Webhooks& webhooks, Deliveries& deliveries, TraceExporter& traces,
               KeyFetcher& fetcher, LogSink& log);

  // SettingsKeeper
  SettingsList list() const override;
  Result<ReloadedSettings> reload() override;

 private:
  Result<ReloadedSettings> take();

  ServerConfig in_force_, latest_;
  const std::string config_file_;
  const std::function<Result<ServerConfig>()> read_;
  Server& server_;
  Gateway& gateway_;
  Webhooks& webhooks_;
  Deliveries& deliveries_;
  TraceExporter& traces_;
  KeyFetcher& fetcher_;
  LogSink& log_;
};

}  // namespace folkmoot
