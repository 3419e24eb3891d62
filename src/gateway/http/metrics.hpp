// Statistics (docs/protocol.md, section 9) as metrics for Prometheus, and whoever reads what it reads.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "gateway/http/metrics_text.hpp"

namespace folkmoot {

/// `mailboxes_max`: told of one by one, those with the most messages; 0: none. Errors: malformed, if `stats` is not the
/// JSON object that STATS answers. What is missing in it is left out.
Result<std::string> metrics_text(std::string_view stats, MetricsFormat format, std::size_t mailboxes_max);

}  // namespace folkmoot
