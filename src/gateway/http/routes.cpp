#include "gateway/http/routes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "base/nearest.hpp"
#include "gateway/asking.hpp"
#include "gateway/http/answers.hpp"
#include "gateway/http/shapes.hpp"
#include "operation/fields.hpp"
#include "operation/operations.hpp"

namespace folkmoot {
namespace {

template <class T>
constexpr const StructInfo* kShape = &describe<T>();

const HttpRoute kRoutes[] = {
    {.method = "POST",
     .pattern = "/api/messages",
     .handler = publish_messages,
     .takes_events = true,
     .about = {.what = "Publishes a message, or a list of them; or CloudEvents",
               .query = kShape<EventAddressQuery>,
               .answer = kShape<PublishedMessage>,
               .body_shape = "messages",
               .status = 201}},
    {.method = "GET",
     .pattern = "/api/messages",
     .handler = receive_messages,
     .may_wait = true,
     .takes = true,
     .about = {.what = "Takes messages out of a mailbox",
               .query = kShape<ReceiveQuery>,
               .answer = kShape<ReceivedMessages>,
               .has_events = true}},
    {.method = "GET",
     .pattern = "/api/messages/{id}",
     .handler = show_receipt,
     .about = {.what = "How far a message is, and the attempts made at it", .answer = kShape<ReceiptAndAttempts>}},
    {.method = "PUT",
     .pattern = "/api/messages/{id}/status",
     .handler = settle_message,
     .about = {.what = "Settles a message, gives it back, rejects it or prolongs its lease",
               .body = kShape<SettleBody>,
               .answer = kShape<IdAndStatus>}},
    {.method = "POST",
     .pattern = "/api/messages/batch",
     .handler = publish_batch,
     .about = {.what = "Publishes several messages, each for itself or all or none",
               .body = kShape<BatchBody>,
               .answer = kShape<BatchResults>}},
    {.method = "POST",
     .pattern = "/api/messages/{id}/complete",
     .handler = complete_message,
     .about = {.what = "Settles a message and publishes what came of it, both or neither",
               .body = kShape<CompleteBody>,
               .answer = kShape<CompletedMessage>}},
    {.method = "POST",
     .pattern = "/api/call/{name}",
     .handler = call_by_name,
     .may_wait = true,
     .about = {.what = "Any operation by its name", .body_shape = "arguments"}},
    {.method = "POST",
     .pattern = "/api/requests",
     .handler = ask_agents,
     .may_wait = true,
     .about = {.what = "Asks one agent or several, and waits for their answers",
               .body = kShape<AskBody>,
               .answer = kShape<OneAnswer>,
               .other = kShape<ManyAnswers>,
               .is_told = true}},
    {.method = "POST",
     .pattern = "/api/commands",
     .handler = command_agents,
     .may_wait = true,
     .about = {.what = "Has one agent or several do something",
               .body = kShape<CommandBody>,
               .answer = kShape<OneAnswer>,
               .other = kShape<ManyAnswers>,
               .is_told = true}},
    {.method = "GET",
     .pattern = "/api/events",
     .handler = subscribe_events,
     .may_wait = true,
     .about = {.what = "The events of a topic pattern, as they come",
               .query = kShape<EventsQuery>,
               .answer_type = "text/event-stream",
               .is_told = true}},
    {.method = "POST",
     .pattern = "/api/events",
     .handler = publish_events,
     .takes_events = true,
     .about = {.what = "Publishes CloudEvents: one, or a batch",
               .query = kShape<EventAddressQuery>,
               .answer = kShape<PublishedMessage>,
               .body_shape = "events",
               .status = 201}},
    {.method = "POST",
     .pattern = "/message",
     .handler = request_agent,
     .may_wait = true,
     .about = {.what = "A request to an agent that is there, and its response if that is waited for",
               .query = kShape<WaitQuery>,
               .answer = kShape<OneAnswer>,
               .body_shape = "message",
               .is_told = true}},
    {.method = "POST",
     .pattern = "/api/content",
     .handler = store_content,
     .is_streamed = true,
     .about = {.what = "Stores a content that messages may refer to",
               .query = kShape<HashQuery>,
               .answer = kShape<StoredContent>,
               .body_shape = "bytes",
               .status = 201}},
    {.method = "GET",
     .pattern = "/api/content/{hash}",
     .handler = fetch_content,
     .about = {.what = "A stored content, or a range of it", .answer_type = "application/octet-stream"}},
    {.method = "GET",
     .pattern = "/health",
     .handler = show_health,
     .about = {.what = "Whether it takes durable messages",
               .answer = kShape<HealthAnswer>,
               .unable = "It refuses durable messages"}},
    {.method = "GET",
     .pattern = "/health/live",
     .handler = show_alive,
     .is_open = true,
     .about = {.what = "Whether it answers at all: for a probe, which needs no token", .answer = kShape<ProbeAnswer>}},
    {.method = "GET",
     .pattern = "/health/ready",
     .handler = show_ready,
     .is_open = true,
     .about = {.what = "Whether it takes whatever is sent to it: for a probe, which needs no token",
               .answer = kShape<ProbeAnswer>,
               .unable = "It refuses durable messages, or is being stopped"}},
    {.method = "GET",
     .pattern = "/metrics",
     .handler = show_metrics,
     .about = {.what = "Metrics for Prometheus", .answer_type = "text/plain"}},
    {.method = "GET",
     .pattern = "/openapi.json",
     .handler = show_openapi,
     .about = {.what = "This document: OpenAPI 3.1"}},
    {.method = "GET",
     .pattern = "/asyncapi.json",
     .handler = show_asyncapi,
     .about = {.what = "What is said on WebSockets in JSON: AsyncAPI 3.0"}},
    {.method = "GET",
     .pattern = "/ws",
     .handler = want_upgrade,
     .is_upgrade = true,
     .about = {.what = "Becomes a WebSocket", .query = kShape<UpgradeQuery>, .answer_type = "", .status = 101}},
};

// What has to be written by hand, and a row for each operation that says its own method and path.
std::vector<HttpRoute> all_routes() {
  std::vector<HttpRoute> all(std::begin(kRoutes), std::end(kRoutes));
  for (const auto& operation : operations()) {
    if (operation.http.empty()) continue;
    const auto blank = operation.http.find(' ');
    all.push_back({.method = operation.http.substr(0, blank),
                   .pattern = operation.http.substr(blank + 1),
                   .handler = carry_out_operation,
                   .may_wait = operation.patience > kAnswerTimeout,
                   .operation = &operation});
  }
  return all;
}

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

std::span<const HttpRoute> routes() {
  static const auto all = all_routes();
  return all;
}

std::string_view field_in_path(std::string_view pattern) {
  const auto begin = pattern.find('{');
  return begin == pattern.npos ? std::string_view{} : pattern.substr(begin + 1, pattern.find('}') - begin - 1);
}

Result<void> check_query(const HttpRoute& route, const Target& target) {
  if (route.operation != nullptr || route.handler == call_by_name) return {};  // read, and checked, by their fields
  const auto& query = route.about.query != nullptr ? *route.about.query : describe<NoFields>();
  for (const auto& [name, value] : target.query) {
    if (find_place(query, nullptr, name).field != nullptr) continue;
    const auto known = names(query);
    return failure(ErrorCode::invalid_field,
                   fmt::format("`{}` is no parameter of {} {}; {}{}", name, route.method, route.pattern,
                               known.empty() ? "it has none" : fmt::format("it has {}", fmt::join(known, ", ")),
                               did_you_mean(name, known)));
  }
  return {};
}

RouteMatch match_route(std::string_view method, const Target& target) {
  RouteMatch match;
  std::string parameter;
  // HEAD is a GET of the header alone (RFC 9110, section 9.3.2).
  const auto row_method = method == "HEAD" ? std::string_view("GET") : method;
  for (const auto& route : routes()) {
    parameter.clear();
    if (route.method != row_method || !matches(route.pattern, target.path, parameter)) continue;
    // A word says more than a parameter: /api/dead/redrive is no /api/dead/{id}.
    if (match.route != nullptr && route.pattern.contains('{')) continue;
    match.route = &route;
    match.parameter = parameter;
  }
  if (match.route != nullptr) return match;
  for (const auto& route : routes()) {
    if (!matches(route.pattern, target.path, parameter)) continue;
    match.allowed.append(route.method).append(route.method == "GET" ? ", HEAD, " : ", ");
  }
  if (!match.allowed.empty()) match.allowed.append("OPTIONS");
  return match;
}

}  // namespace folkmoot
