#include "base/strong_format.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/unordered/unordered_flat_set.hpp>
#include <concepts>
#include <optional>

namespace folkmoot {
namespace {

using Apple = Strong<struct AppleTag, std::uint64_t>;
using Pear = Strong<struct PearTag, std::uint64_t>;
using Small = Strong<struct SmallTag, std::uint32_t>;
using Place = StrongPlace<struct PlaceTag>;
using OtherPlace = StrongPlace<struct OtherPlaceTag>;

template <class A, class B>
concept kTakenFor = std::constructible_from<A, B> || std::assignable_from<A&, B> || std::equality_comparable_with<A, B>;
template <class A, class B>
concept kAdds = requires(A a, B b) { a + b; };
template <class A, class B>
concept kSubtracts = requires(A a, B b) { a - b; };

static_assert(!kTakenFor<Apple, Pear> && !kTakenFor<Apple, Small> && !kTakenFor<Small, Apple>);
static_assert(!kTakenFor<Apple, Place> && !kTakenFor<Place, Apple> && !kTakenFor<Place, OtherPlace>);
static_assert(std::constructible_from<Apple, std::uint64_t> && std::constructible_from<Apple, int>);
static_assert(!std::convertible_to<std::uint64_t, Apple> && !std::convertible_to<Apple, std::uint64_t>);
static_assert(!std::constructible_from<Small, std::uint64_t>, "it would be cut");
static_assert(!kAdds<Apple, Apple> && !kAdds<Apple, int> && !kSubtracts<Apple, Apple>);
static_assert(!kAdds<Place, Place> && !kAdds<Place, Apple> && !kSubtracts<Place, OtherPlace> &&
              !kSubtracts<Place, std::uint64_t>);
static_assert(std::same_as<decltype(Place{} + 1), Place> && std::same_as<decltype(Place{} - Place{}), std::uint64_t>);

template <class T, class Rep>
constexpr bool kCostsNothing = sizeof(T) == sizeof(Rep) && alignof(T) == alignof(Rep) &&
                               std::is_trivially_copyable_v<T> && std::is_standard_layout_v<T>;
static_assert(kCostsNothing<Apple, std::uint64_t> && kCostsNothing<Place, std::uint64_t>);
static_assert(kCostsNothing<Small, std::uint32_t>);

TEST(StrongTest, the_literal_0_is_none_and_the_default) {
  struct Holder {
    Apple apple = 0;
  };
  EXPECT_TRUE(Holder{}.apple == 0);
  EXPECT_TRUE(Holder{}.apple == Apple{});
  EXPECT_FALSE(Apple{7} == 0);
}

TEST(StrongTest, it_is_ordered_hashed_and_written_as_its_number) {
  EXPECT_LT(Apple{3}, Apple{4});
  const boost::unordered_flat_set<Apple> apples{Apple{3}, Apple{4}, Apple{3}};
  EXPECT_EQ(apples.size(), 2u);
  EXPECT_EQ(fmt::format("{} {:03}", Apple{7}, Place{8}), "7 008");
}

TEST(StrongTest, places_have_distances) {
  Place place{100};
  place += 20;
  EXPECT_EQ(place, Place{120});
  EXPECT_EQ((place + 8) - Place{100}, 28u);
}

}  // namespace
}  // namespace folkmoot
