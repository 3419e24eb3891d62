// The rule of a wake: checked, and as its fact has it.
#pragma once

#include <string>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "engine/wake.hpp"

namespace folkmoot {

/// Errors: invalid_name, invalid_field, out_of_range.
Result<void> check_wake(const WakeRule& rule);

/// The body of a wake_set fact: a MessagePack list.
std::string pack_wake(const WakeRule& rule, const WakeCount& count);
/// Errors: damaged.
Result<void> unpack_wake(Bytes body, WakeRule& rule, WakeCount& count);

}  // namespace folkmoot
