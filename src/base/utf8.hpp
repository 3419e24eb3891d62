// Checks of text that comes from outside.
#pragma once

#include <cstddef>
#include <string_view>

namespace folkmoot {

/// True for well-formed UTF-8 (RFC 3629: no surrogates, nothing overlong, nothing above U+10FFFF).
bool is_utf8(std::string_view text);

/// How many bytes of `text` come before the first that is not.
std::size_t utf8_prefix(std::string_view text);

/// True for a name of the protocol: 1 to 255 bytes of UTF-8 without control characters (U+0000-001F, U+007F).
bool is_name(std::string_view text);

}  // namespace folkmoot
