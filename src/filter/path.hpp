// One field of a message by the name that filters know it by: `conversation`, metadata.customer,
// content.order.items[0].
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "filter/filter_input.hpp"

namespace folkmoot {

struct Program;

class FieldPath {
 public:
  /// Errors: invalid_filter, if the text is not the name of one field.
  static Result<FieldPath> parse(std::string_view text);

  /// What the field is worth, as text; empty if it is left out or neither text, number nor truth value.
  std::string read(const FilterInput& input) const;
  const std::string& text() const { return text_; }

 private:
  FieldPath(std::string text, std::shared_ptr<const Program> program)
      : text_(std::move(text)), program_(std::move(program)) {}

  std::string text_;
  std::shared_ptr<const Program> program_;
};

}  // namespace folkmoot
