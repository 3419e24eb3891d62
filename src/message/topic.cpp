#include "message/topic.hpp"

#include "base/utf8.hpp"

namespace folkmoot {
namespace {

// One pass: this is done for every event.
bool is_dotted(std::string_view text, bool wildcards) {
  if (text.empty() || text.size() > 255) return false;
  bool ascii = true;
  std::size_t word = 0;  // where the word begins
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const auto byte = i < text.size() ? static_cast<unsigned char>(text[i]) : static_cast<unsigned char>('.');
    if (byte <= ' ' || byte == 0x7f) return false;
    ascii &= byte < 0x80;
    if (byte != '.') continue;
    if (i == word) return false;
    if (i == word + 1 && (text[word] == '*' || text[word] == '>')) {
      if (!wildcards || (text[word] == '>' && i != text.size())) return false;
    }
    word = i + 1;
  }
  return ascii || is_utf8(text);
}

}  // namespace

std::string_view cut_word(std::string_view& rest, bool& more) {
  const auto dot = rest.find('.');
  more = dot != std::string_view::npos;
  const auto word = rest.substr(0, dot);
  rest = more ? rest.substr(dot + 1) : std::string_view{};
  return word;
}

bool is_topic(std::string_view text) { return is_dotted(text, false); }
bool is_pattern(std::string_view text) { return is_dotted(text, true) && !has_c1(text); }

bool has_wildcard(std::string_view pattern) {
  for (bool more = true; more;) {
    const auto word = cut_word(pattern, more);
    if (word == "*" || word == ">") return true;
  }
  return false;
}

bool topic_matches(std::string_view pattern, std::string_view topic) {
  bool pattern_more = true, topic_more = true;
  while (pattern_more && topic_more) {
    const auto want = cut_word(pattern, pattern_more);
    if (want == ">") return true;
    const auto have = cut_word(topic, topic_more);
    if (want != "*" && want != have) return false;
  }
  return pattern_more == topic_more;
}

}  // namespace folkmoot
