#include "message/topic.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace folkmoot {
namespace {

TEST(Topic, IsWordsJoinedByDots) {
  for (const auto* good : {"a", "a.b", "build.done.x86", "grün.blau", "a>.b*", "*a", ">>"})
    EXPECT_TRUE(is_topic(good)) << good;
  for (const auto* bad : {"", ".", "a.", ".a", "a..b", "*", "a.*", ">", "a.>", "a b", "a.\n"})
    EXPECT_FALSE(is_topic(bad)) << bad;
  EXPECT_TRUE(is_topic(std::string(255, 'x')));
  EXPECT_FALSE(is_topic(std::string(256, 'x')));
}

TEST(Pattern, MayHaveWildcardsAsWholeWords) {
  for (const auto* good : {"a", "*", ">", "a.*", "*.b", "a.>", "*.*.>"}) EXPECT_TRUE(is_pattern(good)) << good;
  for (const auto* bad : {"", ">.a", "a.>.b", "a.", "a..>"}) EXPECT_FALSE(is_pattern(bad)) << bad;
  EXPECT_TRUE(has_wildcard("a.*"));
  EXPECT_TRUE(has_wildcard(">"));
  EXPECT_FALSE(has_wildcard("a.b*"));
}

// The rule by recursion over lists of words.
bool reference(const std::vector<std::string>& pattern, const std::vector<std::string>& topic, std::size_t p = 0,
               std::size_t t = 0) {
  if (p == pattern.size()) return t == topic.size();
  if (pattern[p] == ">") return t < topic.size();
  if (t == topic.size()) return false;
  return (pattern[p] == "*" || pattern[p] == topic[t]) && reference(pattern, topic, p + 1, t + 1);
}

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : ".") + word;
  return out;
}

TEST(Pattern, MatchesAsTheRuleSaysForAllShortOnes) {
  std::vector<std::vector<std::string>> topics = {{}}, patterns = {{}};
  for (std::size_t i = 0; i < topics.size() && topics[i].size() < 4; ++i) {
    for (const auto* word : {"a", "b"}) {
      auto longer = topics[i];
      longer.emplace_back(word);
      topics.push_back(longer);
    }
  }
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    if (patterns[i].size() == 4 || (!patterns[i].empty() && patterns[i].back() == ">")) continue;
    for (const auto* word : {"a", "b", "*", ">"}) {
      auto longer = patterns[i];
      longer.emplace_back(word);
      patterns.push_back(longer);
    }
  }
  int matched = 0;
  for (const auto& pattern : patterns) {
    for (const auto& topic : topics) {
      if (pattern.empty() || topic.empty()) continue;
      ASSERT_TRUE(is_pattern(join(pattern)));
      ASSERT_EQ(topic_matches(join(pattern), join(topic)), reference(pattern, topic))
          << join(pattern) << " " << join(topic);
      matched += reference(pattern, topic);
    }
  }
  EXPECT_GT(matched, 100);
}

}  // namespace
}  // namespace folkmoot
