#include "base/posix_tz.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "base/duration.hpp"
#include "base/tzif.hpp"

namespace folkmoot {
namespace {

constexpr std::string_view kBerlin = "CET-1CEST,M3.5.0,M10.5.0/3", kNewYork = "EST5EDT,M3.2.0,M11.1.0";

PosixTz zone(std::string_view text) {
  const auto parsed = PosixTz::parse(text);
  EXPECT_TRUE(parsed) << text << ": " << (parsed ? "" : parsed.error().text);
  return parsed.value_or(PosixTz());
}
Instant at(const std::string& text) { return Instant{parse_time_ms(text + "Z").value()}; }
// What the clock shows: "day hh:mm:ss" as text of a time.
std::string local(std::string_view tz, const std::string& utc) {
  const auto shown = zone(tz).local(at(utc));
  return format_time_ms((shown.day * 86'400 + shown.second) * 1'000).substr(0, 16);
}
std::string next(std::string_view tz, int hour, int minute, const std::string& after) {
  return format_time_ms(zone(tz).next(hour * 3600 + minute * 60, at(after)).ms).substr(0, 19);
}

TEST(PosixTz, X11_the_offset_changes_at_the_second_that_the_rule_names) {
  EXPECT_EQ(local(kBerlin, "2026-03-29T00:59:59"), "2026-03-29T01:59");
  EXPECT_EQ(local(kBerlin, "2026-03-29T01:00:00"), "2026-03-29T03:00");
  EXPECT_EQ(local(kBerlin, "2026-10-25T00:59:59"), "2026-10-25T02:59");
  EXPECT_EQ(local(kBerlin, "2026-10-25T01:00:00"), "2026-10-25T02:00");
  EXPECT_EQ(local(kNewYork, "2026-03-08T06:59:59"), "2026-03-08T01:59");
  EXPECT_EQ(local(kNewYork, "2026-03-08T07:00:00"), "2026-03-08T03:00");
  EXPECT_EQ(local(kNewYork, "2026-11-01T05:59:59"), "2026-11-01T01:59");
  EXPECT_EQ(local(kNewYork, "2026-11-01T06:00:00"), "2026-11-01T01:00");
  // In the south summer goes over the new year.
  EXPECT_EQ(local("AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-01-01T00:00:00"), "2026-01-01T11:00");
  EXPECT_EQ(local("AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-07-01T00:00:00"), "2026-07-01T10:00");
}

TEST(PosixTz, X11_zones_without_summer_time_and_of_odd_offsets_are_understood) {
  EXPECT_EQ(local("UTC0", "2026-01-01T12:00:00"), "2026-01-01T12:00");
  EXPECT_EQ(local("<+0530>-5:30", "2026-01-01T20:00:00"), "2026-01-02T01:30");
  EXPECT_EQ(local("<-0330>+3:30", "2026-01-01T01:00:00"), "2025-12-31T21:30");
  EXPECT_EQ(zone("PST8").local(Instant{-1}), (LocalTime{-1, 16 * 3600 - 1}));
  EXPECT_EQ(local("ABC-0:00:30", "2026-01-01T00:00:30"), "2026-01-01T00:01");
}

TEST(PosixTz, X11_rules_may_name_days_of_the_year_and_times_days_away) {
  // The 60th day is the first of March, leap year or not; the day 59 counted from 0 is the 29th of February.
  EXPECT_EQ(local("AAA0BBB,J60/0,J300", "2028-02-29T23:59:00"), "2028-02-29T23:59");
  EXPECT_EQ(local("AAA0BBB,J60/0,J300", "2028-03-01T00:00:00"), "2028-03-01T01:00");
  EXPECT_EQ(local("AAA0BBB,59/0,J300", "2028-02-29T00:00:00"), "2028-02-29T01:00");
  // Godthab: at 22:00 the day before, said as -1 of the Sunday.
  EXPECT_EQ(local("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T00:59:59"), "2026-03-28T22:59");
  EXPECT_EQ(local("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T01:00:00"), "2026-03-29T00:00");
  // All year: RFC 9636 has this for a zone that is always on summer time.
  EXPECT_EQ(local("EST5EDT,0/0,J365/25", "2026-01-01T12:00:00"), "2026-01-01T08:00");
  EXPECT_EQ(local("EST5EDT,0/0,J365/25", "2026-12-31T23:59:59"), "2026-12-31T19:59");
}

TEST(PosixTz, X11_the_next_time_of_a_day_is_found_where_clocks_leap_or_go_back) {
  EXPECT_EQ(next(kBerlin, 7, 0, "2026-03-28T06:00:00"), "2026-03-29T05:00:00");
  EXPECT_EQ(next(kBerlin, 0, 0, "2026-03-29T10:00:00"), "2026-03-29T22:00:00");
  // 02:30 is leapt over: it is past as soon as the clock has.
  EXPECT_EQ(next(kBerlin, 2, 30, "2026-03-29T00:00:00"), "2026-03-29T01:00:00");
  EXPECT_EQ(next(kBerlin, 2, 30, "2026-03-29T01:00:00"), "2026-03-30T00:30:00");
  // 02:30 comes twice.
  EXPECT_EQ(next(kBerlin, 2, 30, "2026-10-25T00:00:00"), "2026-10-25T00:30:00");
  EXPECT_EQ(next(kBerlin, 2, 30, "2026-10-25T00:30:00"), "2026-10-25T01:30:00");
  EXPECT_EQ(next(kBerlin, 2, 30, "2026-10-25T01:30:00"), "2026-10-26T01:30:00");
}

TEST(PosixTz, X11_what_is_not_understood_is_refused_with_its_place) {
  for (const std::string_view bad :
       {"", "Europe/Berlin", "CE-1", "CET", "CET25", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,M3.5.7,M10.5.0", "CET-1CEST,M3.5.0,M10.5.0/168", "CET-1CEST,J0,J5",
        "CET-1CEST,J1,366", "CET-1CEST,M3.5.0,M10.5.0 ", "<>-1", "<CET-1", "CET-1:60", "CET-1CEST,M3.5.0,M10.5.0/3,"}) {
    const auto parsed = PosixTz::parse(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code, ErrorCode::invalid_field);
    EXPECT_NE(parsed.error().text.find("place"), std::string::npos) << parsed.error().text;
  }
  EXPECT_FALSE(PosixTz::parse(std::string(256, 'A')));
}

// The C library as the judge: it reads the same rules.
TEST(PosixTz, X11_agrees_with_the_c_library) {
  std::mt19937_64 random(7);
  for (const auto& tz : {std::string(kBerlin), std::string(kNewYork), std::string("AEST-10AEDT,M10.1.0,M4.1.0/3"),
                         std::string("NZST-12NZDT,M9.5.0,M4.1.0/3"), std::string("IST-1GMT0,M10.5.0,M3.5.0/1"),
                         std::string("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"), std::string("<+0545>-5:45")}) {
    ::setenv("TZ", tz.c_str(), 1);
    ::tzset();
    const auto mine = zone(tz);
    for (int i = 0; i < 20'000; ++i) {
      const auto second = static_cast<std::time_t>(random() % 4'000'000'000);
      std::tm broken{};
      ::localtime_r(&second, &broken);
      ASSERT_EQ(mine.offset_at(Instant{std::int64_t{second} * 1'000}), broken.tm_gmtoff) << tz << " at " << second;
    }
  }
  ::unsetenv("TZ");
  ::tzset();
}

TEST(Tzif, X11_the_rule_at_the_end_of_a_zone_file_is_what_it_says_of_times_to_come) {
  std::ifstream file("/usr/share/zoneinfo/Europe/Berlin", std::ios::binary);
  ASSERT_TRUE(file) << "the package tzdata is needed";
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(rule_of_tzif(as_bytes(bytes)).value(), kBerlin);
  EXPECT_FALSE(rule_of_tzif(as_bytes(bytes.substr(0, bytes.size() - 1))));
  EXPECT_FALSE(rule_of_tzif(as_bytes(std::string_view("TZif2"))));
  EXPECT_FALSE(rule_of_tzif(as_bytes(std::string(100, 'x'))));
  EXPECT_FALSE(rule_of_tzif(as_bytes(std::string("TZif1").append(60, '\0').append("\nUTC0\n"))));
  EXPECT_FALSE(rule_of_tzif(as_bytes(std::string("TZif2").append(60, '\0').append("\n\n"))));
}

}  // namespace
}  // namespace folkmoot
