// POST of CloudEvents (HTTP Protocol Binding 1.0.2): in their three forms, to a topic or a mailbox.
#include <fmt/format.h>

#include <algorithm>

#include "gateway/http/answers.hpp"
#include "gateway/http/cloud_events.hpp"
#include "gateway/http/routes.hpp"
#include "gateway/http/trace_context.hpp"
#include "gateway/json_answers.hpp"
#include "gateway/json_events.hpp"
#include "message/operations.hpp"

namespace folkmoot {
namespace {

// Where the events go, as the query says.
Result<EventAddress> target_of(const Target& query) {
  EventAddress target{.topic = query.parameter("topic"), .to = query.parameter("to")};
  if (query.has("mode")) {
    target.mode = parse_mode(query.parameter("mode"));
    if (!target.mode)
      return failure(ErrorCode::out_of_range, "`mode` may be at_most_once, at_least_once or exactly_once");
  }
  if (auto good = check_address(target); !good) return std::unexpected(std::move(good.error()));
  return target;
}

Result<std::vector<Message>> read_events_of(const HttpRequest& request, EventForm form, const EventAddress& target) {
  if (form != EventForm::binary) return read_events(request.body, form == EventForm::batched, target);
  auto message = message_from_event_fields(request.head.fields, request.body);
  if (!message) return std::unexpected(std::move(message.error()));
  if (auto done = address_event(*message, target); !done) return std::unexpected(std::move(done.error()));
  std::vector<Message> messages;
  messages.push_back(std::move(*message));
  return messages;
}

Answer wrong_format(std::string_view type) {
  auto answer =
      error_answer({ErrorCode::invalid_field,
                    fmt::format("`{}` is no format of CloudEvents that is understood here", type.substr(0, 100)),
                    fmt::format("send {}, {}, or the attributes in the header", kEventType, kEventBatchType)});
  answer.status = 415;
  return answer;
}

// The first that was refused, of those that stand for themselves.
Answer batch_answer(const Frame& frame) {
  const auto results = read_batch_results(frame.body);
  if (!results) return error_answer(results.error());
  const auto refused = std::ranges::find_if(*results, [](const auto& result) { return !result; });
  if (refused != results->end()) {
    const auto sent = std::ranges::count_if(*results, [](const auto& result) { return result.has_value(); });
    auto error = refused->error();
    error.text = fmt::format("event {} of the batch: {}; {} of {} were published", refused - results->begin(),
                             error.text, sent, results->size());
    return error_answer(error);
  }
  std::string body;
  JsonWriter json(body);
  bool all_done = true;
  if (auto done = append_batch_results(json, frame.body, all_done); !done) return error_answer(done.error());
  return json_answer(200, std::move(body));
}

// Into a mailbox all or none; events on topics are nobody's to take back.
asio::awaitable<Answer> publish_batch_of(Exchange& exchange, std::span<const Message> messages, bool is_atomic) {
  if (messages.empty()) co_return json_answer(200, "[]");
  const auto request = exchange.link.number();
  std::string frames;
  if (auto done = append_publish_batch(frames, request, messages, is_atomic ? kFlagAtomic : 0); !done)
    co_return error_answer(done.error());
  const auto frame = co_await ask(exchange, request, std::move(frames));
  co_return frame ? batch_answer(*frame) : error_answer(frame.error());
}

}  // namespace

std::optional<EventForm> posted_event_form(const RequestHead& head) {
  const auto type = head.field("content-type");
  const auto form = event_form(type);
  if (form == EventForm::structured || form == EventForm::batched) return form;
  if (lower_case(type).starts_with("application/cloudevents")) return EventForm::none;
  if (head.count(kEventVersionField) > 0) return EventForm::binary;
  return std::nullopt;
}

asio::awaitable<Answer> publish_events(Exchange& exchange) {
  const auto& request = exchange.request;
  const auto form = posted_event_form(request.head);
  if (!form) {
    co_return error_answer({ErrorCode::invalid_field,
                            fmt::format("this is no CloudEvent: Content-Type is not {}, and there is no header `{}`",
                                        kEventType, kEventVersionField),
                            "messages that are no CloudEvents go to POST /api/messages"});
  }
  if (*form == EventForm::none) co_return wrong_format(request.head.field("content-type"));
  const auto target = target_of(request.target);
  if (!target) co_return error_answer(target.error());
  exchange.is_body_read = *form != EventForm::binary;
  auto messages = read_events_of(request, *form, *target);
  if (!messages) co_return error_answer(messages.error());
  for (auto& message : *messages) message.from = request.agent;
  give_trace(request.head, *messages);
  if (*form == EventForm::batched) co_return co_await publish_batch_of(exchange, *messages, !target->to.empty());
  co_return co_await publish_message(exchange, messages->front());
}

}  // namespace folkmoot
