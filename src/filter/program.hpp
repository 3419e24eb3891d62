// A compiled filter: instructions for a stack of values, in the order they are carried out (operands before their
// operator), so that evaluating needs neither recursion nor memory of its own. Immutable once made; never moved, since
// its constants point into it.
#pragma once

#include <string>
#include <vector>

#include "filter/fields.hpp"
#include "filter/like.hpp"
#include "filter/value.hpp"

namespace folkmoot {

/// `a` is the topmost value, `b a` the two topmost.
enum class Op : std::uint8_t {
  constant,  // pushes the constant of that number
  load,      // pushes what the identifier of that number is worth
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,  // b a -> truth
  add,
  subtract,
  multiply,
  divide,  // b a -> number or NULL
  negate,
  plus,     // a -> number or NULL
  between,  // value low high -> truth
  like,     // a -> truth, by the pattern of that number
  is_null,
  is_true,
  is_false,
  is_unknown,  // a -> TRUE or FALSE
  not_,
  and_,
  or_,  // truth
  skip_if_false,
  skip_if_true,  // goes on at that instruction, if a is so: the other operand cannot change it
  list_begin,    // pushes the FALSE that a list begins with
  list_item,     // value found item -> value found; goes on at that instruction once it is TRUE
  list_end,      // value found -> found
};

struct Instruction {
  Op op;
  std::uint16_t operand;
};

struct PathStep {
  std::string name{};          // of a map; with a position empty
  std::uint32_t position = 0;  // in a list
  bool is_position = false;

  bool operator==(const PathStep&) const = default;
};

/// A field of the message, or a place inside of its metadata or content.
struct Identifier {
  const FilterField* field = nullptr;
  std::vector<PathStep> path{};

  bool operator==(const Identifier&) const = default;
};

struct Program {
  Program() = default;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  std::string text;
  std::string literals;  // what text constants point into; as large as the text from the start
  std::vector<Instruction> code;
  std::vector<Value> constants;
  std::vector<Identifier> identifiers;
  std::vector<LikePattern> patterns;
};

}  // namespace folkmoot
