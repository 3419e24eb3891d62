// Every tail and every damage: what recovery cuts, and what it refuses (feature X3; docs/journal.md, "Recovery").
#include "journal_fixture.hpp"

namespace folkmoot::test {
namespace {

using Texts = std::vector<std::string>;

class RecoveryTest : public JournalTest {
 protected:
  void expect_damage(std::uint64_t number, std::size_t offset) {
    const auto before = image();
    const auto report = try_start();
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, ErrorCode::damaged);
    const auto where = "journal segment " + std::to_string(number) + " (" + segment_name(number) + "), offset " +
                       std::to_string(offset) + ":";
    EXPECT_NE(report.error().text.find(where), std::string::npos) << report.error().text << "\nexpected " << where;
    EXPECT_NE(advice_on(report.error()).find("folkmoot journal verify"), std::string_view::npos);
    EXPECT_EQ(image(), before) << "recovery changed a damaged journal";
    const auto checked = verify_journal(disk);
    EXPECT_TRUE(!checked || checked->problems_total > 0) << "verify finds nothing";
  }
  std::vector<std::vector<std::uint8_t>> image() {
    std::vector<std::vector<std::uint8_t>> all;
    const auto names = disk.list();
    for (const auto& name : *names) all.push_back(disk.bytes(name));
    return all;
  }
  /// Three batches of one fact each; returns the places.
  std::vector<FactPlace> three_batches() {
    start();
    std::vector<FactPlace> places;
    for (const auto* text : {"first fact", "second fact", "third fact"}) {
      places.push_back(append(text));
      EXPECT_TRUE(sync());
    }
    kill();
    return places;
  }
  /// Enough to close two segments.
  void three_segments() {
    start();
    for (int i = 0; i < 100; ++i) {
      append(std::string(1500, static_cast<char>('a' + i % 26)));
      if (i % 10 == 9) {
        ASSERT_TRUE(sync());
      }
    }
    kill();
  }
};

TEST_F(RecoveryTest, X3_a_last_batch_torn_at_any_byte_is_cut_and_nothing_before_it) {
  start();
  append_synced("kept");
  const auto cut_from = offset_of(journal->appended_end());
  append("torn one");
  append("torn two");
  ASSERT_TRUE(sync());
  const auto end = offset_of(journal->appended_end());
  kill();
  const auto whole = segment(1);
  for (auto torn = cut_from; torn < end; ++torn) {
    segment(1) = whole;
    std::fill(segment(1).begin() + static_cast<std::ptrdiff_t>(torn), segment(1).end(), 0);
    const auto report = try_start();
    ASSERT_TRUE(report) << report.error().describe();
    ASSERT_GE(found.size(), 1u);
    EXPECT_EQ(found[0].text, "kept");
    // What was cut is zeros now, and the journal goes on there.
    append_synced("after");
    kill();
    ASSERT_EQ(start().cut_bytes, 0u);
    EXPECT_EQ(found.back().text, "after");
    EXPECT_EQ(verify_journal(disk)->problems_total, 0u);
  }
}

TEST_F(RecoveryTest, X3_the_report_tells_how_much_was_cut_and_where) {
  const auto places = three_batches();
  const auto at = offset_of(places[2].lsn);
  segment(1)[at + kRecordHeaderBytes + 3] ^= 0x10;
  const auto report = start();
  EXPECT_EQ(report.cut_segment, 1u);
  EXPECT_EQ(report.cut_offset, at);
  EXPECT_EQ(report.cut_bytes, kRecordHeaderBytes + 10);  // to the last byte that is not zero
  EXPECT_EQ(texts(), (Texts{"first fact", "second fact"}));
  EXPECT_EQ(segment(1)[at + kRecordHeaderBytes], 0);
}

TEST_F(RecoveryTest, X3_any_byte_wrong_in_the_last_batch_loses_at_most_that_batch) {
  const auto places = three_batches();
  const auto whole = segment(1);
  for (auto at = offset_of(places[2].lsn) - kMarkBytes; at < offset_of(places[2].lsn) + 24; ++at) {
    segment(1) = whole;
    segment(1)[at] ^= 0xff;
    ASSERT_TRUE(try_start());
    ASSERT_EQ(texts(), (Texts{"first fact", "second fact"})) << at;
  }
}

TEST_F(RecoveryTest, X3_damage_before_the_last_batch_is_refused_with_its_place) {
  const auto places = three_batches();
  segment(1)[offset_of(places[1].lsn) + kRecordHeaderBytes] ^= 1;
  expect_damage(1, offset_of(places[1].lsn));
}

TEST_F(RecoveryTest, X3_damage_is_told_from_a_torn_tail_by_a_mark_wherever_it_stands) {
  // The tail is looked at in steps: of this mark, too, that lies in two of them, wherever between them.
  constexpr std::size_t kPage = 4096, kBatch = kMarkBytes + kRecordHeaderBytes + 8;  // what stands before that mark
  for (auto before_mark = kPage - kBatch - kMarkBytes - 16; before_mark <= kPage + 8; before_mark += 8) {
    SCOPED_TRACE(before_mark);
    forget_all();
    start();
    append_synced("one");
    const auto damaged = offset_of(append(std::string(before_mark - kRecordHeaderBytes, 'x')).lsn);
    ASSERT_TRUE(sync());
    append_synced("three");  // its mark alone says that what was damaged had been synced
    kill();
    segment(1)[damaged + 100] ^= 1;
    expect_damage(1, damaged);
  }
}

TEST_F(RecoveryTest, X3_every_bit_wrong_before_the_last_batch_is_refused) {
  const auto places = three_batches();
  const auto whole = segment(1);
  for (auto bit = kSegmentHeaderBytes * 8; bit < (offset_of(places[2].lsn) - kMarkBytes) * 8; ++bit) {
    segment(1) = whole;
    segment(1)[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    const auto report = try_start();
    ASSERT_FALSE(report) << "bit " << bit;
    ASSERT_EQ(report.error().code, ErrorCode::damaged);
  }
}

TEST_F(RecoveryTest, X3_zeros_in_place_of_a_synced_record_are_damage_and_no_end) {
  const auto places = three_batches();
  const auto at = offset_of(places[1].lsn);
  std::fill_n(segment(1).begin() + static_cast<std::ptrdiff_t>(at), 24, 0);
  expect_damage(1, at);
}

TEST_F(RecoveryTest, X3_after_an_orderly_stop_even_the_last_batch_is_known_to_be_whole) {
  start();
  const auto place = append("last");
  ASSERT_TRUE(journal->close());
  kill();
  segment(1)[offset_of(place.lsn) + kRecordHeaderBytes] ^= 1;
  expect_damage(1, offset_of(place.lsn));
}

TEST_F(RecoveryTest, X3_a_closed_segment_must_be_perfect) {
  three_segments();
  segment(1)[30'000] ^= 4;
  const auto report = try_start();
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().text.find("journal segment 1 "), std::string::npos);
}

TEST_F(RecoveryTest, X3_bytes_behind_the_end_of_a_closed_segment_are_damage) {
  three_segments();
  segment(1)[kSegmentBytesMin - 1] = 1;
  expect_damage(1, kSegmentBytesMin - 1);
}

TEST_F(RecoveryTest, X3_a_lost_end_mark_is_damage) {
  three_segments();
  const auto mark = verify_journal(disk)->segments[0].used_bytes - kMarkBytes;
  std::fill_n(segment(1).begin() + static_cast<std::ptrdiff_t>(mark), kMarkBytes, 0);
  expect_damage(1, mark);
}

TEST_F(RecoveryTest, X3_a_segment_missing_in_the_middle_is_damage) {
  three_segments();
  disk.forget(segment_name(2));
  expect_damage(2, 0);
}

TEST_F(RecoveryTest, X3_the_oldest_segment_missing_is_damage) {
  three_segments();
  disk.forget(segment_name(1));
  expect_damage(1, 0);
}

TEST_F(RecoveryTest, X3_the_last_segment_missing_is_damage) {
  start();
  while (journal->stats().segments < 2) append(std::string(1500, 'x'));
  ASSERT_TRUE(sync());
  kill();
  const auto names = disk.list();
  for (const auto& name : *names) {
    if (segment_number(name).value_or(0) >= 2) disk.forget(name);
  }
  expect_damage(2, 0);
}

TEST_F(RecoveryTest, X3_a_segment_too_short_or_too_long_is_damage) {
  three_segments();
  segment(2).resize(kSegmentBytesMin - 1);
  expect_damage(2, kSegmentBytesMin - 1);
  segment(2).resize(kSegmentBytesMin + 1);
  expect_damage(2, kSegmentBytesMin);
  segment(2).resize(10);
  expect_damage(2, 0);
  segment(2).clear();
  expect_damage(2, 0);
}

TEST_F(RecoveryTest, X3_every_bit_wrong_in_a_header_is_refused) {
  three_segments();
  const auto whole = segment(2);
  for (std::size_t bit = 0; bit < kSegmentHeaderBytes * 8; ++bit) {
    segment(2) = whole;
    segment(2)[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    const auto report = try_start();
    ASSERT_FALSE(report) << "bit " << bit;
    ASSERT_EQ(report.error().code, ErrorCode::damaged);
  }
}

TEST_F(RecoveryTest, X3_a_segment_under_another_name_or_of_another_journal_is_damage) {
  three_segments();
  const auto second = segment(2);
  segment(2) = segment(1);
  expect_damage(2, 32);
  segment(2) = second;
  const auto header = encode_header({JournalId{42}, 2, kSegmentBytesMin});
  std::ranges::copy(header, segment(2).begin());
  expect_damage(2, 16);
}

TEST_F(RecoveryTest, X3_a_segment_made_ahead_is_kept_and_used) {
  start();
  for (int i = 0; i < 30; ++i) append(std::string(1500, 'x'));  // above the half
  ASSERT_TRUE(sync());
  ASSERT_TRUE(disk.has(segment_name(2)));
  kill();
  EXPECT_EQ(start().segments, 1u);
  for (int i = 0; i < 30; ++i) append(std::string(1500, 'y'));
  ASSERT_TRUE(sync());
  kill();
  start();
  EXPECT_EQ(found.size(), 60u);
}

TEST_F(RecoveryTest, X3_bytes_in_a_segment_made_ahead_are_damage) {
  start();
  for (int i = 0; i < 30; ++i) append(std::string(1500, 'x'));
  ASSERT_TRUE(sync());
  kill();
  segment(2)[12345] = 1;
  expect_damage(2, 12345);
}

TEST_F(RecoveryTest, X3_a_segment_that_was_being_made_is_thrown_away) {
  three_segments();
  auto half = disk.open(kNewSegmentName, Disk::Open::create_empty);
  ASSERT_TRUE((*half)->preallocate(1234));
  start();
  EXPECT_FALSE(disk.has(std::string(kNewSegmentName)));
  EXPECT_EQ(found.size(), 100u);
}

TEST_F(RecoveryTest, X3_other_files_in_the_folder_are_left_alone) {
  ASSERT_TRUE(disk.open("lock", Disk::Open::create_empty));
  ASSERT_TRUE(disk.open("7.segment", Disk::Open::create_empty));
  start();
  append_synced("one");
  kill();
  start();
  EXPECT_EQ(texts(), Texts{"one"});
  EXPECT_TRUE(disk.has("lock"));
  EXPECT_TRUE(disk.has("7.segment"));
}

TEST_F(RecoveryTest, X3_what_no_mark_calls_synced_is_written_and_synced_again) {
  start();
  append_synced("one");
  append("two");
  disk.failing_syncs = 1;
  EXPECT_FALSE(sync());
  kill();
  // The system's cache still has it; the disk has not. Whoever is told of it now must be able to rely on it.
  start();
  EXPECT_EQ(texts(), (Texts{"one", "two"}));
  kill();
  std::mt19937 lot(1);
  disk.fail_power(lot);
  start();
  EXPECT_EQ(texts(), (Texts{"one", "two"}));
}

TEST_F(RecoveryTest, X3_what_a_mark_calls_synced_is_not_written_again) {
  options.segment_bytes = std::size_t{8} << 20;
  start();
  for (int i = 0; i < 5; ++i) append_synced(std::string(1'000'000, 's'));
  append_synced("the last batch");
  const auto steps_of_start = [this] {
    kill();
    const auto before = disk.operations;
    start();
    EXPECT_EQ(found.size(), 6u);
    return disk.operations - before;
  };
  const auto after_kill = steps_of_start();
  ASSERT_TRUE(journal->close());
  const auto after_clean_stop = steps_of_start();
  EXPECT_EQ(after_kill, after_clean_stop + 3) << "the last batch is read, written and synced, in one piece";
}

TEST_F(RecoveryTest, X3_records_are_read_whole_wherever_the_readers_buffer_ends) {
  // Of 1 MiB: it ends in the long one, behind it, or in the one that follows.
  options.segment_bytes = std::size_t{4} << 20;
  for (std::size_t less = 0; less <= 256; less += 8) {
    SCOPED_TRACE(less);
    forget_all();
    start();
    const Texts expected = {"first", std::string((std::size_t{1} << 20) - less, 'l'), std::string(100, 'f'), "last"};
    for (const auto& text : expected) append(text);
    ASSERT_TRUE(sync());
    kill();
    start();
    ASSERT_TRUE(texts() == expected) << texts().size() << " of 4";
  }
}

TEST_F(RecoveryTest, X3_an_error_of_the_one_who_applies_stops_recovery) {
  three_batches();
  auto opened = Journal::open(disk, options);
  ASSERT_TRUE(opened);
  int seen = 0;
  const auto report = (*opened)->recover([&](FactKind, FactPlace, Bytes) -> Result<void> {
    if (++seen == 2) return failure(ErrorCode::internal, "no");
    return {};
  });
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::internal);
  EXPECT_EQ(seen, 2);
}

TEST_F(RecoveryTest, X3_a_failure_of_the_disk_at_any_step_of_a_start_is_told_and_harms_nothing) {
  Texts kept;
  std::uint64_t failed = 0;
  for (std::uint64_t at = 1;; ++at) {
    SCOPED_TRACE(at);
    forget_all();
    three_segments();
    start();
    kept = texts();
    const auto torn = offset_of(append(std::string(300, 't')).lsn);
    ASSERT_TRUE(sync());
    const auto last = segment_name(journal->appended_end().value / options.segment_bytes);
    kill();
    for (auto byte = torn + 100; byte < torn + 200; ++byte) disk.bytes(last)[byte] = 0xee;
    disk.failing_operation = disk.operations + at;
    const auto report = try_start();
    const bool was_reached = disk.operations >= disk.failing_operation;
    disk.failing_operation = 0;
    if (!was_reached) break;
    ++failed;
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, ErrorCode::io_error);
    EXPECT_NE(report.error().text.find("fails on purpose"), std::string::npos) << report.error().text;
    start();
    EXPECT_TRUE(texts() == kept) << texts().size() << " of " << kept.size();
  }
  EXPECT_GT(failed, 15u);
}

}  // namespace
}  // namespace folkmoot::test
