// What an operand of a filter is worth for one message, and SQL-92's operations on it. The truth of a condition is a
// value too: TRUE and FALSE are booleans, UNKNOWN is NULL.
#pragma once

#include <compare>
#include <cstdint>
#include <string_view>

namespace folkmoot {

/// Trivial, so that a stack of them costs nothing to make. Text points into the message or the filter.
struct Value {
  enum class Kind : std::uint8_t { null, boolean, integer, real, text, other };

  Kind kind;
  union {
    bool boolean;
    std::int64_t integer;
    double real;  // always finite
    const char* data;
  };
  std::size_t size;

  bool is_null() const { return kind == Kind::null; }
  bool is_true() const { return kind == Kind::boolean && boolean; }
  bool is_false() const { return kind == Kind::boolean && !boolean; }
  bool is_text() const { return kind == Kind::text; }
  std::string_view text() const { return {data, size}; }
};

Value null_value();
/// Something that is there and can be compared with nothing: a list, a map, bytes.
Value other_value();
Value boolean_value(bool boolean);
Value integer_value(std::int64_t integer);
/// A whole number of a message; beyond 63 bits it becomes a floating number.
Value natural_value(std::uint64_t natural);
/// NULL if the number is not finite.
Value real_value(double real);
Value text_value(std::string_view text);

// -- three-valued logic; what is no boolean counts as UNKNOWN

Value truth_not(const Value& value);
Value truth_and(const Value& left, const Value& right);
Value truth_or(const Value& left, const Value& right);

/// Integers and floating numbers by their exact value, text bytewise, FALSE before TRUE. `unordered` stands for
/// UNKNOWN: one is NULL, or they are of unlike types.
std::partial_ordering compare(const Value& left, const Value& right);

// -- arithmetic: NULL for what is no number, for an integer beyond 64 bits, for a division by zero

Value add(const Value& left, const Value& right);
Value subtract(const Value& left, const Value& right);
Value multiply(const Value& left, const Value& right);
/// Of two integers: the whole part, towards zero.
Value divide(const Value& left, const Value& right);
Value negate(const Value& value);

}  // namespace folkmoot
