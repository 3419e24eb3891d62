// Names that fit a pattern in which `*` stands for anything.
#pragma once

#include <optional>
#include <string_view>

#include "filter/like.hpp"

namespace folkmoot {

class NamePattern {
 public:
  /// Empty: every name fits. Errors: none that a pattern without an escape at its end could have.
  static Result<NamePattern> make(std::string_view text) {
    NamePattern out;
    if (text.empty()) return out;
    std::string like;
    for (const char c : text) {
      if (c == '%' || c == '_' || c == '\\') like.push_back('\\');
      like.push_back(c == '*' ? '%' : c);
    }
    auto pattern = LikePattern::make(like, "\\");
    if (!pattern) return std::unexpected(pattern.error());
    out.pattern_ = std::move(*pattern);
    return out;
  }

  bool fits(std::string_view name) const {
    auto steps = kStepsMax;
    return !pattern_ || pattern_->matches(name, steps).value_or(false);
  }

 private:
  static constexpr std::uint64_t kStepsMax = 1'000'000;  // names have 255 bytes at most
  std::optional<LikePattern> pattern_;
};

}  // namespace folkmoot
