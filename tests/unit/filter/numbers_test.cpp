// Integers at the borders of 64 bits, floating numbers beside them, arithmetic that has no answer.
#include <limits>

#include "message/pack.hpp"
#include "sample.hpp"

namespace folkmoot {
namespace {

TEST(FilterNumbers, IntegersReachBothEndsOf64Bits) {
  const auto message = sample(R"({"max": 9223372036854775807, "min": -9223372036854775808})");
  EXPECT_EQ(truth("max = 9223372036854775807", message), "TRUE");
  EXPECT_EQ(truth("min = -9223372036854775808", message), "TRUE");
  EXPECT_EQ(truth("max - 1 = 9223372036854775806", message), "TRUE");
  EXPECT_EQ(truth("min < max", message), "TRUE");
  EXPECT_EQ(truth("max > 9223372036854775806", message), "TRUE");
  EXPECT_EQ(refusal("a = 9223372036854775808"),
            "filter, column 5: found `9223372036854775808`, expected an integer of 64 bits (with a decimal point it is "
            "a floating number)");
  EXPECT_EQ(refusal("a = -9223372036854775809").substr(0, 47), "filter, column 6: found `9223372036854775809`, ");
  EXPECT_EQ(truth("9223372036854775808.0 > 9223372036854775807"), "TRUE");
}

TEST(FilterNumbers, OverflowIsNull) {
  for (const auto* text :
       {"9223372036854775807 + 1", "-9223372036854775808 - 1", "4611686018427387904 * 2", "-(-9223372036854775808)",
        "-9223372036854775808 / -1", "-9223372036854775808 * -1", "1e308 * 10", "1e308 + 1e308", "-1e308 - 1e308"}) {
    EXPECT_EQ(truth(std::string(text) + " IS NULL"), "TRUE") << text;
  }
  EXPECT_EQ(truth("9223372036854775807 + 0.0 > 9e18"), "TRUE");
}

TEST(FilterNumbers, DivisionByZeroIsNull) {
  for (const auto* text : {"1 / 0", "1.0 / 0", "1 / 0.0", "0 / 0", "1 / -0.0", "0.0 / 0.0"}) {
    EXPECT_EQ(truth(std::string(text) + " IS NULL"), "TRUE") << text;
  }
}

TEST(FilterNumbers, IntegersDivideTowardsZero) {
  EXPECT_EQ(truth("7 / 2 = 3"), "TRUE");
  EXPECT_EQ(truth("-7 / 2 = -3"), "TRUE");
  EXPECT_EQ(truth("7 / 2.0 = 3.5"), "TRUE");
  EXPECT_EQ(truth("-9223372036854775808 / 1 = -9223372036854775808"), "TRUE");
}

TEST(FilterNumbers, IntegersAndFloatingNumbersCompareExactly) {
  EXPECT_EQ(truth("1 = 1.0"), "TRUE");
  EXPECT_EQ(truth("2 > 1.5 AND 1 < 1.5 AND -1 > -1.5 AND -2 < -1.5"), "TRUE");
  EXPECT_EQ(truth("1.5 < 2 AND 1.5 > 1 AND 1.0 = 1"), "TRUE");
  EXPECT_EQ(truth("0 = -0.0"), "TRUE");
  EXPECT_EQ(truth("9007199254740993 = 9007199254740992.0"), "FALSE");
  EXPECT_EQ(truth("9007199254740993 > 9007199254740992.0"), "TRUE");
  EXPECT_EQ(truth("9223372036854775807 < 9223372036854775808.0"), "TRUE");
  EXPECT_EQ(truth("-9223372036854775808 = -9223372036854775808.0"), "TRUE");
  EXPECT_EQ(truth("-9223372036854775808 > -1e19"), "TRUE");
}

TEST(FilterNumbers, AreWrittenAsSqlWritesThem) {
  EXPECT_EQ(truth("1.5 = 15e-1 AND .5 = 0.5 AND 5. = 5 AND 1E3 = 1000 AND 2e+2 = 200"), "TRUE");
  EXPECT_EQ(truth("007 = 7"), "TRUE");
}

TEST(FilterNumbers, WholeNumbersBeyond63BitsAreFloating) {
  const auto message = sample(R"({"most": 18446744073709551615})", R"({"most": 18446744073709551615})");
  for (const auto* text : {"most > 9223372036854775807", "content.most > 9223372036854775807",
                           "most = 18446744073709551616.0", "most = content.most"}) {
    EXPECT_EQ(truth(text, message), "TRUE") << text;
  }
}

TEST(FilterNumbers, WhatIsNoNumberHasNoSum) {
  for (const auto* text : {"'a' + 1", "from + 1", "TRUE * 2", "-from", "+ 'a'", "absent - 1", "(1 = 1) + 1"}) {
    EXPECT_EQ(truth(std::string(text) + " IS NULL"), "TRUE") << text;
  }
}

TEST(FilterNumbers, WhatJsonCannotSayIsNull) {
  std::string envelope;
  PackWriter writer(envelope);
  writer.map(2).uint(static_cast<std::uint64_t>(Field::to)).str("a");
  writer.uint(static_cast<std::uint64_t>(Field::metadata)).map(3);
  writer.str("nan").real(std::numeric_limits<double>::quiet_NaN());
  writer.str("inf").real(std::numeric_limits<double>::infinity());
  writer.str("bytes").bin("\x01\x02");
  const FilterInput input(as_bytes(envelope));
  EXPECT_TRUE(Filter::compile("nan IS NULL AND inf IS NULL")->matches(input));
  EXPECT_TRUE(Filter::compile("bytes IS NOT NULL AND (bytes = bytes) IS UNKNOWN")->matches(input));
}

}  // namespace
}  // namespace folkmoot
