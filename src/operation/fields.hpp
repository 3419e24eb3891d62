// Walks over the fields of described structs: what all codecs have in common.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "folkmoot/describe.hpp"

namespace folkmoot {

constexpr std::uint64_t kListMax = 1'000;  // elements of a list that says nothing else

/// A field where it stands: those of inner structs without a name among those around them.
struct Place {
  const FieldInfo* field = nullptr;
  void* at = nullptr;  // its value

  const TypeInfo& type() const { return *field->type; }
};

/// All fields of `object`. `object` may be nullptr where only the fields are asked for.
std::vector<Place> places(const StructInfo& info, void* object);
std::vector<Place> places(const StructInfo& info, const void* object);  // for reading
std::vector<std::string_view> names(const StructInfo& info);

/// The one with that name or older spelling; `field` is nullptr if there is none.
Place find_place(const StructInfo& info, void* object, std::string_view name);
Place find_place(const StructInfo& info, void* object, Role role);

std::uint64_t load_natural(const TypeInfo& type, const void* at);
/// Requires: `value` fits.
void store_natural(const TypeInfo& type, void* at, std::uint64_t value);

/// The least and the most that a field takes, as its rules and its type say: of numbers and durations the value, of
/// text and lists the length.
struct Bounds {
  std::uint64_t min = 0, max = 0;
  bool hold(std::uint64_t value) const { return value >= min && value <= max; }
};
Bounds bounds(const FieldInfo& field);
/// How long a text may be that is the field, or, where that is a list, is in it.
std::uint64_t text_bytes_max(const FieldInfo& field);

/// Of the text of JSON: longer than its field takes. Errors: invalid_field.
Result<void> check_json_bytes(const FieldInfo& field, std::size_t bytes);

/// Whether two values of a type are the same.
bool equal(const TypeInfo& type, const void* a, const void* b);
/// Whether each field is as it was made.
bool is_blank(const FieldInfo& field, const StructInfo& of, const void* object);

/// Calls `each` for the messages in it.
void each_message(const StructInfo& info, void* object, const std::function<void(Message&)>& each);

/// The word for a type: "duration", "list of objects", ...
std::string kind_name(const TypeInfo& type);

/// What a field may be, in words that follow "it may be".
std::string allowed(const FieldInfo& field);

}  // namespace folkmoot
