// Durations as people write them: `500ms`, `30s`, `5m`, `2h`, `7d`, and `0`. A number without a unit is refused: it
// would be milliseconds here and seconds there.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace folkmoot {

/// Milliseconds, 0 to ten years. Errors: invalid_field with what was met and the accepted forms.
Result<std::int64_t> parse_duration_ms(std::string_view text);
/// The two largest units that say it: `1h 5m`, `6d 3h`, `250ms`.
std::string format_duration_ms(std::int64_t ms);
/// Unix milliseconds of an RFC 3339 time such as `2026-11-21T10:00:00.5Z`. Errors: invalid_field.
Result<std::int64_t> parse_time_ms(std::string_view text);
/// RFC 3339, UTC, with milliseconds.
std::string format_time_ms(std::int64_t unix_ms);

}  // namespace folkmoot
