// LIKE: `%` any text, `_` one code point.
#include "filter/like.hpp"

#include "sample.hpp"

namespace folkmoot {
namespace {

TEST(FilterLike, KnowsItsTwoWildcards) {
  constexpr std::tuple<std::string_view, std::string_view, bool> kCases[] = {
      {"", "", true},
      {"a", "", false},
      {"", "%", true},
      {"abc", "%", true},
      {"abc", "abc", true},
      {"abc", "ab", false},
      {"abc", "a%", true},
      {"abc", "%c", true},
      {"abc", "%b%", true},
      {"abc", "a%c", true},
      {"abc", "a%b", false},
      {"abc", "_b_", true},
      {"abc", "__", false},
      {"abc", "____", false},
      {"abc", "___%", true},
      {"abc", "%%", true},
      {"abc", "%_%", true},
      {"", "%_%", false},
      {"a", "a%a", false},
      {"aa", "a%a", true},
      {"abab", "%ab", true},
      {"aab", "%ab", true},
      {"mississippi", "m%iss%pi", true},
      {"mississippi", "%s_i%pp_", true},
      {"mississippi", "m%isz%i", false},
      {"a%b", "a%b", true},
      {"ABC", "abc", false},
      {"a\nb", "a_b", true},
      {"abc ", "abc", false},
      {"bcd", "a%", false},
      {"abc", "%b", false},
      {"bac", "a%c", false},
      {"", "a%", false},
      {"", "%a", false},
  };
  for (const auto& [text, pattern, expected] : kCases) {
    const auto condition = "'" + std::string(text) + "' LIKE '" + std::string(pattern) + "'";
    EXPECT_EQ(truth(condition), expected ? "TRUE" : "FALSE") << condition;
  }
}

TEST(FilterLike, UnderscoreIsACodePointOfAnyLength) {
  for (const auto* one : {"a", "ä", "€", "😀"}) {
    EXPECT_EQ(truth(std::string("'x") + one + "y' LIKE 'x_y'"), "TRUE") << one;
    EXPECT_EQ(truth(std::string("'") + one + "' LIKE '_'"), "TRUE") << one;
    EXPECT_EQ(truth(std::string("'") + one + "' LIKE '__'"), "FALSE") << one;
    EXPECT_EQ(truth(std::string("'") + one + one + "!' LIKE '%__!'"), "TRUE") << one;
    EXPECT_EQ(truth(std::string("'-") + one + "!-' LIKE '%_!%'"), "TRUE") << one;
  }
  EXPECT_EQ(truth("'e\u0301' LIKE '_'"), "FALSE");  // a letter and a combining accent
}

TEST(FilterLike, EscapeTakesTheMeaningFromAWildcard) {
  EXPECT_EQ(truth("'50%' LIKE '50!%' ESCAPE '!'"), "TRUE");
  EXPECT_EQ(truth("'50x' LIKE '50!%' ESCAPE '!'"), "FALSE");
  EXPECT_EQ(truth("'a_b' LIKE 'a\\_b' ESCAPE '\\'"), "TRUE");
  EXPECT_EQ(truth("'axb' LIKE 'a\\_b' ESCAPE '\\'"), "FALSE");
  EXPECT_EQ(truth("'a!b' LIKE 'a!!b' ESCAPE '!'"), "TRUE");
  EXPECT_EQ(truth("'a%b' LIKE 'a€%b' ESCAPE '€'"), "TRUE");
  EXPECT_EQ(truth("'a%b' LIKE 'a%%b' ESCAPE '%'"), "TRUE");
  EXPECT_EQ(truth("'it''s' LIKE 'it''_' "), "TRUE");
  EXPECT_NE(refusal("a LIKE 'x!' ESCAPE '!'"), "it compiles");
}

TEST(FilterLike, WhatItLooksAtIsPaidInSteps) {
  constexpr std::tuple<std::string_view, std::string_view, bool, std::uint64_t> kCases[] = {
      {"abc", "abc", true, 6},    {"abc", "a%c", true, 2},  {"aaaaaaaaaa", "%b%", false, 10}, {"aab", "%b%", true, 3},
      {"xxxb", "%x%b%", true, 4}, {"aab", "%_b%", true, 4}, {"aac", "%_b%", false, 6},        {"abc", "%%", true, 0}};
  for (const auto& [text, pattern, expected, cost] : kCases) {
    SCOPED_TRACE(pattern);
    const auto like = LikePattern::make(pattern, "");
    ASSERT_TRUE(like);
    auto steps = cost;
    EXPECT_EQ(like->matches(text, steps), std::optional(expected));
    EXPECT_EQ(steps, 0u);
    if (cost == 0) continue;
    auto too_few = cost - 1;
    EXPECT_EQ(like->matches(text, too_few), std::nullopt);
    auto more = cost + 5;
    EXPECT_EQ(like->matches(text, more), std::optional(expected));
    EXPECT_EQ(more, 5u);
  }
}

TEST(FilterLike, OfWhatIsNoTextIsUnknown) {
  EXPECT_EQ(truth("absent LIKE '%'"), "UNKNOWN");
  EXPECT_EQ(truth("absent NOT LIKE '%'"), "UNKNOWN");
  EXPECT_EQ(truth("5 LIKE '5'"), "UNKNOWN");
  EXPECT_EQ(truth("from NOT LIKE 'x%'"), "TRUE");
}

// The rule by recursion: exponential, and plainly right.
bool reference(std::string_view text, std::string_view pattern) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '%' && reference(text, pattern.substr(1))) return true;
  if (pattern[0] == '%') return !text.empty() && reference(text.substr(1), pattern);
  return !text.empty() && (pattern[0] == '_' || pattern[0] == text[0]) && reference(text.substr(1), pattern.substr(1));
}

