// One answer out of several shards' (server/shard_merge.hpp).
#include "server/shard_merge.hpp"

#include <gtest/gtest.h>

#include "message/operations.hpp"
#include "operation/answers.hpp"

namespace folkmoot {
namespace {

std::string settled(std::uint32_t count, std::vector<std::uint64_t> refused) {
  const std::uint32_t counts[] = {count, static_cast<std::uint32_t>(refused.size())};
  std::string body(as_text(bytes_of(counts)));
  for (const auto lease : refused) body.append(as_text(bytes_of(lease)));
  return body;
}

std::vector<LeaseToken> leases(std::initializer_list<std::uint64_t> tokens) {
  std::vector<LeaseToken> all;
  for (const auto token : tokens) all.emplace_back(token);
  return all;
}

TEST(ShardMerge, settlements_are_summed_and_what_was_refused_stands_as_it_was_asked) {
  const auto all = merge_settled(leases({7, 3, 9, 3, 5}), false);
  all->take(ShardNumber{1}, as_bytes(settled(1, {3, 9})));
  all->take(ShardNumber{0}, as_bytes(settled(1, {3})));
  EXPECT_EQ(all->opcode(), Opcode::settled);
  const auto sum = read_settled(as_bytes(all->body()));
  ASSERT_TRUE(sum);
  EXPECT_EQ(sum->settled, 2u);
  EXPECT_EQ(sum->refused, (std::vector<std::uint64_t>{3, 9, 3}));
}

TEST(ShardMerge, quiet_settlements_are_silent_unless_something_was_refused) {
  const auto good = merge_settled(leases({1, 2}), true), bad = merge_settled(leases({1, 2}), true);
  good->take(ShardNumber{0}, as_bytes(settled(2, {})));
  bad->take(ShardNumber{0}, as_bytes(settled(1, {2})));
  EXPECT_TRUE(good->is_silent());
  EXPECT_FALSE(bad->is_silent());
}

TEST(ShardMerge, an_answer_that_is_cut_short_counts_nothing) {
  const auto all = merge_settled(leases({1}), false);
  all->take(ShardNumber{0}, as_bytes(std::string_view("\1\0\0", 3)));
  EXPECT_EQ(read_settled(as_bytes(all->body()))->settled, 0u);
}

TEST(ShardMerge, the_first_error_is_the_answer_of_all) {
  const auto all = merge_ok();
  EXPECT_FALSE(all->error());
  all->fail({ErrorCode::busy, "first"});
  all->fail({ErrorCode::not_found, "second"});
  EXPECT_EQ(all->error()->text, "first");
}

// What a shard says to wake.take, as shards tell each other.
std::string woken(std::vector<std::string> agents) {
  static constexpr auto kInfo = operation_info<TakeWakes>();
  TakenWakes taken;
  for (auto& agent : agents) taken.wakes.push_back({.agent = std::move(agent)});
  return write_answer(kInfo, &taken, true).value();
}

TEST(ShardMerge, X11_the_first_answer_that_says_something_ends_the_waiting_and_none_is_lost) {
  const auto& operation = *find_operation("wake.take");
  const auto first = merge_first(operation, 3);
  EXPECT_TRUE(first->may_be_cut());
  first->take(ShardNumber{2}, as_bytes(woken({})));
  EXPECT_FALSE(first->is_enough());
  first->take(ShardNumber{1}, as_bytes(woken({"ann"})));
  EXPECT_TRUE(first->is_enough());
  first->take(ShardNumber{0}, as_bytes(woken({"bob"})));
  TakenWakes taken;
  const auto body = first->body();
  ASSERT_TRUE(read_answer(operation, as_bytes(body), &taken));
  ASSERT_EQ(taken.wakes.size(), 2u);
  EXPECT_EQ(taken.wakes[0].agent, "bob");
  EXPECT_EQ(taken.wakes[1].agent, "ann");
}

TEST(ShardMerge, X11_a_refusal_ends_the_waiting_and_hides_nothing_that_was_given) {
  const auto& operation = *find_operation("wake.take");
  const auto refused = merge_first(operation, 2);
  refused->fail({ErrorCode::already_exists, "awake"});
  EXPECT_TRUE(refused->is_enough());
  refused->take(ShardNumber{0}, as_bytes(woken({})));
  ASSERT_TRUE(refused->error());
  EXPECT_EQ(refused->error()->text, "awake");
  const auto given = merge_first(operation, 2);
  given->fail({ErrorCode::limit_reached, "too many"});
  given->take(ShardNumber{1}, as_bytes(woken({"ann"})));
  EXPECT_FALSE(given->error());
}

}  // namespace
}  // namespace folkmoot
