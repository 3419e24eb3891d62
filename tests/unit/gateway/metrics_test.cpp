#include "gateway/http/metrics.hpp"

#include <gtest/gtest.h>

#include <algorithm>
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
 "failed_by_end":{"nacked":3,"lease_expired":2},
 "queue_time":{"count":7,"sum_ms":12,"rows":[{"below_ms":1,"count":2},{"below_ms":4,"count":4},
               {"below_ms":1099511627776,"count":1}]},
 "delivery_time":{"count":0,"sum_ms":0,"rows":[]},
 "errors":[{"name":"http/mailbox_full","count":4}],
 "transport_errors":[{"name":"tls/handshake_failed","count":2},{"name":"what","count":9}],
 "agents":{"up":3,"grace":0,"stale":2,"routable":3,"lost":1},"disk":{"free_bytes":10,"total_bytes":100},
 "history":{"behind_bytes":0,"missed_bytes":0,"kept":true,"reachable":false},
 "memory_bytes":1000000,
 "mailboxes":[{"name":"a\"b\\c\nd","ready":1,"scheduled":0,"leased":2,"dead":0,"consumers":1,"last_read_age_ms":null},
              {"name":"analyst","ready":18446744073709551615,"scheduled":0,"leased":0,"dead":0,
               "consumers":0,"last_read_age_ms":25}]})";

TEST(Metrics, U12_A19_SayWhatTheStatisticsSay) {
  const auto text = metrics_text(kStats, MetricsFormat::prometheus, 100);
  ASSERT_TRUE(text);
  for (const std::string_view line : {"folkmoot_info{version=\"0.1.0\"} 1\n",
                                      "folkmoot_messages_published_total 10\n",
                                      "folkmoot_connections{door=\"websocket\"} 2\n",
                                      "folkmoot_accepts_durable 1\n",
                                      "folkmoot_journal_disk_full 0\n",
                                      "folkmoot_mailbox_ready{mailbox=\"analyst\"} 18446744073709551615\n",
                                      "folkmoot_mailbox_ready{mailbox=\"a\\\"b\\\\c\\nd\"} 1\n",
                                      "# TYPE folkmoot_messages_published_total counter\n",
                                      "folkmoot_messages_duplicate_total 14\n",
                                      "folkmoot_messages_completed_total 15\n",
                                      "folkmoot_messages_cancelled_total 16\n",
                                      "folkmoot_messages_bounced_total 17\n",
                                      "folkmoot_messages_resubmitted_total 18\n",
                                      "folkmoot_messages_guarded_total 19\n",
                                      "folkmoot_schedules_fired_total 20\n",
                                      "folkmoot_messages_blocked 7\n",
                                      "folkmoot_messages_dead_by_reason_total{reason=\"rejected\"} 1\n",
                                      "folkmoot_deliveries_failed_total{reason=\"nacked\"} 3\n",
                                      "messages_sent_total 22\n",
                                      "messages_received_total 21\n",
                                      "folkmoot_errors_total{door=\"http\",code=\"mailbox_full\"} 4\n",
                                      "transport_errors_total{door=\"tls\",reason=\"handshake_failed\"} 2\n",
                                      "transport_errors_total{door=\"native\",reason=\"malformed\"} 0\n",
                                      "folkmoot_agents{health=\"stale\"} 2\n",
                                      "folkmoot_agents_lost_total 1\n",
                                      "folkmoot_disk_free_bytes 10\n",
                                      "folkmoot_disk_size_bytes 100\n",
                                      "folkmoot_uptime_seconds 5\n",
                                      "folkmoot_journal_last_sync_seconds 0.0008\n",
                                      "circuit_breaker_open{breaker=\"history\"} 1\n",
                                      "folkmoot_mailbox_last_read_age_seconds{mailbox=\"analyst\"} 0.025\n"}) {
    EXPECT_NE(text->find(line), std::string::npos) << line;
  }
  EXPECT_EQ(text->find("null"), std::string::npos);
}

TEST(Metrics, X7_KeepToTheTextFormat) {
  const auto text = metrics_text(kStats, MetricsFormat::prometheus, 100);
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
    auto name = line.substr(0, line.find_first_of("{ "));
    for (const std::string_view suffix : {"_bucket", "_sum", "_count"}) {
      const auto whole = name.substr(0, name.size() - std::min(name.size(), suffix.size()));
      if (name.ends_with(suffix) && text->find("# TYPE " + whole + " histogram\n") != std::string::npos) name = whole;
    }
    EXPECT_TRUE(typed.contains(name)) << line;
    EXPECT_EQ(name.ends_with("_total"), text->find("# TYPE " + name + " counter\n") != std::string::npos) << line;
    ++samples;
  }
  EXPECT_GT(samples, 35);
}

