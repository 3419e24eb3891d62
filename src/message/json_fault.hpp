// What is wrong in a JSON document, and where. A reader that is given one of these notes it on its way out, so that one
// that finds nothing wrong does nothing for it.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"
#include "folkmoot/message.hpp"

namespace simdjson::dom {
class element;
}

namespace folkmoot {

struct JsonFault {
  std::string pointer{};  // RFC 6901, from what was read; empty: it as a whole
  std::string text{};     // what is said of that place alone, without what it stands in

  /// What was read stands in `key` of something; `said`: of it. From the inside out.
  void stands_in(std::string_view key, std::string_view said);
};

/// The same, if anybody wants to know.
inline void note_fault(JsonFault* fault, std::string_view key, std::string_view said) {
  if (fault != nullptr) fault->stands_in(key, said);
}

/// As message_from_json() and retry_from_json() (message/json_mapping.hpp), for who wants to know where.
Result<Message> message_from_json(const simdjson::dom::element& value, JsonFault* fault);
Result<RetryPolicy> retry_from_json(const simdjson::dom::element& value, JsonFault* fault);

/// A name as it stands in a JSON pointer.
std::string pointer_part(std::string_view key);

}  // namespace folkmoot
