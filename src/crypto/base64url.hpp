// Base64 for URLs (RFC 4648, section 5), as JOSE and Fernet have it: another alphabet, and in JOSE no padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace folkmoot {

enum class Padding : bool { no, yes };

std::string encode_base64url(std::string_view bytes, Padding padding = Padding::no);
/// Takes padding as present or absent. Nothing for `+`, `/` and any other character, a length that no bytes have, or
/// bits left over that are not zero: of some bytes there is one text.
std::optional<std::string> decode_base64url(std::string_view text);

}  // namespace folkmoot
