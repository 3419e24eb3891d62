// Which known word was probably meant by one that is not known.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace folkmoot {

/// The nearest of `known` to `word` by edits of a letter (Damerau-Levenshtein), case aside; empty if none is near: more
/// than a third of its letters would have to change.
std::string_view nearest(std::string_view word, std::span<const std::string_view> known);

/// "; did you mean `limit`?", or nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> known);

}  // namespace folkmoot
