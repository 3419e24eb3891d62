// Filters and messages made to break something: every bound is met by an error or by NULL.
#include <random>

#include "filter/limits.hpp"
#include "sample.hpp"

namespace folkmoot {
namespace {

std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

TEST(FilterBounds, TextIs4KiBAtMost) {
  const auto padded = [](std::size_t bytes) { return "1 = 1" + std::string(bytes - 5, ' '); };
  EXPECT_TRUE(Filter::compile(padded(kFilterBytesMax)));
  EXPECT_EQ(refusal(padded(kFilterBytesMax + 1)), "the filter is 4097 bytes; 4096 is the most");
}

TEST(FilterBounds, NestingIs64DeepAtMost) {
  constexpr std::string_view kNests[][4] = {{"(", "1 = 1", ")", "65"},
                                            {"NOT ", "1 = 1", "", "257"},
                                            {"(1 + ", "1", ") = 1", "321"},
                                            {"NOT (1 = 1 AND ", "1 = 1", ")", "481"}};
  for (const auto& [open, middle, close, column] : kNests) {
    const auto nested = [&](std::size_t levels) {
      return repeated(open, levels) + std::string(middle) + repeated(close, levels);
    };
    const std::size_t most = open == "NOT (1 = 1 AND " ? 32 : 64;  // two levels each
    EXPECT_TRUE(Filter::compile(nested(most))) << nested(most);
    EXPECT_EQ(refusal(nested(most + 1)), "filter, column " + std::string(column) + ": nested deeper than 64") << open;
  }
  EXPECT_TRUE(Filter::compile("a = " + repeated("- ", 64) + "b"));
  EXPECT_EQ(refusal("a = " + repeated("- ", 65) + "b"), "filter, column 133: nested deeper than 64");
  EXPECT_EQ(refusal(repeated("(", 4000)), "filter, column 65: nested deeper than 64");
}

TEST(FilterBounds, NodesAre1000AtMost) {
  EXPECT_TRUE(Filter::compile("1 IN (1" + repeated(",1", 497) + ")"));
  EXPECT_EQ(refusal("1 IN (1" + repeated(",1", 498) + ")"),
            "filter, column 1004: more than 1000 operands and operators");
  EXPECT_EQ(refusal("a" + repeated(" OR a", 800)), "filter, column 1668: more than 1000 operands and operators");
}

TEST(FilterBounds, FieldsAre64AtMostCountedOnce) {
  const auto filter_of = [](int fields) {
    std::string text = "f0 = 1";
    for (int i = 0; i < fields; ++i) text += " OR f" + std::to_string(i) + " = 1";
    return text;
  };
  EXPECT_TRUE(Filter::compile(filter_of(64)));
  EXPECT_EQ(refusal(filter_of(65)), "filter, column 705: more than 64 different fields");
}

TEST(FilterBounds, PathsAre64StepsAtMost) {
  EXPECT_TRUE(Filter::compile("metadata" + repeated(".a", 64) + " = 1"));
  EXPECT_EQ(refusal("metadata" + repeated(".a", 65) + " = 1"), "filter, column 136: a path of more than 64 steps");
  EXPECT_EQ(refusal("metadata" + repeated("[0]", 65) + " = 1"), "filter, column 200: a path of more than 64 steps");
}

TEST(FilterBounds, WaitingValuesAre128AtMost) {
  // Each level holds a list's value, what was found so far, and the left side of a sum.
  const auto nested = [](std::size_t levels) { return repeated("1 IN (2 + (", levels) + "1" + repeated("))", levels); };
  EXPECT_TRUE(Filter::compile(nested(30)));
  EXPECT_EQ(refusal(nested(50)), "filter, column 469: more than 128 values that wait for an operator");
}

TEST(FilterBounds, DeepContentIsNull) {
  const auto deep = [](std::size_t levels) { return repeated("[", levels) + "1" + repeated("]", levels); };
  EXPECT_EQ(truth("content" + repeated("[0]", 50) + " = 1", sample("{}", deep(50))), "TRUE");
  EXPECT_EQ(truth("content[0] IS NULL", sample("{}", deep(100'000))), "TRUE");
}

TEST(FilterBounds, BytesThatAreNoMessageAreFieldsLeftOut) {
  const auto filter = *Filter::compile("from IS NULL AND metadata.a.b[2] IS NULL AND content.a IS NULL AND id IS NULL");
  const auto whole = bytes_of_message(sample(R"({"a": {"b": [1, 2, 3]}})"));
  for (std::size_t cut = 0; cut < 2; ++cut) EXPECT_TRUE(filter.matches(FilterInput(as_bytes(whole).first(cut)))) << cut;
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    const FilterInput input(as_bytes(whole).first(cut));
    EXPECT_EQ(filter.matches(input), filter.matches(input)) << cut;
  }
  EXPECT_FALSE(filter.matches(FilterInput(as_bytes(whole))));
}

TEST(FilterBounds, AnyChangedByteIsRefusedOrAnsweredTwiceTheSame) {
  const std::string text =
      "NOT (a.b[0] IN (1, 'it''s', -2.5e3) AND from LIKE 'x!%_' ESCAPE '!') OR priority BETWEEN 'high' AND 7";
  const auto message = bytes_of_message(sample(R"({"a": {"b": [1]}})"));
  const FilterInput input(as_bytes(message));
  std::minstd_rand random(7);
  int compiled = 0;
  for (int round = 0; round < 20'000; ++round) {
    auto changed = text;
    for (int i = 0; i < 2; ++i) changed[random() % changed.size()] = static_cast<char>(random() % 128);
    const auto filter = Filter::compile(changed);
    if (!filter) {
      ASSERT_FALSE(filter.error().text.empty());
      continue;
    }
    ++compiled;
    ASSERT_EQ(filter->matches(input), Filter::compile(changed)->matches(input)) << changed;
  }
  EXPECT_GT(compiled, 100);
}

}  // namespace
}  // namespace folkmoot
