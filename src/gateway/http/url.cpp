#include "gateway/http/url.hpp"

#include <algorithm>

#include "base/utf8.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kPartsMax = 64;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> decode(std::string_view text, bool plus_is_space) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out.push_back(static_cast<char>(high << 4 | low));
      i += 2;
    } else {
      out.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
    }
  }
  if (!is_utf8(out)) return std::nullopt;
  return out;
}

// Calls on_part for each part of `text` between separators that is not empty; false once on_part says so.
template <class OnPart>
bool each_part(std::string_view text, char separator, OnPart on_part) {
  while (!text.empty()) {
    const auto end = std::min(text.find(separator), text.size());
    if (end != 0 && !on_part(text.substr(0, end))) return false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

}  // namespace

std::string_view Target::parameter(std::string_view name) const {
  const auto found = std::find_if(query.begin(), query.end(), [&](const auto& pair) { return pair.first == name; });
  return found == query.end() ? std::string_view{} : std::string_view(found->second);
}

bool Target::has(std::string_view name) const {
  return std::any_of(query.begin(), query.end(), [&](const auto& pair) { return pair.first == name; });
}

Result<Target> parse_target(std::string_view text) {
  const auto broken = [] { return failure(ErrorCode::malformed, "the request's target is not a path with a query"); };
  if (!text.starts_with('/')) return broken();
  text = text.substr(0, text.find('#'));
  const auto mark = text.find('?');
  Target target;
  const bool path_good = each_part(text.substr(0, mark), '/', [&](std::string_view part) {
    auto word = decode(part, false);
    if (!word || target.path.size() == kPartsMax) return false;
    target.path.push_back(std::move(*word));
    return true;
  });
  const auto query = mark == std::string_view::npos ? std::string_view{} : text.substr(mark + 1);
  const bool query_good = each_part(query, '&', [&](std::string_view part) {
    const auto equals = part.find('=');
    auto name = decode(part.substr(0, equals), true);
    auto value = decode(equals == std::string_view::npos ? std::string_view{} : part.substr(equals + 1), true);
    if (!name || !value || target.query.size() == kPartsMax) return false;
    target.query.emplace_back(std::move(*name), std::move(*value));
    return true;
  });
  if (!path_good || !query_good) return broken();
  return target;
}

}  // namespace folkmoot
