// The requests about the server itself.
#include <fmt/format.h>

#include "gateway/http/answers.hpp"
#include "gateway/http/metrics.hpp"
#include "gateway/http/routes.hpp"
#include "message/json_document.hpp"
#include "message/json_writer.hpp"
#include "message/operations.hpp"

namespace folkmoot {
namespace {

using namespace std::chrono_literals;

asio::awaitable<Result<std::string>> statistics(Exchange& exchange) {
  const auto request = exchange.link.number();
  std::string frames;
  append_stats(frames, request, {});
  if (auto sent = co_await exchange.link.send(std::move(frames)); !sent) co_return std::unexpected(sent.error());
  const auto frame = co_await exchange.link.answer(request, Clock::now() + 10s);
  if (!frame) co_return std::unexpected(frame.error());
  co_return std::string(as_text(frame->body));
}

template <class T>
T value_or(const simdjson::simdjson_result<JsonElement>& found, T otherwise) {
  T value = otherwise;
  if (found.get(value)) return otherwise;
  return value;
}

}  // namespace

asio::awaitable<Answer> show_health(Exchange& exchange) {
  const auto stats = co_await statistics(exchange);
  if (!stats) co_return error_answer(stats.error());
  JsonDocument document;
  const auto root = document.parse(*stats);
  if (!root) co_return error_answer(root.error());
  const auto server = value_or(root->at_key("server"), std::string_view{});
  const auto version = value_or(root->at_key("version"), std::string_view{});
  const auto uptime_ms = value_or(root->at_key("uptime_ms"), std::uint64_t{0});
  const bool accepts_durable = value_or(root->at_key("accepts_durable"), true);
  const auto refusal = value_or(root->at_pointer("/journal/refusal"), std::string_view{});
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("status", accepts_durable ? "ok" : "degraded");
  json.optional_field("server", server).optional_field("version", version).field("uptime_ms", uptime_ms);
  json.field("accepts_durable", accepts_durable);
  if (!accepts_durable) json.field("reason", fmt::format("the journal has no room: {}", refusal));
  json.end_object();
  co_return json_answer(accepts_durable ? 200 : 503, std::move(body));
}

// Probes are told the state and nothing else: whoever can reach the port may ask.
asio::awaitable<Answer> show_alive(Exchange&) { co_return json_answer(200, R"({"status":"ok"})"); }

asio::awaitable<Answer> show_ready(Exchange& exchange) {
  if (exchange.is_ready) co_return json_answer(200, R"({"status":"ok"})");
  auto answer = json_answer(503, R"({"status":"not_ready"})");
  answer.headers.emplace_back("Retry-After", "1");
  co_return answer;
}

asio::awaitable<Answer> show_metrics(Exchange& exchange) {
  const auto stats = co_await statistics(exchange);
  if (!stats) co_return error_answer(stats.error());
  const auto format = wanted_format(exchange.request.head.field("accept"));
  auto text = metrics_text(*stats, format, exchange.options.metrics_mailboxes_max);
  if (!text) co_return error_answer(text.error());
  Answer answer;
  answer.body = std::move(*text);
  answer.content_type = content_type(format);
  answer.headers.emplace_back("Vary", "Accept");
  co_return answer;
}

asio::awaitable<Answer> want_upgrade(Exchange&) {
  Answer answer = error_answer({ErrorCode::malformed, "this address speaks WebSocket; ask for an upgrade"});
  answer.status = 426;
  answer.headers.emplace_back("Upgrade", "websocket");
  co_return answer;
}

}  // namespace folkmoot
