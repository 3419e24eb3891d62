// What works beside the server and is somebody else's: the endpoints that webhooks post to, and Redis.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "cli/bridge/redis_link.hpp"
#include "cli/doctor/findings.hpp"
#include "cli/live_settings.hpp"
#include "folkmoot/operations.hpp"
#include "folkmoot/sync.hpp"
#include "webhook/poster.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::string_view kWebhooks = "webhooks", kRedis = "redis";
constexpr std::chrono::milliseconds kReachedWithin{3'000};
constexpr std::uint32_t kEndpointsMost = 100;

// An endpoint, and whose it is: nobody's, if it was only asked about.
struct KnownEndpoint {
  std::string url, agent{};
};

std::string called(const KnownEndpoint& endpoint) {
  return endpoint.agent.empty() ? endpoint.url : fmt::format("{} (of {})", endpoint.url, endpoint.agent);
}

// Those of the server that runs on the data folder, if one does; a folder that nobody runs on is not opened here.
void ask_running_server(const ServerConfig& config, std::vector<KnownEndpoint>& endpoints, Findings& findings) {
  const auto& server = config.server;
  const auto socket = server.unix_socket.empty() ? server.data + "/folkmoot.sock" : server.unix_socket;
  std::error_code ignored;
  if (!std::filesystem::is_socket(socket, ignored)) return;
  SyncClient client({.address = "unix:" + socket,
                     .agent = "doctor",
                     .token = server.token,
                     .software = "doctor",
                     .connect_timeout = kReachedWithin,
                     .reconnect = false,
                     .request_timeout = kReachedWithin});
  const auto untold = [&](const Error& why) {
    findings.warn(kWebhooks, fmt::format("the server that runs does not tell its webhooks: {}", why.text),
                  "set FOLKMOOT_TOKEN to the key of an account that may observe, or name endpoints with --webhook");
  };
  if (const auto done = client.connect(); !done) {
    if (done.error().code == ErrorCode::unauthorized) untold(done.error());
    return;  // nobody is there
  }
  const auto page = client.call(ListWebhooks{.limit = kEndpointsMost});
  if (!page) return untold(page.error());
  for (const auto& one : page->webhooks) {
    if (one.state == "disabled") {
      findings.warn(kWebhooks,
                    fmt::format("{} of {} is disabled: {}", one.url, one.agent,
                                one.disabled_reason.empty() ? "no reason is given" : one.disabled_reason),
                    fmt::format("`folkmoot webhook enable {}` once it is well; its mail waits", one.agent));
    } else {
      endpoints.push_back({.url = one.url, .agent = one.agent});
    }
  }
  if (page->next.empty()) return;
  findings.warn(kWebhooks, fmt::format("there are more than {} webhooks: the rest was not looked at", kEndpointsMost),
                "`folkmoot webhook list` says how they go");
}

void tell_reached(const KnownEndpoint& endpoint, const PostOutcome& outcome, Findings& findings) {
  if (outcome.error.empty()) {
    return findings.good(kWebhooks,
                         fmt::format("{} can be reached{}", called(endpoint),
                                     endpoint.url.starts_with("https:") ? ", and its certificate is trusted" : ""));
  }
  findings.warn(kWebhooks, fmt::format("{}: {}", called(endpoint), outcome.error),
                outcome.failure == PostFailure::forbidden
                    ? "webhooks.local = \"yes\" lets them go there; so can then whoever may set a webhook"
                    : "start it, mend its certificate, or set another address; until then its mail waits");
}

// All at once; to each a connection alone, with TLS if its address says so: what is posted would be mail.
void reach_all(const ServerConfig& config, const std::vector<KnownEndpoint>& endpoints, Findings& findings) {
  const auto poster = Poster::make();
  if (!poster) return findings.warn(kWebhooks, poster.error().text, poster.error().advice);
  const PostLimits limits{.timeout = kReachedWithin, .local = webhook_options(config).local};
  for (std::size_t i = 0; i < endpoints.size(); ++i)
    (*poster)->begin(i, {.url = endpoints[i].url, .body = {}, .headers = {}, .only_connects = true}, limits);
  std::map<std::size_t, PostOutcome> outcomes;
  const auto until = std::chrono::steady_clock::now() + 2 * kReachedWithin;
  while (outcomes.size() < endpoints.size() && std::chrono::steady_clock::now() < until) {
    for (auto& ended : (*poster)->step(-1, std::chrono::milliseconds(100))) {
      const auto number = ended.number;
      outcomes[number] = std::move(ended);
    }
  }
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    auto& outcome = outcomes.try_emplace(i, PostOutcome{.error = "it did not answer"}).first->second;
    tell_reached(endpoints[i], outcome, findings);
  }
}

// What a setting of Redis is; empty if it does not say.
std::string setting_of(RedisLink& redis, std::string_view name) {
  const auto said = redis.ask({"CONFIG", "GET", name});
  return said && said->size() == 2 ? std::string(said->text_at(1)) : std::string();
}

}  // namespace

void examine_endpoints(const ServerConfig& config, const std::vector<std::string>& urls, Findings& findings) {
  std::vector<KnownEndpoint> endpoints;
  for (const auto& url : urls) endpoints.push_back({.url = url});
  ask_running_server(config, endpoints, findings);
  if (!endpoints.empty()) reach_all(config, endpoints, findings);
}

void examine_redis(Findings& findings) {
  const auto* const url = std::getenv("REDIS_URL");
  if (url == nullptr || *url == '\0') return;
  const auto address = read_redis_url(url);
  if (!address) return findings.warn(kRedis, "REDIS_URL: " + address.error().text, address.error().advice);
  auto redis = RedisLink::open(*address);
  if (!redis) {
    const auto& advice = redis.error().advice;
    return findings.warn(kRedis, redis.error().text, advice.empty() ? "start it, or set REDIS_URL otherwise" : advice);
  }
  const auto kept = setting_of(*redis, "appendonly"), synced = setting_of(*redis, "appendfsync");
  if (kept == "yes" && synced == "always")
    return findings.good(kRedis, fmt::format("{} answers, and has on disk what it has taken", address->called()));
  if (kept.empty())
    return findings.good(kRedis, fmt::format("{} answers; whether it has on disk what it has taken, it does not say",
                                             address->called()));
  findings.warn(kRedis,
                fmt::format("{} may lose mail that it has taken: appendonly is {}, appendfsync {}", address->called(),
                            kept, synced),
                "set them to yes and always there, or run the bridge with --lease (docs/redis.md)");
}

}  // namespace folkmoot::cli
