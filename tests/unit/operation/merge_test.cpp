// The answers of several shards become one.
#include <gtest/gtest.h>

#include "operation/frames.hpp"
#include "operation/json_codec.hpp"
#include "operation/merge.hpp"
#include "operation/operations.hpp"

namespace folkmoot {
namespace {

template <class T>
std::string merged(T sum, T more) {
  merge(describe<T>(), &sum, &more);
  return to_json_text(sum, Sparse::as_described);
}

TEST(Merge, numbers_are_added_and_what_is_the_same_stays) {
  EXPECT_EQ(merged(ConversationCost{"c", 2, 1.5, 0.25}, ConversationCost{"c", 3, 2, 0.5}),
            R"({"conversation":"c","messages":5,"tokens":3.5,"money":0.75})");
}

TEST(Merge, lists_of_things_with_names_are_merged_by_name) {
  const auto route = [](std::string name, std::uint64_t routed) {
    return RouteStatus{.rule = {.name = std::move(name), .targets = {{"a"}}}, .routed = routed};
  };
  RoutePage sum{{route("x", 1), route("y", 2)}}, more{{route("y", 5), route("z", 7)}};
  merge(describe<RoutePage>(), &sum, &more);
  ASSERT_EQ(sum.routes.size(), 3u);
  EXPECT_EQ(sum.routes[1].routed, 7u);
  EXPECT_EQ(sum.routes[2].rule.name, "z");
}

TEST(Merge, other_lists_follow_each_other_and_flags_hold_if_one_does) {
  EXPECT_EQ(
      merged(SchedulePage{{{.name = "a", .next_ms = 5}}, false}, SchedulePage{{{.name = "b", .next_ms = 6}}, true}),
      R"({"schedules":[{"name":"a","from":"","next":5,"fired":0},{"name":"b","from":"","next":6,"fired":0}],)"
      R"("more":true})");
}

TEST(Merge, an_optional_sum_is_what_was_said) {
  EXPECT_EQ(merged(Redriven{.sent = 1}, Redriven{.sent = 2, .count = 4}), R"({"sent":3,"refused":0,"count":4})");
  EXPECT_EQ(merged(Redriven{.count = 3}, Redriven{.count = 4}), R"({"sent":0,"refused":0,"count":7})");
}

}  // namespace
}  // namespace folkmoot
