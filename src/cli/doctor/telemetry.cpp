// What the server tells of itself: alarms, and the collector of its traces.
#include <fmt/format.h>

#include "cli/doctor/findings.hpp"
#include "cli/live_settings.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::string_view kAlarms = "alarms", kTraces = "traces";
constexpr std::chrono::milliseconds kPatience{3'000};

// No span at all, which a collector takes like any other number of them.
void examine_collector(const ServerConfig& config, Findings& findings) {
  const auto options = trace_options(config, config.server.port);
  const auto poster = Poster::make();
  if (!poster) return findings.warn(kTraces, poster.error().text, poster.error().advice);
  PostRequest request{.url = options.endpoint, .body = otlp_request(options.resource, {}), .headers = options.headers};
  request.headers.emplace_back("Content-Type: application/json");
  (*poster)->begin(1, std::move(request), {.timeout = kPatience, .local = true});
  PostOutcome outcome{.error = "it did not answer"};
  const auto until = std::chrono::steady_clock::now() + 2 * kPatience;
  while ((*poster)->under_way() > 0 && std::chrono::steady_clock::now() < until) {
    for (auto& ended : (*poster)->step(-1, std::chrono::milliseconds(100))) outcome = std::move(ended);
  }
  if (!outcome.error.empty()) {
    return findings.warn(kTraces, fmt::format("{}: {}", options.endpoint, outcome.error),
                         "start the collector, or set traces.endpoint otherwise; messages do not wait for it");
  }
  if (outcome.status < 200 || outcome.status > 299) {
    return findings.warn(kTraces, fmt::format("{} answers {}", options.endpoint, outcome.status),
                         "it must take OTLP over HTTP in JSON, most often at /v1/traces of port 4318; traces.headers "
                         "has what it wants to be shown");
  }
  findings.good(kTraces, fmt::format("{} takes spans", options.endpoint));
}

}  // namespace

void examine_telemetry(const ServerConfig& config, Findings& findings) {
  if (config.server.alerts.every_ms == 0)
    findings.warn(kAlarms, "the server raises none by itself (alerts.every is 0)",
                  "have its metrics watched: deploy/prometheus has rules for that");
  if (!config.traces.endpoint.empty()) examine_collector(config, findings);
}

}  // namespace folkmoot::cli
