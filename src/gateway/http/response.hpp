// Answers as text: the status line and the fields of their header.
#pragma once

#include "gateway/http/exchange.hpp"

namespace folkmoot {

/// How the end of an answer's body is told (RFC 9112, section 6.3).
struct BodyEnd {
  std::optional<std::uint64_t> length{};
  bool is_chunked = false;  // neither: there is no body, or (of an answer to HEAD) it is not said
};

/// The header of an answer to `request`, with the empty line that ends it. `request` is null if it could not be read.
std::string head_text(const GatewayOptions& options, const Answer& answer, const RequestHead* request, BodyEnd end,
                      bool keep_alive);

/// The whole answer.
std::string answer_text(const GatewayOptions& options, const Answer& answer, const RequestHead* request,
                        bool keep_alive);

}  // namespace folkmoot
