// The rule at the end of a time zone file (TZif, RFC 9636): what holds from its last transition on, as POSIX writes it.
// The transitions before are not looked at: times to come are asked for.
#pragma once

#include <string>

#include "base/bytes.hpp"
#include "base/error.hpp"

namespace folkmoot {

inline constexpr std::size_t kTzifBytesMax = 256 * 1024;

/// Errors: invalid_field, if it is no such file, of the first version (which has no rule), or without a rule.
Result<std::string> rule_of_tzif(Bytes file);

}  // namespace folkmoot
