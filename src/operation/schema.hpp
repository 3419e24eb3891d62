// JSON Schema (2020-12, as OpenAPI 3.1 and AsyncAPI 3 take it) of described structs.
#pragma once

#include "folkmoot/describe.hpp"
#include "message/json_writer.hpp"

namespace folkmoot {

enum class Side : std::uint8_t {
  question,  // what is taken: with bounds, older spellings left out, nothing unknown
  answer,    // what is given: what may be left out is not required, and there may be more one day
};

/// The schema of one field's value.
void write_schema(JsonWriter& out, const FieldInfo& field, Side side);
/// The schema of an object with these fields; `without` is left out, as it stands elsewhere (in a path).
void write_schema(JsonWriter& out, const StructInfo& info, Side side, std::string_view without = {});
/// The fields of `components.schemas` that others refer to: Message, MessageInput, RetryPolicy, Changes, Problem.
void write_shared_schemas(JsonWriter& out);

}  // namespace folkmoot
