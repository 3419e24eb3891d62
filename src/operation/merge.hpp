// The answers of several shards become one, as their fields say (Merge in folkmoot/describe.hpp).
#pragma once

#include "folkmoot/describe.hpp"

namespace folkmoot {

/// Adds `more` to `sum`, both of that struct. What `more` holds may be moved out of it.
void merge(const StructInfo& info, void* sum, void* more);

/// Ends a page by name, an answer with a list of Merge::by_name and a text of Role::next: sorted by the first field of
/// its elements, as far as every part that was merged goes (the least `next`), at most `limit` of them (0: all), and
/// with a `next` if that leaves any out. Nothing happens to another answer.
void end_page(const StructInfo& info, void* answer, std::uint64_t limit);

}  // namespace folkmoot
