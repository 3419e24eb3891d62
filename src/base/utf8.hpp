// Checks of text that comes from outside.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace folkmoot {

/// True for well-formed UTF-8 (RFC 3629: no surrogates, nothing overlong, nothing above U+10FFFF).
bool is_utf8(std::string_view text);

/// How many bytes of `text` come before the first that is not.
std::size_t utf8_prefix(std::string_view text);

/// True for a name of the protocol: 1 to 255 bytes of UTF-8 without control characters (U+0000-001F, U+007F-009F).
bool is_name(std::string_view text);

/// A name as an error shows it: itself, or `(unprintable)` in the place of what is none.
std::string_view printable(std::string_view name);

/// True for what was a name when U+0080-009F (C1) were not refused yet: such names are on disks, and are read on.
bool was_name(std::string_view text);

/// Whether UTF-8 has a control character of U+0080-009F in it; a terminal may obey them.
bool has_c1(std::string_view text);

/// Whether line feeds, tabs, and a carriage return before a line feed stay as they are.
enum class KeepLines { no, yes };
/// `text` with its control characters as `\u001b` and what is no UTF-8 as `\x9b`, for eyes: a terminal obeys none of
/// it.
std::string escaped_controls(std::string_view text, KeepLines lines);

}  // namespace folkmoot
