// The target of a request: its path in words, and its query.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace folkmoot {

struct Target {
  std::vector<std::string> path;  // decoded; "/" is none
  std::vector<std::pair<std::string, std::string>> query;

  /// The first parameter of that name; empty if there is none.
  std::string_view parameter(std::string_view name) const;
  bool has(std::string_view name) const;
};

/// Errors: malformed for a target that is no path, broken escapes, text that is not UTF-8, more than 64 parts.
Result<Target> parse_target(std::string_view text);

}  // namespace folkmoot
