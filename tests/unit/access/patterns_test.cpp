#include "access/patterns.hpp"

#include <gtest/gtest.h>

#include "message/topic.hpp"

namespace folkmoot::access {
namespace {

TEST(PatternsTest, A18_a_star_in_a_name_stands_for_anything) {
  for (const auto& [pattern, name, fits] : {std::tuple{"planner", "planner", true},
                                            {"planner", "planner2", false},
                                            {"planner", "Planner", false},
                                            {"*", "anything/at:all", true},
                                            {"*", "", true},
                                            {"team/*", "team/a", true},
                                            {"team/*", "team/", true},
                                            {"team/*", "team", false},
                                            {"team/*", "other/team/a", false},
                                            {"*/lead", "a/b/lead", true},
                                            {"a*b*c", "a-b-b-c", true},
                                            {"a*b*c", "a-c-b", false},
                                            {"**", "x", true},
                                            {"", "", true},
                                            {"", "x", false}}) {
    EXPECT_EQ(name_fits(pattern, name), fits) << pattern << " " << name;
  }
}

TEST(PatternsTest, A18_many_stars_do_not_take_long) {
  std::string pattern, name(255, 'a');
  for (int i = 0; i < 60; ++i) pattern += "a*";
  pattern += "b";
  EXPECT_FALSE(name_fits(pattern, name));
}

struct TopicCase {
  const char *outer, *inner;
  bool cover, meet;
};

TEST(PatternsTest, A18_patterns_of_topics_cover_and_meet_each_other) {
  for (const auto& [outer, inner, cover, meet] : {TopicCase{"a.b", "a.b", true, true},
                                                  {"a.b", "a.c", false, false},
                                                  {"a.*", "a.b", true, true},
                                                  {"a.b", "a.*", false, true},
                                                  {"a.*", "a.*", true, true},
                                                  {"a.*", "a.>", false, true},
                                                  {"a.>", "a.*", true, true},
                                                  {"a.>", "a.b.c", true, true},
                                                  {"a.>", "a", false, false},
                                                  {"a.>", "a.>", true, true},
                                                  {">", "x.y.*", true, true},
                                                  {">", ">", true, true},
                                                  {"*", ">", false, true},
                                                  {"*.b", "a.*", false, true},
                                                  {"*.b.c", "a.>", false, true},
                                                  {"*.b", "a.b.c", false, false},
                                                  {"a.b.>", "a.b", false, false},
                                                  {"a.*.c", "a.>", false, true}}) {
    EXPECT_EQ(topics_cover(outer, inner), cover) << outer << " covers " << inner;
    EXPECT_EQ(topics_meet(outer, inner), meet) << outer << " meets " << inner;
    EXPECT_EQ(topics_meet(inner, outer), meet) << inner << " meets " << outer;
  }
}

// What the two functions say, against all topics that there are of a small alphabet.
TEST(PatternsTest, A18_covering_and_meeting_is_what_matching_says) {
  const std::vector<std::string> words = {"a", "b", "*", ">"};
  std::vector<std::string> patterns, topics;
  const auto grow = [&](auto& self, const std::string& sofar, int left) -> void {
    for (const auto& word : words) {
      const auto next = sofar.empty() ? word : std::string(sofar).append(".").append(word);
      if (is_pattern(next)) patterns.push_back(next);
      if (is_topic(next)) topics.push_back(next);
      if (left > 1) self(self, next, left - 1);
    }
  };
  grow(grow, "", 3);
  // `c` is a word that no pattern has, and a fourth word what only `>` takes.
  for (const auto& topic : std::vector(topics)) topics.push_back(topic + ".c"), topics.push_back("c." + topic);
  topics.emplace_back("c");
  topics.emplace_back("c.c.c.c");
  for (const auto& a : patterns) {
    for (const auto& b : patterns) {
      bool covers = true, meets = false;
      for (const auto& topic : topics) {
        const bool of_a = topic_matches(a, topic), of_b = topic_matches(b, topic);
        covers = covers && (!of_b || of_a);
        meets = meets || (of_a && of_b);
      }
      EXPECT_EQ(topics_cover(a, b), covers) << a << " " << b;
      EXPECT_EQ(topics_meet(a, b), meets) << a << " " << b;
    }
  }
}

}  // namespace
}  // namespace folkmoot::access
