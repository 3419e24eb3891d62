// Which WebSockets are for CloudEvents, and what for: the upgrade says it (docs/cloudevents.md).
#pragma once

#include <optional>
#include <string_view>

#include "gateway/event_session.hpp"
#include "gateway/http/head.hpp"
#include "gateway/http/url.hpp"

namespace folkmoot {

/// The first sub-protocol of those the client offers that is spoken here (RFC 6455, section 4.2.2): empty if it offers
/// none.
std::string_view chosen_protocol(const RequestHead& head);
/// What the query says of a WebSocket of that protocol; nothing for one in our own words. Errors: invalid_field,
/// invalid_name, invalid_topic, out_of_range.
Result<std::optional<EventChannel>> event_channel(std::string_view protocol, const Target& query);

}  // namespace folkmoot
