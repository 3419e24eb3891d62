// Topics and patterns: words joined by dots; in patterns `*` is one word and a last `>` one or more.
#pragma once

#include <string_view>

namespace folkmoot {

/// True for a topic that can be published to: 1-255 bytes, no empty word, no word that is a wildcard.
bool is_topic(std::string_view text);
/// True for a pattern that can be subscribed to.
bool is_pattern(std::string_view text);
bool has_wildcard(std::string_view pattern);
/// Requires: is_pattern(pattern), is_topic(topic).
bool topic_matches(std::string_view pattern, std::string_view topic);

/// Cuts the first word off `rest`; `rest` becomes what follows its dot, and `more` tells whether there was one.
std::string_view cut_word(std::string_view& rest, bool& more);

}  // namespace folkmoot
