// What compiles, how tightly operators hold, and what is said of the rest.
#include "base/utf8.hpp"
#include "sample.hpp"

namespace folkmoot {
namespace {

TEST(FilterGrammar, AndHoldsTighterThanOrAndNotThanBoth) {
  EXPECT_EQ(truth("TRUE OR FALSE AND FALSE"), "TRUE");
  EXPECT_EQ(truth("(TRUE OR FALSE) AND FALSE"), "FALSE");
  EXPECT_EQ(truth("NOT FALSE AND FALSE"), "FALSE");
  EXPECT_EQ(truth("NOT (FALSE AND FALSE)"), "TRUE");
  EXPECT_EQ(truth("NOT TRUE OR TRUE"), "TRUE");
  EXPECT_EQ(truth("NOT 1 = 2"), "TRUE");
  EXPECT_EQ(truth("NOT NOT TRUE"), "TRUE");
  EXPECT_EQ(truth("NOT 1 = 2 IS TRUE"), "TRUE");
}

TEST(FilterGrammar, ArithmeticHoldsAsInSchool) {
  EXPECT_EQ(truth("2 + 3 * 4 = 14"), "TRUE");
  EXPECT_EQ(truth("(2 + 3) * 4 = 20"), "TRUE");
  EXPECT_EQ(truth("20 - 5 - 5 = 10"), "TRUE");
  EXPECT_EQ(truth("100 / 5 / 2 = 10"), "TRUE");
  EXPECT_EQ(truth("-2 * -3 = 6"), "TRUE");
  EXPECT_EQ(truth("2--3 = 5"), "TRUE");
  EXPECT_EQ(truth("-(2 + 3) = -5"), "TRUE");
  EXPECT_EQ(truth("+2 = 2"), "TRUE");
  EXPECT_EQ(truth("1 BETWEEN 0 AND 1 + 1 AND TRUE"), "TRUE");
  EXPECT_EQ(truth("3 BETWEEN 1 AND 2 OR 3 BETWEEN 3 AND 3"), "TRUE");
}

TEST(FilterGrammar, KeywordsAreOfEitherCaseAndNamesAreNot) {
  EXPECT_EQ(truth("not From is Null", sample(R"({"From": 1})")), "TRUE");
  EXPECT_EQ(truth("from Like 'w%' anD To iN ('reviewer')"), "UNKNOWN");
  EXPECT_EQ(truth("from lIkE 'w%' and to in ('reviewer') AND TRUE IS NOT unknown"), "TRUE");
}

TEST(FilterGrammar, BlanksAreWhereOneLikes) {
  EXPECT_EQ(truth(" \t\r\n1=1\n"), "TRUE");
  EXPECT_EQ(truth("from='writer'AND(priority)<5"), "TRUE");
  EXPECT_EQ(truth("metadata . a [ 0 ] . b = 1", sample(R"({"a": [{"b": 1}]})")), "TRUE");
}

TEST(FilterGrammar, AQuoteInsideIsDoubled) {
  EXPECT_EQ(truth("said = 'it''s'", sample(R"({"said": "it's"})")), "TRUE");
  EXPECT_EQ(truth("said = ''''", sample(R"({"said": "'"})")), "TRUE");
  EXPECT_EQ(truth("said = ''", sample(R"({"said": ""})")), "TRUE");
  EXPECT_EQ(truth(R"("a""b" = 1)", sample(R"({"a\"b": 1})")), "TRUE");
}

TEST(FilterGrammar, ErrorsTellColumnFoundAndExpected) {
  constexpr std::pair<std::string_view, std::string_view> kRefusals[] = {
      {"", "filter, column 1: found the end, expected a name, a value or ("},
      {"   ", "filter, column 4: found the end, expected a name, a value or ("},
      {"a =", "filter, column 4: found the end, expected a name, a value or ("},
      {"a = 1 b", "filter, column 7: found `b`, expected an operator or the end"},
      {"a == 1", "filter, column 4: found `=`, expected a name, a value or ("},
      {"a = 1 AND", "filter, column 10: found the end, expected a name, a value or ("},
      {"AND a", "filter, column 1: found `AND`, expected a name, a value or ("},
      {"(a = 1", "filter, column 7: found the end, expected an operator or )"},
      {"a = 1)", "filter, column 6: found `)`, expected an operator or the end"},
      {"a < b < c", "filter, column 7: found `<`, expected AND, OR or the end: comparisons make no chain"},
      {"a = NOT b", "filter, column 5: found `NOT`, expected a name, a value or ("},
      {"a NOT = b", "filter, column 7: found `=`, expected IN, BETWEEN or LIKE"},
      {"a IN 1", "filter, column 6: found `1`, expected ( and a list"},
      {"a IN ()", "filter, column 7: found `)`, expected a name, a value or ("},
      {"a IN (1 2)", "filter, column 9: found `2`, expected , or )"},
      {"a BETWEEN 1 OR 2", "filter, column 13: found `OR`, expected AND and the upper end"},
      {"a LIKE b", "filter, column 8: found `b`, expected a pattern in single quotes"},
      {"a LIKE 'x' ESCAPE 'ab'", "filter, column 19: found `'ab'`, expected one character in single quotes"},
      {"a LIKE 'x' ESCAPE ''", "filter, column 19: found `''`, expected one character in single quotes"},
      {"a LIKE 'x!y' ESCAPE '!'",
       "filter, column 8: found `'x!y'`, expected the ESCAPE character only before `%`, `_` and itself"},
      {"a IS 5", "filter, column 6: found `5`, expected NULL, TRUE, FALSE or UNKNOWN"},
      {"a IS NOT", "filter, column 9: found the end, expected NULL, TRUE, FALSE or UNKNOWN"},
      {"a = 'it's'", "filter, column 10: found `'`, expected a closing '"},
      {"a = 'open", "filter, column 5: found `'open`, expected a closing '"},
      {"\"open = 1", "filter, column 1: found `\"open = 1`, expected a closing \""},
      {"\"\" = 1", "filter, column 1: found `\"\"`, expected a name that is not empty"},
      {"a.", "filter, column 3: found the end, expected a name"},
      {"a.'b' = 1", "filter, column 3: found `'b'`, expected a name"},
      {"a[b] = 1", "filter, column 3: found `b`, expected a position in the list, from 0"},
      {"a[1.5] = 1", "filter, column 3: found `1.5`, expected a position in the list, from 0"},
      {"a[4294967296] = 1", "filter, column 3: found `4294967296`, expected a position in the list, from 0"},
      {"a[0 = 1", "filter, column 5: found `=`, expected ]"},
      {"from.name = 1", "filter, column 5: found `.`, expected an operator: `from` has no parts"},
      {"12ab = 1", "filter, column 1: found `12ab`, expected a number, or a name in double quotes"},
      {"1e = 1", "filter, column 1: found `1e`, expected digits after the E"},
      {"1e999 > 1", "filter, column 1: found `1e999`, expected a floating number of 64 bits"},
      {"a = 1; b", "filter, column 6: found `;`, expected a name, a value or an operator"},
      {"x-y = 1 AND #", "filter, column 13: found `#`, expected a name, a value or an operator"},
      {"priority = 'hihg'",
       "filter, column 12: found `'hihg'`, expected 1 to 10, or one of "
       "'critical', 'high', 'normal', 'low', 'background'"},
      {"priority IN (1, 'top')",
       "filter, column 17: found `'top'`, expected 1 to 10, or one of "
       "'critical', 'high', 'normal', 'low', 'background'"},
  };
  for (const auto& [condition, error] : kRefusals) EXPECT_EQ(refusal(condition), error) << condition;
}

TEST(FilterGrammar, AConditionIsWantedWhereAValueStands) {
  EXPECT_EQ(refusal("'abc'"), "filter, column 1: found `'abc'`, expected a condition, as in priority < 5");
  EXPECT_EQ(refusal("a = 1 OR 7"), "filter, column 10: found `7`, expected a condition, as in priority < 5");
  EXPECT_EQ(refusal("priority AND a"), "filter, column 1: found `priority`, expected a condition, as in priority < 5");
  EXPECT_EQ(refusal("NOT (a + 1)"), "filter, column 6: found `a`, expected a condition, as in priority < 5");
  EXPECT_EQ(refusal("from IS TRUE"), "filter, column 1: found `from`, expected a condition, as in priority < 5");
}

TEST(FilterGrammar, ColumnsCountCharactersNotBytes) {
  EXPECT_EQ(refusal("größe = 'süß' x"), "filter, column 15: found `x`, expected an operator or the end");
}

TEST(FilterGrammar, WhatIsFoundIsNeverCutInsideACharacter) {
  for (std::size_t before = 35; before <= 42; ++before) {
    const auto text = refusal("'" + std::string(before, 'x') + "€€€");
    EXPECT_TRUE(is_utf8(text)) << text;
    EXPECT_NE(text.find(std::string(35, 'x')), std::string::npos) << text;
  }
}

TEST(FilterGrammar, EveryRefusalHasOneCode) {
  for (const auto* text :
       {"", "a = ", "a = '", "\xff", "a LIKE 'x!' ESCAPE '!'", "1 = 1 IS maybe", "1 = 1 IS unknowns"}) {
    const auto filter = Filter::compile(text);
    ASSERT_FALSE(filter) << text;
    EXPECT_EQ(filter.error().code, ErrorCode::invalid_filter) << text;
  }
}

TEST(FilterGrammar, WhatIsFoundIsShownShortAndPrintable) {
  EXPECT_EQ(refusal("a = '" + std::string(100, 'x')),
            "filter, column 5: found `'" + std::string(39, 'x') + "...`, expected a closing '");
  EXPECT_EQ(refusal("a = 1 \x01"), "filter, column 7: found `?`, expected a name, a value or an operator");
  EXPECT_EQ(refusal("\u00e9 = \xff"), "filter, column 5: found a byte that is not UTF-8, 0xff");
  EXPECT_EQ(Filter::compile("a =").error().code, ErrorCode::invalid_filter);
  EXPECT_EQ(refusal(std::string_view("a = 1\0", 6)),
            "filter, column 6: found `?`, expected a name, a value or an operator");
}

TEST(FilterGrammar, AFilterKeepsItsTextAndCopiesShareIt) {
  const auto filter = Filter::compile("content.size > 1 AND from = 'writer'");
  ASSERT_TRUE(filter);
  const Filter copy = *filter;
  EXPECT_EQ(copy.text(), "content.size > 1 AND from = 'writer'");
  EXPECT_EQ(&copy.text(), &filter->text());
}

TEST(FilterGrammar, AFilterTellsWhetherItReadsTheContent) {
  EXPECT_TRUE(Filter::compile("a = 1 AND payload LIKE '%x%'")->reads_content());
  EXPECT_TRUE(Filter::compile("content.a = 1")->reads_content());
  EXPECT_FALSE(Filter::compile("content_type = 'text/plain' AND metadata.content = 1")->reads_content());
}

}  // namespace
}  // namespace folkmoot
