// A program carried out for one message.
#pragma once

#include <cstdint>
#include <span>

#include "filter/filter_input.hpp"
#include "filter/program.hpp"
#include "filter/shared_values.hpp"

namespace folkmoot {

/// The truth of the filter: TRUE, FALSE or NULL for UNKNOWN. A value that is no boolean counts as UNKNOWN.
Value evaluate(const Program& program, const FilterInput& input) noexcept;
/// The same, with places of the message that others have read or will read: `places` says which one each of the
/// program's identifiers is.
Value evaluate(const Program& program, SharedValues& values, std::span<const std::uint32_t> places) noexcept;

}  // namespace folkmoot
