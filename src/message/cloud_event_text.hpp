// What CloudEvents 1.0 asks of names and values, and how a value stands in a header of HTTP (HTTP Protocol Binding
// 1.0.2, section 3.1.3).
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace folkmoot {

constexpr std::size_t kAttributeNameBytesMax = 64;  // the specification asks for 20 at most, and does not insist

/// Lower-case letters and digits, 1 to kAttributeNameBytesMax of them.
bool is_attribute_name(std::string_view name);
/// UTF-8 without control characters (U+0000-001F, U+007F-009F) and noncharacters.
bool is_attribute_text(std::string_view text);
/// Characters of a URI-reference (RFC 3986), each `%` with its two digits; not empty.
bool is_uri_reference(std::string_view text);
/// The same with a scheme.
bool is_uri(std::string_view text);
/// A time as RFC 3339 writes it, of any year.
bool is_rfc3339(std::string_view text);
/// `type/subtype`, perhaps with parameters.
bool is_media_type(std::string_view text);

/// A value as a header has it, with what is not printable ASCII, blanks, quotes and `%` percent-encoded; and back, from
/// a quoted string too. Errors: malformed, for a `%` without two hexadecimal digits, a quote that does not end, and
/// what is not UTF-8.
std::string header_value(std::string_view text);
Result<std::string> text_of_header(std::string_view value);

/// A text as one segment of a URI's path.
std::string uri_segment(std::string_view text);

}  // namespace folkmoot
