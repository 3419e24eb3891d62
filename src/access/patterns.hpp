// What a rule speaks of: names and topics that fit a pattern.
#pragma once

#include <string_view>

namespace folkmoot::access {

/// A name fits if it is the pattern, in which `*` stands for anything, nothing too.
bool name_fits(std::string_view pattern, std::string_view name);

/// Whether every topic that `inner` matches is matched by `outer` too. Requires: both are patterns of topics.
bool topics_cover(std::string_view outer, std::string_view inner);
/// Whether there can be a topic that both match. Requires: likewise.
bool topics_meet(std::string_view a, std::string_view b);

}  // namespace folkmoot::access
