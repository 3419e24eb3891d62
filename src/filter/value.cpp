#include "filter/value.hpp"

#include <cmath>
#include <limits>

namespace folkmoot {
namespace {

using ValueKind = Value::Kind;

constexpr double kTwoTo63 = 9223372036854775808.0;

bool is_number(const Value& value) { return value.kind == ValueKind::integer || value.kind == ValueKind::real; }

double as_real(const Value& value) {
  return value.kind == ValueKind::integer ? static_cast<double>(value.integer) : value.real;
}

// Converting the integer would round it: 2^53 and 2^53 + 1 would both equal 2^53 as a floating number.
std::partial_ordering compare_exactly(std::int64_t integer, double real) {
  if (real >= kTwoTo63) return std::partial_ordering::less;
  if (real < -kTwoTo63) return std::partial_ordering::greater;
  const double whole = std::trunc(real);
  const auto whole_integer = static_cast<std::int64_t>(whole);
  if (integer != whole_integer) return integer <=> whole_integer;
  return 0.0 <=> real - whole;
}

std::partial_ordering compare_numbers(const Value& left, const Value& right) {
  if (left.kind == ValueKind::integer) {
    return right.kind == ValueKind::integer ? left.integer <=> right.integer
                                            : compare_exactly(left.integer, right.real);
  }
  return right.kind == ValueKind::real ? left.real <=> right.real : 0 <=> compare_exactly(right.integer, left.real);
}

// `on_integers` returns true on overflow, as the compiler's checked operations do.
template <class OnIntegers, class OnReals>
Value calculate(const Value& left, const Value& right, OnIntegers on_integers, OnReals on_reals) {
  if (!is_number(left) || !is_number(right)) return null_value();
  if (left.kind == ValueKind::real || right.kind == ValueKind::real)
    return real_value(on_reals(as_real(left), as_real(right)));
  std::int64_t result = 0;
  if (on_integers(left.integer, right.integer, &result)) return null_value();
  return integer_value(result);
}

}  // namespace

Value null_value() {
  Value value;
  value.kind = ValueKind::null;
  value.integer = 0;
  value.size = 0;
  return value;
}

Value other_value() {
  Value value = null_value();
  value.kind = ValueKind::other;
  return value;
}

Value boolean_value(bool boolean) {
  Value value = null_value();
  value.kind = ValueKind::boolean;
  value.boolean = boolean;
  return value;
}

Value integer_value(std::int64_t integer) {
  Value value = null_value();
  value.kind = ValueKind::integer;
  value.integer = integer;
  return value;
}

Value natural_value(std::uint64_t natural) {
  if (natural > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return real_value(static_cast<double>(natural));
  }
  return integer_value(static_cast<std::int64_t>(natural));
}

Value real_value(double real) {
  Value value = null_value();
  if (!std::isfinite(real)) return value;
  value.kind = ValueKind::real;
  value.real = real;
  return value;
}

Value text_value(std::string_view text) {
  Value value = null_value();
  value.kind = ValueKind::text;
  value.data = text.data();
  value.size = text.size();
  return value;
}

Value truth_not(const Value& value) {
  return value.kind == ValueKind::boolean ? boolean_value(!value.boolean) : null_value();
}

Value truth_and(const Value& left, const Value& right) {
  if (left.is_false() || right.is_false()) return boolean_value(false);
  return left.is_true() && right.is_true() ? boolean_value(true) : null_value();
}

Value truth_or(const Value& left, const Value& right) {
  if (left.is_true() || right.is_true()) return boolean_value(true);
  return left.is_false() && right.is_false() ? boolean_value(false) : null_value();
}

std::partial_ordering compare(const Value& left, const Value& right) {
  if (is_number(left) && is_number(right)) return compare_numbers(left, right);
  if (left.kind != right.kind) return std::partial_ordering::unordered;
  if (left.kind == ValueKind::text) return left.text() <=> right.text();
  if (left.kind == ValueKind::boolean) return left.boolean <=> right.boolean;
  return std::partial_ordering::unordered;
}

Value add(const Value& left, const Value& right) {
  return calculate(
      left, right, [](auto a, auto b, auto* result) { return __builtin_add_overflow(a, b, result); },
      [](double a, double b) { return a + b; });
}

Value subtract(const Value& left, const Value& right) {
  return calculate(
      left, right, [](auto a, auto b, auto* result) { return __builtin_sub_overflow(a, b, result); },
      [](double a, double b) { return a - b; });
}

Value multiply(const Value& left, const Value& right) {
  return calculate(
      left, right, [](auto a, auto b, auto* result) { return __builtin_mul_overflow(a, b, result); },
      [](double a, double b) { return a * b; });
}

Value divide(const Value& left, const Value& right) {
  if (is_number(right) && as_real(right) == 0.0) return null_value();
  return calculate(
      left, right,
      [](std::int64_t a, std::int64_t b, std::int64_t* result) {
        // The one quotient that has no place in 64 bits.
        if (a == std::numeric_limits<std::int64_t>::min() && b == -1) return true;
        *result = a / b;
        return false;
      },
      [](double a, double b) { return a / b; });
}

Value negate(const Value& value) {
  if (value.kind == ValueKind::real) return real_value(-value.real);
  return subtract(integer_value(0), value);
}

}  // namespace folkmoot
