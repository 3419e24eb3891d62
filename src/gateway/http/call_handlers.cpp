// Requests that are operations of the list (docs/protocol.md, section 14): under addresses of their own, which their
// rows name, and under one for all of them.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/nearest.hpp"
#include "gateway/http/answers.hpp"
#include "gateway/http/event_stream.hpp"
#include "gateway/http/fault.hpp"
#include "gateway/http/routes.hpp"
#include "gateway/json_answers.hpp"
#include "gateway/json_events.hpp"
#include "message/json_mapping.hpp"
#include "message/json_splice.hpp"
#include "message/operations.hpp"
#include "operation/fields.hpp"
#include "operation/json_codec.hpp"
#include "operation/operations.hpp"

namespace folkmoot {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kPatienceMax = 1h;  // of what takes its time; the client may go away sooner

// The body as a JSON object; nothing stands for none.
Result<std::string> object_of(Exchange& exchange) {
  if (exchange.request.body.empty()) return "{}";
  JsonDocument document;
  const auto value = read_body(exchange, document);
  if (!value) return std::unexpected(value.error());
  if (!value->is_object()) return failure(ErrorCode::malformed, "the body is not a JSON object");
  return json_of(*value);
}

Result<void> read_query(const OperationInfo& operation, const Target& target, void* arguments,
                        std::string_view in_path) {
  for (const auto& [name, value] : target.query) {
    const auto place = find_place(*operation.arguments, arguments, name);
    if (place.field == nullptr || place.field->name == in_path) {
      auto known = names(*operation.arguments);
      std::erase(known, in_path);
      return failure(ErrorCode::invalid_field,
                     fmt::format("`{}` is no parameter of {}; {}{}", name, operation.name,
                                 known.empty() ? "it has none" : fmt::format("it has {}", fmt::join(known, ", ")),
                                 did_you_mean(name, known)));
    }
    if (auto done = read_written(*place.field, place.at, value); !done) return done;
  }
  return {};
}

// Of GET and DELETE: what path and query say.
Result<std::shared_ptr<void>> struct_of_query(const Exchange& exchange, const OperationInfo& operation,
                                              std::string_view in_path) {
  auto arguments = operation.arguments->make();
  if (auto done = read_query(operation, exchange.request.target, arguments.get(), in_path); !done)
    return std::unexpected(done.error());
  if (const auto named = find_place(*operation.arguments, arguments.get(), in_path); named.field != nullptr) {
    if (auto done = read_written(*named.field, named.at, exchange.parameter); !done)
      return std::unexpected(done.error());
  }
  return std::shared_ptr<void>(std::move(arguments));
}

Result<std::string> arguments_of_query(const Exchange& exchange, const OperationInfo& operation,
                                       std::string_view in_path) {
  const auto arguments = struct_of_query(exchange, operation, in_path);
  if (!arguments) return std::unexpected(arguments.error());
  std::string out;
  JsonWriter writer(out);
  write_json(writer, *operation.arguments, arguments->get(), Sparse::everything);
  return out;
}

// Of the others: what path and body say. The server checks it, as it does for every door.
Result<std::string> arguments_of_body(Exchange& exchange, const OperationInfo& operation, std::string_view in_path) {
  const auto& request = exchange.request;
  if (!request.target.query.empty()) {
    return failure(ErrorCode::invalid_field, fmt::format("{} has its arguments in the body; `{}` stands in the query",
                                                         operation.name, request.target.query.front().first));
  }
  auto body = object_of(exchange);
  if (!body) return std::unexpected(body.error());
  if (!in_path.empty()) *body = with_json_field(in_path, exchange.parameter, *body);
  return body;
}

Result<std::string> arguments_of(Exchange& exchange, const OperationInfo& operation, std::string_view in_path) {
  const auto& method = exchange.request.head.method;
  return method == "GET" || method == "HEAD" || method == "DELETE" ? arguments_of_query(exchange, operation, in_path)
                                                                   : arguments_of_body(exchange, operation, in_path);
}

asio::awaitable<Answer> call(Exchange& exchange, const OperationInfo& operation, std::string arguments) {
  const auto request = exchange.link.number();
  std::string frames;
  append_call(frames, request, operation.name, arguments);
  const auto frame = co_await ask(exchange, request, std::move(frames), std::min(operation.patience, kPatienceMax));
  if (!frame) {
    if (exchange.link.is_interrupted()) {
      std::string end;
      append_cancel(end, exchange.link.number(), request);
      co_await exchange.link.send(std::move(end));
    }
    co_return error_answer(frame.error());
  }
  if (frame->header.opcode == Opcode::confirm) co_return published_answer(*frame);
  auto result = call_result(operation, frame->body);
  if (!result) co_return error_answer(result.error());
  co_return json_answer(200, std::move(*result));
}

// A page of a mailbox as a batch of CloudEvents. Where the next one begins is said in the header.
Result<Answer> page_as_events(std::string_view page) {
  JsonDocument document;
  const auto read = document.parse(page);
  if (!read) return std::unexpected(read.error());
  Answer answer;
  answer.content_type = kEventBatchType;
  JsonWriter json(answer.body);
  json.begin_array();
  JsonElement messages;
  if (read->at_key("messages").get(messages)) return failure(ErrorCode::malformed, "the page has no messages");
  for (const auto peeked : simdjson::dom::array(messages)) {
    JsonElement value;
    if (peeked.at_key("message").get(value)) continue;
    auto message = message_from_json(value);
    if (!message) return std::unexpected(std::move(message.error()));
    append_readable_event(json, *message);
  }
  json.end_array();
  std::string_view next;
  if (!read->at_key("next").get(next)) answer.headers.emplace_back("X-Next", next);
  return answer;
}

bool wants_events(const Exchange& exchange) {
  return exchange.operation->name == PeekMailbox::kOperation.name &&
         accepted_event_form(exchange.request.head.field("accept")) == EventForm::batched;
}

}  // namespace

asio::awaitable<Answer> carry_out_operation(Exchange& exchange) {
  const auto& operation = *exchange.operation;
  if (operation.name == ReadStream::kOperation.name && EventStream::wanted(exchange)) {
    const auto read = struct_of_query(exchange, operation, field_in_path(operation.http));
    if (!read) co_return error_answer(read.error());
    auto arguments = *static_cast<const ReadStream*>(read->get());
    co_return co_await tail_stream(exchange, std::move(arguments));
  }
  auto arguments = arguments_of(exchange, operation, field_in_path(operation.http));
  if (!arguments) co_return error_answer(arguments.error());
  auto answer = co_await call(exchange, operation, std::move(*arguments));
  if (answer.status != 200 || !wants_events(exchange)) co_return answer;
  auto events = page_as_events(answer.body);
  co_return events ? std::move(*events) : error_answer(events.error());
}

asio::awaitable<Answer> call_by_name(Exchange& exchange) {
  const auto* const operation = find_operation(exchange.parameter);
  if (operation == nullptr)
    co_return error_answer({ErrorCode::not_found, no_such_operation(exchange.parameter),
                            "`folkmoot describe` and GET /openapi.json list them"});
  auto arguments = arguments_of(exchange, *operation, {});
  if (!arguments) co_return error_answer(arguments.error());
  co_return co_await call(exchange, *operation, std::move(*arguments));
}

}  // namespace folkmoot
