#include "base/cron.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/duration.hpp"

namespace folkmoot {
namespace {

constexpr std::int64_t kMinute = 60'000, kDay = 1440 * kMinute;

Cron cron(std::string_view text) {
  auto parsed = Cron::parse(text);
  EXPECT_TRUE(parsed) << text << ": " << (parsed ? "" : parsed.error().text);
  return parsed ? *parsed : Cron::parse("* * * * *").value();
}

// The next time as text, which reads better in a failure: "2026-11-21T10:05" or "never".
std::string next(std::string_view text, std::string_view after) {
  const auto found = cron(text).next(parse_time_ms(std::string(after) + ":00Z").value());
  return found ? format_time_ms(*found).substr(0, 16) : "never";
}

TEST(Cron, finds_the_next_minute_strictly_after) {
  EXPECT_EQ(next("* * * * *", "2026-11-21T10:00"), "2026-11-21T10:01");
  EXPECT_EQ(next("0 10 * * *", "2026-11-21T10:00"), "2026-11-22T10:00");
  EXPECT_EQ(next("0 10 * * *", "2026-11-21T09:59"), "2026-11-21T10:00");
  EXPECT_EQ(next("59 23 31 12 *", "2026-12-31T23:58"), "2026-12-31T23:59");
  EXPECT_EQ(next("59 23 31 12 *", "2026-12-31T23:59"), "2027-12-31T23:59");
  const auto every = cron("* * * * *");
  EXPECT_EQ(every.next(59'999), 60'000);
  EXPECT_EQ(every.next(60'000), 120'000);
  EXPECT_EQ(every.next(60'001), 120'000);
}

TEST(Cron, reads_lists_ranges_and_steps) {
  EXPECT_EQ(cron("*/15 * * * *"), cron("0,15,30,45 * * * *"));
  EXPECT_EQ(cron("10-40/10 * * * *"), cron("40,30,20,10 * * * *"));
  EXPECT_EQ(cron("10-45/10 * * * *"), cron("10-40/10 * * * *"));
  EXPECT_EQ(cron("1-3,2-4,9 * * * *"), cron("1,2,3,4,9 * * * *"));
  EXPECT_EQ(cron("0 0-5/2,22 * * *"), cron("0 0,2,4,22 * * *"));
  EXPECT_EQ(cron("0 0 */10 * MON").next(0), cron("0 0 */10 * 1").next(0));
  EXPECT_EQ(cron("05 07 01 02 *"), cron("5 7 1 2 *"));
  EXPECT_EQ(cron("  1\t2  3 4 5 "), cron("1 2 3 4 5"));
}

TEST(Cron, reads_names_in_any_case) {
  EXPECT_EQ(cron("0 0 1 JAN,feb,Dec *"), cron("0 0 1 1,2,12 *"));
  EXPECT_EQ(cron("0 0 1 mar-SEP/3 *"), cron("0 0 1 3,6,9 *"));
  EXPECT_EQ(cron("0 0 * * mon-FRI"), cron("0 0 * * 1-5"));
}

TEST(Cron, takes_0_and_7_for_sunday) {
  EXPECT_EQ(cron("0 0 * * 7"), cron("0 0 * * 0"));
  EXPECT_EQ(cron("0 0 * * SUN"), cron("0 0 * * 0"));
  EXPECT_EQ(cron("0 0 * * 5-7"), cron("0 0 * * 0,5,6"));
  EXPECT_EQ(cron("0 0 * * FRI-SUN"), cron("0 0 * * 0,5,6"));
  EXPECT_EQ(cron("0 0 * * SUN-TUE"), cron("0 0 * * 0,1,2"));
  EXPECT_EQ(cron("0 0 * * SUN-SUN"), cron("0 0 * * 0"));
  EXPECT_EQ(cron("0 0 * * 0-7"), cron("0 0 * * 0-6"));
  EXPECT_EQ(next("0 0 * * 7", "2026-11-21T10:00"), "2026-11-22T00:00");
}

TEST(Cron, knows_the_macros) {
  const std::pair<std::string_view, std::string_view> kMeanings[] = {
      {"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
      {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {" @Daily ", "0 0 * * *"}};
  for (const auto& [macro, fields] : kMeanings) EXPECT_EQ(cron(macro), cron(fields)) << macro;
}

TEST(Cron, matches_a_day_by_either_day_field_if_both_are_restricted) {
  // 2026-11-01 is a Sunday. The 15th is a Sunday too, Fridays are the 6th and the 13th.
  EXPECT_EQ(next("30 4 1,15 * 5", "2026-11-01T05:00"), "2026-11-06T04:30");
  EXPECT_EQ(next("30 4 1,15 * 5", "2026-11-13T05:00"), "2026-11-15T04:30");
  EXPECT_EQ(next("30 4 1,15 * *", "2026-11-01T05:00"), "2026-11-15T04:30");
  EXPECT_EQ(next("30 4 * * 5", "2026-11-13T05:00"), "2026-11-20T04:30");
}

TEST(Cron, matches_both_day_fields_if_one_begins_with_a_star) {
  // As in crontab(5), */2 does not count as a restriction: Mondays that are odd days. Mondays are the 2nd, 9th, 16th,
  // 23rd.
  EXPECT_EQ(next("0 0 */2 * MON", "2026-11-01T00:00"), "2026-11-09T00:00");
  EXPECT_EQ(next("0 0 9 * */2", "2026-11-01T00:00"), "2027-01-09T00:00");  // the first 9th on Sun, Tue, Thu or Sat
}

TEST(Cron, keeps_to_the_lengths_of_months_and_to_leap_years) {
  EXPECT_EQ(next("0 0 31 * *", "2026-01-31T00:00"), "2026-03-31T00:00");
  EXPECT_EQ(next("0 0 30 * *", "2026-01-30T00:00"), "2026-03-30T00:00");
  EXPECT_EQ(next("0 0 29 2 *", "2026-01-01T00:00"), "2028-02-29T00:00");
  EXPECT_EQ(next("0 0 29 2 *", "2096-02-29T00:00"), "2104-02-29T00:00");  // 2100 is no leap year
  EXPECT_EQ(next("0 0 29 2 *", "1999-03-01T00:00"), "2000-02-29T00:00");  // 2000 is one
  EXPECT_EQ(next("59 23 28-31 2 *", "2027-02-28T23:58"), "2027-02-28T23:59");
  EXPECT_EQ(next("0 0 1 3 *", "2028-02-29T23:59"), "2028-03-01T00:00");
}

TEST(Cron, finds_nothing_where_nothing_is_within_ten_years) {
  EXPECT_EQ(next("0 0 30 2 *", "2026-11-21T10:00"), "never");
  EXPECT_EQ(next("0 0 31 2,4,6,9,11 *", "2026-11-21T10:00"), "never");
  // A 29 February that is a Sunday comes every 28 years.
  EXPECT_EQ(next("0 0 29 2 */7", "2032-03-01T00:00"), "never");
  EXPECT_EQ(next("0 0 29 2 */7", "2050-02-01T00:00"), "2060-02-29T00:00");
  EXPECT_EQ(next("0 0 29 2 */7", "2050-01-31T00:00"), "never");  // one month too early
}

TEST(Cron, bears_times_at_the_ends_of_the_scale) {
  const auto every = cron("* * * * *");
  EXPECT_EQ(every.next(-1), 0);
  EXPECT_EQ(every.next(INT64_MIN), 0);
  EXPECT_EQ(every.next(INT64_MAX), std::nullopt);
  EXPECT_EQ(every.next(253'402'300'799'999), 253'402'300'800'000);
  EXPECT_EQ(every.next(253'402'300'800'000), std::nullopt);
}

TEST(Cron, says_which_field_is_wrong_where_it_stands_and_what_is_allowed) {
  struct Wrong {
    std::string_view text;
    std::vector<std::string_view> said;
  };
  const Wrong kWrong[] = {
      {"60 * * * *", {"field 1 (minute)", "`60`", "0 to 59"}},
      {"* 24 * * *", {"field 2 (hour)", "`24`", "0 to 23"}},
      {"* * 0 * *", {"field 3 (day of month)", "`0`", "1 to 31"}},
      {"* * 32 * *", {"field 3 (day of month)", "`32`", "1 to 31"}},
      {"* * * 13 *", {"field 4 (month)", "`13`", "1 to 12", "JAN to DEC"}},
      {"* * * MON *", {"field 4 (month)", "`MON`", "JAN to DEC"}},
      {"* * * JANUARY *", {"field 4 (month)", "`JANUARY`"}},
      {"* * * * 8", {"field 5 (day of week)", "`8`", "0 to 7", "SUN to SAT"}},
      {"40-10 * * * *", {"field 1 (minute)", "`40-10`", "backwards", "0 to 59"}},
      {"*/0 * * * *", {"field 1 (minute)", "step", "1 to 59"}},
      {"*/60 * * * *", {"field 1 (minute)", "step `60`", "1 to 59"}},
      {"* */24 * * *", {"field 2 (hour)", "step `24`", "1 to 23"}},
      {"*/ * * * *", {"field 1 (minute)", "step ``"}},
      {"*/5/5 * * * *", {"field 1 (minute)", "step `5/5`"}},
      {"5/10 * * * *", {"field 1 (minute)", "`5/10`", "range"}},
      {"1,,2 * * * *", {"field 1 (minute)", "missing", "0 to 59"}},
      {"1, * * * *", {"field 1 (minute)", "missing"}},
      {"1- * * * *", {"field 1 (minute)", "missing"}},
      {"-1 * * * *", {"field 1 (minute)", "missing"}},
      {"1-2-3 * * * *", {"field 1 (minute)", "`2-3`"}},
      {"*-5 * * * *", {"field 1 (minute)", "`*`"}},
      {"** * * * *", {"field 1 (minute)", "`**`"}},
      {"005 * * * *", {"field 1 (minute)", "`005`"}},
      {"+5 * * * *", {"field 1 (minute)", "`+5`"}},
      {"", {"0 fields", "five", "minute hour day-of-month month day-of-week"}},
      {"* * * *", {"4 fields", "five"}},
      {"* * * * * *", {"6 fields", "five"}},
      {"@reboot", {"`@reboot`", "@hourly", "@annually"}},
      {"@daily *", {"2 fields", "five"}},
      {"* * *\n* *", {"4 fields"}},
  };
  for (const auto& [text, said] : kWrong) {
    const auto parsed = Cron::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::invalid_field);
    for (const auto part : said) EXPECT_NE(parsed.error().text.find(part), std::string::npos) << parsed.error().text;
  }
}

TEST(Cron, bounds_the_length_of_the_text) {
  std::string longest = "* * * * 1";
  while (longest.size() + 2 <= kCronBytesMax) longest += ",1";
  EXPECT_EQ(cron(longest), cron("* * * * 1"));
  longest += std::string(kCronBytesMax + 1 - longest.size(), ' ');
  const auto parsed = Cron::parse(longest);
  ASSERT_FALSE(parsed);
  EXPECT_NE(parsed.error().text.find("256 bytes; at most 255"), std::string::npos) << parsed.error().text;
}

// A slow and obvious reference: an expression made at random knows the sets of values that its text stands for, and the
// next time is found by counting days on a calendar of its own.
struct Reference {
  struct Date {
    int year = 1970, month = 1, day = 1, weekday = 4;

    int length() const {
      const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
      return month == 2 ? (leap ? 29 : 28) : month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
    }
    void advance() {
      weekday = (weekday + 1) % 7;
      if (++day <= length()) return;
      day = 1;
      if (++month <= 12) return;
      month = 1;
      ++year;
    }
  };

  std::string text;
  std::array<std::set<int>, 5> values;
  std::array<bool, 5> star{};

  bool matches(const Date& date) const {
    const bool by_day = values[2].contains(date.day), by_weekday = values[4].contains(date.weekday);
    return values[3].contains(date.month) && (star[2] || star[4] ? by_day && by_weekday : by_day || by_weekday);
  }

  std::optional<std::int64_t> next(std::int64_t after_ms) const {
    Date date;
    std::int64_t midnight = 0;
    for (; midnight + kDay <= after_ms + kMinute - after_ms % kMinute; midnight += kDay) date.advance();
    const int last_month = (date.year + 10) * 12 + date.month;
    for (; date.year * 12 + date.month <= last_month; date.advance(), midnight += kDay) {
      if (!matches(date)) continue;
      for (const int hour : values[1]) {
        for (const int minute : values[0]) {
          const auto at = midnight + (hour * 60 + minute) * kMinute;
          if (at > after_ms) return at;
        }
      }
    }
    return std::nullopt;
  }
};

class RandomExpressions {
 public:
  explicit RandomExpressions(unsigned seed) : random_(seed) {}

  Reference make() {
    constexpr std::array<std::pair<int, int>, 5> kLimits{{{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 7}}};
    Reference made;
    for (std::size_t field = 0; field < 5; ++field) {
      if (field) made.text += ' ';
      const int items = below(4) == 0 ? 1 + below(4) : 1;
      for (int i = 0; i < items; ++i) {
        if (i) made.text += ',';
        const auto item = make_item(kLimits[field], made.values[field]);
        if (i == 0) made.star[field] = item.front() == '*';
        made.text += item;
      }
    }
    if (made.values[4].erase(7)) made.values[4].insert(0);
    return made;
  }

  int below(int bound) { return static_cast<int>(random_() % static_cast<unsigned>(bound)); }

 private:
  std::string make_item(std::pair<int, int> limits, std::set<int>& values) {
    const auto [first, last] = limits;
    const auto insert = [&](int low, int high, int step) {
      for (int value = low; value <= high; value += step) values.insert(value);
    };
    const int kind = below(6), step = 1 + below(last), low = first + below(last - first + 1);
    const int high = low + below(last - low + 1);
    switch (kind) {
      case 0:
        insert(first, last, 1);
        return "*";
      case 1:
        insert(first, last, step);
        return "*/" + std::to_string(step);
      case 2:
        insert(low, high, 1);
        return std::to_string(low) + "-" + std::to_string(high);
      case 3:
        insert(low, high, step);
        return std::to_string(low) + "-" + std::to_string(high) + "/" + std::to_string(step);
      default:
        insert(low, low, 1);
        return std::to_string(low);
    }
  }

  std::mt19937 random_;
};

TEST(Cron, agrees_with_a_slow_reference_over_random_expressions_and_times) {
  RandomExpressions expressions(1);
  int never = 0;
  for (int round = 0; round < 1'500; ++round) {
    const auto reference = expressions.make();
    const auto tested = cron(reference.text);
    // Years 1970 to 2106: leap years, 2000 which is one and 2100 which is not.
    const auto after = expressions.below(50'000) * kDay + expressions.below(static_cast<int>(kDay));
    const auto expected = reference.next(after);
    ASSERT_EQ(tested.next(after), expected) << reference.text << " after " << format_time_ms(after);
    never += !expected;
    if (!expected) continue;
    ASSERT_EQ(tested.next(*expected - 1), expected) << reference.text;
    ASSERT_EQ(tested.next(*expected), reference.next(*expected))
        << reference.text << " after " << format_time_ms(*expected);
  }
  EXPECT_GT(never, 0);
}

TEST(Cron, agrees_with_the_reference_at_the_ends_of_every_month) {
  RandomExpressions expressions(2);
  for (int round = 0; round < 4; ++round) {
    const auto reference = expressions.make();
    const auto tested = cron(reference.text);
    for (const int year : {2000, 2027, 2028, 2100}) {
      for (int month = 1; month <= 12; ++month) {
        const auto month_text = (month < 10 ? "-0" : "-") + std::to_string(month);
        const auto first = parse_time_ms(std::to_string(year) + month_text + "-01T00:00:00Z");
        for (const std::int64_t after : {*first - kMinute - 1, *first - kMinute, *first - 1, *first, *first + 1}) {
          ASSERT_EQ(tested.next(after), reference.next(after)) << reference.text << " after " << format_time_ms(after);
        }
      }
    }
  }
}

}  // namespace
}  // namespace folkmoot
