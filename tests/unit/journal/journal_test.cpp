// Appending, reading, rolling and removing, when nothing goes wrong (feature X3).
#include "journal_fixture.hpp"

namespace folkmoot::test {
namespace {

using Texts = std::vector<std::string>;

TEST_F(JournalTest, X3_a_new_journal_is_empty_and_takes_facts) {
  const auto report = start();
  EXPECT_EQ(report.facts, 0u);
  EXPECT_EQ(report.segments, 1u);
  append_synced("one");
  EXPECT_EQ(journal->durable_end(), journal->appended_end());
}

TEST_F(JournalTest, X3_facts_come_back_in_order_with_their_places_after_a_kill) {
  start();
  const auto one = append("one");
  const auto two = append("");
  ASSERT_TRUE(sync());
  const auto three = append("three");
  ASSERT_TRUE(sync());
  kill();
  const auto report = start();
  EXPECT_EQ(texts(), (Texts{"one", "", "three"}));
  EXPECT_EQ(found[0].place, one);
  EXPECT_EQ(found[1].place, two);
  EXPECT_EQ(found[2].place, three);
  EXPECT_EQ(report.cut_bytes, 0u);
  EXPECT_FALSE(report.clean_stop);
}

TEST_F(JournalTest, X3_the_parts_of_a_fact_are_joined) {
  start();
  const Bytes parts[] = {as_bytes("ab"), {}, as_bytes("cde")};
  const auto place = journal->append(FactKind::message_dead, parts, FactLog::Life::live);
  EXPECT_EQ(place.bytes, 5u);
  EXPECT_EQ(read(place), "abcde");
}

TEST_F(JournalTest, X3_an_orderly_stop_is_told_from_another_and_stopping_twice_changes_nothing) {
  start();
  append("one");
  ASSERT_TRUE(journal->close());
  const auto syncs = disk.syncs;
  ASSERT_TRUE(journal->close());
  EXPECT_EQ(disk.syncs, syncs);
  EXPECT_TRUE(start().clean_stop);
  ASSERT_TRUE(journal->close());  // nothing was appended: no second mark
  const auto end = journal->appended_end();
  EXPECT_TRUE(start().clean_stop);
  EXPECT_EQ(journal->appended_end(), end);
  append_synced("two");
  kill();
  EXPECT_FALSE(start().clean_stop);
  EXPECT_EQ(texts(), (Texts{"one", "two"}));
}

// Seed 31 of the simulation: the first write of the stop makes a segment removable, and the mark that says that it goes
// stood behind the one of the clean stop.
TEST_F(JournalTest, X3_a_stop_that_frees_a_segment_is_an_orderly_one) {
  start();
  for (int i = 0; i < 60; ++i) append(std::string(1500, 'd'), FactLog::Life::dead);
  ASSERT_GT(journal->stats().segments, 1u);
  ASSERT_TRUE(journal->close());
  EXPECT_FALSE(disk.has(segment_name(1)));
  EXPECT_TRUE(start().clean_stop);
}

TEST_F(JournalTest, X3_one_batch_costs_one_sync) {
  start();
  const auto before = disk.syncs;
  const auto begin = journal->appended_end();
  for (int i = 0; i < 100; ++i) append("fact");
  ASSERT_TRUE(sync());
  EXPECT_EQ(disk.syncs, before + 1);
  EXPECT_EQ(journal->stats().syncs, 1u);
  EXPECT_EQ(journal->stats().synced_bytes, journal->appended_end() - begin);
  EXPECT_FALSE(journal->submit(now_ms));  // nothing more to do
}

TEST_F(JournalTest, X3_what_is_appended_while_a_batch_is_written_waits_for_the_next) {
  start();
  append("one");
  const auto first_end = journal->appended_end();
  ASSERT_TRUE(journal->submit(now_ms));
  append("two");
  EXPECT_TRUE(journal->submit(now_ms));  // still the first
  journal->write_and_sync();
  EXPECT_EQ(*journal->collect(), first_end);
  EXPECT_LT(journal->durable_end(), journal->appended_end());
  ASSERT_TRUE(sync());
  EXPECT_EQ(journal->durable_end(), journal->appended_end());
  kill();
  start();
  EXPECT_EQ(texts(), (Texts{"one", "two"}));
}

TEST_F(JournalTest, X3_what_was_never_submitted_is_gone_after_a_kill_and_nothing_is_wrong) {
  start();
  append_synced("one");
  append("two");
  kill();
  EXPECT_EQ(start().cut_bytes, 0u);
  EXPECT_EQ(texts(), Texts{"one"});
}

TEST_F(JournalTest, X3_facts_roll_over_many_segments_and_come_back) {
  start();
  Texts expected;
  for (int i = 0; i < 1000; ++i) {
    expected.push_back(std::to_string(i) + std::string(static_cast<std::size_t>(i), 'r'));
    append(expected.back());
    if (i % 7 == 0) {
      ASSERT_TRUE(sync());
    }
  }
  ASSERT_TRUE(sync());
  EXPECT_GT(journal->stats().segments, 7u);
  kill();
  EXPECT_GT(start().segments, 7u);
  EXPECT_EQ(texts(), expected);
  for (const auto& fact : found) EXPECT_EQ(read(fact.place), fact.text);
}

TEST_F(JournalTest, X3_one_batch_may_span_several_segments) {
  start();
  Texts expected;
  for (int i = 0; i < 200; ++i) append(expected.emplace_back(std::string(1500, static_cast<char>('a' + i % 26))));
  ASSERT_TRUE(sync());
  EXPECT_EQ(journal->durable_end(), journal->appended_end());
  kill();
  start();
  EXPECT_EQ(texts(), expected);
}

TEST_F(JournalTest, X3_a_segment_is_synced_to_its_end_before_the_next_gets_a_byte) {
  start();
  for (int i = 0; i < 60; ++i) append(std::string(1500, 'x'));
  ASSERT_TRUE(sync());
  const auto closing = std::ranges::find(disk.log, "sync 0000000001.segment");
  const auto next = std::ranges::find(disk.log, "sync 0000000002.segment");
  ASSERT_NE(closing, disk.log.end());
  ASSERT_NE(next, disk.log.end());
  EXPECT_LT(closing, next);
}

TEST_F(JournalTest, X3_the_largest_body_fits_and_one_byte_more_is_refused) {
  start();
  const auto most = body_bytes_max(options.segment_bytes);
  EXPECT_FALSE(journal->has_room(kDurable, most + 1));
  const auto place = append(std::string(most, 'm'));
  ASSERT_TRUE(sync());
  const auto other = append(std::string(most, 'n'));
  ASSERT_TRUE(sync());
  EXPECT_EQ(read(place), std::string(most, 'm'));
  EXPECT_EQ(read(other), std::string(most, 'n'));
  kill();
  start();
  EXPECT_EQ(found.size(), 2u);
}

TEST_F(JournalTest, X3_facts_are_read_from_memory_from_the_cache_and_from_the_disk) {
  options.cache_bytes = 0;
  options.segment_bytes = std::size_t{4} << 20;
  start();
  std::vector<Fact> facts;
  for (int i = 0; i < 2000; ++i) {
    const auto text = std::to_string(i) + std::string(500, 'c');
    facts.push_back({text, append(text)});
  }
  EXPECT_EQ(read(facts[0].place), facts[0].text);  // appended
  ASSERT_TRUE(journal->submit(now_ms));
  EXPECT_EQ(read(facts[1].place), facts[1].text);  // being written
  journal->write_and_sync();
  ASSERT_TRUE(journal->collect());
  const auto reads = disk.reads;
  EXPECT_EQ(read(facts[1999].place), facts[1999].text);  // the last block stays
  EXPECT_EQ(disk.reads, reads);
  for (const auto& fact : facts) EXPECT_EQ(read(fact.place), fact.text);
  EXPECT_GT(disk.reads, reads);
  EXPECT_LE(disk.reads, reads + 8);  // about 1 MB, in windows
  EXPECT_LE(journal->stats().memory_bytes, std::uint64_t{9} * 256 * 1024);
}

TEST_F(JournalTest, X3_reading_here_and_there_in_turns_costs_one_disk_read_a_window) {
  options.cache_bytes = 0;
  options.segment_bytes = std::size_t{4} << 20;
  start();
  std::vector<FactPlace> places;
  for (int i = 0; i < 3000; ++i) places.push_back(append(std::string(1000, 'w')));
  ASSERT_TRUE(sync());
  kill();
  start();
  const auto reads = disk.reads;
  for (std::size_t i = 0; i < 700; ++i) {
    for (std::size_t way = 0; way < 4; ++way) EXPECT_EQ(read(places[way * 740 + i]).size(), 1000u);
  }
  EXPECT_LE(disk.reads - reads, 4u * 6);
  kill();
  start();
  const auto before = disk.reads;
  for (int again = 0; again < 3; ++again) EXPECT_EQ(read(places[5]).size(), 1000u);
  EXPECT_EQ(disk.reads - before, 1u);
  now_ms += 20'000;
  journal->submit(now_ms);
  now_ms += 20'000;
  journal->submit(now_ms);  // nothing was read meanwhile: the windows are given back
  EXPECT_EQ(read(places[5]).size(), 1000u);
  EXPECT_EQ(disk.reads - before, 2u);
}

TEST_F(JournalTest, X3_a_record_that_changed_on_disk_is_not_handed_out) {
  options.cache_bytes = 0;
  start();
  const auto place = append("precious");
  ASSERT_TRUE(sync());
  kill();
  start();
  segment(1)[offset_of(place.lsn) + kRecordHeaderBytes] ^= 1;
  const auto body = journal->read(place);
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().code, ErrorCode::damaged);
  EXPECT_NE(body.error().text.find("segment 1 "), std::string::npos);
  EXPECT_NE(body.error().text.find("offset " + std::to_string(offset_of(place.lsn))), std::string::npos);
}

TEST_F(JournalTest, X3_a_segment_without_live_facts_is_removed_from_the_oldest_end_only) {
  start();
  std::vector<FactPlace> places;
  for (int i = 0; i < 200; ++i) places.push_back(append(std::string(1500, 'd')));
  ASSERT_TRUE(sync());
  const auto in_segment = [&](std::uint64_t number) {
    std::vector<FactPlace> those;
    for (const auto& place : places) {
      if (place.lsn.value / options.segment_bytes == number) those.push_back(place);
    }
    return those;
  };
  for (const auto& place : in_segment(2)) journal->release(place);
  ASSERT_TRUE(sync());
  EXPECT_TRUE(disk.has(segment_name(2)));  // segment 1 stands before it
  for (const auto& place : in_segment(1)) journal->release(place);
  ASSERT_TRUE(sync());
  EXPECT_FALSE(disk.has(segment_name(1)));
  EXPECT_FALSE(disk.has(segment_name(2)));
  EXPECT_TRUE(disk.has(segment_name(3)));
  kill();
  start();
  EXPECT_EQ(found.size(), places.size() - in_segment(1).size() - in_segment(2).size());
}

TEST_F(JournalTest, X3_a_segment_goes_only_after_a_sync_of_what_freed_it) {
  start();
  std::vector<FactPlace> places;
  for (int i = 0; i < 60; ++i) places.push_back(append(std::string(1500, 'd')));
  ASSERT_TRUE(sync());
  append("settled", FactLog::Life::dead);
  for (const auto& place : places) journal->release(place);
  disk.failing_syncs = 1;
  EXPECT_FALSE(sync());
  EXPECT_TRUE(disk.has(segment_name(1)));
}

TEST_F(JournalTest, X3_dead_facts_do_not_hold_a_segment) {
  start();
  for (int i = 0; i < 200; ++i) {
    append(std::string(1500, 'd'), FactLog::Life::dead);
    ASSERT_TRUE(sync());
  }
  EXPECT_LE(journal->stats().segments, 2u);
  EXPECT_EQ(journal->stats().live_bytes, 0u);
}

TEST_F(JournalTest, X3_the_interval_policy_confirms_what_is_written_and_syncs_later) {
  options.sync = SyncPolicy::interval;
  options.sync_interval_ms = 3'600'000;
  start();
  append_synced("first");  // the first batch begins the interval
  const auto before = disk.syncs;
  append("one");
  ASSERT_TRUE(sync());
  EXPECT_EQ(journal->durable_end(), journal->appended_end());
  EXPECT_EQ(disk.syncs, before);
  EXPECT_TRUE(journal->sync_pending());
  journal->sync_written();
  EXPECT_EQ(disk.syncs, before + 1);
  EXPECT_FALSE(journal->sync_pending());
}

TEST_F(JournalTest, X3_the_never_policy_syncs_at_the_end_and_when_a_segment_closes) {
  options.sync = SyncPolicy::never;
  start();
  const auto before = disk.syncs;
  append_synced("one");
  EXPECT_EQ(disk.syncs, before);
  ASSERT_TRUE(journal->close());
  EXPECT_GT(disk.syncs, before);
  EXPECT_TRUE(start().clean_stop);
}

TEST_F(JournalTest, X3_impossible_segment_sizes_are_refused) {
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{4096}, kSegmentBytesMin + 8, std::size_t{2} << 30}) {
    options.segment_bytes = bytes;
    const auto opened = Journal::open(disk, options);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::invalid_field);
  }
}

TEST_F(JournalTest, X3_a_journal_keeps_the_segment_size_that_it_was_made_with) {
  start();
  append_synced("one");
  kill();
  options.segment_bytes = kSegmentBytesMin * 2;
  start();
  EXPECT_EQ(journal->segment_bytes(), kSegmentBytesMin);
  EXPECT_EQ(texts(), Texts{"one"});
}

}  // namespace
}  // namespace folkmoot::test
