// JSON as text: whether it is, where it stops to be, and which parts of it are somebody else's to understand.
//
// The server parses envelopes, not contents: those come out as the text that went in, with numbers of any size, blanks
// and escapes as they were. simdjson's DOM keeps no text and takes neither numbers beyond 64 bits nor halves of
// surrogate pairs. So before it parses a text whose contents it could not give back, expose_contents() puts each of
// them into a list of one string that holds their text: `"content": {"wei": 1e400}` becomes `"content": ["{\"wei\":
// 1e400}"]`. A content that was a list has become a string in a list as well, so that the two cannot be confused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace folkmoot {

/// Whether it is one JSON value in UTF-8 (RFC 8259): of any depth, with numbers of any size, and with escapes that
/// stand for half of a surrogate pair, as its grammar allows.
bool is_json(std::string_view text);

/// Whose fields a text has: messages and operations, or CloudEvents in JSON, of which only `data` is a content.
enum class Vocabulary : std::uint8_t { ours, cloud_events };

/// Fields whose value is a text of its own, in whatever object of an envelope or an operation they stand, but not
/// within one another, nor in metadata.
bool is_content_field(std::string_view name);
/// Fields whose value is all the envelope's, whatever fields in it are called.
bool is_metadata_field(std::string_view name);

/// The text, with its contents exposed if it needs that; `copy` is where they are then. Numbers outside of contents
/// that do not fit into 64 bits are written as floating ones. Whether it is JSON is left to who parses it, if it needs
/// nothing; who could not parse it asks again, `is_doubted`. Errors: malformed, with line and column; out_of_range, for
/// a number outside of contents that is beyond what 64 bits of floating point hold.
Result<std::string_view> expose_contents(std::string_view text, std::string& copy, bool is_doubted = false,
                                         Vocabulary vocabulary = Vocabulary::ours);

/// The text as simdjson's DOM takes it, for looking into a content: what is not exact in 64 bits is floating, what is
/// beyond their range the largest number there is, half of a surrogate pair U+FFFD. Errors: malformed.
Result<std::string_view> readable_json(std::string_view text, std::string& copy);

/// What a JSON string says; `quoted` is one, with its quotes. Errors: invalid_field, for half of a surrogate pair.
Result<std::string> unquote_json(std::string_view quoted);

/// The number under `name` in the text's outermost object, as far as the text is JSON: to tell whose text it is that is
/// broken. 0 if it is not there.
std::uint64_t number_in_broken_json(std::string_view text, std::string_view name);

/// The same JSON on one line: line breaks between its parts become blanks.
std::string on_one_line(std::string json);

}  // namespace folkmoot
