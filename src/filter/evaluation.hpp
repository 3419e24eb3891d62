// A program carried out for one message.
#pragma once

#include "filter/filter_input.hpp"
#include "filter/program.hpp"

namespace folkmoot {

/// The truth of the filter: TRUE, FALSE or NULL for UNKNOWN. A value that is no boolean counts as UNKNOWN.
Value evaluate(const Program& program, const FilterInput& input) noexcept;

}  // namespace folkmoot
