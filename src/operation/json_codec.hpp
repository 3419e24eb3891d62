// Described structs as JSON: read with all their rules checked, and written.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "folkmoot/describe.hpp"
#include "message/json_document.hpp"
#include "message/json_writer.hpp"

namespace folkmoot {

enum class Unknown : std::uint8_t {
  refuse,  // arguments: what is not known may be a condition that was misspelt
  ignore,  // answers, which newer servers may say more in
};

/// Puts the fields of a JSON object into `object`, which is as it was made. null is the same as leaving a field out.
/// Errors, which name the field: invalid_field (another type, unknown, given twice, missing), out_of_range, and those
/// of reading messages. On an error the object is in any state.
/// `besides`: names that stand there for others, and are passed over.
Result<void> read_json(const StructInfo& info, void* object, const JsonElement& value,
                       Unknown unknown = Unknown::refuse, std::span<const std::string_view> besides = {});
/// Whether there is nothing in the object but fields of `info` and what is in `besides`. Errors: invalid_field.
Result<void> check_names(const StructInfo& info, const JsonElement& value, std::span<const std::string_view> besides);
template <class T>
Result<T> from_json(const JsonElement& value, Unknown unknown = Unknown::refuse) {
  T out{};
  if (auto done = read_json(describe<T>(), &out, value, unknown); !done) return std::unexpected(done.error());
  return out;
}
/// The same from text; empty text is an object without fields.
Result<void> read_json(const StructInfo& info, void* object, std::string_view text, Unknown unknown = Unknown::refuse);

/// One value that a person has written: of a query, or on a command line. A duration has its unit; what JSON has
/// brackets for is JSON; a list takes one element more each time. Errors: as read_json().
Result<void> read_written(const FieldInfo& field, void* at, std::string_view text);

enum class Sparse : std::uint8_t {
  as_described,  // answers: FieldInfo::sparse
  everything,    // arguments: what is as it was made is left out; where it is required, its reader says so
};
void write_json(JsonWriter& out, const StructInfo& info, const void* object, Sparse sparse);
/// The same without the braces, as an answer has them: for an object that has more to say.
void append_fields(JsonWriter& out, const StructInfo& info, const void* object);
template <class T>
std::string to_json_text(const T& object, Sparse sparse) {
  std::string out;
  JsonWriter writer(out);
  write_json(writer, describe<T>(), &object, sparse);
  return out;
}

}  // namespace folkmoot
