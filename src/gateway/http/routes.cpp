#include "gateway/http/routes.hpp"

#include <array>

namespace folkmoot {
namespace {

constexpr HttpRoute kRoutes[] = {
    {"POST", "/api/messages", publish_messages},
    {"GET", "/api/messages", receive_messages, true},
    {"GET", "/api/messages/{id}", show_receipt},
    {"PUT", "/api/messages/{id}/status", settle_message},
    {"POST", "/api/messages/batch", publish_batch},
    {"POST", "/api/messages/{id}/complete", complete_message},
    {"DELETE", "/api/messages/{id}", cancel_message},
    {"GET", "/api/dead", list_dead},
    {"DELETE", "/api/dead", purge_dead},
    {"GET", "/api/dead/{id}", show_dead},
    {"POST", "/api/dead/{id}/resubmit", resubmit_dead},
    {"POST", "/api/dead/redrive", redrive_dead, true},
    {"GET", "/api/schedules", list_schedules},
    {"POST", "/api/schedules", set_schedule},
    {"DELETE", "/api/schedules/{name}", remove_schedule},
    {"GET", "/api/conversations/{name}/cost", show_cost},
    {"POST", "/api/call/{name}", call_by_name, true},
    {"GET", "/api/routes", list_routes},
    {"POST", "/api/routes", set_route},
    {"DELETE", "/api/routes/{name}", remove_route},
    {"POST", "/api/requests", ask_agents, true},
    {"POST", "/api/commands", command_agents, true},
    {"GET", "/api/events", subscribe_events, true},
    {"POST", "/message", request_agent, true},
    {"POST", "/api/content", store_content, false, true},
    {"GET", "/api/content/{hash}", fetch_content},
    {"HEAD", "/api/content/{hash}", fetch_content},
    {"GET", "/health", show_health},
    {"GET", "/metrics", show_metrics},
    {"GET", "/ws", want_upgrade, false, false, true},
};

constexpr auto kWords = [] {
  std::array<std::size_t, std::size(kRoutes)> words{};
  for (std::size_t i = 0; i < words.size(); ++i) {
    for (const char c : std::string_view(kRoutes[i].pattern)) words[i] += c == '/';
  }
  return words;
}();

bool matches(std::string_view pattern, const std::vector<std::string>& path, std::string& parameter) {
  std::size_t at = 0;
  for (const auto& word : path) {
    if (at >= pattern.size()) return false;
    const auto end = std::min(pattern.find('/', at + 1), pattern.size());
    const auto want = pattern.substr(at + 1, end - at - 1);
    if (want.starts_with('{')) {
      parameter = word;
    } else if (want != word) {
      return false;
    }
    at = end;
  }
  return at == pattern.size();
}

}  // namespace

std::span<const HttpRoute> routes() { return kRoutes; }

RouteMatch match_route(std::string_view method, const Target& target) {
  RouteMatch match;
  std::string parameter;
  for (std::size_t i = 0; i < kWords.size(); ++i) {
    const auto& route = kRoutes[i];
    if (kWords[i] != target.path.size() || route.method != method || !matches(route.pattern, target.path, parameter))
      continue;
    match.route = &route;
    match.parameter = parameter;
  }
  if (match.route != nullptr) return match;
  for (const auto& route : kRoutes) {
    if (matches(route.pattern, target.path, parameter)) match.allowed.append(route.method).append(", ");
  }
  if (!match.allowed.empty()) match.allowed.append("OPTIONS");
  return match;
}

}  // namespace folkmoot
