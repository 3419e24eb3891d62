#include "gateway/http/metrics.hpp"

#include <gtest/gtest.h>

#include <set>
#include <sstream>

namespace folkmoot {
namespace {

constexpr std::string_view kStats = R"({"server":"folkmoot","version":"0.1.0","uptime_ms":5000,
 "connections":{"native":3,"http":1,"websocket":2},
 "messages":{"published":10,"confirmed":9,"delivered":8,"acknowledged":7,"redelivered":6,
             "returned":5,"expired":4,"dead":3,"refused":2,
             "duplicates":14,"completed":15,"cancelled":16,
             "bounced":17,"resubmitted":18,"guarded":19,"schedules_fired":20,
             "requests":1,"responses":1,"events_published":11,"events_delivered":12,"events_dropped":13},
 "dead_by_reason":{"expired":2,"rejected":1},"blocked":7,"waiting":1,"leased":2,"scheduled":3,"dead":4,
 "subscriptions":5,"consumers":6,"accepts_durable":true,
 "journal":{"segments":1,"bytes":67108864,"live_bytes":5,"appended_bytes":6,"syncs":7,
             "last_sync_us":800,"disk_full":false},
 "memory_bytes":1000000,
 "mailboxes":[{"name":"a\"b\\c\nd","ready":1,"scheduled":0,"leased":2,"dead":0,"consumers":1,"last_read_age_ms":null},
              {"name":"analyst","ready":18446744073709551615,"scheduled":0,"leased":0,"dead":0,
               "consumers":0,"last_read_age_ms":25}]})";

TEST(Metrics, U12_A19_SayWhatTheStatisticsSay) {
  const auto text = prometheus_text(kStats);
  ASSERT_TRUE(text);
  for (const std::string_view line :
       {"folkmoot_info{version=\"0.1.0\"} 1\n", "folkmoot_messages_published_total 10\n",
        "folkmoot_connections{door=\"websocket\"} 2\n", "folkmoot_accepts_durable 1\n",
        "folkmoot_journal_disk_full 0\n", "folkmoot_mailbox_ready{mailbox=\"analyst\"} 18446744073709551615\n",
        "folkmoot_mailbox_ready{mailbox=\"a\\\"b\\\\c\\nd\"} 1\n", "# TYPE folkmoot_messages_published_total counter\n",
        "folkmoot_messages_duplicate_total 14\n", "folkmoot_messages_completed_total 15\n",
        "folkmoot_messages_cancelled_total 16\n", "folkmoot_messages_bounced_total 17\n",
        "folkmoot_messages_resubmitted_total 18\n", "folkmoot_messages_guarded_total 19\n",
        "folkmoot_schedules_fired_total 20\n", "folkmoot_messages_blocked 7\n",
        "folkmoot_messages_dead_by_reason_total{reason=\"rejected\"} 1\n",
        "folkmoot_mailbox_last_read_age_milliseconds{mailbox=\"analyst\"} 25\n"}) {
    EXPECT_NE(text->find(line), std::string::npos) << line;
  }
  EXPECT_EQ(text->find("null"), std::string::npos);
}

TEST(Metrics, X7_KeepToTheTextFormat) {
  const auto text = prometheus_text(kStats);
  ASSERT_TRUE(text);
  std::set<std::string> typed;
  std::istringstream lines(*text);
  int samples = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# HELP ")) continue;
    if (line.starts_with("# TYPE ")) {
      const auto name = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(typed.insert(name).second) << name << " is declared twice";
      continue;
    }
    const auto name = line.substr(0, line.find_first_of("{ "));
    EXPECT_TRUE(typed.contains(name)) << line;
    EXPECT_EQ(name.ends_with("_total"), text->find("# TYPE " + name + " counter\n") != std::string::npos) << line;
    ++samples;
  }
  EXPECT_GT(samples, 35);
}

TEST(Metrics, LeaveOutWhatIsNotThereAndRefuseWhatIsNotStatistics) {
  EXPECT_EQ(*prometheus_text("{}"), "");
  EXPECT_TRUE(prometheus_text(R"({"mailboxes":[5,{"ready":1}],"messages":7,"connections":[]})"));
  EXPECT_FALSE(prometheus_text("[]"));
  EXPECT_FALSE(prometheus_text("{"));
}

}  // namespace
}  // namespace folkmoot
