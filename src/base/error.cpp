#include "base/error.hpp"

namespace folkmoot {

std::string_view name(ErrorCode code) {
  switch (static_cast<int>(code)) {
#define FOLKMOOT_ERROR(number, word, http, text)                \
  case number:                                                  \
    static_assert(static_cast<int>(ErrorCode::word) == number); \
    return #word;
#include "base/errors.def"
#undef FOLKMOOT_ERROR
    default:
      return "unknown";
  }
}

std::string_view advice(ErrorCode code) {
  switch (static_cast<int>(code)) {
#define FOLKMOOT_ERROR(number, word, http, text) \
  case number:                                   \
    return text;
#include "base/errors.def"
#undef FOLKMOOT_ERROR
    default:
      return "";
  }
}

int http_status(ErrorCode code) {
  switch (static_cast<int>(code)) {
#define FOLKMOOT_ERROR(number, word, http, text) \
  case number:                                   \
    return http;
#include "base/errors.def"
#undef FOLKMOOT_ERROR
    default:
      return 500;
  }
}

std::string Error::describe() const {
  std::string out{name(code)};
  out.append(": ").append(text);
  if (auto hint = advice(code); !hint.empty()) out.append(". ").append(hint);
  return out;
}

}  // namespace folkmoot
