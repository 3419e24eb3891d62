// Messages as JSON (docs/protocol.md, section 12), with the other spellings of the five systems that folkmoot serves.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"
#include "folkmoot/message.hpp"
#include "message/json_writer.hpp"

namespace simdjson::dom {
class element;
}

namespace folkmoot {

/// The message that a JSON text says. Whether exactly one of `to` and `topic` is there is left to the server. Errors:
/// those of JsonDocument::parse; invalid_field, invalid_name, invalid_topic, out_of_range with field and value.
Result<Message> message_from_json(std::string_view text);
Result<Message> message_from_json(const simdjson::dom::element& value);

/// Whether all fields of an object may be put into the place of those of a dead letter: what a message does not have,
/// and what stays as it was (id, timestamp, from, no topic), would go unheard. Errors: invalid_field.
Result<void> check_changes(const simdjson::dom::element& object);

/// The content as one JSON value: as it is, else text as a string, other bytes in base64; null if it is stored by
/// reference.
std::string content_as_json(const Message& message);

/// A retry policy: {"attempts":5,"backoff":"exponential","initial":"1s","max":"5m","multiplier":2}. Errors:
/// invalid_field, out_of_range.
Result<RetryPolicy> retry_from_json(const simdjson::dom::element& value);
/// Appends it as an object.
void append_retry(JsonWriter& out, const RetryPolicy& policy);

/// Appends the message as an object; fields that are not set are left out.
void append_json(JsonWriter& out, const Message& message);
/// The same without the braces, for objects that have more to say.
void append_json_fields(JsonWriter& out, const Message& message);
std::string to_json(const Message& message);
std::string to_json(const Provenance& provenance);

/// True for `application/json` and `...+json`, with or without parameters, in any case.
bool is_json_type(std::string_view content_type);
bool is_text_type(std::string_view content_type);

}  // namespace folkmoot
