// One field of a message by the name that filters know it by: `conversation`, metadata.customer, content.order.items[0].
#pragma once

#include <string>
#include <string_view>

#include "filter/filter.hpp"

namespace folkmoot {

class FieldPath {
 public:
  /// Errors: malformed, with what is no field's name.
  static Result<FieldPath> parse(std::string_view text);

  /// What the field is worth, as text; empty if it is left out or no text, number or truth value.
  std::string read(const FilterInput& input) const;
  const std::string& text() const { return text_; }

 private:
  FieldPath(std::string text, Filter filter) : text_(std::move(text)), filter_(std::move(filter)) {}

  std::string text_;
  Filter filter_;
};

}  // namespace folkmoot
