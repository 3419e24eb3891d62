// folkmoot journal verify and info, as functions (feature X3).
#include "journal_fixture.hpp"

namespace folkmoot::test {
namespace {

class VerifyTest : public JournalTest {
 protected:
  /// A closed segment with records at its begin and its end, and a second one with a few.
  void two_segments() {
    start();
    for (int i = 0; i < 12; ++i) append_synced("fact " + std::to_string(i));
    append_group({"first of a group", "its middle", "its last"});
    append(std::string(40'000, 'm'));
    append(std::string(23'000, 'n'), FactLog::Life::dead);
    for (int i = 0; i < 3; ++i) append_synced("more " + std::to_string(i));
    append(std::string(5'000, 'o'));
    ASSERT_TRUE(sync());
    const auto place = append(std::string(10, 'p'));
    ASSERT_TRUE(sync());
    if (place.lsn.value / options.segment_bytes == 1) append(std::string(20'000, 'q'));
    ASSERT_TRUE(sync());
    kill();
    const auto info = verify_journal(disk);
    ASSERT_TRUE(info);
    ASSERT_EQ(info->problems_total, 0u) << info->problems[0].what;
    ASSERT_EQ(info->segments.front().state, SegmentInfo::State::closed);
  }
};

TEST_F(VerifyTest, X3_every_bit_flipped_in_a_closed_segment_is_found) {
  two_segments();
  auto& bytes = segment(1);
  const auto found_at = [&](std::size_t bit) {
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    const auto info = verify_journal(disk);
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    return info && info->problems_total > 0 && info->problems[0].segment == 1 && info->problems[0].offset <= bit / 8;
  };
  // Header, marks, short records and their padding: every bit. The long records and the zeros: one bit of each byte;
  // the checksum and the comparison with zero treat all bits alike.
  std::size_t missed = 0;
  for (std::size_t bit = 0; bit < 1600 * 8; ++bit) missed += !found_at(bit);
  for (std::size_t byte = 1600; byte < kSegmentBytesMin; ++byte) missed += !found_at(byte * 8 + byte % 8);
  std::size_t used = kSegmentBytesMin;
  while (bytes[used - 1] == 0) --used;
  for (auto bit = (used - 64) * 8; bit < std::min(used + 64, kSegmentBytesMin) * 8; ++bit) missed += !found_at(bit);
  EXPECT_EQ(missed, 0u);
}

TEST_F(VerifyTest, X3_reading_goes_on_behind_damage_and_finds_all_of_it) {
  start();
  std::vector<FactPlace> places;
  for (int i = 0; i < 200; ++i) {
    places.push_back(append(std::string(1000, 'v')));
    if (i % 5 == 0) {
      ASSERT_TRUE(sync());
    }
  }
  ASSERT_TRUE(sync());
  kill();
  for (const auto index : {3u, 17u, 90u, 150u}) {
    const auto& place = places[index];
    segment(place.lsn.value / options.segment_bytes)[offset_of(place.lsn) + 100] ^= 0x40;
  }
  segment(places[40].lsn.value / options.segment_bytes)[offset_of(places[40].lsn)] ^= 0xff;  // a length
  const auto info = verify_journal(disk);
  ASSERT_TRUE(info);
  ASSERT_EQ(info->problems_total, 5u);
  EXPECT_EQ(info->problems[0].offset, offset_of(places[3].lsn));
  EXPECT_NE(info->problems[0].what.find("checksum"), std::string::npos);
  EXPECT_EQ(info->problems[2].offset, offset_of(places[40].lsn));
  EXPECT_GE(info->facts, 190u);
}

TEST_F(VerifyTest, X3_info_tells_segments_counts_and_places) {
  two_segments();
  start();
  ASSERT_TRUE(journal->close());
  const auto end = journal->appended_end();
  const auto first = found.front().place.lsn;
  const auto last = found.back().place.lsn;
  kill();
  const auto info = verify_journal(disk);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->facts, found.size());
  EXPECT_EQ(info->first, first);
  EXPECT_EQ(info->last, last);
  EXPECT_EQ(info->end, end);
  EXPECT_TRUE(info->clean_stop);
  EXPECT_EQ(info->segment_bytes, kSegmentBytesMin);
  EXPECT_EQ(info->kinds[static_cast<std::size_t>(FactKind::message_accepted)].records, found.size());
  EXPECT_EQ(info->kinds[static_cast<std::size_t>(MarkKind::segment_end)].records, info->segments.size() - 1);
  EXPECT_EQ(info->segments.back().state, SegmentInfo::State::last);
  // What stands in the segments behind their headers is all of some kind.
  std::uint64_t of_kinds = 0, used = 0;
  for (const auto& kind : info->kinds) of_kinds += kind.bytes;
  for (const auto& each : info->segments) used += each.used_bytes - kSegmentHeaderBytes;
  EXPECT_EQ(of_kinds, used);
  const auto& ends = info->kinds[static_cast<std::size_t>(MarkKind::segment_end)];
  EXPECT_EQ(ends.bytes, ends.records * kMarkBytes);
}

TEST_F(VerifyTest, X3_a_torn_tail_is_told_and_is_no_problem) {
  two_segments();
  start();
  const auto end = offset_of(journal->appended_end());
  const auto number = journal->appended_end().value / options.segment_bytes;
  kill();
  segment(number)[end + 4] = 1;
  const auto info = verify_journal(disk);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->problems_total, 0u);
  EXPECT_EQ(info->torn_bytes, 5u);
  EXPECT_EQ(info->torn_offset, end);
  EXPECT_EQ(start().cut_bytes, 5u);
}

TEST_F(VerifyTest, X3_one_byte_behind_the_mark_of_a_clean_stop_makes_it_none) {
  start();
  append_synced("one");
  ASSERT_TRUE(journal->close());
  const auto end = offset_of(journal->appended_end());
  kill();
  ASSERT_TRUE(verify_journal(disk)->clean_stop);
  segment(1)[end] = 1;
  const auto info = verify_journal(disk);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->problems_total, 0u);
  EXPECT_EQ(info->torn_bytes, 1u);
  EXPECT_FALSE(info->clean_stop);
  const auto report = start();
  EXPECT_EQ(report.cut_bytes, 1u);
  EXPECT_FALSE(report.clean_stop);
}

TEST_F(VerifyTest, X3_a_segment_made_ahead_is_shown_as_spare) {
  start();
  for (int i = 0; i < 40; ++i) append(std::string(1000, 's'));
  ASSERT_TRUE(sync());
  kill();
  const auto info = verify_journal(disk);
  ASSERT_TRUE(info);
  ASSERT_EQ(info->segments.size(), 2u);
  EXPECT_EQ(info->segments[0].state, SegmentInfo::State::last);
  EXPECT_EQ(info->segments[1].state, SegmentInfo::State::spare);
  EXPECT_EQ(info->problems_total, 0u);
}

TEST_F(VerifyTest, X3_verify_changes_nothing) {
  two_segments();
  const auto before = disk.log;
  segment(1)[100] ^= 1;
  ASSERT_TRUE(verify_journal(disk));
  EXPECT_EQ(disk.log, before);
}

TEST_F(VerifyTest, X3_an_empty_folder_holds_no_journal_and_a_wholly_broken_one_says_so) {
  const auto empty = verify_journal(disk);
  ASSERT_TRUE(empty);
  EXPECT_TRUE(empty->segments.empty());
  start();
  kill();
  segment(1)[0] ^= 1;
  const auto broken = verify_journal(disk);
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, ErrorCode::damaged);
}

TEST_F(VerifyTest, X3_problems_are_counted_beyond_those_that_are_kept) {
  start();
  for (int i = 0; i < 2500; ++i) append("x");
  ASSERT_TRUE(sync());
  append_synced("end");
  ASSERT_TRUE(journal->close());
  kill();
  // Each second record: the one behind a bad one is found by the bad one's length.
  for (int i = 0; i < 2400; i += 2) {
    segment(1)[kSegmentHeaderBytes + kMarkBytes + static_cast<std::size_t>(i) * 16 + kRecordHeaderBytes] ^= 1;
  }
  const auto info = verify_journal(disk);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->problems.size(), JournalInfo::kProblemsMax);
  EXPECT_EQ(info->problems_total, 1200u);
}

TEST(KindName, X3_kinds_have_words) {
  EXPECT_EQ(kind_name(3), "message_accepted");
  EXPECT_EQ(kind_name(240), "batch mark");
  EXPECT_EQ(kind_name(77), "kind 77");
}

TEST_F(VerifyTest, X3_a_failure_of_the_disk_at_any_step_is_told) {
  two_segments();
  segment(1)[300] ^= 1;
  std::uint64_t at = 1;
  for (;; ++at) {
    SCOPED_TRACE(at);
    disk.failing_operation = disk.operations + at;
    const auto info = verify_journal(disk);
    if (disk.operations < disk.failing_operation) {
      ASSERT_TRUE(info);
      EXPECT_GT(info->problems_total, 0u);
      break;
    }
    ASSERT_FALSE(info);
    EXPECT_NE(info.error().text.find("fails on purpose"), std::string::npos) << info.error().text;
  }
  EXPECT_GT(at, 5u);
}

TEST_F(VerifyTest, X3_a_last_segment_that_is_missing_is_told_at_its_begin) {
  two_segments();
  disk.forget(segment_name(2));
  const auto info = verify_journal(disk);
  ASSERT_TRUE(info);
  ASSERT_EQ(info->problems_total, 1u);
  EXPECT_EQ(info->problems[0].segment, 2u);
  EXPECT_EQ(info->problems[0].offset, 0u);
  EXPECT_NE(info->problems[0].what.find("missing"), std::string::npos) << info->problems[0].what;
}

TEST_F(VerifyTest, X3_a_segment_that_is_missing_in_the_middle_is_told_by_its_number) {
  two_segments();
  start();
  for (int i = 0; i < 80; ++i) append(std::string(1000, 'm'));
  ASSERT_TRUE(sync());
  ASSERT_TRUE(journal->close());
  kill();
  disk.forget(segment_name(2));
  const auto info = verify_journal(disk);
  ASSERT_TRUE(info);
  ASSERT_GE(info->segments.size(), 2u);
  ASSERT_GE(info->problems_total, 1u);
  EXPECT_EQ(info->problems[0].segment, 2u);
  EXPECT_NE(info->problems[0].what.find("missing"), std::string::npos) << info->problems[0].what;
}

}  // namespace
}  // namespace folkmoot::test
