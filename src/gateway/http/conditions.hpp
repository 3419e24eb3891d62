// Requests that hold only for a certain state of what they ask for (RFC 9110, section 13).
#pragma once

#include <string_view>

#include "gateway/http/head.hpp"

namespace folkmoot {

enum class Condition : std::uint8_t {
  holds,
  failed,        // 412: If-Match names another
  not_modified,  // 304: If-None-Match says that the client has it
};

/// `etag`: of what is there, with its quotes.
Condition check_conditions(const RequestHead& head, std::string_view etag);

/// Whether Range is to be looked at: it is of GET alone, and If-Range names what is there (RFC 9110, section 13.1.5).
bool may_answer_range(const RequestHead& head, std::string_view etag);

}  // namespace folkmoot
