#include "gateway/http/answers.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/duration.hpp"
#include "gateway/json_answers.hpp"

namespace folkmoot {

asio::awaitable<Result<Frame>> ask(Exchange& exchange, std::uint32_t request, std::string frames,
                                   std::chrono::milliseconds timeout) {
  if (auto sent = co_await exchange.link.send(std::move(frames)); !sent) co_return std::unexpected(sent.error());
  co_return co_await exchange.link.answer(request, Clock::now() + timeout);
}

Result<std::uint32_t> duration_parameter(const Target& target, std::string_view name, std::uint32_t otherwise,
                                         std::uint32_t max) {
  if (!target.has(name)) return otherwise;
  const auto ms = parse_duration_ms(target.parameter(name));
  if (!ms) return failure(ms.error().code, fmt::format("`{}`: {}", name, ms.error().text));
  if (*ms > max) {
    return failure(ErrorCode::out_of_range, fmt::format("`{}` is {}; it may be up to {}", name, target.parameter(name),
                                                        format_duration_ms(max)));
  }
  return static_cast<std::uint32_t>(*ms);
}

Answer json_answer(int status, std::string body) {
  body += '\n';  // for whoever reads it in a terminal
  return {.status = status, .body = std::move(body)};
}

Answer published_answer(const Frame& frame) {
  const auto confirm = read_confirm(frame.body);
  if (!confirm) return error_answer(confirm.error());
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  append_confirm_fields(json, *confirm);
  json.end_object();
  return json_answer(201, std::move(body));
}

asio::awaitable<Answer> publish_message(Exchange& exchange, const Message& message) {
  const auto request = exchange.link.number();
  std::string frames;
  if (auto done = append_publish(frames, request, message); !done) co_return error_answer(done.error());
  const auto frame = co_await ask(exchange, request, std::move(frames));
  co_return frame ? published_answer(*frame) : error_answer(frame.error());
}

Answer error_answer(const Error& error) {
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  append_error_fields(json, error);
  json.end_object();
  auto answer = json_answer(http_status(error.code), std::move(body));
  if (answer.status == 401) answer.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (answer.status == 429 || answer.status == 503)
    answer.headers.emplace_back("Retry-After", std::to_string(std::max<std::uint16_t>(error.retry_after_s, 1)));
  return answer;
}

}  // namespace folkmoot
