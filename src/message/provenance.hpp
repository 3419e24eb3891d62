// Whose credentials a message came with (docs/security.md, "Whose a message is"), packed in the envelope and as JSON.
// pack() and with_provenance() are in envelope.hpp.
#pragma once

#include <simdjson.h>

#include <optional>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "folkmoot/message.hpp"
#include "message/json_writer.hpp"

namespace folkmoot {

/// Errors: invalid_field.
Result<void> check_provenance(Bytes packed);
/// Requires: check_provenance(packed) holds.
Provenance unpack_provenance(Bytes packed);

/// {"account":"ann","door":"http","verified":"key","trust":"account"}; what a later version says beside it is passed
/// over. Errors: invalid_field.
Result<void> provenance_from_json(const simdjson::dom::element& value, std::optional<Provenance>& into);
void append_json(JsonWriter& out, const Provenance& provenance);

}  // namespace folkmoot
