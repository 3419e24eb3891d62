// Requests that are CALLs (docs/protocol.md, section 14) under addresses of their own, and the one address for all of
// them.
#include <fmt/format.h>

#include <algorithm>

#include "gateway/http/answers.hpp"
#include "gateway/http/routes.hpp"
#include "gateway/json_answers.hpp"
#include "message/json_document.hpp"
#include "message/operations.hpp"

namespace folkmoot {
namespace {

using namespace std::chrono_literals;

constexpr auto kRedriveTimeout = 1h;  // at a slow rate it takes its time; the client may go away sooner

std::string field_text(std::string_view name, std::string_view value) {
  std::string out;
  JsonWriter(out).begin_object().field(name, value).end_object();
  return out;
}

// `object` with one field in front, which wins over one of the same name.
std::string with_field(std::string_view name, std::string_view value, std::string_view object) {
  auto out = field_text(name, value);
  const auto rest = object.substr(1);
  out.back() = rest == "}" ? '}' : ',';
  return rest == "}" ? out : out.append(rest);
}

// The body as a JSON object without white space; nothing stands for none.
Result<std::string> object_of(const std::string& body) {
  if (body.empty()) return "{}";
  JsonDocument document;
  const auto value = document.parse(body);
  if (!value) return std::unexpected(value.error());
  if (!value->is_object()) return failure(ErrorCode::malformed, "the body is not a JSON object");
  return std::string(simdjson::minify(*value));
}

bool is_number(std::string_view text) {
  return !text.empty() && text.size() < 19 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// The parameters of a query as a JSON object: the server says which it does not know.
std::string arguments_of(const Target& target) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  for (const auto& [name, value] : target.query) {
    const bool is_plain = ((name == "limit" || name == "before") && is_number(value)) ||
                          ((name == "content" || name == "all") && (value == "true" || value == "false"));
    if (is_plain) {
      json.key(name).raw(value);
    } else {
      json.field(name, value);
    }
  }
  json.end_object();
  return out;
}

asio::awaitable<Answer> call(Exchange& exchange, std::string_view name, std::string arguments) {
  const auto request = exchange.link.number();
  const auto timeout = name == "dead.redrive" ? std::chrono::milliseconds(kRedriveTimeout) : kAnswerTimeout;
  std::string frames;
  append_call(frames, request, name, arguments);
  const auto frame = co_await ask(exchange, request, std::move(frames), timeout);
  if (!frame) {
    if (exchange.link.is_interrupted()) {
      std::string end;
      append_cancel(end, exchange.link.number(), request);
      co_await exchange.link.send(std::move(end));
    }
    co_return error_answer(frame.error());
  }
  if (frame->header.opcode == Opcode::confirm) co_return published_answer(*frame);
  auto result = call_result(call_answer(name), frame->body);
  if (!result) co_return error_answer(result.error());
  co_return json_answer(200, std::move(*result));
}

}  // namespace

asio::awaitable<Answer> cancel_message(Exchange& exchange) {
  co_return co_await call(exchange, "message.cancel", field_text("id", exchange.parameter));
}

asio::awaitable<Answer> list_dead(Exchange& exchange) {
  co_return co_await call(exchange, "dead.list", arguments_of(exchange.request.target));
}

asio::awaitable<Answer> purge_dead(Exchange& exchange) {
  co_return co_await call(exchange, "dead.purge", arguments_of(exchange.request.target));
}

asio::awaitable<Answer> show_dead(Exchange& exchange) {
  co_return co_await call(exchange, "dead.show", field_text("id", exchange.parameter));
}

asio::awaitable<Answer> resubmit_dead(Exchange& exchange) {
  const auto body = object_of(exchange.request.body);
  if (!body) co_return error_answer(body.error());
  co_return co_await call(exchange, "dead.resubmit", with_field("id", exchange.parameter, *body));
}

asio::awaitable<Answer> redrive_dead(Exchange& exchange) {
  const auto body = object_of(exchange.request.body);
  if (!body) co_return error_answer(body.error());
  co_return co_await call(exchange, "dead.redrive", *body);
}

asio::awaitable<Answer> list_schedules(Exchange& exchange) { co_return co_await call(exchange, "schedule.list", {}); }

asio::awaitable<Answer> set_schedule(Exchange& exchange) {
  auto body = object_of(exchange.request.body);
  if (!body) co_return error_answer(body.error());
  if (!exchange.request.agent.empty()) *body = with_field("from", exchange.request.agent, *body);
  co_return co_await call(exchange, "schedule.set", std::move(*body));
}

asio::awaitable<Answer> remove_schedule(Exchange& exchange) {
  co_return co_await call(exchange, "schedule.remove", field_text("name", exchange.parameter));
}

asio::awaitable<Answer> list_routes(Exchange& exchange) { co_return co_await call(exchange, "route.list", {}); }

asio::awaitable<Answer> set_route(Exchange& exchange) {
  auto body = object_of(exchange.request.body);
  if (!body) co_return error_answer(body.error());
  co_return co_await call(exchange, "route.set", std::move(*body));
}

asio::awaitable<Answer> remove_route(Exchange& exchange) {
  co_return co_await call(exchange, "route.remove", field_text("name", exchange.parameter));
}

asio::awaitable<Answer> show_cost(Exchange& exchange) {
  co_return co_await call(exchange, "conversation.cost", field_text("conversation", exchange.parameter));
}

asio::awaitable<Answer> call_by_name(Exchange& exchange) {
  if (exchange.parameter == "schedule.set") co_return co_await set_schedule(exchange);
  auto body = object_of(exchange.request.body);
  if (!body) co_return error_answer(body.error());
  // The connection to the server is everybody's: who asks has to be said.
  const auto& agent = exchange.request.agent;
  if (exchange.parameter == "agent.load" && !agent.empty()) *body = with_field("agent", agent, *body);
  co_return co_await call(exchange, exchange.parameter, std::move(*body));
}

}  // namespace folkmoot
