// Copying live facts out of the oldest segment, so that it can go (feature X3).
#include "journal_fixture.hpp"

namespace folkmoot::test {
namespace {

class CompactionTest : public JournalTest {
 protected:
  void compact(std::size_t budget) {
    const auto done = journal->compact_step(budget, [&](FactKind kind, FactPlace place, Bytes body) {
      EXPECT_EQ(kind, FactKind::message_accepted);
      ++handed;
      const std::string text(as_text(body));
      const auto at = live.find(text);
      if (at == live.end() || !(at->second == place)) return true;
      const Bytes parts[] = {body.first(3), body.subspan(3)};  // the bytes handed over must stay while appending
      at->second = journal->append(kind, parts, FactLog::Life::live);
      journal->release(place);
      EXPECT_EQ(as_text(body), text);
      return true;
    });
    ASSERT_TRUE(done) << done.error().describe();
  }
  /// One in `one_in` of the facts stays live.
  void fill(int count, int one_in) {
    for (int i = 0; i < count; ++i) {
      const auto text = std::to_string(1'000'000 + next++) + std::string(1200, 'k');
      const auto place = append(text);
      if (i % one_in == 0)
        live[text] = place;
      else
        journal->release(place);
      if (i % 20 == 0) {
        ASSERT_TRUE(sync());
      }
    }
    ASSERT_TRUE(sync());
  }

