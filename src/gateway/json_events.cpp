#include "gateway/json_events.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gateway/http/head.hpp"
#include "gateway/json_messages.hpp"
#include "message/limits.hpp"

namespace folkmoot {
namespace {

bool is_same(std::string_view text, std::string_view lower) {
  return std::ranges::equal(text, lower, {}, [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : int{c}; });
}

// `q=0`, `q=0.0` and so on, among the parameters.
bool is_refused(std::string_view parameters) {
  while (!parameters.empty()) {
    const auto parameter = trimmed(parameters.substr(0, parameters.find(';')));
    parameters.remove_prefix(std::min(parameters.find(';'), parameters.size() - 1) + 1);
    if (!parameter.starts_with("q=0") && !parameter.starts_with("Q=0")) continue;
    if (parameter.substr(3).find_first_not_of(".0") == std::string_view::npos) return true;
  }
  return false;
}

Result<Message> read_event(const JsonElement& value, const EventAddress& target) {
  auto message = message_from_event(value);
  if (!message) return message;
  if (auto done = address_event(*message, target); !done) return std::unexpected(std::move(done.error()));
  return message;
}

}  // namespace

EventForm event_form(std::string_view media_type) {
  const auto word = trimmed(media_type.substr(0, media_type.find(';')));
  if (is_same(word, kEventType)) return EventForm::structured;
  if (is_same(word, kEventBatchType)) return EventForm::batched;
  return is_same(word, "application/cloudevents") ? EventForm::binary : EventForm::none;
}

EventForm accepted_event_form(std::string_view accept) {
  while (!accept.empty()) {
    const auto range = accept.substr(0, accept.find(','));
    accept.remove_prefix(std::min(range.size() + 1, accept.size()));
    const auto semicolon = std::min(range.find(';'), range.size());
    const auto form = event_form(range);
    if (form != EventForm::none && !is_refused(range.substr(semicolon))) return form;
  }
  return EventForm::none;
}

Result<std::vector<Message>> read_events(std::string_view text, bool is_batch, const EventAddress& target) {
  JsonDocument document;
  const auto value = document.parse(text, Vocabulary::cloud_events);
  if (!value) return std::unexpected(value.error());
  std::vector<Message> messages;
  if (!is_batch) {
    auto message = read_event(*value, target);
    if (!message) return std::unexpected(std::move(message.error()));
    messages.push_back(std::move(*message));
    return messages;
  }
  if (!value->is_array())
    return failure(ErrorCode::malformed, fmt::format("a batch of CloudEvents is a JSON array, not {}", shown(*value)));
  for (const auto element : simdjson::dom::array(*value)) {
    if (messages.size() == kBatchMessagesMax)
      return failure(ErrorCode::out_of_range, fmt::format("a batch has {} events at most", kBatchMessagesMax));
    auto message = read_event(element, target);
    if (!message) {
      auto error = std::move(message.error());
      error.text = fmt::format("event {} of the batch: {}", messages.size(), error.text);
      return std::unexpected(std::move(error));
    }
    messages.push_back(std::move(*message));
  }
  return messages;
}

void append_readable_event(JsonWriter& out, Message& message, const DeliveryHead& held) {
  (void)make_readable(message);  // what stays compressed says so
  append_event(out, message, held);
}

}  // namespace folkmoot
