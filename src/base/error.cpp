#include "base/error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

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

std::string_view advice_on(const Error& error) {
  return error.advice.empty() ? advice(error.code) : std::string_view(error.advice);
}

std::string Error::describe() const {
  std::string out{name(code)};
  out.append(": ").append(text);
  if (const auto hint = advice_on(*this); !hint.empty()) out.append(". ").append(hint);
  return out;
}

Error within(std::string_view where, const Error& error) {
  return {error.code, std::string(where).append(": ").append(error.text), error.advice, error.retry_after_s};
}

std::string_view advice_on_errno(int cause) {
  switch (cause) {
    case EACCES:
    case EPERM:
      return "this user may not: look whose it is with `ls -ld`, and run it as that user or give another path";
    case ENOENT:
      return "there is no such file or folder: look at the path";
    case ENOTDIR:
      return "a part of that path is no folder: give another path";
    case EISDIR:
      return "that is a folder: give the path of a file";
    case EEXIST:
      return "something of that name is there already: give another path";
    case EROFS:
      return "that file system cannot be written: give a path on another one";
    case ENAMETOOLONG:
      return "give a shorter path";
    case ENOSPC:
    case EDQUOT:
      return "make room on that disk";
    case EMFILE:
    case ENFILE:
      return "let the process have more open files (`ulimit -n`)";
    case EIO:
      return "the disk may be failing: look into the system's log (`dmesg`)";
    case EADDRNOTAVAIL:
      return "this machine has no such address: `ip address` lists those it has";
    default:
      return {};
  }
}

Error system_error(ErrorCode code, std::string_view doing, int cause) {
  return {code, std::string(doing).append(": ").append(std::strerror(cause)), std::string(advice_on_errno(cause))};
}

Error error_until(std::int64_t wait_ms, std::string text, std::string_view what_to_do) {
  const auto seconds = std::clamp<std::int64_t>((wait_ms + 999) / 1'000, 1, std::numeric_limits<std::uint16_t>::max());
  std::string advice(what_to_do);
  advice.append(" in ").append(std::to_string(wait_ms)).append(" ms");
  return {ErrorCode::limit_reached, std::move(text), std::move(advice), static_cast<std::uint16_t>(seconds)};
}

std::string joined_text(const Error& error) {
  return error.advice.empty() ? error.text : std::string(error.text).append("\n").append(error.advice);
}

Error split_text(ErrorCode code, std::string_view text) {
  const auto end = std::min(text.find('\n'), text.size());
  return {code, std::string(text.substr(0, end)), std::string(text.substr(std::min(end + 1, text.size())))};
}

}  // namespace folkmoot
