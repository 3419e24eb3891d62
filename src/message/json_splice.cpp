#include "message/json_splice.hpp"

#include <fmt/format.h>

#include "message/json_text.hpp"
#include "message/json_writer.hpp"

namespace folkmoot {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

// A place in a text that is known to be good.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::size_t at() const { return at_; }
  char peek() {
    at_ = std::min(text_.find_first_not_of(kBlanks, at_), text_.size());
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  /// What stands between the quotes. Requires: one begins here.
  std::string_view text() {
    peek();
    const auto begin = ++at_;
    while (text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    return text_.substr(begin, at_++ - begin);
  }
  /// One value, whatever it is.
  std::string_view value() {
    const auto first = peek();
    const auto begin = at_;
    if (first == '"') {
      text();
    } else if (first == '{' || first == '[') {
      for (int depth = 0;;) {
        const auto c = peek();
        if (c == '"') {
          text();
          continue;
        }
        ++at_;
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        if (depth == 0) break;
      }
    } else {
      at_ = std::min(text_.find_first_of(",]} \t\r\n", at_), text_.size());
    }
    return text_.substr(begin, at_ - begin);
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

Result<std::string> set_in(std::string_view object, std::string_view path, std::string_view value) {
  const auto dot = path.find('.');
  const auto name = path.substr(0, dot);
  Scanner scanner(object);
  if (!scanner.take('{')) return failure(ErrorCode::invalid_field, fmt::format("`{}` is in no JSON object", path));
  bool any = false;
  for (; scanner.peek() != '}'; scanner.take(',')) {
    any = true;
    const auto key = scanner.text();
    scanner.take(':');
    scanner.peek();
    const auto begin = scanner.at();
    const auto old = scanner.value();
    if (key != name) continue;
    auto now = dot == std::string_view::npos ? Result<std::string>(value) : set_in(old, path.substr(dot + 1), value);
    if (!now) return now;
    return std::string(object.substr(0, begin)).append(*now).append(object.substr(begin + old.size()));
  }
  if (dot != std::string_view::npos)
    return failure(ErrorCode::invalid_field, fmt::format("there is no `{}` in it to set `{}` in", name, path));
  std::string out(object.substr(0, scanner.at()));
  out.append(any ? ",\"" : "\"").append(name).append("\":").append(value).append(object.substr(scanner.at()));
  return out;
}

}  // namespace

void each_json_member(std::string_view object, const std::function<void(std::string_view, std::string_view)>& each) {
  Scanner scanner(object);
  if (!scanner.take('{')) return;
  for (; scanner.peek() != '}'; scanner.take(',')) {
    const auto key = scanner.text();
    scanner.take(':');
    each(key, scanner.value());
  }
}

Result<std::string> set_json_field(std::string_view text, std::string_view path, std::string_view value) {
  if (!is_json(text)) {
    return failure(ErrorCode::invalid_field,
                   fmt::format("the content is no JSON object, so that `{}` cannot be set in it", path));
  }
  return set_in(text, path, value);
}

std::string with_json_field(std::string_view name, std::string_view value, std::string_view object) {
  std::string out;
  JsonWriter(out).begin_object().field(name, value).end_object();
  const auto rest = object.substr(1);
  out.back() = rest == "}" ? '}' : ',';
  return rest == "}" ? out : out.append(rest);
}

}  // namespace folkmoot
