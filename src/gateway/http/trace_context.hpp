// The trace that a request over HTTP belongs to: the headers `traceparent` and `tracestate`.
//   source   W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context/), sections 3.2, 3.3 and 4.3
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "folkmoot/message.hpp"
#include "gateway/http/head.hpp"

namespace folkmoot {

struct TraceContext {
  std::string traceparent;  // of version 00
  std::string tracestate;   // its members in their order, joined by commas; may be empty
};

/// What is not valid is nothing, as the specification asks: a wrong `traceparent` leaves both out, a wrong `tracestate`
/// itself. A higher version than 00 is taken for what of it is known.
std::optional<TraceContext> trace_context(const RequestHead& head);

/// Puts the request's trace into the metadata of messages that have no `traceparent` of their own.
void give_trace(const RequestHead& head, std::span<Message> messages);

}  // namespace folkmoot
