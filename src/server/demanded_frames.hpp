// Whether the messages of a client's frame are as the server wants them: sealed, signed (access/demands.hpp).
#pragma once

#include <cstdint>
#include <string_view>

#include "access/demands.hpp"
#include "message/frame.hpp"

namespace folkmoot {

/// `agent`: whom the connection speaks as, who sent what has no `from`. What does not parse is for those to refuse who
/// carry it out. Errors: those of Demands::check() for the first message that is refused, and its place.
Result<void> check_demands(const access::Demands& demands, const Frame& frame, std::string_view agent,
                           std::int64_t now);

}  // namespace folkmoot
