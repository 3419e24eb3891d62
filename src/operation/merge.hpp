// The answers of several shards become one, as their fields say (Merge in folkmoot/describe.hpp).
#pragma once

#include "folkmoot/describe.hpp"

namespace folkmoot {

/// Adds `more` to `sum`, both of that struct. What `more` holds may be moved out of it.
void merge(const StructInfo& info, void* sum, void* more);

}  // namespace folkmoot
