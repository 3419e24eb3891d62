// Counts of bytes as people write them: `512B`, `64KiB`, `8MiB`, `1GiB`, and `0`. A number without a unit is refused.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.hpp"

namespace folkmoot {

/// Errors: invalid_field with what was met and the accepted forms.
Result<std::uint64_t> parse_byte_count(std::string_view text);

}  // namespace folkmoot
