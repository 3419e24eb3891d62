// From the text of a filter to its program (grammar in docs/filters.md).
#pragma once

#include <memory>
#include <string_view>

#include "base/error.hpp"
#include "filter/program.hpp"

namespace folkmoot {

/// Errors: invalid_filter, with the column and what was expected there; out_of_range beyond a bound of
/// filter/limits.hpp.
Result<std::shared_ptr<const Program>> parse_filter(std::string_view text);

}  // namespace folkmoot