std::vector<std::string> words_of(std::string_view letters, std::size_t longest) {
  std::vector<std::string> words = {""};
  for (std::size_t i = 0; i < words.size() && words[i].size() < longest; ++i) {
    for (const char letter : letters) words.push_back(words[i] + letter);
  }
  return words;
}

TEST(FilterLike, MatchesAsTheRuleSaysForAllShortOnes) {
  int matched = 0;
  for (const auto& word : words_of("ab%_", 5)) {
    const auto pattern = LikePattern::make(word, "");
    ASSERT_TRUE(pattern);
    for (const auto& text : words_of("ab", 5)) {
      std::uint64_t steps = 1000;
      const auto matches = pattern->matches(text, steps);
      ASSERT_TRUE(matches) << text << " " << word;
      ASSERT_EQ(*matches, reference(text, word)) << text << " LIKE " << word;
      matched += *matches;
    }
  }
  EXPECT_GT(matched, 1000);
}

TEST(FilterLike, GivesUpWhenItsStepsAreSpent) {
  const auto pattern = LikePattern::make("%" + std::string(50, 'a') + "_b%", "");
  ASSERT_TRUE(pattern);
  const std::string text(1000, 'a');
  std::uint64_t enough = 1'000'000, too_few = 10'000;
  EXPECT_EQ(pattern->matches(text, enough), false);
  EXPECT_EQ(pattern->matches(text, too_few), std::nullopt);
  EXPECT_EQ(too_few, 0u);
}

TEST(FilterLike, APatternThatWouldBacktrackForeverDoesNot) {
  std::string pattern;
  for (int i = 0; i < 1000; ++i) pattern += "%a";
  const auto message = sample("{}", std::string(5000, 'a') + "b");
  EXPECT_EQ(truth("content LIKE '" + pattern + "'", message), "FALSE");
  EXPECT_EQ(truth("content LIKE '" + pattern + "%'", message), "TRUE");
}

TEST(FilterLike, OneThatLooksAtTooMuchIsUnknown) {
  const auto message = sample("{}", std::string(1'000'000, 'a'));
  EXPECT_EQ(truth("content LIKE '%_" + std::string(3000, 'a') + "b%'", message), "UNKNOWN");
  EXPECT_EQ(truth("content LIKE '%" + std::string(3000, 'a') + "b%'", message), "FALSE");
}

}  // namespace
}  // namespace folkmoot
