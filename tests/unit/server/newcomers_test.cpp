// Who has to go when too many sit there and say nothing (server/newcomers.hpp).
#include "server/newcomers.hpp"

#include <gtest/gtest.h>

namespace folkmoot {
namespace {

constexpr PeerAddress kAnn{2, 1}, kBob{2, 2};

class NewcomersTest : public testing::Test {
 protected:
  const LoginOptions bounds_{.timeout_ms = 1, .connections_max = 5, .of_address_max = 3};
  Newcomers newcomers_{bounds_};
};

TEST_F(NewcomersTest, nobody_goes_while_there_are_few) {
  for (SessionId id = 1; id <= 3; ++id) EXPECT_FALSE(newcomers_.enter(id, kAnn));
  for (SessionId id = 4; id <= 5; ++id) EXPECT_FALSE(newcomers_.enter(id, kBob));
  EXPECT_EQ(newcomers_.size(), 5u);
}

TEST_F(NewcomersTest, one_too_many_of_an_address_displaces_the_oldest_of_that_address) {
  newcomers_.enter(1, kBob);
  for (SessionId id = 2; id <= 4; ++id) newcomers_.enter(id, kAnn);
  EXPECT_EQ(newcomers_.enter(5, kAnn), 2u);
  EXPECT_EQ(newcomers_.enter(6, kAnn), 3u);
  EXPECT_EQ(newcomers_.size(), 4u);
}

TEST_F(NewcomersTest, one_too_many_in_all_displaces_the_oldest) {
  for (SessionId id = 1; id <= 3; ++id) newcomers_.enter(id, kAnn);
  for (SessionId id = 4; id <= 5; ++id) newcomers_.enter(id, kBob);
  EXPECT_EQ(newcomers_.enter(6, kBob), 1u);
  EXPECT_EQ(newcomers_.size(), 5u);
}

TEST_F(NewcomersTest, who_has_said_who_it_is_makes_room) {
  for (SessionId id = 1; id <= 3; ++id) newcomers_.enter(id, kAnn);
  newcomers_.leave(2);
  newcomers_.leave(2);
  EXPECT_FALSE(newcomers_.enter(4, kAnn));
  EXPECT_EQ(newcomers_.enter(5, kAnn), 1u);
  EXPECT_EQ(newcomers_.enter(6, kAnn), 3u);
}

// Whoever speaks at once gets in, however fast others come that do not.
TEST_F(NewcomersTest, many_that_say_nothing_shut_nobody_out) {
  SessionId silent = 1'000;
  for (SessionId id = 1; id <= 500; ++id) {
    newcomers_.enter(silent++, kAnn);
    EXPECT_NE(newcomers_.enter(id, kAnn), id);
    const auto leaves = newcomers_.enter(silent++, kAnn);
    EXPECT_NE(leaves.value_or(0), id);
    newcomers_.leave(id);
  }
  EXPECT_LE(newcomers_.size(), bounds_.of_address_max);
}

}  // namespace
}  // namespace folkmoot
