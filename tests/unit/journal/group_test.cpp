// Groups of facts: all of one is there after a crash, or nothing of it (docs/journal.md, "Groups").
#include "journal_fixture.hpp"

namespace folkmoot::test {
namespace {

using Texts = std::vector<std::string>;

class GroupTest : public JournalTest {
 protected:
  /// Places a good record as a broken program might have written it, at the end of what segment 1 holds.
  void forge(std::size_t& at, std::string_view text, bool linked) {
    auto* record = segment(1).data() + at;
    std::memcpy(record + kRecordHeaderBytes, text.data(), text.size());
    const RecordCodec codec(*options.id);
    codec.lay_out(record, static_cast<std::uint8_t>(FactKind::message_accepted), text.size());
    codec.seal_laid_out(record, lsn_at(at), linked);
    at += record_bytes(text.size());
  }
  void forge_mark(std::size_t& at, MarkKind kind, Lsn synced) {
    RecordCodec(*options.id).seal_mark(segment(1).data() + at, lsn_at(at), kind, {synced, 1});
    at += kMarkBytes;
  }
  Lsn lsn_at(std::size_t offset) const { return Lsn{options.segment_bytes + offset}; }

  void expect_refused(std::size_t offset, std::string_view why) {
    const auto before = segment(1);
    const auto report = try_start();
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, ErrorCode::damaged);
    const auto where = "journal segment 1 (0000000001.segment), offset " + std::to_string(offset) + ": ";
    EXPECT_NE(report.error().text.find(where + std::string(why)), std::string::npos) << report.error().text;
    EXPECT_EQ(segment(1), before) << "recovery changed a damaged journal";
    const auto info = verify_journal(disk);
    ASSERT_TRUE(info);
    ASSERT_GE(info->problems_total, 1u);
    EXPECT_EQ(info->problems[0].offset, offset);
    EXPECT_NE(info->problems[0].what.find(why), std::string::npos) << info->problems[0].what;
  }
};

TEST_F(GroupTest, X3_a_group_comes_back_in_order_with_its_places_and_counts_as_its_facts) {
  start();
  append("before");
  const auto places = append_group({"settled", "", std::string(5000, 'o')});
  append("after");
  ASSERT_TRUE(sync());
  kill();
  EXPECT_EQ(start().facts, 5u);
  EXPECT_EQ(texts(), (Texts{"before", "settled", "", std::string(5000, 'o'), "after"}));
  for (std::size_t i = 0; i < places.size(); ++i) EXPECT_EQ(found[i + 1].place, places[i]);
  EXPECT_EQ(read(places[2]), std::string(5000, 'o'));
  const auto info = verify_journal(disk);
  EXPECT_EQ(info->facts, 5u);
  EXPECT_EQ(info->problems_total, 0u);
}

TEST_F(GroupTest, X3_facts_of_a_group_can_be_read_and_released_before_it_ends) {
  start();
  {
    const FactGroup group(*journal, {.facts = 2, .body_bytes = 6});
    const auto one = append("one");
    EXPECT_EQ(read(one), "one");
    const auto two = append("two");
    EXPECT_EQ(read(one), "one");
    EXPECT_EQ(read(two), "two");
    journal->release(one);
  }
  EXPECT_EQ(journal->stats().live_bytes, record_bytes(3));
  ASSERT_TRUE(sync());
  kill();
  start();
  EXPECT_EQ(texts(), (Texts{"one", "two"}));
}

TEST_F(GroupTest, X3_an_empty_group_leaves_no_trace_and_a_group_of_one_is_a_plain_fact) {
  start();
  append("plain");
  ASSERT_TRUE(sync());
  const auto plain = segment(1);
  kill();
  disk.forget(segment_name(1));
  start();
  const auto end = journal->appended_end();
  append_group({});
  EXPECT_EQ(journal->appended_end(), end);
  EXPECT_FALSE(journal->submit(now_ms));
  append_group({"plain"});
  append_group({});
  ASSERT_TRUE(sync());
  EXPECT_EQ(segment(1), plain);
}

TEST_F(GroupTest, X3_a_group_torn_at_any_byte_is_cut_from_its_first_record_and_nothing_before_it) {
  start();
  append_synced("kept");
  const auto batch = offset_of(journal->appended_end());
  const auto plain = append("plain, in the same batch");
  const auto places = append_group({"first of the group", "one in its middle", "last of it"});
  ASSERT_TRUE(sync());
  const auto end = offset_of(journal->appended_end());
  const auto group = offset_of(places[0].lsn);
  // Padding behind a body is zeros either way.
  const auto body_end = [&](FactPlace place) { return offset_of(place.lsn) + kRecordHeaderBytes + place.bytes; };
  kill();
  const auto image = segment(1);
  for (auto torn = batch; torn < end; ++torn) {
    segment(1) = image;
    std::fill(segment(1).begin() + static_cast<std::ptrdiff_t>(torn), segment(1).end(), 0);
    const auto checked = verify_journal(disk);
    const auto report = start();
    Texts expected{"kept"};
    if (torn >= body_end(plain)) expected.push_back("plain, in the same batch");
    const bool whole = torn >= body_end(places[2]);
    if (whole) expected.insert(expected.end(), {"first of the group", "one in its middle", "last of it"});
    ASSERT_EQ(texts(), expected) << "torn at " << torn;
    EXPECT_EQ(report.facts, expected.size());
    if (torn > group && !whole) {
      EXPECT_EQ(report.cut_segment, 1u);
      EXPECT_EQ(report.cut_offset, group);
    }
    EXPECT_EQ(checked->problems_total, 0u);
    EXPECT_EQ(checked->facts, report.facts);
    EXPECT_EQ(checked->torn_bytes, report.cut_bytes);
    EXPECT_EQ(checked->end, report.cut_bytes > 0 ? lsn_at(report.cut_offset) : journal->appended_end());
    EXPECT_EQ(journal->stats().bytes, offset_of(journal->appended_end()));
    // What was cut is zeros now, and the journal goes on there.
    expected.push_back("after");
    append_synced("after");
    kill();
    ASSERT_EQ(start().cut_bytes, 0u);
    EXPECT_EQ(texts(), expected);
    kill();
  }
}

TEST_F(GroupTest, X3_a_hole_in_any_record_of_the_last_group_takes_all_of_it) {
  start();
  append_synced("kept");
  const auto places = append_group({"first", "second", "third"});
  append("behind the group, and never promised");
  ASSERT_TRUE(sync());
  const auto end = offset_of(places[2].lsn) + record_bytes(places[2].bytes);
  kill();
  const auto image = segment(1);
  for (auto bit = offset_of(places[0].lsn) * 8; bit < end * 8; ++bit) {
    segment(1) = image;
    segment(1)[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    const auto report = start();
    ASSERT_EQ(texts(), Texts{"kept"}) << "bit " << bit;
    EXPECT_EQ(report.cut_offset, offset_of(places[0].lsn));
    for (auto at = offset_of(places[0].lsn); at < end; ++at) ASSERT_EQ(segment(1)[at], 0);
  }
}

TEST_F(GroupTest, X3_a_synced_group_with_any_bit_wrong_is_damage) {
  start();
  const auto places = append_group({"first", "second", "third"});
  ASSERT_TRUE(sync());
  append_synced("later");
  kill();
  const auto image = segment(1);
  for (const auto& place : places) {
    for (auto bit = offset_of(place.lsn) * 8; bit < (offset_of(place.lsn) + record_bytes(place.bytes)) * 8; ++bit) {
      segment(1) = image;
      segment(1)[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
      ASSERT_NO_FATAL_FAILURE(expect_refused(offset_of(place.lsn), "")) << "bit " << bit;
    }
  }
}

TEST_F(GroupTest, X3_a_synced_group_that_ends_in_zeros_is_damage) {
  start();
  const auto places = append_group({"first", "second"});
  ASSERT_TRUE(journal->close());
  kill();
  const auto at = offset_of(places[1].lsn);
  std::fill_n(segment(1).begin() + static_cast<std::ptrdiff_t>(at), record_bytes(places[1].bytes), 0);
  expect_refused(at, "the record is gone");
}

TEST_F(GroupTest, X3_a_mark_within_a_group_is_damage_even_where_nothing_says_that_it_was_synced) {
  start();
  append_synced("good");
  const auto begin = offset_of(journal->appended_end());
  kill();
  const auto image = segment(1);
  for (const auto mark : {MarkKind::batch, MarkKind::segment_end, MarkKind::clean_stop}) {
    segment(1) = image;
    auto at = begin;
    forge(at, "linked to what is not there", true);
    const auto mark_at = at;
    forge_mark(at, mark, lsn_at(begin));
    expect_refused(mark_at, "a mark stands within a group of facts");
  }
}

TEST_F(GroupTest, X3_a_mark_that_says_it_is_linked_is_no_record) {
  start();
  append_synced("good");
  const auto at = offset_of(journal->appended_end());
  kill();
  auto behind = at;
  forge_mark(behind, MarkKind::batch, lsn_at(at));
  RecordCodec(*options.id).seal_laid_out(segment(1).data() + at, lsn_at(at), true);
  EXPECT_EQ(start().cut_offset, at);
}

TEST_F(GroupTest, X3_a_group_longer_than_any_may_be_is_damage_and_takes_no_memory) {
  start();
  kill();
  std::size_t at = kSegmentHeaderBytes;
  forge_mark(at, MarkKind::batch, lsn_at(kSegmentHeaderBytes));
  const auto begin = at;
  while (at + record_bytes(1000) - begin <= group_bytes_max(kSegmentBytesMin)) forge(at, std::string(1000, 'l'), true);
  const auto too_long = at;
  const auto room = kSegmentBytesMin - at - kRecordHeaderBytes;
  forge(at, std::string(room / kRecordAlign * kRecordAlign, 'l'), false);
  expect_refused(too_long, "the group of facts is longer than any may be");
}

TEST_F(GroupTest, X3_a_linked_record_longer_than_any_group_is_damage_that_verify_reads_past) {
  start();
  kill();
  std::size_t at = kSegmentHeaderBytes;
  forge(at, std::string(group_bytes_max(kSegmentBytesMin), 'l'), true);
  forge_mark(at, MarkKind::batch, lsn_at(kSegmentHeaderBytes));
  expect_refused(kSegmentHeaderBytes, "the group of facts is longer than any may be");
}

TEST_F(GroupTest, X3_a_record_in_the_room_of_the_segments_end_mark_is_damage_that_verify_reads_past) {
  start();
  kill();
  std::size_t at = kSegmentHeaderBytes;
  forge_mark(at, MarkKind::batch, lsn_at(kSegmentHeaderBytes));
  while (at + record_bytes(1000) <= kSegmentBytesMin - kMarkBytes) forge(at, std::string(1000, 'f'), false);
  const auto too_far = at;
  const auto room = kSegmentBytesMin - at - kRecordHeaderBytes;
  forge(at, std::string(room / kRecordAlign * kRecordAlign, 'l'), false);
  expect_refused(too_far, "a record stands where there is room for the segment's end mark alone");
}

TEST_F(GroupTest, X3_a_group_that_no_longer_fits_into_the_segment_begins_the_next) {
  start();
  while (offset_of(journal->appended_end()) < kSegmentBytesMin - 6000) append_synced(std::string(1000, 'f'));
  ASSERT_EQ(journal->stats().segments, 1u);
  const auto places = append_group({std::string(3000, 'a'), "small", std::string(3000, 'b')});
  for (const auto& place : places) EXPECT_EQ(place.lsn.value / kSegmentBytesMin, 2u);
  ASSERT_TRUE(sync());
  const auto facts = verify_journal(disk)->facts;
  kill();
  EXPECT_EQ(start().facts, facts);
  EXPECT_EQ(found.back().text, std::string(3000, 'b'));
}

TEST_F(GroupTest, X3_groups_of_any_size_at_any_distance_from_the_segments_end_lie_in_one_segment) {
  start();
  Texts expected;
  for (std::size_t round = 0; round < 400; ++round) {
    Texts group;
    for (std::size_t i = 0; i < 1 + round % 5; ++i) group.push_back(std::string((round * 7919 + i * 131) % 4000, 'g'));
    const auto places = append_group(group);
    EXPECT_EQ(places.front().lsn.value / kSegmentBytesMin, places.back().lsn.value / kSegmentBytesMin);
    expected.insert(expected.end(), group.begin(), group.end());
    if (round % 3 == 0) {
      ASSERT_TRUE(sync());
    }
  }
  ASSERT_TRUE(sync());
  EXPECT_GT(journal->stats().segments, 20u);
  kill();
  start();
  EXPECT_EQ(texts(), expected);
  EXPECT_EQ(verify_journal(disk)->problems_total, 0u);
}

TEST_F(GroupTest, X3_the_largest_group_fits_and_one_byte_more_is_refused) {
  start();
  append_synced("something before");
  const auto most = journal->group_bytes_max() - 3 * kFactOverheadBytes;
  EXPECT_FALSE(journal->has_room(kDurable, GroupBound{3, most + 1}));
  EXPECT_FALSE(journal->has_room(kDurable, GroupBound{4, most}));
  EXPECT_FALSE(journal->has_room(kSettling, GroupBound{1, std::size_t{1} << 60}));
  const auto rest = most - most / 2 - most / 3;
  const Texts group{std::string(most / 2, 'a'), std::string(most / 3, 'b'), std::string(rest, 'c')};
  append_group(group);
  ASSERT_TRUE(sync());
  kill();
  start();
  EXPECT_EQ(texts(), (Texts{"something before", group[0], group[1], group[2]}));
}

TEST_F(GroupTest, X3_the_largest_single_fact_is_within_the_bound_of_a_group) {
  for (auto bytes = kSegmentBytesMin; bytes <= kSegmentBytesMax; bytes *= 2) {
    EXPECT_LE((GroupBound{1, body_bytes_max(bytes)}.bytes()), group_bytes_max(bytes));
  }
}

TEST_F(GroupTest, X3_within_a_group_there_is_room_for_what_is_left_of_its_bound) {
  start();
  const GroupBound bound{.facts = 2, .body_bytes = 1000};
  ASSERT_TRUE(journal->has_room(kDurable, bound));
  const FactGroup group(*journal, bound);
  EXPECT_TRUE(journal->has_room(kDurable, 1000));
  append(std::string(900, 'x'));
  EXPECT_TRUE(journal->has_room(kSettling, 100));
  EXPECT_FALSE(journal->has_room(kSettling, 200));
}

TEST_F(GroupTest, X3_a_group_larger_than_a_block_of_memory_is_written_whole) {
  options.segment_bytes = std::size_t{4} << 20;
  start();
  append_synced("before");
  const Texts group{std::string(200'000, 'a'), std::string(200'000, 'b'), std::string(1'000'000, 'c'), "d"};
  append_group(group);
  ASSERT_TRUE(sync());
  kill();
  start();
  EXPECT_EQ(texts(), (Texts{"before", group[0], group[1], group[2], group[3]}));
}

TEST_F(GroupTest, X3_a_large_group_torn_in_its_last_record_leaves_nothing) {
  options.segment_bytes = std::size_t{8} << 20;
  start();
  append_synced("kept");
  // Longer than the buffer through which recovery reads.
  const auto places = append_group({std::string(1'500'000, 'a'), std::string(1'500'000, 'b'), "end"});
  ASSERT_TRUE(sync());
  kill();
  segment(1)[offset_of(places[2].lsn) + kRecordHeaderBytes] ^= 1;
  const auto report = start();
  EXPECT_EQ(texts(), Texts{"kept"});
  EXPECT_EQ(report.cut_offset, offset_of(places[0].lsn));
  EXPECT_GT(report.cut_bytes, 3'000'000u);
  EXPECT_EQ(verify_journal(disk)->torn_bytes, 0u);
}

TEST_F(GroupTest, X3_a_group_is_refused_whole_when_the_disk_is_full) {
  disk.capacity = 2 * kSegmentBytesMin;
  start();
  while (journal->has_room(kDurable, 1000)) append_synced(std::string(1000, 'f'));
  // The reserve takes small groups of those who settle, and no promises.
  const GroupBound small{.facts = 2, .body_bytes = 2000};
  EXPECT_FALSE(journal->has_room(kDurable, small));
  EXPECT_TRUE(journal->has_room(kSettling, small));
  EXPECT_FALSE(journal->has_room(kSettling, GroupBound{.facts = 2, .body_bytes = 30'000}));
  append_group({std::string(1000, 'g'), std::string(1000, 'g')}, kSettling);
  ASSERT_TRUE(sync());
  const auto facts = verify_journal(disk)->facts;
  kill();
  EXPECT_EQ(start().facts, facts);
}

TEST_F(GroupTest, X3_a_group_waits_with_its_batch_while_the_disk_refuses_writes) {
  start();
  append_synced("one");
  append_group({"two", "three"});
  disk.writes_full = true;
  ASSERT_TRUE(sync());
  EXPECT_LT(journal->durable_end(), journal->appended_end());
  disk.writes_full = false;
  now_ms += 1000;
  ASSERT_TRUE(sync());
  EXPECT_EQ(journal->durable_end(), journal->appended_end());
  kill();
  start();
  EXPECT_EQ(texts(), (Texts{"one", "two", "three"}));
}

TEST_F(GroupTest, X3_copies_of_a_groups_facts_are_plain_and_take_no_other_along) {
  start();
  std::vector<FactPlace> groups;
  while (journal->stats().segments < 2) {
    const auto places = append_group({std::string(700, 'd'), "live", std::string(700, 'd')});
    groups.push_back(places[1]);
    journal->release(places[0]);
    journal->release(places[2]);
    ASSERT_TRUE(sync());
  }
  for (int i = 0; i < 150; ++i) {
    append(std::string(1000, 'x'), FactLog::Life::dead);
    ASSERT_TRUE(sync());
  }
  const auto oldest = groups.front().lsn.value / kSegmentBytesMin;
  for (int step = 0; step < 100 && journal->compaction_due(); ++step) {
    // So small a budget stops within groups.
    const auto done = journal->compact_step(500, [&](FactKind, FactPlace place, Bytes body) {
      if (as_text(body) != "live") return true;
      append(as_text(body));
      journal->release(place);
      return true;
    });
    ASSERT_TRUE(done) << done.error().describe();
    ASSERT_TRUE(sync());
  }
  EXPECT_FALSE(disk.has(segment_name(oldest)));
  kill();
  start();
  EXPECT_EQ(static_cast<std::size_t>(std::ranges::count(texts(), "live")), groups.size());
}

}  // namespace
}  // namespace folkmoot::test
