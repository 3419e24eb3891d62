// Statistics (docs/protocol.md, section 9) in the text format of Prometheus, version 0.0.4.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace folkmoot {

/// Errors: malformed, if `stats` is not the JSON object that STATS answers. What is missing in it is left out.
Result<std::string> prometheus_text(std::string_view stats);

}  // namespace folkmoot
