// CloudEvents in requests of HTTP: how one is known.
#pragma once

#include <optional>

#include "gateway/http/head.hpp"
#include "gateway/json_events.hpp"

namespace folkmoot {

inline constexpr std::string_view kEventVersionField = "ce-specversion";

/// How a request carries CloudEvents; nothing: not at all. none: in a format that is not known here.
std::optional<EventForm> posted_event_form(const RequestHead& head);

}  // namespace folkmoot
