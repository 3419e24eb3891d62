#include "base/utf8.hpp"

#include <fmt/format.h>

#include "base/bytes.hpp"

namespace folkmoot {

bool is_utf8(std::string_view text) { return utf8_prefix(text) == text.size(); }

std::size_t utf8_prefix(std::string_view text) {
  const auto* const begin = reinterpret_cast<const std::uint8_t*>(text.data());
  const auto* at = begin;
  const auto* const end = at + text.size();
  while (at < end) {
    if (end - at >= 8 && (load<std::uint64_t>(at) & 0x8080808080808080u) == 0) {
      at += 8;
      continue;
    }
    const auto before = static_cast<std::size_t>(at - begin);
    const auto lead = *at++;
    if (lead < 0x80) continue;
    // The range of the second byte excludes overlong forms, surrogates and what is above U+10FFFF.
    int more = 0;
    std::uint8_t low = 0x80, high = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) {
      more = 1;
    } else if (lead >= 0xe0 && lead <= 0xef) {
      more = 2;
      if (lead == 0xe0) low = 0xa0;
      if (lead == 0xed) high = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      more = 3;
      if (lead == 0xf0) low = 0x90;
      if (lead == 0xf4) high = 0x8f;
    } else {
      return before;
    }
    if (end - at < more) return before;
    for (int i = 0; i < more; ++i, low = 0x80, high = 0xbf) {
      if (*at < low || *at > high) return before;
      ++at;
    }
  }
  return text.size();
}

bool has_c1(std::string_view text) {
  for (auto at = text.find('\xc2'); at != std::string_view::npos; at = text.find('\xc2', at + 1)) {
    if (at + 1 < text.size() && static_cast<std::uint8_t>(text[at + 1]) < 0xa0) return true;
  }
  return false;
}

enum class Letters { none, ascii, others };

// What a name is made of; none: it is no name. Eight bytes at a time, as every message has several.
static Letters letters_of(std::string_view text) {
  if (text.empty() || text.size() > 255) return Letters::none;
  constexpr std::uint64_t kEach = 0x0101010101010101u, kHigh = 0x80 * kEach;
  const auto* at = reinterpret_cast<const std::uint8_t*>(text.data());
  const auto* const end = at + text.size();
  std::uint64_t high = 0;
  for (; end - at >= 8; at += 8) {
    const auto word = load<std::uint64_t>(at);
    const auto below = (word - 0x20 * kEach) & ~word & kHigh, no_delete = word ^ 0x7f * kEach;
    if ((below | ((no_delete - kEach) & ~no_delete & kHigh)) != 0) return Letters::none;
    high |= word;
  }
  for (; at < end; ++at) {
    if (*at < 0x20 || *at == 0x7f) return Letters::none;
    high |= *at;
  }
  if ((high & kHigh) == 0) return Letters::ascii;
  return is_utf8(text) ? Letters::others : Letters::none;
}

bool is_name(std::string_view text) {
  const auto letters = letters_of(text);
  return letters == Letters::ascii || (letters == Letters::others && !has_c1(text));
}

std::string_view printable(std::string_view name) { return is_name(name) ? name : "(unprintable)"; }

bool was_name(std::string_view text) { return letters_of(text) != Letters::none; }

static bool is_control(unsigned char byte) { return byte < 0x20 || byte == 0x7f; }

std::string escaped_controls(std::string_view text, KeepLines lines) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto good = text.substr(0, utf8_prefix(text));
    for (std::size_t i = 0; i < good.size(); ++i) {
      const auto byte = static_cast<unsigned char>(good[i]);
      const auto next = i + 1 < good.size() ? static_cast<unsigned char>(good[i + 1]) : 0;
      const bool stays = lines == KeepLines::yes && (byte == '\n' || byte == '\t' || (byte == '\r' && next == '\n'));
      if (is_control(byte) && !stays) {
        out += fmt::format("\\u{:04x}", byte);
      } else if (byte == 0xc2 && next < 0xa0) {
        out += fmt::format("\\u{:04x}", next);
        ++i;
      } else {
        out += good[i];
      }
    }
    text.remove_prefix(good.size());
    if (text.empty()) break;
    out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
    text.remove_prefix(1);
  }
  return out;
}

}  // namespace folkmoot
