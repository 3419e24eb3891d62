// CloudEvents 1.0 as messages, and messages as CloudEvents (docs/cloudevents.md): one mapping for all doors.
//
//   attributes       an object in the metadata, called `ce`: each under its name, with its value; so that every door
//   and
//                    every filter has them (`ce.subject = 'x'`)
//   datacontenttype  the content type
//   data             the content, byte for byte
//
// A message that was no CloudEvent becomes one by what it has: its id, its sender, its type, its topic, its time.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "folkmoot/message.hpp"
#include "message/json_document.hpp"
#include "message/json_writer.hpp"
#include "message/limits.hpp"
#include "message/operations.hpp"

namespace folkmoot {

constexpr std::size_t kEventAttributesMax = 128;              // of one event
constexpr std::size_t kEventAttributesBytesMax = 60 * 1'024;  // of their names and values together
static_assert(kEventAttributesBytesMax < kMetadataBytesMax);

using HeaderField = std::pair<std::string, std::string>;

/// An event in JSON, one that JsonDocument has parsed as Vocabulary::cloud_events. It has no recipient yet. Errors:
/// malformed, invalid_field, out_of_range, which name the attribute.
Result<Message> message_from_event(const JsonElement& value);
/// An event in the fields of a header (their names in lower case): those that begin with `ce-`, and Content-Type.
/// Errors: the same.
Result<Message> message_from_event_fields(std::span<const HeaderField> fields, std::string_view data);

/// Where an event goes, as its sender says beside it.
struct EventAddress {
  std::string_view topic{}, to{};  // of neither: to the topic that its type is
  std::optional<DeliveryMode> mode{};
};
/// Errors: invalid_field (both), invalid_name, invalid_topic.
Result<void> check_address(const EventAddress& address);
/// Errors: the same.
Result<void> address_event(Message& message, const EventAddress& target);

/// Appends the message as an event in JSON. With a lease it has what is needed to settle it as attributes. A content
/// that is compressed stays so.
void append_event(JsonWriter& out, const Message& message, const DeliveryHead& held = {});
/// The same as fields of a header, but for Content-Type; the content is the body.
std::vector<HeaderField> event_fields(const Message& message, const DeliveryHead& held = {});
/// The attribute datacontenttype; empty: it has none.
std::string event_content_type(const Message& message);

}  // namespace folkmoot
