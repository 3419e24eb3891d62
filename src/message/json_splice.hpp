// Changing one place of a JSON text and leaving the rest as it stands, byte for byte: blanks, order, numbers.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace folkmoot {

/// Calls `each(key, value)` for the members of an object, as they stand: the key with its escapes, without quotes; the
/// value's text. Requires: `object` is the text of a JSON object that parses.
void each_json_member(std::string_view object, const std::function<void(std::string_view, std::string_view)>& each);

/// `object` with one field in front, whose value is a text. Requires: `object` is the text of a JSON object that
/// parses, without blanks around it.
std::string with_json_field(std::string_view name, std::string_view value, std::string_view object);

/// The text with the field at `path` (names with dots between, such as `order.topic`) set to `value`, a JSON value; a
/// field that is not there is added, but not the objects around it. Errors: invalid_field, if `text` is no JSON object,
/// or the path leads through what is none.
Result<std::string> set_json_field(std::string_view text, std::string_view path, std::string_view value);

}  // namespace folkmoot
