#include "crypto/base64url.hpp"

#include <algorithm>

#include "base/base64.hpp"

namespace folkmoot {

std::string encode_base64url(std::string_view bytes, Padding padding) {
  auto text = encode_base64(bytes);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  if (padding == Padding::no) text.resize(text.find_last_not_of('=') + 1);
  return text;
}

std::optional<std::string> decode_base64url(std::string_view text) {
  if (text.find_first_of("+/") != std::string_view::npos) return std::nullopt;
  return decode_base64(text);
}

}  // namespace folkmoot
