#include "filter/filter.hpp"

#include <algorithm>

#include "filter/evaluation.hpp"
#include "filter/parser.hpp"

namespace folkmoot {

Result<Filter> Filter::compile(std::string_view text) {
  auto program = parse_filter(text);
  if (!program) return std::unexpected(std::move(program.error()));
  return Filter(std::move(*program));
}

bool Filter::matches(const FilterInput& input) const noexcept { return evaluate(*program_, input).is_true(); }

const std::string& Filter::text() const { return program_->text; }

bool Filter::reads_content() const {
  return std::ranges::any_of(program_->identifiers,
                             [](const auto& identifier) { return identifier.field->kind == FieldKind::content; });
}

}  // namespace folkmoot
