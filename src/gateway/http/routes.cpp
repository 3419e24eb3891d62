#include "gateway/http/routes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "base/nearest.hpp"
#include "gateway/asking.hpp"
#include "gateway/http/answers.hpp"
#include "gateway/http/shapes.hpp"
#include "gateway/http/store/shapes.hpp"
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
     .about = {.what = "Takes messages out of a mailbox; or, with to_agent_id, looks at them",
               .query = kShape<ReceiveQuery>,
               .answer = kShape<ReceivedMessages>,
               .others = kShape<StoredMessage>,
               .has_events = true}},
    {.method = "GET",
     .pattern = "/api/messages/{id}",
     .handler = show_receipt,
     .about = {.what = "How far a message is, and the attempts made at it", .answer = kShape<ReceiptAndAttempts>}},
    {.method = "PUT",
     .pattern = "/api/messages/{id}/status",
     .handler = settle_message,
     .about = {.what =
                   "Settles a message, gives it back, rejects it or prolongs its lease; without one settles what waits",
               .body = kShape<SettleBody>,
               .answer = kShape<SettledAnswer>}},
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
     .pattern = "/api/v1/agents/message",
     .handler = publish_gateway_message,
     .about = {.what = "Sends a message to an agent, as gateways of an older system had it",
               .body = kShape<GatewayMessage>,
               .answer = kShape<GatewayAnswer>}},
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

// A route with the words of its pattern; those with as many words as a path has are looked at, and no others.
struct Row {
  const HttpRoute* route;
  std::vector<std::string_view> words;
};

std::span<const Row> rows_of(std::size_t words) {
  static const auto by_length = [] {
    std::vector<std::vector<Row>> all;
    for (const auto& route : routes()) {
      Row row{&route, {}};
      for (std::size_t at = 0; at < route.pattern.size();) {
        const auto end = std::min(route.pattern.find('/', at + 1), route.pattern.size());
        row.words.push_back(route.pattern.substr(at + 1, end - at - 1));
        at = end;
      }
      if (all.size() <= row.words.size()) all.resize(row.words.size() + 1);
      all[row.words.size()].push_back(std::move(row));
    }
    return all;
  }();
  return words < by_length.size() ? std::span<const Row>(by_length[words]) : std::span<const Row>{};
}

bool matches(const Row& row, const std::vector<std::string>& path, const std::string*& parameter) {
  for (std::size_t i = path.size(); i-- > 0;) {  // the last words differ most
    if (row.words[i].starts_with('{')) {
      parameter = &path[i];
    } else if (row.words[i] != path[i]) {
      return false;
    }
  }
  return true;
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
  // HEAD is a GET of the header alone (RFC 9110, section 9.3.2).
  const auto row_method = method == "HEAD" ? std::string_view("GET") : method;
  const auto rows = rows_of(target.path.size());
  for (const auto& row : rows) {
    const std::string* parameter = nullptr;
    if (row.route->method != row_method || !matches(row, target.path, parameter)) continue;
    // A word says more than a parameter: /api/dead/redrive is no /api/dead/{id}.
    if (match.route != nullptr && parameter != nullptr) continue;
    match.route = row.route;
    match.parameter = parameter != nullptr ? *parameter : std::string();
    if (parameter == nullptr) break;
  }
  if (match.route != nullptr) return match;
  for (const auto& row : rows) {
    const std::string* parameter = nullptr;
    if (!matches(row, target.path, parameter)) continue;
    match.allowed.append(row.route->method).append(row.route->method == "GET" ? ", HEAD, " : ", ");
  }
  if (!match.allowed.empty()) match.allowed.append("OPTIONS");
  return match;
}

}  // namespace folkmoot
