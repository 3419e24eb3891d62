// What strangers and unfinished requests may cost, by address and in all.
#include "gateway/admission.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

namespace folkmoot {
namespace {

constexpr std::size_t kMiB = 1024 * 1024;
constexpr AdmissionLimits kLimits{.all = {.strangers = 3, .unfinished_bytes = 3 * kMiB},
                                  .by_address = {.strangers = 2, .unfinished_bytes = 2 * kMiB}};

TEST(Admission, TakesSoManyStrangersOfOneAddressAndInAll) {
  Admission admission(kLimits);
  auto first = Guest::enter(admission, "a");
  auto second = Guest::enter(admission, "a");
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(Guest::enter(admission, "a"));
  auto other = Guest::enter(admission, "b");
  ASSERT_TRUE(other);
  EXPECT_FALSE(Guest::enter(admission, "c")) << "three in all";
  second->become_known();
  second->become_known();
  EXPECT_FALSE(second->is_stranger());
  EXPECT_TRUE(Guest::enter(admission, "c")) << "... which is gone again";
  other.reset();
  EXPECT_TRUE(Guest::enter(admission, "a"));
}

TEST(Admission, CountsWhatIsHeldOnceItIsLarge) {
  Admission admission(kLimits);
  auto first = Guest::enter(admission, "a");
  auto second = Guest::enter(admission, "a");
  auto other = Guest::enter(admission, "b");
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
    auto guest = Guest::enter(admission, "a");
    ASSERT_TRUE(guest && guest->hold(kMiB));
    Guest moved(std::move(*guest));
    guest.reset();
    EXPECT_FALSE(Guest::enter(admission, "a"));
    EXPECT_TRUE(moved.is_stranger());
  }
  auto again = Guest::enter(admission, "a");
  EXPECT_TRUE(again && again->hold(kMiB));
}

TEST(Admission, KnowsUnixSocketsAsOneAddress) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  EXPECT_EQ(peer_address(pair[0]), peer_address(pair[1]));
  ::close(pair[0]);
  ::close(pair[1]);
}

}  // namespace
}  // namespace folkmoot
