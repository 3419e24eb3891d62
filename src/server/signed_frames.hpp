// Whether the messages of a client's frame are signed as the server wants them (access/signatures.hpp).
#pragma once

#include <cstdint>
#include <string_view>

#include "access/signatures.hpp"
#include "message/frame.hpp"

namespace folkmoot {

/// `agent`: whom the connection speaks as, who sent what has no `from`. What does not parse is for those to refuse who
/// carry it out. Errors: those of Signatures::check() for the first message that is refused, and its place.
Result<void> check_signatures(const access::Signatures& signatures, const Frame& frame, std::string_view agent,
                              std::int64_t now);

}  // namespace folkmoot
