#include "gateway/json_messages.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gateway/json_answers.hpp"
#include "message/compression.hpp"
#include "message/json_mapping.hpp"
#include "message/limits.hpp"
#include "message/packed_content.hpp"

namespace folkmoot {
namespace {

// How the sender wants the content compressed; empty: not at all.
Result<std::string_view> wanted_encoding(const JsonElement& object) {
  JsonElement value;
  if (object["compress"].get(value) || value.is_null()) return std::string_view{};
  bool flag = false;
  if (!value.get(flag)) return flag ? kZstd : std::string_view{};
  std::string_view word;
  if (!value.get(word) && (word == kZstd || word == kGzip)) return word;
  return failure(ErrorCode::invalid_field,
                 fmt::format("`compress` is {}; it may be true, false, zstd or gzip", shown(value)));
}

}  // namespace

Result<Message> read_message(const JsonElement& value, std::string_view from) {
  auto message = message_from_json(value);
  if (!message) return message;
  if (message->from.empty()) message->from = from;
  const auto encoding = wanted_encoding(value);
  if (!encoding) return std::unexpected(encoding.error());
  if (!encoding->empty()) pack_content(*message, *encoding);
  return message;
}

Result<std::vector<Message>> read_messages(const JsonElement& array, std::string_view what, std::string_view from) {
  std::vector<Message> messages;
  for (const auto element : simdjson::dom::array(array)) {
    auto message = read_message(element, from);
    if (!message)
      return failure(message.error().code, fmt::format("{} {}: {}", what, messages.size(), message.error().text));
    messages.push_back(std::move(*message));
    if (messages.size() > kBatchMessagesMax) break;
  }
  return messages;
}

std::vector<Result<Message>> read_each(const JsonElement& array, std::string_view from) {
  std::vector<Result<Message>> messages;
  for (const auto element : simdjson::dom::array(array)) {
    messages.push_back(read_message(element, from));
    if (messages.size() > kBatchMessagesMax) break;
  }
  return messages;
}

std::optional<Error> make_readable(Message& message, std::size_t bytes_max) {
  auto unpacked = unpack_content(message, bytes_max);
  if (unpacked) return std::nullopt;
  return std::move(unpacked.error());
}

namespace {

// A dead letter, or a list of them: as it is, but for messages with a compressed content.
void append_readable(JsonWriter& out, const JsonElement& object, std::size_t& room) {
  out.begin_object();
  for (const auto [name, value] : simdjson::dom::object(object)) {
    out.key(name);
    JsonElement ignored;
    const bool is_packed = name == "message" && !value["encoding"].get(ignored) && !value["content"].get(ignored);
    auto message = is_packed ? message_from_json(value) : Result<Message>(failure(ErrorCode::not_found, {}));
    if (message) {
      const auto error = make_readable(*message, std::min(room, kUnpackedBytesMax));
      room -= std::min(room, message->content.size());
      append_message(out, *message, error);
    } else if (name == "dead" && value.is_array()) {
      out.begin_array();
      for (const auto letter : simdjson::dom::array(value)) append_readable(out, letter, room);
      out.end_array();
    } else {
      out.raw(json_of(value));
    }
  }
  out.end_object();
}

}  // namespace

Result<std::string> readable_letters(std::string_view json) {
  if (json.find("\"encoding\"") == json.npos) return std::string(json);
  JsonDocument document;
  const auto value = document.parse(json);
  if (!value) return std::unexpected(value.error());
  if (!value->is_object()) return failure(ErrorCode::malformed, "the answer about dead letters is not a JSON object");
  std::string out;
  JsonWriter writer(out);
  std::size_t room = kUnpackedInAllMax;
  append_readable(writer, *value, room);
  return out;
}

void append_message_fields(JsonWriter& out, const Message& message, const std::optional<Error>& content_error) {
  append_json_fields(out, message);
  if (!content_error) return;
  out.key("content_error").begin_object();
  append_error_fields(out, *content_error);
  out.end_object();
}

void append_message(JsonWriter& out, const Message& message, const std::optional<Error>& content_error) {
  out.begin_object();
  append_message_fields(out, message, content_error);
  out.end_object();
}

}  // namespace folkmoot
