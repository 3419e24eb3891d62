#include "base/duration.hpp"

#include <gtest/gtest.h>

namespace folkmoot {
namespace {

TEST(Duration, ReadsEveryUnitAndFractions) {
  const std::pair<std::string_view, std::int64_t> kGood[] = {{"0", 0},
                                                             {"0.0", 0},
                                                             {"500ms", 500},
                                                             {"30s", 30'000},
                                                             {"5m", 300'000},
                                                             {"2h", 7'200'000},
                                                             {"7d", 604'800'000},
                                                             {"1.5s", 1'500},
                                                             {"0.25m", 15'000},
                                                             {".5s", 500},
                                                             {"3650d", 3650LL * 86'400'000}};
  for (const auto& [text, ms] : kGood) EXPECT_EQ(parse_duration_ms(text).value_or(-1), ms) << text;
}

TEST(Duration, RefusesWhatIsNotAndSaysWhatWouldBe) {
  for (const std::string_view text : {"", "250", "1.5", "s", "-1s", "5 s", " 5s", "5s ", "5x", "5sec", "1e3s", "nan",
                                      "inf", "infs", "0x10s", "3700d", "99999999999999999999d", "5s5"}) {
    const auto parsed = parse_duration_ms(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::invalid_field);
    EXPECT_NE(parsed.error().text.find("30s"), std::string::npos);
  }
}

TEST(Duration, ShowsTheTwoLargestUnits) {
  const std::pair<std::int64_t, std::string_view> kShown[] = {{0, "0ms"},
                                                              {250, "250ms"},
                                                              {1'000, "1s"},
                                                              {1'999, "1s"},
                                                              {61'000, "1m 1s"},
                                                              {3'600'000, "1h"},
                                                              {3'900'000, "1h 5m"},
                                                              {86'400'000 + 300'000, "1d"},
                                                              {6 * 86'400'000 + 3 * 3'600'000 + 59'000, "6d 3h"}};
  for (const auto& [ms, text] : kShown) EXPECT_EQ(format_duration_ms(ms), text) << ms;
}

TEST(Time, ReadsRfc3339InEveryForm) {
  const std::pair<std::string_view, std::int64_t> kGood[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"2026-11-21T10:00:00Z", 1'795'255'200'000},
      {"2026-11-21T10:00:00", 1'795'255'200'000},
      {"2026-11-21T10:00:00.123456", 1'795'255'200'123},
      {"2026-11-21t10:00:00z", 1'795'255'200'000},
      {"2026-11-21 10:00:00Z", 1'795'255'200'000},
      {"2026-11-21T10:00:00.5Z", 1'795'255'200'500},
      {"2026-11-21T10:00:00.123456789Z", 1'795'255'200'123},
      {"2026-11-21T12:30:00+02:30", 1'795'255'200'000},
      {"2026-11-21T04:00:00-06:00", 1'795'255'200'000},
      {"2024-02-29T00:00:00Z", 1'709'164'800'000},
  };
  for (const auto& [text, ms] : kGood) EXPECT_EQ(parse_time_ms(text).value_or(-1), ms) << text;
}

TEST(Time, RefusesWhatIsNot) {
  for (const std::string_view text :
       {"", "2026-11-21", "2026-11-21T10:00", "2026-13-21T10:00:00Z", "2026-02-29T10:00:00Z", "2026-11-21T24:00:00Z",
        "2026-11-21T10:60:00Z", "2026-11-21T10:00:61Z", "2026-11-21T10:00:00+2:00", "2026-11-21T10:00:00+02",
        "2026-11-21T10:00:00.Z", "1969-12-31T23:59:59Z", "2026/11/21T10:00:00Z", "2026-11-21X10:00:00Z",
        "2026-11-21T10:00:00Zjunk", "1970-01-01T00:00:00+01:00"}) {
    EXPECT_FALSE(parse_time_ms(text)) << text;
  }
}

TEST(Time, WritesWhatItReads) {
  for (const std::int64_t ms : {0LL, 1LL, 999LL, 1'795'255'200'123LL, 1'709'164'800'000LL, 17'592'186'044'415LL}) {
    EXPECT_EQ(parse_time_ms(format_time_ms(ms)).value_or(-1), ms) << format_time_ms(ms);
  }
  EXPECT_EQ(format_time_ms(1'795'255'200'500), "2026-11-21T10:00:00.500Z");
}

TEST(Time, ShowsSomethingForTimesNoClockGives) {
  EXPECT_EQ(format_time_ms(INT64_MAX), "9999-12-31T23:59:59.999Z");
  EXPECT_EQ(format_time_ms(-1), "1970-01-01T00:00:00.000Z");
}

}  // namespace
}  // namespace folkmoot
