// The pattern of a LIKE, made once: `%` stands for any text, `_` for one code point of UTF-8.
//
// A pattern is cut at its `%` into segments. The first is held at the text's start unless a `%` stands before it, the
// last at its end unless a `%` follows it; those between are each taken at the leftmost place after the one before,
// which never excludes a match: so there is no backtracking.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace folkmoot {

class LikePattern {
 public:
  /// `escape`, if it is not empty, is the one character that takes the meaning from a following `%`, `_` or itself.
  /// Requires: both are UTF-8. Errors: invalid_filter, for an escape character before anything else.
  static Result<LikePattern> make(std::string_view pattern, std::string_view escape);

  /// Whether the whole text is as the pattern says; takes what it looked at from `steps`, and is nothing when they do
  /// not suffice.
  std::optional<bool> matches(std::string_view text, std::uint64_t& steps) const;

 private:
  struct Segment {
    std::string bytes;     // `_` stands here as a byte that UTF-8 never has
    bool has_any = false;  // there is a `_`
  };

  std::optional<std::size_t> find(const Segment& segment, std::string_view text, std::size_t from,
                                  std::uint64_t& steps) const;

  std::vector<Segment> segments_;  // never empty
};

}  // namespace folkmoot
