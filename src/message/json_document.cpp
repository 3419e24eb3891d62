#include "message/json_document.hpp"

#include <fmt/format.h>

#include "base/utf8.hpp"
#include "message/json_text.hpp"
#include "message/json_writer.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kKeptBytes = 64 * 1024;  // of a copy that was made for a text

Error of_parser(simdjson::error_code error) {
  if (error == simdjson::DEPTH_ERROR)
    return {ErrorCode::out_of_range, fmt::format("the JSON text is nested deeper than {}", kJsonDepthMax)};
  return {ErrorCode::malformed, fmt::format("this is not JSON: {}", simdjson::error_message(error))};
}

void append_text(JsonWriter& out, const JsonElement& value, bool in_metadata) {
  if (value.is_array()) {
    out.begin_array();
    for (const auto element : simdjson::dom::array(value)) append_text(out, element, in_metadata);
    out.end_array();
  } else if (value.is_object()) {
    out.begin_object();
    for (const auto [name, member] : simdjson::dom::object(value)) {
      const auto content = !in_metadata && is_content_field(name) ? content_text(member) : std::nullopt;
      out.key(name);
      if (content) {
        out.raw(*content);
      } else {
        append_text(out, member, in_metadata || is_metadata_field(name));
      }
    }
    out.end_object();
  } else {
    out.raw(std::string(simdjson::minify(value)));
  }
}

}  // namespace

Result<void> JsonDocument::make_room(std::size_t bytes) {
  if (parser_.max_depth() == kJsonDepthMax && parser_.capacity() >= bytes) return {};
  if (auto error = parser_.allocate(std::max<std::size_t>(bytes, 1024), kJsonDepthMax))
    return failure(ErrorCode::busy, fmt::format("no memory to read JSON: {}", simdjson::error_message(error)));
  return {};
}

Result<JsonElement> JsonDocument::parse(std::string_view text, Vocabulary vocabulary) {
  if (text.size() > kJsonTextBytesMax) {
    return failure(ErrorCode::content_too_large,
                   fmt::format("the JSON text is {} bytes; {} is the most", text.size(), kJsonTextBytesMax));
  }
  std::optional<Error> refused;
  for (const bool is_doubted : {false, true}) {
    const auto exposed = expose_contents(text, copy_, is_doubted, vocabulary);
    if (!exposed) return std::unexpected(exposed.error());
    if (auto room = make_room(exposed->size()); !room) return std::unexpected(std::move(room.error()));
    JsonElement root;
    const auto error = parser_.parse(exposed->data(), exposed->size()).get(root);
    if (copy_.capacity() > kKeptBytes) copy_ = std::string();  // elements do not point into it
    if (!error) return root;
    refused = of_parser(error);
    if (error == simdjson::DEPTH_ERROR) break;
  }
  return std::unexpected(std::move(*refused));
}

Result<JsonElement> JsonDocument::parse_content(std::string_view text) {
  if (text.size() > kJsonTextBytesMax) {
    return failure(ErrorCode::content_too_large,
                   fmt::format("the JSON text is {} bytes; {} is the most", text.size(), kJsonTextBytesMax));
  }
  if (auto room = make_room(text.size()); !room) return std::unexpected(std::move(room.error()));
  JsonElement root;
  if (!parser_.parse(text.data(), text.size()).get(root)) return root;
  const auto readable = readable_json(text, copy_);
  if (!readable) return std::unexpected(readable.error());
  if (auto room = make_room(readable->size()); !room) return std::unexpected(std::move(room.error()));
  const auto error = parser_.parse(readable->data(), readable->size()).get(root);
  if (copy_.capacity() > kKeptBytes) copy_ = std::string();
  if (error) return std::unexpected(of_parser(error));
  return root;
}

std::optional<std::string_view> content_text(const JsonElement& value) {
  simdjson::dom::array list;
  std::string_view text;
  if (value.get(list) || list.size() != 1 || list.at(0).get(text)) return std::nullopt;
  return text;
}

std::string json_of(const JsonElement& value) {
  std::string out;
  JsonWriter writer(out);
  append_text(writer, value, false);
  return out;
}

std::string shown(const JsonElement& value) {
  constexpr std::size_t kShownBytes = 60;
  std::string text = simdjson::minify(value);
  if (text.size() > kShownBytes) {
    text.resize(kShownBytes);
    while (!text.empty() && !is_utf8(text)) text.pop_back();
    text.append("...");
  }
  return text;
}

}  // namespace folkmoot
