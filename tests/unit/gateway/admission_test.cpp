// What strangers and unfinished requests may cost, by address and in all.
#include "gateway/admission.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace folkmoot {
namespace {

constexpr std::size_t kMiB = 1024 * 1024;
constexpr AdmissionLimits kLimits{.all = {.strangers = 3, .unfinished_bytes = 3 * kMiB},
                                  .by_address = {.strangers = 2, .unfinished_bytes = 2 * kMiB}};

constexpr PeerAddress kFirst{.family = 2, .network = 1}, kSecond{.family = 2, .network = 2},
    kThird{.family = 10, .network = 1};

TEST(Admission, TakesSoManyStrangersOfOneAddressAndInAll) {
  Admission admission(kLimits);
  auto first = Guest::enter(admission, kFirst);
  auto second = Guest::enter(admission, kFirst);
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(Guest::enter(admission, kFirst));
  auto other = Guest::enter(admission, kSecond);
  ASSERT_TRUE(other);
  EXPECT_FALSE(Guest::enter(admission, kThird)) << "three in all";
  second->become_known();
  second->become_known();
  EXPECT_FALSE(second->is_stranger());
  EXPECT_TRUE(Guest::enter(admission, kThird)) << "... which is gone again";
  other.reset();
  EXPECT_TRUE(Guest::enter(admission, kFirst));
}

TEST(Admission, CountsWhatIsHeldOnceItIsLarge) {
  Admission admission(kLimits);
  auto first = Guest::enter(admission, kFirst);
  auto second = Guest::enter(admission, kFirst);
  auto other = Guest::enter(admission, kSecond);
  ASSERT_TRUE(first && second && other);
  EXPECT_TRUE(first->hold(kMiB));
  EXPECT_TRUE(first->hold(kMiB * 3 / 2));
  EXPECT_FALSE(second->hold(kMiB)) << "two of one address";
  EXPECT_TRUE(second->hold(64 * 1024)) << "what is small costs nothing";
  EXPECT_TRUE(other->hold(kMiB * 3 / 2));
  EXPECT_FALSE(second->hold(kMiB / 2)) << "three in all";
  EXPECT_FALSE(first->hold(kMiB * 2)) << "and nothing is changed by what is refused";
  EXPECT_TRUE(first->hold(kMiB));
  EXPECT_TRUE(second->hold(kMiB / 2));
  first.reset();
  EXPECT_TRUE(second->hold(kMiB * 3 / 2));
  EXPECT_TRUE(second->hold(0));
}

TEST(Admission, IsLeftByOneThatIsMovedOnce) {
  Admission admission(
      {.all = {.strangers = 1, .unfinished_bytes = kMiB}, .by_address = {.strangers = 1, .unfinished_bytes = kMiB}});
  {
    auto guest = Guest::enter(admission, kFirst);
    ASSERT_TRUE(guest && guest->hold(kMiB));
    Guest moved(std::move(*guest));
    guest.reset();
    EXPECT_FALSE(Guest::enter(admission, kFirst));
    EXPECT_TRUE(moved.is_stranger());
  }
  auto again = Guest::enter(admission, kFirst);
  EXPECT_TRUE(again && again->hold(kMiB));
}

}  // namespace
}  // namespace folkmoot
