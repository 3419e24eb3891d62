// SQL-92's three-valued logic, as its tables.
#include "sample.hpp"

namespace folkmoot {
namespace {

constexpr std::string_view kTruths[] = {"TRUE", "FALSE", "UNKNOWN"};

// A condition of that truth which no compiler can know.
std::string condition(std::string_view wanted) {
  if (wanted == "TRUE") return "yes";
  return wanted == "FALSE" ? "no" : "absent";
}

Message message() { return sample(R"({"yes": true, "no": false, "text": "abc", "list": [1], "nothing": null})"); }

TEST(FilterLogic, AndIsAsInSql) {
  constexpr std::string_view kTable[3][3] = {
      {"TRUE", "FALSE", "UNKNOWN"}, {"FALSE", "FALSE", "FALSE"}, {"UNKNOWN", "FALSE", "UNKNOWN"}};
  for (int left = 0; left < 3; ++left) {
    for (int right = 0; right < 3; ++right) {
      const auto text = condition(kTruths[left]) + " AND " + condition(kTruths[right]);
      EXPECT_EQ(truth(text, message()), kTable[left][right]) << text;
    }
  }
}

TEST(FilterLogic, OrIsAsInSql) {
  constexpr std::string_view kTable[3][3] = {
      {"TRUE", "TRUE", "TRUE"}, {"TRUE", "FALSE", "UNKNOWN"}, {"TRUE", "UNKNOWN", "UNKNOWN"}};
  for (int left = 0; left < 3; ++left) {
    for (int right = 0; right < 3; ++right) {
      const auto text = condition(kTruths[left]) + " OR " + condition(kTruths[right]);
      EXPECT_EQ(truth(text, message()), kTable[left][right]) << text;
    }
  }
}

TEST(FilterLogic, NotIsAsInSql) {
  EXPECT_EQ(truth("NOT yes", message()), "FALSE");
  EXPECT_EQ(truth("NOT no", message()), "TRUE");
  EXPECT_EQ(truth("NOT absent", message()), "UNKNOWN");
}

TEST(FilterLogic, IsTellsTheThreeTruthsApart) {
  constexpr std::string_view kTable[3][3] = {
      {"TRUE", "FALSE", "FALSE"}, {"FALSE", "TRUE", "FALSE"}, {"FALSE", "FALSE", "TRUE"}};
  for (int value = 0; value < 3; ++value) {
    for (int asked = 0; asked < 3; ++asked) {
      const auto positive = condition(kTruths[value]) + " IS " + std::string(kTruths[asked]);
      EXPECT_EQ(truth(positive, message()), kTable[value][asked]) << positive;
      const auto negative = condition(kTruths[value]) + " IS NOT " + std::string(kTruths[asked]);
      EXPECT_EQ(truth(negative, message()), kTable[value][asked] == "TRUE" ? "FALSE" : "TRUE") << negative;
    }
  }
}

TEST(FilterLogic, ComparingWithNullIsUnknownWhateverTheOperator) {
  for (const auto* operation : {"=", "<>", "!=", "<", "<=", ">", ">="}) {
    for (const auto* null : {"NULL", "absent", "nothing", "absent.deeper[3].still", "1 / 0"}) {
      EXPECT_EQ(truth(std::string("1 ") + operation + " " + null, message()), "UNKNOWN") << operation << null;
      EXPECT_EQ(truth(std::string(null) + " " + operation + " " + null, message()), "UNKNOWN") << operation << null;
    }
  }
}

TEST(FilterLogic, ComparingUnlikeTypesIsUnknown) {
  for (const auto* text : {"text = 1", "text <> 1", "yes = 'true'", "yes > 0", "from = 5", "timestamp = 'now'",
                           "list = list", "list = 1", "metadata = 'x'", "priority = TRUE", "text < yes"}) {
    EXPECT_EQ(truth(text, message()), "UNKNOWN") << text;
  }
}

TEST(FilterLogic, IsNullIsNeverUnknown) {
  for (const auto* there : {"text", "yes", "no", "list", "metadata", "from", "0", "''", "content"}) {
    EXPECT_EQ(truth(std::string(there) + " IS NULL", message()), "FALSE") << there;
    EXPECT_EQ(truth(std::string(there) + " IS NOT NULL", message()), "TRUE") << there;
  }
  // Of a condition it says what IS UNKNOWN does.
  EXPECT_EQ(truth("absent = 1 IS NULL", message()), "TRUE");
  EXPECT_EQ(truth("absent = 1 IS NOT NULL", message()), "FALSE");
  EXPECT_EQ(truth("1 = 1 IS NULL", message()), "FALSE");
  for (const auto* missing :
       {"absent", "nothing", "text.part", "list[1]", "conversation", "NULL", "content.a", "text + 1"}) {
    EXPECT_EQ(truth(std::string(missing) + " IS NULL", message()), "TRUE") << missing;
    EXPECT_EQ(truth(std::string(missing) + " IS NOT NULL", message()), "FALSE") << missing;
  }
}

TEST(FilterLogic, AListIsAChainOfOrs) {
  EXPECT_EQ(truth("from IN ('a', 'writer')", message()), "TRUE");
  EXPECT_EQ(truth("from IN ('a', 'b')", message()), "FALSE");
  EXPECT_EQ(truth("from IN ('a', NULL, 'writer')", message()), "TRUE");
  EXPECT_EQ(truth("from IN ('a', NULL)", message()), "UNKNOWN");
  EXPECT_EQ(truth("absent IN ('a')", message()), "UNKNOWN");
  EXPECT_EQ(truth("from NOT IN ('a', 'b')", message()), "TRUE");
  EXPECT_EQ(truth("from NOT IN ('a', 'writer')", message()), "FALSE");
  EXPECT_EQ(truth("from NOT IN ('a', absent)", message()), "UNKNOWN");
  EXPECT_EQ(truth("3 IN (1, 1 + 2.0, text)", message()), "TRUE");
  EXPECT_EQ(truth("2 IN (1, (1 IN (1, 2)), 4 / 2)", message()), "TRUE");
}

TEST(FilterLogic, BetweenIncludesBothEnds) {
  EXPECT_EQ(truth("3 BETWEEN 3 AND 5"), "TRUE");
  EXPECT_EQ(truth("5 BETWEEN 3 AND 5"), "TRUE");
  EXPECT_EQ(truth("6 BETWEEN 3 AND 5"), "FALSE");
  EXPECT_EQ(truth("4 BETWEEN 5 AND 3"), "FALSE");
  EXPECT_EQ(truth("4 NOT BETWEEN 5 AND 3"), "TRUE");
  EXPECT_EQ(truth("'b' BETWEEN 'a' AND 'c'"), "TRUE");
  EXPECT_EQ(truth("4 BETWEEN NULL AND 5"), "UNKNOWN");
  EXPECT_EQ(truth("6 BETWEEN NULL AND 5"), "FALSE");
  EXPECT_EQ(truth("6 NOT BETWEEN NULL AND 5"), "TRUE");
  EXPECT_EQ(truth("NULL BETWEEN 1 AND 5"), "UNKNOWN");
}

TEST(FilterLogic, TextIsComparedByteByByte) {
  EXPECT_EQ(truth("'B' < 'a'"), "TRUE");
  EXPECT_EQ(truth("'a' < 'ä'"), "TRUE");
  EXPECT_EQ(truth("'z' < 'ä'"), "TRUE");
  EXPECT_EQ(truth("'ab' > 'a'"), "TRUE");
  EXPECT_EQ(truth("'' < 'a'"), "TRUE");
  EXPECT_EQ(truth("'a' = 'A'"), "FALSE");
  EXPECT_EQ(truth("'a' = 'a '"), "FALSE");
}

TEST(FilterLogic, WhatIsNoBooleanIsAnUnknownCondition) {
  EXPECT_EQ(truth("text OR list", message()), "UNKNOWN");
  EXPECT_EQ(truth("text OR yes", message()), "TRUE");
  EXPECT_EQ(truth("NULL"), "UNKNOWN");
  EXPECT_EQ(truth("TRUE"), "TRUE");
  EXPECT_EQ(truth("FALSE"), "FALSE");
}

TEST(FilterLogic, ABooleanMayBeComparedAsWell) {
  EXPECT_EQ(truth("yes = TRUE", message()), "TRUE");
  EXPECT_EQ(truth("no <> FALSE", message()), "FALSE");
  EXPECT_EQ(truth("(1 = 1) = yes", message()), "TRUE");
  EXPECT_EQ(truth("no < yes", message()), "TRUE");
}

}  // namespace
}  // namespace folkmoot
