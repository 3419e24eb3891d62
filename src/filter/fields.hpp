// The names that a filter knows by itself: one row for each field of the envelope, and the other spellings. Any other
// name is one of the metadata.
#pragma once

#include <string_view>

#include "message/envelope.hpp"

namespace folkmoot {

/// How a field stands in the envelope, and what it is worth when it does not.
enum class FieldKind : std::uint8_t {
  text,          // str; NULL
  id,            // bin of 16 bytes, compared as its 36 characters; NULL
  type,          // the number of a standard type or a str; task with `to`, event with `topic`
  priority,      // uint; 5
  mode,          // uint, compared as its word; at_least_once with `to`, at_most_once with `topic`
  natural,       // uint; NULL, also for the 0 that says the same
  count,         // uint; 0
  flag_off,      // bool; FALSE
  flag_on,       // bool; TRUE
  content_type,  // str; application/octet-stream
  content_size,  // of what a reference names, else of what follows the envelope
  metadata,      // a map, which has parts
  content,       // what follows the envelope, which has parts when it is JSON
};

struct FilterField {
  std::string_view name;
  Field field;  // of no meaning for `content`
  FieldKind kind;

  bool has_parts() const { return kind == FieldKind::metadata || kind == FieldKind::content; }
};

/// The field of that name or other spelling; nothing if there is none. Lives as long as the program.
const FilterField* find_filter_field(std::string_view name);
const FilterField& metadata_field();

}  // namespace folkmoot
