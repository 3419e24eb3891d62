// Who has to go when too many sit there and say nothing (server/newcomers.hpp).
#include "server/newcomers.hpp"

#include <gtest/gtest.h>

namespace folkmoot {
namespace {

constexpr PeerAddress kAnn{2, 1}, kBob{2, 2};

class NewcomersTest : public testing::Test {
 protected:
  const LoginOptions bounds_{.timeout_ms = 1, .connections_max = 5, .of_address_max = 3};
  std::optional<std::uint64_t> enter(std::uint64_t id, const PeerAddress& address) {
    const auto leaves = newcomers_.enter(SessionId{id}, address);
    return leaves ? std::optional(leaves->value) : std::nullopt;
  }
  void leave(std::uint64_t id) { newcomers_.leave(SessionId{id}); }

  Newcomers newcomers_{bounds_};
};

TEST_F(NewcomersTest, nobody_goes_while_there_are_few) {
  for (std::uint64_t id = 1; id <= 3; ++id) EXPECT_FALSE(enter(id, kAnn));
  for (std::uint64_t id = 4; id <= 5; ++id) EXPECT_FALSE(enter(id, kBob));
  EXPECT_EQ(newcomers_.size(), 5u);
}

TEST_F(NewcomersTest, one_too_many_of_an_address_displaces_the_oldest_of_that_address) {
  enter(1, kBob);
  for (std::uint64_t id = 2; id <= 4; ++id) enter(id, kAnn);
  EXPECT_EQ(enter(5, kAnn), 2u);
  EXPECT_EQ(enter(6, kAnn), 3u);
  EXPECT_EQ(newcomers_.size(), 4u);
}

TEST_F(NewcomersTest, one_too_many_in_all_displaces_the_oldest) {
  for (std::uint64_t id = 1; id <= 3; ++id) enter(id, kAnn);
  for (std::uint64_t id = 4; id <= 5; ++id) enter(id, kBob);
  EXPECT_EQ(enter(6, kBob), 1u);
  EXPECT_EQ(newcomers_.size(), 5u);
}

TEST_F(NewcomersTest, who_has_said_who_it_is_makes_room) {
  for (std::uint64_t id = 1; id <= 3; ++id) enter(id, kAnn);
  leave(2);
  leave(2);
  EXPECT_FALSE(enter(4, kAnn));
  EXPECT_EQ(enter(5, kAnn), 1u);
  EXPECT_EQ(enter(6, kAnn), 3u);
}

// Whoever speaks at once gets in, however fast others come that do not.
TEST_F(NewcomersTest, many_that_say_nothing_shut_nobody_out) {
  std::uint64_t silent = 1'000;
  for (std::uint64_t id = 1; id <= 500; ++id) {
    enter(silent++, kAnn);
    EXPECT_NE(enter(id, kAnn), id);
    const auto leaves = enter(silent++, kAnn);
    EXPECT_NE(leaves.value_or(0), id);
    leave(id);
  }
  EXPECT_LE(newcomers_.size(), bounds_.of_address_max);
}

}  // namespace
}  // namespace folkmoot
