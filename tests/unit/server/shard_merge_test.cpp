// One answer out of several shards' (server/shard_merge.hpp).
#include "server/shard_merge.hpp"

#include <gtest/gtest.h>

#include "message/operations.hpp"

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

}  // namespace
}  // namespace folkmoot
