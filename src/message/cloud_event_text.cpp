#include "message/cloud_event_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/utf8.hpp"

namespace folkmoot {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_letter(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }
bool is_any_of(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }
bool is_unreserved(char c) { return is_letter(c) || is_digit(c) || is_any_of(c, "-._~"); }
bool is_token(char c) { return is_letter(c) || is_digit(c) || is_any_of(c, "!#$%&'*+-.^_`|~"); }

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool begins_escape(std::string_view text) {
  return text.size() >= 3 && text[0] == '%' && hex_digit(text[1]) >= 0 && hex_digit(text[2]) >= 0;
}

void append_escape(std::string& out, char c) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(c);
  out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
}

// U+FDD0 to U+FDEF, and the last two of each plane. Requires: is_utf8(text).
bool has_noncharacter(std::string_view text) {
  for (std::size_t i = 0; i + 2 < text.size(); ++i) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const auto second = static_cast<unsigned char>(text[i + 1]), third = static_cast<unsigned char>(text[i + 2]);
    if (lead == 0xef && second == 0xb7 && third >= 0x90 && third <= 0xaf) return true;
    if (lead == 0xef && second == 0xbf && third >= 0xbe) return true;
    if (lead < 0xf0 || i + 3 >= text.size()) continue;
    const auto fourth = static_cast<unsigned char>(text[i + 3]);
    if ((second & 0x0f) == 0x0f && third == 0xbf && fourth >= 0xbe) return true;
  }
  return false;
}

// Exactly so many digits; -1 if they are not there.
int number_at(std::string_view text, std::size_t at, std::size_t digits) {
  if (at + digits > text.size()) return -1;
  int value = 0;
  for (const char c : text.substr(at, digits)) {
    if (!is_digit(c)) return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}
bool is_within(int value, int most) { return value >= 0 && value <= most; }

bool is_date(std::string_view text) {
  using namespace std::chrono;
  const int y = number_at(text, 0, 4), m = number_at(text, 5, 2), d = number_at(text, 8, 2);
  if (y < 0 || m < 0 || d < 0 || text[4] != '-' || text[7] != '-') return false;
  return year_month_day{year{y}, month{static_cast<unsigned>(m)}, day{static_cast<unsigned>(d)}}.ok();
}

bool is_zone(std::string_view text) {
  if (text == "Z" || text == "z") return true;
  return text.size() == 6 && is_any_of(text[0], "+-") && text[3] == ':' && is_within(number_at(text, 1, 2), 23) &&
         is_within(number_at(text, 4, 2), 59);
}

// A quoted string at the start of `text`, which it is cut from; false if it does not end.
bool take_quoted(std::string_view& text, std::string& into) {
  std::size_t i = 1;
  for (; i < text.size() && text[i] != '"'; ++i) {
    if (text[i] == '\\' && ++i == text.size()) return false;
    into += text[i];
  }
  if (i >= text.size()) return false;
  text.remove_prefix(i + 1);
  return true;
}

std::string_view skip_tokens(std::string_view text) {
  const auto* const end = std::ranges::find_if_not(text, is_token);
  return text.substr(static_cast<std::size_t>(end - text.begin()));
}

std::string_view skip_blanks(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(" \t"), text.size()));
}

}  // namespace

bool is_attribute_name(std::string_view name) {
  return !name.empty() && name.size() <= kAttributeNameBytesMax &&
         std::ranges::all_of(name, [](char c) { return is_lower(c) || is_digit(c); });
}

bool is_attribute_text(std::string_view text) {
  const bool has_control =
      std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  return !has_control && is_utf8(text) && !has_c1(text) && !has_noncharacter(text);
}

bool is_uri_reference(std::string_view text) {
  std::size_t marks = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (!begins_escape(text.substr(i))) return false;
    } else if (text[i] == '#') {
      ++marks;
    } else if (!is_unreserved(text[i]) && !is_any_of(text[i], ":/?[]@!$&'()*+,;=")) {
      return false;
    }
  }
  return !text.empty() && marks <= 1;
}

bool is_uri(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || !is_letter(text[0]) || !is_uri_reference(text)) return false;
  return std::ranges::all_of(text.substr(0, colon),
                             [](char c) { return is_letter(c) || is_digit(c) || is_any_of(c, "+-."); });
}

bool is_rfc3339(std::string_view text) {
  if (text.size() < 20 || !is_date(text) || !is_any_of(text[10], "Tt ") || text[13] != ':' || text[16] != ':')
    return false;
  if (!is_within(number_at(text, 11, 2), 23) || !is_within(number_at(text, 14, 2), 59) ||
      !is_within(number_at(text, 17, 2), 60)) {
    return false;
  }
  auto rest = text.substr(19);
  if (rest[0] == '.') {
    const auto end = rest.find_first_not_of("0123456789", 1);
    if (end == std::string_view::npos || end == 1) return false;
    rest.remove_prefix(end);
  }
  return is_zone(rest);
}

bool is_media_type(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos || slash == 0 || !skip_tokens(text.substr(0, slash)).empty()) return false;
  auto rest = skip_tokens(text.substr(slash + 1));
  if (rest.size() == text.size() - slash - 1) return false;
  for (rest = skip_blanks(rest); !rest.empty(); rest = skip_blanks(rest)) {
    if (rest[0] != ';') return false;
    rest = skip_blanks(rest.substr(1));
    const auto value = skip_tokens(rest);
    if (value.size() == rest.size()) continue;  // `text/plain;` says nothing more
    if (!value.starts_with('=')) return false;
    std::string quoted;
    rest = value.substr(1);
    if (rest.starts_with('"')) {
      if (!take_quoted(rest, quoted)) return false;
    } else {
      const auto after = skip_tokens(rest);
      if (after.size() == rest.size()) return false;
      rest = after;
    }
  }
  return true;
}

std::string header_value(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c > ' ' && c <= '~' && c != '"' && c != '%') {
      out += c;
    } else {
      append_escape(out, c);
    }
  }
  return out;
}

Result<std::string> text_of_header(std::string_view value) {
  std::string plain;
  while (!value.empty()) {
    if (value[0] != '"') {
      plain += value[0];
      value.remove_prefix(1);
    } else if (!take_quoted(value, plain)) {
      return failure(ErrorCode::malformed, "a quote does not end");
    }
  }
  std::string out;
  for (std::string_view rest = plain; !rest.empty();) {
    const bool is_escape = rest[0] == '%';
    if (is_escape && !begins_escape(rest))
      return failure(ErrorCode::malformed, "a `%` stands before something else than two hexadecimal digits");
    out += is_escape ? static_cast<char>(hex_digit(rest[1]) << 4 | hex_digit(rest[2])) : rest[0];
    rest.remove_prefix(is_escape ? 3 : 1);
  }
  if (!is_utf8(out)) return failure(ErrorCode::malformed, "it is not UTF-8");
  return out;
}

std::string uri_segment(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_unreserved(c)) {
      out += c;
    } else {
      append_escape(out, c);
    }
  }
  return out;
}

}  // namespace folkmoot
