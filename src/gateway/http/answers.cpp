#include "gateway/http/answers.hpp"

#include "gateway/json_answers.hpp"

namespace folkmoot {

asio::awaitable<Result<Frame>> ask(Exchange& exchange, std::uint32_t request, std::string frames, std::chrono::milliseconds timeout) {
  if (auto sent = co_await exchange.link.send(std::move(frames)); !sent) co_return std::unexpected(sent.error());
  co_return co_await exchange.link.answer(request, Clock::now() + timeout);
}

Answer json_answer(int status, std::string body) { return {.status = status, .body = std::move(body)}; }

Answer published_answer(const Frame& frame) {
  const auto confirm = read_confirm(frame.body);
  if (!confirm) return error_answer(confirm.error());
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  append_confirm_fields(json, *confirm);
  json.field("status", store_status(*confirm)).end_object();
  return json_answer(201, std::move(body));
}

Answer error_answer(const Error& error) {
  Answer answer{.status = http_status(error.code), .body = {}};
  JsonWriter json(answer.body);
  json.begin_object();
  append_error_fields(json, error);
  json.end_object();
  if (answer.status == 401) answer.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (answer.status == 429 || answer.status == 503) answer.headers.emplace_back("Retry-After", "1");
  return answer;
}

}  // namespace folkmoot
