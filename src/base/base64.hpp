// Base64 (RFC 4648, section 4): how bytes that are no text stand in JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace folkmoot {

/// With padding, without line breaks.
std::string encode_base64(std::string_view bytes);
/// Takes padding as present or absent, and the URL alphabet (`-`, `_`) as well. Nothing for any other character, a
/// length that no bytes have, or bits left over that are not zero.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace folkmoot