  std::map<std::string, FactPlace> live;
  int handed = 0;
  int next = 0;
};

TEST_F(CompactionTest, X3_it_is_due_when_more_is_dead_than_live) {
  start();
  fill(300, 1);
  EXPECT_FALSE(journal->compaction_due());
  int released = 0;
  for (auto at = live.begin(); at != live.end();) {
    if (released++ % 3 == 0) {
      ++at;
      continue;
    }
    journal->release(at->second);
    at = live.erase(at);
  }
  EXPECT_TRUE(journal->compaction_due());
}

TEST_F(CompactionTest, X3_it_keeps_the_journal_at_about_twice_what_is_live) {
  start();
  for (int round = 0; round < 20; ++round) {
    fill(100, 10);
    for (int step = 0; step < 200 && journal->compaction_due(); ++step) {
      compact(10'000);
      ASSERT_TRUE(sync());
    }
    const auto stats = journal->stats();
    EXPECT_LE(stats.bytes, 2 * stats.live_bytes + 4 * options.segment_bytes);
  }
  EXPECT_GT(handed, 0);
  kill();
  start();
  std::map<std::string, int> texts_found;
  for (const auto& fact : found) ++texts_found[fact.text];
  for (const auto& [text, place] : live) {
    EXPECT_GE(texts_found[text], 1);
    EXPECT_EQ(read(place), text);
  }
}

TEST_F(CompactionTest, X3_the_oldest_segment_stays_until_the_copies_are_durable) {
  start();
  fill(300, 10);
  ASSERT_TRUE(journal->compaction_due());
  const auto first_live = live.begin()->second;
  while (live.begin()->second == first_live || journal->compaction_due()) {
    const auto before = handed;
    compact(kSegmentBytesMin);
    if (handed == before) break;
  }
  EXPECT_TRUE(disk.has(segment_name(1)));  // nothing was synced meanwhile
  ASSERT_TRUE(sync());
  EXPECT_FALSE(disk.has(segment_name(1)));
}

TEST_F(CompactionTest, X3_under_every_policy_a_segment_goes_only_when_what_was_copied_is_on_disk) {
  for (const auto policy : {SyncPolicy::interval, SyncPolicy::never}) {
    for (unsigned lots = 1; lots <= 20; ++lots) {
      SCOPED_TRACE(lots);
      forget_all();
      options.sync = policy;
      options.sync_interval_ms = 3'600'000;
      start();
      const auto first = append("the fact");
      for (int i = 0; i < 60; ++i) append(std::string(1500, 'd'), FactLog::Life::dead);
      ASSERT_TRUE(sync());
      ASSERT_TRUE(disk.has(segment_name(2)));
      append("the fact");
      journal->release(first);
      for (int i = 0; i < 3 && disk.has(segment_name(1)); ++i) ASSERT_TRUE(sync());
      ASSERT_FALSE(disk.has(segment_name(1)));
      kill();
      std::mt19937 lot(lots);
      disk.fail_power(lot);
      start();
      EXPECT_EQ(std::ranges::count(texts(), "the fact"), 1);
    }
  }
}

TEST_F(CompactionTest, X3_a_fact_that_was_not_kept_is_handed_over_again) {
  start();
  fill(300, 10);
  ASSERT_TRUE(journal->compaction_due());
  std::vector<std::string> refused;
  for (int step = 0; step < 3; ++step) {
    const auto done = journal->compact_step(1'000'000, [&](FactKind, FactPlace place, Bytes body) {
      // What died since goes by.
      const auto at = live.find(std::string(as_text(body)));
      if (at == live.end() || !(at->second == place)) return true;
      refused.emplace_back(as_text(body));
      return false;
    });
    ASSERT_TRUE(done);
  }
  ASSERT_EQ(refused.size(), 3u);
  EXPECT_EQ(refused[1], refused[0]);
  EXPECT_EQ(refused[2], refused[0]);
  EXPECT_EQ(refused[0], live.begin()->first);
}

TEST_F(CompactionTest, X3_a_step_stops_at_its_budget) {
  start();
  fill(300, 10);
  compact(5'000);
  EXPECT_GE(handed, 3);
  EXPECT_LE(handed, 6);
}

TEST_F(CompactionTest, X3_facts_that_are_not_released_are_a_defect_that_is_told) {
  start();
  fill(300, 10);
  Result<void> done;
  for (int step = 0; step < 100 && done; ++step) {
    done = journal->compact_step(kSegmentBytesMin, [](FactKind, FactPlace, Bytes) { return true; });
  }
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::internal);
}

TEST_F(CompactionTest, X3_damage_found_while_copying_stops_the_journal) {
  start();
  fill(300, 10);
  segment(1)[20'000] ^= 1;
  Result<void> done;
  for (int step = 0; step < 100 && done; ++step) {
    done = journal->compact_step(kSegmentBytesMin, [](FactKind, FactPlace, Bytes) { return true; });
  }
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::damaged);
  EXPECT_FALSE(journal->has_room(kSettling, 1));
}

TEST_F(CompactionTest, X3_what_a_reader_holds_stays_until_it_lets_go) {
  start();
  fill(1, 2);
  const auto dead = append("read by somebody who is behind", FactLog::Life::dead);
  fill(400, 1'000);
  auto hold = journal->hold(dead.lsn);
  const auto first = journal->begin();
  fill(400, 1'000);
  EXPECT_FALSE(journal->compaction_due());
  ASSERT_TRUE(sync());
  EXPECT_EQ(journal->begin(), first);
  EXPECT_EQ(read(dead), "read by somebody who is behind");
  EXPECT_GT(journal->stats().held_bytes, 3 * kSegmentBytesMin);

  // It reads on: what it has passed may go, what is before it may not.
  const auto halfway = first + 2 * kSegmentBytesMin + 100;
  journal->move_hold(hold, halfway);
  for (int i = 0; i < 100 && journal->compaction_due(); ++i) {
    compact(kSegmentBytesMin);
    ASSERT_TRUE(sync());
  }
  ASSERT_TRUE(sync());
  EXPECT_EQ(journal->begin(), first + 2 * kSegmentBytesMin);

  journal->let_go(hold);
  EXPECT_EQ(journal->stats().held_bytes, 0u);
  fill(10, 1'000);
  for (int i = 0; i < 100 && journal->compaction_due(); ++i) {
    compact(kSegmentBytesMin);
    ASSERT_TRUE(sync());
  }
  ASSERT_TRUE(sync());
  EXPECT_GT(journal->begin(), halfway);
  for (const auto& [text, place] : live) EXPECT_EQ(read(place), text);
}

TEST_F(CompactionTest, X3_what_is_held_are_the_bytes_from_the_readers_segment_on) {
  start();
  fill(200, 1);
  ASSERT_GT(journal->stats().segments, 3u);
  const auto first = journal->begin();
  const auto segments = verify_journal(disk)->segments;
  const auto bytes = journal->stats().bytes;
  const auto before_second = segments[0].used_bytes, before_third = before_second + segments[1].used_bytes;
  const auto hold = journal->hold(first);
  EXPECT_EQ(journal->stats().held_bytes, bytes);
  journal->move_hold(hold, first + kSegmentBytesMin + 500);
  EXPECT_EQ(journal->stats().held_bytes, bytes - before_second);
  journal->move_hold(hold, first + 2 * kSegmentBytesMin);  // it has come to the end of that one
  EXPECT_EQ(journal->stats().held_bytes, bytes - before_third);
}

TEST_F(CompactionTest, X3_of_several_readers_the_one_furthest_behind_counts) {
  start();
  fill(200, 1'000);
  const auto first = journal->begin();
  const auto ahead = journal->hold(journal->appended_end());
  const auto behind = journal->hold(first);
  fill(200, 1'000);
  journal->let_go(ahead);
  ASSERT_TRUE(sync());
  EXPECT_EQ(journal->begin(), first);
  journal->let_go(behind);
  for (int i = 0; i < 100 && journal->compaction_due(); ++i) {
    compact(kSegmentBytesMin);
    ASSERT_TRUE(sync());
  }
  fill(1, 1);
  EXPECT_GT(journal->begin(), first);
}

}  // namespace
}  // namespace folkmoot::test
