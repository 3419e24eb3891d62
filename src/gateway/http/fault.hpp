// Where in a JSON body the fault is for which it was refused.
#pragma once

#include <string>
#include <string_view>

#include "gateway/http/exchange.hpp"
#include "gateway/http/routes.hpp"
#include "message/json_document.hpp"

namespace folkmoot {

/// The request's body as JSON, which lives in `document`; from here on what is wrong is wrong by the body's fields.
/// Errors: those of JsonDocument::parse().
Result<JsonElement> read_body(Exchange& exchange, JsonDocument& document);

/// A refusal (400) of a body that could be read: 422, with where in it the fault is, as a JSON pointer (RFC 6901), in
/// `pointer`; empty: the body as a whole. What is about the path stays as it is.
Answer point_at_fault(const Exchange& exchange, const HttpRoute& route, Answer refusal);

}  // namespace folkmoot
