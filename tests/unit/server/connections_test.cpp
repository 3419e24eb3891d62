// The connections of a reactor by their numbers, and when they have to be looked at (server/connections.hpp,
// server/deadlines.hpp).
#include "server/connections.hpp"

#include <gtest/gtest.h>

#include "server/deadlines.hpp"

namespace folkmoot {
namespace {

TEST(Connections, are_found_by_their_number_until_they_are_gone) {
  Connections connections;
  const auto first = connections.add(-1, nullptr).id, second = connections.add(-1, nullptr).id;
  EXPECT_NE(first, second);
  EXPECT_EQ(connections.find(first)->id, first);
  EXPECT_EQ(connections.size(), 2u);
  connections.remove(first);
  EXPECT_EQ(connections.find(first), nullptr);
  EXPECT_EQ(connections.find(second)->id, second);
  EXPECT_EQ(connections.size(), 1u);
}

TEST(Connections, have_another_number_when_their_place_is_used_again) {
  Connections connections;
  const auto first = connections.add(-1, nullptr).id;
  connections.remove(first);
  const auto second = connections.add(-1, nullptr).id;
  EXPECT_EQ(session_slot(first), session_slot(second));
  EXPECT_NE(first, second) << "what was meant for the first must not reach the second";
  EXPECT_EQ(connections.find(first), nullptr);
}

TEST(Connections, may_go_while_they_are_visited) {
  Connections connections;
  for (int i = 0; i < 5; ++i) connections.add(-1, nullptr);
  std::size_t visits = 0;
  connections.each([&](Connection& connection) {
    ++visits;
    connections.remove(connection.id);
  });
  EXPECT_EQ(visits, 5u);
  EXPECT_EQ(connections.size(), 0u);
}

class DeadlinesTest : public testing::Test {
 protected:
  // Those of the connection that count, each at its time.
  std::vector<std::int64_t> looks_until(std::int64_t end) {
    std::vector<std::int64_t> looks;
    while (const auto due = deadlines_.take(end)) {
      if (due->at != connection_.due) continue;
      connection_.due = 0;
      looks.push_back(due->at);
    }
    return looks;
  }

  Deadlines deadlines_;
  Connection connection_;
};

TEST_F(DeadlinesTest, come_in_their_order_and_not_before) {
  EXPECT_EQ(deadlines_.next(), -1);
  deadlines_.set(connection_, 100);
  EXPECT_EQ(deadlines_.next(), 100);
  EXPECT_FALSE(deadlines_.take(99));
  EXPECT_EQ(looks_until(100), std::vector<std::int64_t>{100});
}

TEST_F(DeadlinesTest, that_move_on_cost_one_look) {
  for (std::int64_t at = 100; at < 10'000; ++at) deadlines_.set(connection_, at);
  EXPECT_EQ(looks_until(10'000), std::vector<std::int64_t>{100}) << "then the owner asks for the next";
  EXPECT_EQ(connection_.deadline, 9'999);
  EXPECT_EQ(deadlines_.next(), -1);
}

TEST_F(DeadlinesTest, that_come_nearer_are_looked_at_then) {
  deadlines_.set(connection_, 100);
  deadlines_.set(connection_, 50);
  EXPECT_EQ(looks_until(200), std::vector<std::int64_t>{50}) << "the later entry is not this connection's any more";
}

TEST_F(DeadlinesTest, of_the_listeners_have_no_connection) {
  deadlines_.look_at_listeners(7);
  EXPECT_EQ(deadlines_.take(7)->id, SessionId{});
}

}  // namespace
}  // namespace folkmoot
