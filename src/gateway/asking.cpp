#include "gateway/asking.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gateway/json_answers.hpp"
#include "message/json_mapping.hpp"
#include "message/limits.hpp"

namespace folkmoot {
namespace {

// Fills `into.recipients` and `is_many` from a name or a list of names.
void read_recipients(JsonFields& fields, Asking& into) {
  const auto value = fields.find("to");
  if (!value) return;
  into.is_many = value->is_array();
  if (!into.is_many) {
    into.recipients.emplace_back(fields.text("to"));
    return;
  }
  for (const auto element : simdjson::dom::array(*value)) {
    std::string_view name;
    if (element.get(name)) return fields.refuse(ErrorCode::invalid_field, "`to` is a name, or a list of names");
    into.recipients.emplace_back(name);
    if (into.recipients.size() > kGatherMax) return;  // refused by check_gather()
  }
}

void read_need(JsonFields& fields, Asking& into) {
  const auto value = fields.find("need");
  if (!value) return;
  std::string_view word;
  const auto need =
      value->get(word) ? std::optional<std::size_t>(fields.number("need", 1, 1, kGatherMax)) : parse_need(word);
  if (!need)
    return fields.refuse(ErrorCode::invalid_field,
                         fmt::format("`need` is {}; it may be first, all or a number", shown(*value)));
  into.need = *need;
}

// What requests and commands have alike, once their messages are there.
Result<Asking> checked(JsonFields& fields, Asking asking) {
  read_need(fields, asking);
  asking.timeout_ms = fields.duration_ms("timeout_ms", asking.timeout_ms);
  if (asking.timeout_ms == 0 || asking.timeout_ms > kAskTimeoutMsMax)
    fields.refuse(ErrorCode::out_of_range, "`timeout_ms` may be 1 ms to 1 hour");
  if (auto good = fields.result(); !good) return std::unexpected(good.error());
  if (auto good = check_gather(asking.size(), asking.need); !good) return std::unexpected(good.error());
  std::size_t bytes = 0;
  for (const auto& message : asking.messages)
    bytes += message.content.size() * (asking.messages.size() == 1 ? asking.size() : 1);
  if (bytes > kAskedBytesMax) {
    return failure(
        ErrorCode::content_too_large,
        fmt::format("the requests would have {} bytes of content in all; {} are the most", bytes, kAskedBytesMax));
  }
  return asking;
}

// The one message of all goes to `to`, or to where it says itself.
Asking with_message(Asking asking, Message message) {
  if (asking.recipients.empty() && !asking.is_many) asking.recipients.push_back(message.to);
  asking.messages.push_back(std::move(message));
  return asking;
}

}  // namespace

std::span<const AskingWord> asking_words() {
  static constexpr AskingWord kWords[] = {
      {"request_many", "Asks several agents, and gathers their answers", &describe<AskBody>(), read_request},
      {"command", "Has one agent or several do something", &describe<CommandBody>(), read_command},
  };
  return kWords;
}

Result<Asking> read_request(JsonFields& fields, std::string_view from) {
  Asking asking;
  asking.with_status = fields.flag("stream");
  if (const auto list = fields.find("messages")) {
    if (!list->is_array()) return failure(ErrorCode::invalid_field, "`messages` must be an array of messages");
    auto messages = read_messages(*list, "message", from);
    if (!messages) return std::unexpected(messages.error());
    asking.is_many = true;
    asking.messages = std::move(*messages);
    for (const auto& message : asking.messages) asking.recipients.push_back(message.to);
    return checked(fields, std::move(asking));
  }
  const auto given = fields.find("message");
  if (!given) return failure(ErrorCode::invalid_field, "`message` is missing");
  auto message = read_message(*given, from);
  if (!message) return std::unexpected(message.error());
  read_recipients(fields, asking);
  return checked(fields, with_message(std::move(asking), std::move(*message)));
}

Result<Asking> read_command(JsonFields& fields, std::string_view from) {
  Asking asking;
  asking.with_status = true;
  const auto name = fields.required_text("command");
  std::string_view parameters = "{}";
  if (const auto given = fields.find("parameters")) parameters = content_text(*given).value_or(std::string_view());
  if (!parameters.starts_with('{')) fields.refuse(ErrorCode::invalid_field, "`parameters` must be an object");
  read_recipients(fields, asking);
  if (auto good = fields.result(); !good) return std::unexpected(good.error());
  Message message;
  if (const auto given = fields.find("message")) {
    auto read = read_message(*given, from);
    if (!read) return std::unexpected(read.error());
    message = std::move(*read);
  }
  if (message.from.empty()) message.from = from;
  message.type = "command";
  message.content_type = "application/json";
  message.encoding.clear();
  message.content = command_content(name, parameters);
  return checked(fields, with_message(std::move(asking), std::move(message)));
}

Result<void> append_asked(std::string& out, std::uint32_t number, const Asking& asking, std::size_t index) {
  const auto flags = asking.with_status ? kFlagStream : std::uint8_t{0};
  if (asking.messages.size() > 1) return append_request(out, number, asking.messages[index], asking.timeout_ms, flags);
  auto message = asking.messages.front();
  message.to = asking.recipients[index];
  return append_request(out, number, message, asking.timeout_ms, flags);
}

Responses::Responses(const Asking& asking)
    : recipients_(asking.recipients), open_(asking.size(), true), gather_(asking.size(), asking.need) {}

void Responses::answered(std::size_t index, const Message& answer) {
  close(index);
  ++answers_;
  gather_.answered(answer);
}

void Responses::failed(std::size_t index, Error why) {
  close(index);
  gather_.failed();
  missing_.push_back({index, std::move(why)});
}

std::vector<std::size_t> Responses::end(const Error& why) {
  std::vector<std::size_t> rest;
  for (std::size_t i = 0; i < open_.size(); ++i) {
    if (!open_[i]) continue;
    close(i);
    rest.push_back(i);
    missing_.push_back({i, why});
  }
  return rest;
}

const Error& Responses::why(std::size_t index) const {
  return std::ranges::find(missing_, index, &Missing::index)->why;
}

void Responses::append_end_fields(JsonWriter& out) const {
  out.field("enough", has_enough()).field("answers", answers_).key("missing").begin_array();
  for (const auto& [index, why] : missing_) {
    out.begin_object().field("index", index).field("recipient", recipients_[index]);
    append_error_fields(out, why);
    out.end_object();
  }
  out.end_array();
}

}  // namespace folkmoot
