// CloudEvents in JSON as the doors take and give them (docs/cloudevents.md): one, or a batch.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "message/cloud_event.hpp"

namespace folkmoot {

inline constexpr std::string_view kEventType = "application/cloudevents+json";
inline constexpr std::string_view kEventBatchType = "application/cloudevents-batch+json";

enum class EventForm : std::uint8_t {
  none,        // not as CloudEvents
  binary,      // attributes in the header, data as the body
  structured,  // one in JSON
  batched,     // a list of them in JSON
};

/// The form that a media type names, with or without parameters: binary for `application/cloudevents` alone. none for
/// any other type.
EventForm event_form(std::string_view media_type);
/// What the header Accept asks for: the first form in it that is not refused there (`q=0`).
EventForm accepted_event_form(std::string_view accept);

/// One event, or of a batch all; each with its recipient. Errors: those of JsonDocument::parse, message_from_event and
/// address_event, of a batch with the place; out_of_range for more than kBatchMessagesMax.
Result<std::vector<Message>> read_events(std::string_view text, bool is_batch, const EventAddress& target);

/// Appends the message as an event, its content as it was before it was compressed.
void append_readable_event(JsonWriter& out, Message& message, const DeliveryHead& held = {});

}  // namespace folkmoot
