// The disk fills up, or fails (feature X3; docs/journal.md, "When the disk is full" and "When a sync fails").
#include "journal_fixture.hpp"

namespace folkmoot::test {
namespace {

class FullDiskTest : public JournalTest {
 protected:
  /// Appends until promises are refused; how many facts went in.
  int fill(FactLog::Urgency urgency = kDurable) {
    int count = 0;
    for (; journal->has_room(urgency, 1000); ++count) {
      append_of(urgency, std::string(1000, 'f'));
      EXPECT_TRUE(sync());
      now_ms += 10;
      if (count > 10'000) throw std::runtime_error("the disk never fills");
    }
    return count;
  }
  void append_of(FactLog::Urgency urgency, std::string_view text) {
    const Bytes part = as_bytes(text);
    const auto life = urgency == kDurable ? FactLog::Life::live : FactLog::Life::dead;
    const auto place = journal->append(FactKind::message_accepted, {&part, 1}, life);
    if (life == FactLog::Life::live) places.push_back(place);
  }
  /// A disk refuses a write; its owner hears of it late, and has made the next segment by then.
  void meet_refusal_late() {
    append(std::string(40'000, 'a'));
    disk.writes_full = true;
    EXPECT_TRUE(journal->submit(now_ms));
    journal->write_and_sync();
    disk.writes_full = false;
    now_ms += 1000;
    EXPECT_TRUE(journal->submit(now_ms));
    EXPECT_TRUE(journal->has_room(kDurable, 30'000));
    EXPECT_FALSE(journal->stats().disk_full);
    EXPECT_TRUE(journal->collect());
    EXPECT_LT(journal->durable_end(), journal->appended_end());
  }

  std::vector<FactPlace> places;
};

TEST_F(FullDiskTest, X3_promises_are_refused_while_settling_goes_on) {
  disk.capacity = 4 * kSegmentBytesMin;
  start();
  EXPECT_GT(fill(), 200);
  EXPECT_TRUE(journal->stats().disk_full);
  EXPECT_FALSE(journal->has_room(kDurable, 1000));
  const auto settling = fill(kSettling);  // the reserve
  EXPECT_GT(settling, 10);
  EXPECT_FALSE(journal->has_room(kSettling, 1000));
  EXPECT_EQ(journal->durable_end(), journal->appended_end());
  kill();
  start();
  EXPECT_EQ(found.size(), places.size() + static_cast<std::size_t>(settling));
}

TEST_F(FullDiskTest, X3_it_recovers_by_itself_within_about_a_second_of_space_coming_back) {
  disk.capacity = 2 * kSegmentBytesMin;
  start();
  fill();
  disk.capacity = 10 * kSegmentBytesMin;
  EXPECT_FALSE(journal->has_room(kDurable, 1000));
  now_ms += 999;
  (void)sync();
  now_ms += 2;
  ASSERT_TRUE(sync());
  EXPECT_TRUE(journal->has_room(kDurable, 1000));
  EXPECT_FALSE(journal->stats().disk_full);
  EXPECT_GT(fill(), 100);
}

TEST_F(FullDiskTest, X3_the_first_refusal_of_any_size_holds_until_there_is_room_for_all) {
  disk.capacity = 2 * kSegmentBytesMin;
  start();
  EXPECT_TRUE(journal->takes_durable(100));
  while (journal->has_room(kDurable, 20'000)) {
    append_of(kDurable, std::string(1000, 'f'));
    ASSERT_TRUE(sync());
  }
  EXPECT_TRUE(journal->has_room(kDurable, 100));
  EXPECT_FALSE(journal->takes_durable(100)) << "20000 bytes were refused";
  disk.capacity = 10 * kSegmentBytesMin;
  now_ms += 1'001;
  ASSERT_TRUE(sync());
  EXPECT_TRUE(journal->takes_durable(100));
}

TEST_F(FullDiskTest, X3_what_was_never_asked_for_before_it_was_refused_counts_and_settling_does_not) {
  disk.capacity = 2 * kSegmentBytesMin;
  start();
  while (journal->appended_end() < Lsn{2 * kSegmentBytesMin + 40'000}) {
    append_of(kDurable, std::string(1000, 'f'));
    ASSERT_TRUE(sync());
  }
  ASSERT_TRUE(journal->stats().disk_full);
  EXPECT_TRUE(journal->takes_durable(100));
  EXPECT_FALSE(journal->has_room(kSettling, 30'000));
  EXPECT_TRUE(journal->takes_durable(100)) << "no durable fact was refused";
  EXPECT_FALSE(journal->has_room(kDurable, 20'000));
  EXPECT_FALSE(journal->takes_durable(100)) << "20000 bytes were refused";
}

TEST_F(FullDiskTest, X3_how_much_it_may_take_changes_while_it_is_used) {
  options.bytes_max = 2 * kSegmentBytesMin;
  start();
  fill();
  EXPECT_FALSE(journal->takes_durable(1000));
  options.bytes_max = 4 * kSegmentBytesMin;
  journal->change(options);
  now_ms += 1'001;
  ASSERT_TRUE(sync());
  EXPECT_TRUE(journal->takes_durable(1000));
  EXPECT_GT(fill(), 50);
}

TEST_F(FullDiskTest, X3_too_many_open_files_are_as_a_full_disk_until_one_can_be_opened_again) {
  start();
  disk.files_used_up = true;
  fill();
  EXPECT_EQ(journal->refusal(), "opening next.segment.new: Too many open files");
  disk.files_used_up = false;
  now_ms += 1000;
  ASSERT_TRUE(sync());
  EXPECT_TRUE(journal->has_room(kDurable, 1000));
  disk.capacity = disk.used() + kSegmentBytesMin;
  fill();
  ASSERT_FALSE(disk.has(std::string(kNewSegmentName)));
}

TEST_F(FullDiskTest, X3_a_journal_that_comes_to_the_end_of_its_numbers_refuses_promises_and_can_be_read) {
  const auto last = segments_max(kSegmentBytesMin) - 1;
  {
    auto file = disk.open(segment_name(last - 1), Disk::Open::create_empty);
    ASSERT_TRUE((*file)->preallocate(kSegmentBytesMin));
    const auto header = encode_header({*options.id, last - 1, kSegmentBytesMin});
    std::array<std::uint8_t, kMarkBytes> mark{};
    const Lsn begin{(last - 1) * kSegmentBytesMin + kSegmentHeaderBytes};
    RecordCodec(*options.id).seal_mark(mark.data(), begin, MarkKind::batch, {begin, last - 1});
    const Bytes parts[] = {header, mark};
    ASSERT_TRUE((*file)->write(0, parts));
    ASSERT_TRUE((*file)->sync());
    ASSERT_TRUE(disk.sync_folder());
  }
  start();
  fill();
  EXPECT_EQ(journal->stats().segments, 2u);
  EXPECT_NE(journal->refusal().find("the end of its numbers"), std::string::npos) << journal->refusal();
  kill();
  start();
  ASSERT_EQ(found.size(), places.size());
  EXPECT_EQ(found.back().place, places.back());
  EXPECT_GT(places.back().lsn, Lsn{last * kSegmentBytesMin});
  EXPECT_FALSE(journal->has_room(kDurable, 1000));
}

TEST_F(FullDiskTest, X3_allocation_is_tried_again_at_most_once_a_second) {
  disk.capacity = 2 * kSegmentBytesMin;
  start();
  fill();
  const auto tries = [&] { return std::ranges::count(disk.log, "remove " + std::string(kNewSegmentName)); };
  const auto before = tries();
  for (int i = 0; i < 300; ++i) {
    now_ms += 10;
    (void)journal->has_room(kDurable, 1000);
    ASSERT_TRUE(sync());
  }
  EXPECT_GE(tries() - before, 2);
  EXPECT_LE(tries() - before, 4);
}

TEST_F(FullDiskTest, X3_settling_what_the_oldest_segment_holds_makes_room_again) {
  disk.capacity = 4 * kSegmentBytesMin;
  start();
  fill();
  for (const auto& place : places) {
    if (place.lsn.value / options.segment_bytes == 1) journal->release(place);
  }
  now_ms += 10;
  ASSERT_TRUE(sync());  // removes the segment
  now_ms += 10;
  ASSERT_TRUE(sync());
  EXPECT_FALSE(disk.has(segment_name(1)));
  EXPECT_TRUE(journal->has_room(kDurable, 1000));
}

TEST_F(FullDiskTest, X3_a_few_old_live_facts_are_copied_forward_from_the_reserve_to_free_a_segment) {
  disk.capacity = 3 * kSegmentBytesMin;
  start();
  fill();
  for (std::size_t i = 2; i < places.size(); ++i) {
    if (places[i].lsn.value / options.segment_bytes == 1) journal->release(places[i]);
  }
  ASSERT_TRUE(journal->compaction_due());
  for (int i = 0; i < 10 && journal->compaction_due(); ++i) {
    ASSERT_TRUE(journal->compact_step(kSegmentBytesMin, [&](FactKind kind, FactPlace place, Bytes body) {
      if (!(place == places[0]) && !(place == places[1])) return true;
      (void)journal->append(kind, {&body, 1}, FactLog::Life::live);
      journal->release(place);
      return true;
    }));
  }
  ASSERT_TRUE(sync());
  now_ms += 10;
  ASSERT_TRUE(sync());
  EXPECT_TRUE(journal->has_room(kDurable, 1000));
}

TEST_F(FullDiskTest, X3_the_limit_of_the_journal_itself_works_like_a_full_disk) {
  options.bytes_max = 3 * kSegmentBytesMin;
  start();
  EXPECT_GT(fill(), 150);
  EXPECT_LE(disk.used(), options.bytes_max);
  EXPECT_TRUE(journal->has_room(kSettling, 1000));
}

TEST_F(FullDiskTest, X3_no_room_for_the_first_segment_is_told) {
  disk.capacity = 1000;
  const auto opened = Journal::open(disk, options);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::disk_full);
}

TEST_F(FullDiskTest, X3_a_write_into_allocated_room_that_is_refused_is_tried_again) {
  start();
  append_synced("one");
  append("two");
  disk.writes_full = true;
  const auto durable = sync();
  ASSERT_TRUE(durable);
  EXPECT_LT(*durable, journal->appended_end());
  EXPECT_TRUE(journal->stats().disk_full);
  append("three");
  EXPECT_FALSE(journal->submit(now_ms + 500));
  disk.writes_full = false;
  now_ms += 1000;
  ASSERT_TRUE(sync());
  ASSERT_TRUE(sync());
  EXPECT_EQ(journal->durable_end(), journal->appended_end());
  kill();
  start();
  EXPECT_EQ(texts(), (std::vector<std::string>{"one", "two", "three"}));
}

TEST_F(FullDiskTest, X3_a_refused_write_is_tried_again_though_there_is_room_for_a_segment_meanwhile) {
  start();
  meet_refusal_late();
  ASSERT_TRUE(sync());
  EXPECT_EQ(journal->durable_end(), journal->appended_end());
}

TEST_F(FullDiskTest, X3_an_orderly_stop_writes_what_was_refused_and_what_came_after_it) {
  start();
  meet_refusal_late();
  append("behind it");
  const auto closed = journal->close();
  ASSERT_TRUE(closed) << closed.error().describe();
  start();
  EXPECT_EQ(texts().back(), "behind it");
}

TEST_F(FullDiskTest, X3_a_failed_sync_is_fatal_and_never_tried_again) {
  start();
  append("one");
  disk.failing_syncs = 1;
  const auto first = sync();
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code, ErrorCode::io_error);
  const auto syncs = disk.syncs;
  EXPECT_FALSE(journal->has_room(kDurable, 1));
  EXPECT_FALSE(journal->has_room(kSettling, 1));
  EXPECT_FALSE(journal->submit(now_ms));
  EXPECT_FALSE(sync());
  EXPECT_FALSE(journal->close());
  EXPECT_FALSE(journal->compaction_due());
  EXPECT_EQ(disk.syncs, syncs);
}

TEST_F(FullDiskTest, X3_a_failed_write_is_fatal) {
  start();
  append("one");
  disk.failing_writes = 1;
  EXPECT_FALSE(sync());
  EXPECT_FALSE(journal->submit(now_ms));
}

TEST_F(FullDiskTest, X3_a_sync_that_fails_between_batches_is_told_with_the_next) {
  options.sync = SyncPolicy::interval;
  options.sync_interval_ms = 3'600'000;
  start();
  append_synced("one");
  append_synced("two");
  disk.failing_syncs = 1;
  journal->sync_written();
  append("three");
  EXPECT_FALSE(sync());
}

}  // namespace
}  // namespace folkmoot::test
