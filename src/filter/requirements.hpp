// What must hold of a message for a filter to be TRUE, as far as an index can tell: a place of the message is one of
// several literals, or a number within bounds. What a filter requires beside that only its evaluation knows.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "filter/program.hpp"

namespace folkmoot {

struct Requirement {
  std::uint32_t identifier = 0;  // of the program: which place
  bool is_range = false;
  // One of these; NULL is none of them. If it is no range.
  std::vector<Value> any_of{};
  // Within these, both counted in. Numbers are rounded to the nearest floating one here, and so must be what is looked
  // for: then nothing that fits is ruled out, as rounding keeps the order.
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};

/// All of them must hold. Text constants point into the program.
std::vector<Requirement> requirements_of(const Program& program);

}  // namespace folkmoot
