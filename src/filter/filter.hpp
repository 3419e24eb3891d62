// The one filter language of subscriptions, routes, dead letters, streams and permissions: an SQL-92 search condition
// over the envelope, the metadata and JSON content (docs/filters.md).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "filter/filter_input.hpp"

namespace folkmoot {

struct Program;

/// A compiled condition. Copies share what was compiled.
/// thread    any; immutable, so any number may evaluate at once, each with a FilterInput of its own
class Filter {
 public:
  /// Errors: invalid_filter, which tells the column (from 1), what was found there and what was expected; out_of_range
  /// beyond a bound of filter/limits.hpp.
  static Result<Filter> compile(std::string_view text);

  /// Whether the condition is TRUE for the message; neither FALSE nor UNKNOWN is. Allocates only to parse JSON content.
  /// Requires: this was not moved from.
  bool matches(const FilterInput& input) const noexcept;

  /// As it was compiled.
  const std::string& text() const;

  /// Whether it asks for anything of the content: if not, the input needs none.
  bool reads_content() const;

  /// What it was compiled to; lives as long as any copy.
  const Program& program() const { return *program_; }

 private:
  explicit Filter(std::shared_ptr<const Program> program) : program_(std::move(program)) {}

  std::shared_ptr<const Program> program_;
};

}  // namespace folkmoot
