// JSON text that came from outside, parsed within bounds (simdjson's DOM: all of it is checked before any of it is
// used). Contents stay text: in an element they are a list of one string, which content_text() reads (json_text.hpp).
#pragma once

#include <simdjson.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "message/json_text.hpp"

namespace folkmoot {

constexpr std::size_t kJsonTextBytesMax = 8 * 1024 * 1024;
constexpr std::size_t kJsonDepthMax = 64;

using JsonElement = simdjson::dom::element;

/// Owns what was parsed; elements live as long as it does and until the next parse().
class JsonDocument {
 public:
  /// The document's one value, with its contents as text. Errors: malformed (not JSON, not UTF-8), content_too_large
  /// (kJsonTextBytesMax), out_of_range (kJsonDepthMax, contents aside; a number beyond 64 bits of floating point).
  Result<JsonElement> parse(std::string_view text, Vocabulary vocabulary = Vocabulary::ours);
  /// A content, to be looked into: whole numbers beyond 64 bits are floating. Errors: as parse().
  Result<JsonElement> parse_content(std::string_view text);

 private:
  Result<void> make_room(std::size_t bytes);

  // What is put in quotes may become twice as long.
  simdjson::dom::parser parser_{2 * kJsonTextBytesMax + 4'096};
  std::string copy_;
};

/// The text of a content as its sender wrote it; nothing if this is none, but a plain string, true, false or null.
std::optional<std::string_view> content_text(const JsonElement& value);

/// The value as JSON text: contents as they were written, all else without white space.
std::string json_of(const JsonElement& value);

/// The value as JSON text without white space, cut to what fits in an error message.
std::string shown(const JsonElement& value);

}  // namespace folkmoot
