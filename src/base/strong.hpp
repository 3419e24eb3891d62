// Numbers that mean different things and must not be taken for each other: each a type of its own, which costs nothing
// at run time and has no operations but those that make sense for it.
#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace folkmoot {

/// A number of `Rep` that means what `Tag` says. It is made of a number explicitly, read as one by `value`, and
/// compared with its own kind. None converts to another, nor to a number.
template <class Tag, std::unsigned_integral Rep>
struct Strong {
  Rep value = 0;

  constexpr Strong() = default;
  template <std::integral Number>
    requires(sizeof(Number) <= sizeof(Rep))
  explicit constexpr Strong(Number number) : value(static_cast<Rep>(number)) {}
  explicit constexpr Strong(int number) : value(static_cast<Rep>(number)) {}
  template <class Number>
    requires(std::is_arithmetic_v<Number> && (!std::integral<Number> || sizeof(Number) > sizeof(Rep)))
  explicit Strong(Number) = delete;  // it would be cut
  /// The literal 0, which most of them have for `none`, and no other number.
  template <std::same_as<int> Literal>
  consteval Strong(Literal zero) {  // NOLINT(google-explicit-constructor)
    if (zero != 0) throw "only 0 becomes one by itself";
  }

  friend constexpr bool operator==(Strong, Strong) = default;
  friend constexpr std::strong_ordering operator<=>(Strong, Strong) = default;
  friend constexpr std::size_t hash_value(Strong strong) { return strong.value; }  // boost::hash
};

/// A place in a row, of bytes or of whatever is counted: places have distances, which are numbers of those.
template <class Tag, std::unsigned_integral Rep = std::uint64_t>
struct StrongPlace : Strong<Tag, Rep> {
  using Strong<Tag, Rep>::Strong;

  constexpr StrongPlace& operator+=(Rep distance) { return this->value += distance, *this; }
  constexpr StrongPlace& operator++() { return *this += 1; }
  constexpr StrongPlace operator++(int) { return std::exchange(*this, *this + 1); }
  friend constexpr StrongPlace operator+(StrongPlace place, Rep distance) { return place += distance; }
  /// Behind `to` it wraps round, as numbers do.
  friend constexpr Rep operator-(StrongPlace to, StrongPlace from) { return to.value - from.value; }
};

}  // namespace folkmoot
