#include "filter/path.hpp"

#include <fmt/format.h>

#include "filter/parser.hpp"
#include "filter/program.hpp"

namespace folkmoot {

Result<FieldPath> FieldPath::parse(std::string_view text) {
  // A name is what may stand before IS NULL: then the program loads it, asks, and does nothing else.
  const auto program = parse_filter(std::string(text).append(" IS NULL"));
  if (!program || (*program)->identifiers.size() != 1 || (*program)->code.size() != 2 ||
      (*program)->code[0].op != Op::load) {
    return failure(ErrorCode::invalid_filter, fmt::format("`{}` is not the name of a field", text));
  }
  return FieldPath(std::string(text), *program);
}

std::string FieldPath::read(const FilterInput& input) const {
  FilterInput::IdText id;
  const auto value = input.read(program_->identifiers[0], id);
  switch (value.kind) {
    case Value::Kind::text:
      return std::string(value.text());
    case Value::Kind::integer:
      return std::to_string(value.integer);
    case Value::Kind::real:
      return fmt::format("{}", value.real);
    case Value::Kind::boolean:
      return value.boolean ? "true" : "false";
    default:
      return {};
  }
}

}  // namespace folkmoot
