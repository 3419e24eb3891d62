#include "message/json_fault.hpp"

namespace folkmoot {

std::string pointer_part(std::string_view key) {
  std::string out = "/";
  for (const char c : key) {
    if (c == '~' || c == '/') {
      out += c == '~' ? "~0" : "~1";
    } else {
      out += c;
    }
  }
  return out;
}

void JsonFault::stands_in(std::string_view key, std::string_view said) {
  pointer.insert(0, pointer_part(key));
  if (text.empty()) text = said;
}

}  // namespace folkmoot