TEST(Metrics, B9_U12_HowLongThingsTakeIsAHistogram) {
  const auto text = metrics_text(kStats, MetricsFormat::prometheus, 100);
  ASSERT_TRUE(text);
  for (const std::string_view name : {"folkmoot_queue_time_seconds", "message_latency_seconds"}) {
    const std::string prefix(name);
    for (const auto& line : {"# TYPE " + prefix + " histogram\n", prefix + "_bucket{le=\"0.001\"} 2\n",
                             prefix + "_bucket{le=\"0.002\"} 2\n", prefix + "_bucket{le=\"0.004\"} 6\n",
                             prefix + "_bucket{le=\"67108.864\"} 6\n", prefix + "_bucket{le=\"+Inf\"} 7\n",
                             prefix + "_sum 0.012\n", prefix + "_count 7\n"}) {
      EXPECT_NE(text->find(line), std::string::npos) << line;
    }
  }
  EXPECT_NE(text->find("folkmoot_delivery_time_seconds_bucket{le=\"+Inf\"} 0\n"), std::string::npos);
}

TEST(Metrics, A19_TellOfTheFullestMailboxesAsManyAsIsAllowed) {
  const auto one = metrics_text(kStats, MetricsFormat::prometheus, 1);
  ASSERT_TRUE(one);
  EXPECT_NE(one->find("folkmoot_mailbox_ready{mailbox=\"analyst\"}"), std::string::npos);
  EXPECT_EQ(one->find("mailbox=\"a\\"), std::string::npos);
  const auto none = metrics_text(kStats, MetricsFormat::prometheus, 0);
  ASSERT_TRUE(none);
  EXPECT_EQ(none->find("mailbox="), std::string::npos);
}

TEST(Metrics, X7_AreOpenMetricsForWhoAsksForThat) {
  const auto text = metrics_text(kStats, MetricsFormat::open_metrics, 100);
  ASSERT_TRUE(text);
  for (const std::string_view line :
       {"# TYPE folkmoot info\n", "folkmoot_info{version=\"0.1.0\"} 1\n",
        "# TYPE folkmoot_messages_published counter\n", "folkmoot_messages_published_total 10\n",
        "# UNIT folkmoot_uptime_seconds seconds\n"}) {
    EXPECT_NE(text->find(line), std::string::npos) << line;
  }
  EXPECT_TRUE(text->ends_with("\n# EOF\n"));
  using enum MetricsFormat;
  for (const auto& [accept, format] : std::initializer_list<std::pair<std::string_view, MetricsFormat>>{
           {"", prometheus},
           {"*/*", prometheus},
           {"text/plain", prometheus},
           {"application/openmetrics-text", open_metrics},
           {"Application/OpenMetrics-Text; version=1.0.0", open_metrics},
           {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            open_metrics},
           {"application/openmetrics-text;version=2.0.0", prometheus},
           {"application/openmetrics-text;q=0", prometheus},
           {"application/openmetrics-text;q=x", prometheus},
           {"application/openmetrics-text;q=0.5,text/plain", prometheus},
           {";;,,q=", prometheus}}) {
    EXPECT_EQ(wanted_format(accept), format) << accept;
  }
}

TEST(Metrics, X7_AnExampleOfATraceStandsBehindItsBucket) {
  MetricsText text(MetricsFormat::open_metrics);
  text.begin("some_seconds", MetricType::histogram, "Some.");
  text.bucket(0.5, 1, {.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736", .value = 0.25, .at = 1.5});
  EXPECT_EQ(std::move(text).end(),
            "# TYPE some_seconds histogram\n# UNIT some_seconds seconds\n# HELP some_seconds Some.\n"
            "some_seconds_bucket{le=\"0.5\"} 1 # {trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"} 0.25 1.500\n# EOF\n");
}

TEST(Metrics, LeaveOutWhatIsNotThereAndRefuseWhatIsNotStatistics) {
  const auto text_of = [](std::string_view stats) { return metrics_text(stats, MetricsFormat::prometheus, 100); };
  EXPECT_EQ(*text_of("{}"), "");
  EXPECT_TRUE(text_of(R"({"mailboxes":[5,{"ready":1}],"messages":7,"connections":[],"errors":[{"name":"x"}],)"
                      R"("queue_time":{"rows":[5,{"below_ms":0,"count":1}]},"transport_errors":7})"));
  EXPECT_FALSE(text_of("[]"));
  EXPECT_FALSE(text_of("{"));
}

}  // namespace
}  // namespace folkmoot
