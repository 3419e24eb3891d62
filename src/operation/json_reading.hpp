// Described structs read from JSON by who wants to know where something is wrong.
#pragma once

#include "message/json_fault.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot {

/// As read_json() with Unknown::refuse (operation/json_codec.hpp).
Result<void> read_json(const StructInfo& info, void* object, const JsonElement& value, JsonFault& fault);

}  // namespace folkmoot
