// A promise was broken: ends the run, with the reason.
#pragma once

#include <fmt/format.h>

#include <stdexcept>

#include "base/strong_format.hpp"

namespace folkmoot::simulation {

struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class... Arguments>
void expect(bool holds, fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  if (!holds) throw Violation(fmt::format(text, std::forward<Arguments>(arguments)...));
}

}  // namespace folkmoot::simulation
