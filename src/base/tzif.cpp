#include "base/tzif.hpp"

#include "base/posix_tz.hpp"

namespace folkmoot {

Result<std::string> rule_of_tzif(Bytes file) {
  const auto text = as_text(file);
  constexpr std::size_t kHeaderBytes = 44;
  if (text.size() < kHeaderBytes || !text.starts_with("TZif"))
    return failure(ErrorCode::invalid_field, "it is no time zone file (TZif)");
  if (text[4] < '2') return failure(ErrorCode::invalid_field, "the time zone file is of a version without a rule");
  if (text.back() != '\n') return failure(ErrorCode::invalid_field, "the time zone file breaks off");
  const auto end = text.size() - 1;
  const auto begin = text.rfind('\n', end - 1);
  if (begin == std::string_view::npos || end - begin - 1 > kPosixTzBytesMax || end - begin < 2)
    return failure(ErrorCode::invalid_field, "the time zone file has no rule for times to come");
  return std::string(text.substr(begin + 1, end - begin - 1));
}

}  // namespace folkmoot
