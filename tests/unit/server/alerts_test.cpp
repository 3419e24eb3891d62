// The alarms that a server raises by itself (server/alerts.hpp).
#include "server/alerts.hpp"

#include "unit/engine/engine_fixture.hpp"

namespace folkmoot::test {
namespace {

class AlertsTest : public EngineTest {
 protected:
  AlertRow raised(std::string_view kind) const {
    const auto rows = alerts->rows();
    const auto found = std::ranges::find(rows, kind, &AlertRow::name);
    return found == rows.end() ? AlertRow{} : *found;
  }
  void SetUp() override {
    EngineTest::SetUp();
    alerts = std::make_unique<Alerts>(limits, *engine, ShardNumber{0},
                                      Alerts::Ways{.takes_durable = [] { return true; },
                                                   .history = [] { return HistoryCounts{}; },
                                                   .disk = [this] { return disk; }});
  }
  void look_after(std::int64_t ms) {
    pass(ms);
    alerts->look(now);
  }

  AlertOptions limits;
  DiskCounts disk;
  std::unique_ptr<Alerts> alerts;
};

TEST_F(AlertsTest, B10_a_disk_is_low_when_less_is_left_than_shall_be) {
  disk = {.free_bytes = 1'000, .total_bytes = 9'900};
  look_after(limits.every_ms);
  EXPECT_EQ(raised("disk_low").name, "") << "10 % are left, as shall be";
  disk.free_bytes = 900;
  look_after(limits.every_ms);
  EXPECT_EQ(raised("disk_low").value, 9u);
  EXPECT_EQ(raised("disk_low").threshold, 10u);
}

TEST_F(AlertsTest, B10_deliveries_that_failed_in_other_shards_count) {
  AlertBoard board;
  alerts->join(board, [](std::string_view) { return ShardNumber{0}; });
  board.failed[1] = 200;
  board.dead[2] = 20;
  look_after(limits.every_ms);
  EXPECT_EQ(raised("deliveries_failed").name, "") << "of those before nobody knows when it was";
  board.failed[1] = 301;
  board.dead[2] = 31;
  look_after(limits.every_ms);
  EXPECT_EQ(raised("deliveries_failed").value, 101u);
  EXPECT_EQ(raised("dead_letters").value, 11u);
}

}  // namespace
}  // namespace folkmoot::test
