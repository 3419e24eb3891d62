// JSON text that came from outside, parsed within bounds (simdjson's DOM: all of it is checked before any of it is
// used).
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace folkmoot {

constexpr std::size_t kJsonTextBytesMax = 8 * 1024 * 1024;
constexpr std::size_t kJsonDepthMax = 64;

using JsonElement = simdjson::dom::element;

/// Owns what was parsed; elements live as long as it does and until the next parse().
class JsonDocument {
 public:
  /// The document's one value. Errors: malformed (not JSON, not UTF-8, a number beyond 64 bits), content_too_large
  /// (kJsonTextBytesMax), out_of_range (kJsonDepthMax).
  Result<JsonElement> parse(std::string_view text);

 private:
  simdjson::dom::parser parser_{kJsonTextBytesMax};
};

/// The value as JSON text without white space, cut to what fits in an error message.
std::string shown(const JsonElement& value);

}  // namespace folkmoot
