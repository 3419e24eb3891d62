#include "message/json_document.hpp"

#include <fmt/format.h>

#include "base/utf8.hpp"

namespace folkmoot {

Result<JsonElement> JsonDocument::parse(std::string_view text) {
  if (text.size() > kJsonTextBytesMax) {
    return failure(ErrorCode::content_too_large,
                   fmt::format("the JSON text is {} bytes; {} is the most", text.size(), kJsonTextBytesMax));
  }
  if (parser_.max_depth() != kJsonDepthMax || parser_.capacity() < text.size()) {
    if (auto error = parser_.allocate(std::max<std::size_t>(text.size(), 1024), kJsonDepthMax)) {
      return failure(ErrorCode::busy, fmt::format("no memory to read JSON: {}", simdjson::error_message(error)));
    }
  }
  JsonElement root;
  if (auto error = parser_.parse(text.data(), text.size()).get(root)) {
    if (error == simdjson::DEPTH_ERROR) {
      return failure(ErrorCode::out_of_range, fmt::format("the JSON text is nested deeper than {}", kJsonDepthMax));
    }
    return failure(ErrorCode::malformed, fmt::format("this is not JSON: {}", simdjson::error_message(error)));
  }
  return root;
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
