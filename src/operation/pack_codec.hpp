// Described structs as MessagePack maps with their fields' keys: the bodies of frames, and what shards tell each other.
// Answers of fixed layout, whose naturals stand one after the other, are here too.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "folkmoot/describe.hpp"

namespace folkmoot {

/// Puts a map's pairs into `object`, which is as it was made; an empty body is a map without any. `what` names the
/// operation in errors. Errors, which name the field: malformed (no map of this kind, an unknown key, one given twice,
/// bytes behind it), invalid_field (missing), out_of_range, and those of reading messages.
Result<void> read_pack(const StructInfo& info, void* object, Bytes body, std::string_view what);

/// Appends the fields that are not as they were made. Errors: those of encode_envelope.
Result<void> write_pack(std::string& out, const StructInfo& info, const void* object);

/// The naturals and flags (a byte each) of an answer in their order; nothing if it says more than those.
std::optional<std::string> write_numbers(const StructInfo& info, const void* object);
/// Errors: malformed, if it breaks off.
Result<void> read_numbers(const StructInfo& info, void* object, Bytes body);

}  // namespace folkmoot
