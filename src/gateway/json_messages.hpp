// Messages as the doors that speak JSON take and give them (docs/protocol.md, section 12): compressed on the way of
// messages if their sender asks for it, and always readable for who gets them.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "gateway/limits.hpp"
#include "message/json_document.hpp"
#include "message/json_writer.hpp"
#include "message/operations.hpp"

namespace folkmoot {

/// One message. `from` is its sender if it names none. Errors: those of message_from_json(); invalid_field
/// (`compress`).
Result<Message> read_message(const JsonElement& value, std::string_view from = {});
/// An array of them. More than kBatchMessagesMax are cut short to one above: refused when the frame is made. Errors:
/// those of one, which begin with `what` and its place.
Result<std::vector<Message>> read_messages(const JsonElement& array, std::string_view what, std::string_view from = {});
/// The same for messages that stand for themselves: each with an error of its own.
std::vector<Result<Message>> read_each(const JsonElement& array, std::string_view from = {});

/// The message with its content as it was before it was compressed. What cannot be decompressed, or would be too large,
/// stays as it is: the error says why.
std::optional<Error> make_readable(Message& message, std::size_t bytes_max = kUnpackedBytesMax);
/// The answer to dead.show or dead.list (JSON) with the contents of its messages as they were. Errors: malformed.
Result<std::string> readable_letters(std::string_view json);
/// The message's fields, with `content_error` if there is one; and the same as an object.
void append_message_fields(JsonWriter& out, const Message& message, const std::optional<Error>& content_error);
void append_message(JsonWriter& out, const Message& message, const std::optional<Error>& content_error);

}  // namespace folkmoot
