// A sealed journal: what it says is nowhere on the disk, only its keys open it, keys change, and no place is ever
// sealed twice alike (features U13, X3; docs/journal.md, "Sealed journals").
#include "journal/sealing.hpp"

#include "journal_fixture.hpp"

namespace folkmoot::test {
namespace {

const std::string kKeyA = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const std::string kKeyB = "ff112233445566778899AABBCCDDEEFF00112233445566778899aabbccddee00";
const std::string kMarker = "the password of the vault is swordfish";

class SealingTest : public JournalTest {
 protected:
  static std::shared_ptr<const JournalKeys> keys(const std::string& text) {
    auto made = JournalKeys::parse(text);
    if (!made) throw std::runtime_error(made.error().describe());
    return *made;
  }
  SealingTest() {
    options.cache_bytes = 0;
    with(kKeyA);
  }
  void with(const std::string& text) { options.keys = text.empty() ? nullptr : keys(text); }

  /// Whether any file has these bytes.
  bool is_on_disk(std::string_view text) {
    const auto names = disk.list();
    return std::ranges::any_of(*names, [&](const auto& name) {
      const Bytes bytes = disk.bytes(name);
      return as_text(bytes).find(text) != std::string_view::npos;
    });
  }
  std::map<std::string, std::vector<std::uint8_t>> all_files() {
    std::map<std::string, std::vector<std::uint8_t>> files;
    const auto names = disk.list();
    for (const auto& name : *names) files[name] = disk.bytes(name);
    return files;
  }
  /// What stands at a fact's place, with its header and all.
  std::vector<std::uint8_t> record_at(FactPlace place) {
    const auto& bytes = segment(place.lsn.value / options.segment_bytes);
    const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(offset_of(place.lsn));
    return {at, at + static_cast<std::ptrdiff_t>(record_bytes(place.bytes + kSealBytes))};
  }
  std::optional<SegmentSeal> seal_of(std::uint64_t number) { return decode_header(segment(number))->seal; }
  JournalInfo verify(const KeysGiven& given) {
    auto info = verify_journal(disk, given);
    if (!info) throw std::runtime_error(info.error().describe());
    return *info;
  }
  /// Copies what matters forward until the journal wants no more of it; the places of `found` follow.
  void compact() {
    for (int step = 0; step < 1000 && journal->compaction_due(); ++step) {
      ASSERT_TRUE(journal->compact_step(1'000'000, [&](FactKind, FactPlace place, Bytes body) {
        const auto fact = std::ranges::find_if(found, [&](const auto& each) { return each.place == place; });
        if (fact == found.end()) return true;
        EXPECT_EQ(as_text(body), fact->text);
        fact->place = append(as_text(body));
        journal->release(place);
        return true;
      }));
      ASSERT_TRUE(sync());
    }
    ASSERT_TRUE(sync());
  }
};

TEST_F(SealingTest, U13_what_is_written_is_found_again_and_is_nowhere_on_the_disk) {
  start();
  std::vector<std::string> texts;
  std::vector<FactPlace> places;
  for (int i = 0; i < 200; ++i) {
    texts.push_back(i % 7 == 0 ? "" : kMarker + std::to_string(i) + std::string(static_cast<std::size_t>(i * 9), 'x'));
    places.push_back(append(texts.back()));
    EXPECT_EQ(read(places.back()), texts.back());  // from memory
    if (i % 20 == 0) {
      ASSERT_TRUE(sync());
    }
  }
  ASSERT_TRUE(sync());
  EXPECT_GT(journal->stats().segments, 2u);
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(read(places[i]), texts[i]);
  EXPECT_FALSE(is_on_disk("password"));
  EXPECT_FALSE(is_on_disk("swordfish"));
  ASSERT_TRUE(journal->close());
  const auto report = start();
  EXPECT_TRUE(report.clean_stop);
  EXPECT_EQ(report.foreign_segments, 0u);
  EXPECT_EQ(this->texts(), texts);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(found[i].place, places[i]);
    EXPECT_EQ(read(places[i]), texts[i]);
  }
}

TEST_F(SealingTest, U13_groups_and_the_largest_facts_are_sealed_too) {
  start();
  const std::string large(body_bytes_max(options.segment_bytes), 'm');
  append("first");
  const auto places = append_group({"one " + kMarker, "", std::string(30'000, 'g')});
  append(large);
  ASSERT_TRUE(sync());
  EXPECT_EQ(read(places[2]), std::string(30'000, 'g'));
  EXPECT_FALSE(is_on_disk("swordfish"));
  EXPECT_FALSE(is_on_disk("mmmmmmmm"));
  kill();
  start();
  EXPECT_EQ(texts(), (std::vector<std::string>{"first", "one " + kMarker, "", std::string(30'000, 'g'), large}));
}

TEST_F(SealingTest, U13_live_bytes_have_what_sealing_adds) {
  start();
  const auto place = append(kMarker);
  EXPECT_EQ(journal->bytes_in_log(place), record_bytes(kMarker.size() + kSealBytes));
  EXPECT_EQ(journal->stats().live_bytes, journal->bytes_in_log(place));
  journal->release(place);
  EXPECT_EQ(journal->stats().live_bytes, 0u);
}

TEST_F(SealingTest, U13_another_run_seals_the_same_fact_at_the_same_place_otherwise) {
  start();
  append_synced("stays");
  const auto torn = append(kMarker);
  ASSERT_TRUE(sync());
  const auto before = record_at(torn);
  segment(1)[offset_of(torn.lsn) + 30] ^= 1;  // as if the power had failed within it: nothing behind says more
  kill();
  EXPECT_GT(start().cut_bytes, 0u);
  EXPECT_EQ(texts(), std::vector<std::string>{"stays"});
  // The mark of the batch before it is good, so another one follows; the next lies where nothing was.
  for (int i = 0; i < 3; ++i) append_synced(kMarker);
  kill();
  start();
  ASSERT_EQ(found.size(), 4u);
  const auto run_of = [](const std::vector<std::uint8_t>& record) {
    return load<std::uint64_t>(record.data() + kRecordHeaderBytes);
  };
  std::set<std::uint64_t> runs{run_of(before)};
  EXPECT_EQ(record_at(found[0].place)[kRecordHeaderBytes], before[kRecordHeaderBytes]);  // of the first run
  for (std::size_t i = 1; i < found.size(); ++i) {
    EXPECT_NE(run_of(record_at(found[i].place)), run_of(before));
    runs.insert(run_of(record_at(found[i].place)));
  }
  EXPECT_EQ(runs.size(), 2u);
}

TEST_F(SealingTest, U13_no_two_runs_use_the_same_number_and_place) {
  std::set<std::pair<std::uint64_t, std::uint64_t>> used;  // run and place: the nonce; the segment is always the first
  std::set<std::vector<std::uint8_t>> sealed;              // what became of the same text
  for (int life = 0; life < 40; ++life) {
    start();
    const auto place = append(std::string(100, 'a'));
    ASSERT_TRUE(sync());
    const auto record = record_at(place);
    EXPECT_TRUE(used.emplace(load<std::uint64_t>(record.data() + kRecordHeaderBytes), place.lsn.value).second);
    EXPECT_TRUE(sealed.emplace(record.begin() + kRecordHeaderBytes + kSealFrontBytes, record.end()).second);
    segment(1)[offset_of(place.lsn) + 40] ^= 1;  // torn, so that the next run writes there again
    kill();
  }
  EXPECT_EQ(used.size(), 40u);
}

TEST_F(SealingTest, U13_what_a_full_disk_refused_is_written_again_as_it_was) {
  start();
  append_synced("before");
  const auto place = append(kMarker + std::string(5'000, 'x'));
  ASSERT_TRUE(journal->submit(now_ms));
  disk.writes_full = true;
  journal->write_and_sync();
  disk.writes_full = false;
  ASSERT_TRUE(journal->collect());
  EXPECT_LT(journal->durable_end(), journal->appended_end());
  append("after");
  now_ms += 1'000;
  for (int i = 0; i < 3; ++i, now_ms += 1'000) ASSERT_TRUE(sync());
  EXPECT_EQ(journal->durable_end(), journal->appended_end());
  EXPECT_EQ(read(place), kMarker + std::string(5'000, 'x'));
  kill();
  start();
  EXPECT_EQ(found.size(), 3u);
}

TEST_F(SealingTest, U13_a_wrong_or_missing_key_is_told_before_anything_is_changed) {
  start();
  append_synced(kMarker);
  append(std::string(3'000, 't'));
  ASSERT_TRUE(sync());
  kill();
  auto& last = segment(1);
  last[verify(nullptr).segments[0].used_bytes - 100] ^= 1;            // a torn tail that a start would cut
  ASSERT_TRUE(disk.open(kNewSegmentName, Disk::Open::create_empty));  // and a file that it would remove
  const auto before = all_files();
  for (const auto& given : {std::string(), kKeyB, "plain\n" + kKeyB}) {
    with(given);
    const auto refused = try_start();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::not_permitted);
    const auto text = refused.error().describe();
    EXPECT_NE(text.find("segment 1"), std::string::npos) << text;
    EXPECT_NE(text.find(key_name(*keys(kKeyA)->current())), std::string::npos) << text;
    EXPECT_EQ(text.find(kKeyA), std::string::npos);
    EXPECT_EQ(all_files(), before);
  }
  with(kKeyA);
  EXPECT_GT(start().cut_bytes, 0u);
  EXPECT_EQ(texts(), std::vector<std::string>{kMarker});
}

TEST_F(SealingTest, U13_verify_checks_frames_without_the_key_and_seals_with_it) {
  start();
  const auto first = append(kMarker);
  ASSERT_TRUE(sync());
  append_synced("behind it");
  ASSERT_TRUE(journal->close());
  kill();
  int told = 0;
  const auto count = [&](FactKind, FactPlace, Bytes) { ++told; };
  for (const auto& given : {KeysGiven(), keys(kKeyB)}) {
    const auto info = *verify_journal(disk, given, count);
    EXPECT_EQ(info.problems_total, 0u);
    EXPECT_EQ(info.facts, 2u);
    EXPECT_FALSE(info.is_opened());
    EXPECT_EQ(info.segments[0].key, keys(kKeyA)->current());
    EXPECT_EQ(told, 0);
  }
  const auto info = *verify_journal(disk, keys(kKeyA), count);
  EXPECT_TRUE(info.is_opened());
  EXPECT_EQ(told, 2);
  // Rot: each byte of the record, in its frame and behind it, is told with and without the key.
  const auto bytes = record_at(first).size();
  for (std::size_t i = 0; i < bytes; ++i) {
    segment(1)[offset_of(first.lsn) + i] ^= 0x10;
    EXPECT_GT(verify(nullptr).problems_total, 0u) << i;
    EXPECT_GT(verify(keys(kKeyA)).problems_total, 0u) << i;
    EXPECT_EQ(try_start().error().code, ErrorCode::damaged) << i;
    segment(1)[offset_of(first.lsn) + i] ^= 0x10;
  }
  EXPECT_TRUE(start().clean_stop);
}

TEST_F(SealingTest, U13_what_somebody_changed_and_gave_a_good_checksum_is_told_by_its_seal) {
  start();
  const auto first = append(kMarker);
  ASSERT_TRUE(sync());
  const auto second = append("behind it");
  ASSERT_TRUE(sync());
  ASSERT_TRUE(journal->close());
  kill();
  const RecordCodec codec(*options.id);
  auto* const record = segment(1).data() + offset_of(first.lsn);
  const auto good = segment(1);
  const auto body = kMarker.size() + kSealBytes;
  for (std::size_t i = 0; i < body; ++i) {  // number of the run, contents and tag
    record[kRecordHeaderBytes + i] ^= 1;
    codec.seal_laid_out(record, first.lsn, false);
    EXPECT_EQ(verify(nullptr).problems_total, 0u);
    const auto info = verify(keys(kKeyA));
    ASSERT_EQ(info.problems_total, 1u);
    EXPECT_EQ(info.problems[0].offset, offset_of(first.lsn));
    EXPECT_NE(info.problems[0].what.find("seal"), std::string::npos);
    EXPECT_EQ(info.facts, 1u);  // what stands behind it is read on
    const auto refused = try_start();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::damaged);
    segment(1) = good;
  }
  // Another kind, and the bytes of another place.
  codec.lay_out(record, static_cast<std::uint8_t>(FactKind::message_settled), body);
  codec.seal_laid_out(record, first.lsn, false);
  EXPECT_EQ(verify(keys(kKeyA)).problems_total, 1u);
  segment(1) = good;
  ASSERT_GT(record_bytes(body), record_at(second).size());
  std::ranges::copy(record_at(second), record);
  codec.seal_laid_out(record, first.lsn, false);
  EXPECT_GT(verify(keys(kKeyA)).problems_total, 0u);
  segment(1) = good;
  EXPECT_TRUE(start().clean_stop);
}

TEST_F(SealingTest, U13_a_record_that_was_changed_under_a_running_journal_is_damage) {
  start();
  const auto place = append(kMarker);
  ASSERT_TRUE(sync());
  append_synced(std::string(1'000, 'x'));  // out of memory: it is read from the disk
  auto* const record = segment(1).data() + offset_of(place.lsn);
  record[kRecordHeaderBytes + 20] ^= 1;
  RecordCodec(*options.id).seal_laid_out(record, place.lsn, false);
  for (int i = 0; i < 20; ++i) append_synced(std::string(20'000, 'y'));
  const auto body = journal->read(place);
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().code, ErrorCode::damaged);
}

TEST_F(SealingTest, U13_a_plain_journal_is_sealed_from_the_next_start_on_and_its_old_segments_go) {
  with("");
  start();
  append_synced(kMarker);
  EXPECT_TRUE(is_on_disk("swordfish"));
  ASSERT_TRUE(journal->close());
  with(kKeyA);
  const auto report = start();
  EXPECT_EQ(report.foreign_segments, 1u);
  EXPECT_EQ(texts(), std::vector<std::string>{kMarker});
  EXPECT_EQ(read(found[0].place), kMarker);
  append_synced("sealed from now on");
  EXPECT_FALSE(is_on_disk("sealed from"));
  EXPECT_FALSE(seal_of(1));
  EXPECT_TRUE(seal_of(2));
  EXPECT_EQ(read(found[0].place), kMarker);
  compact();
  EXPECT_FALSE(disk.has(segment_name(1)));
  EXPECT_FALSE(is_on_disk("swordfish"));
  EXPECT_EQ(read(found[0].place), kMarker);
  ASSERT_TRUE(journal->close());
  EXPECT_EQ(start().foreign_segments, 0u);
  EXPECT_EQ(texts().size(), 2u);
}

TEST_F(SealingTest, U13_a_key_is_changed_and_the_old_one_is_needed_until_its_segments_are_gone) {
  start();
  append_synced(kMarker);
  ASSERT_TRUE(journal->close());
  with(kKeyB + "\n# the one before\n" + kKeyA + "\n");
  EXPECT_EQ(start().foreign_segments, 1u);
  append_synced("by the new key");
  ASSERT_TRUE(journal->close());
  with(kKeyB);
  EXPECT_EQ(try_start().error().code, ErrorCode::not_permitted);
  with(kKeyB + "\n" + kKeyA);
  start();
  compact();
  ASSERT_TRUE(journal->close());
  with(kKeyB);
  start();
  EXPECT_EQ(texts(), (std::vector<std::string>{"by the new key", kMarker}));
  EXPECT_EQ(seal_of(2)->key, *keys(kKeyB)->current());
}

TEST_F(SealingTest, U13_sealing_is_ended_by_the_word_plain) {
  start();
  append_synced(kMarker);
  ASSERT_TRUE(journal->close());
  with("plain\n" + kKeyA);
  start();
  append_synced("for everybody");
  EXPECT_TRUE(is_on_disk("for everybody"));
  compact();
  EXPECT_TRUE(is_on_disk("swordfish"));
  ASSERT_TRUE(journal->close());
  with("");
  start();
  EXPECT_EQ(texts(), (std::vector<std::string>{"for everybody", kMarker}));
}

TEST_F(SealingTest, U13_segments_made_ahead_for_another_key_are_made_again) {
  start();
  append(std::string(40'000, 'x'));
  ASSERT_TRUE(sync());  // more than half of it: the next is made
  ASSERT_TRUE(disk.has(segment_name(2)));
  EXPECT_EQ(seal_of(2)->key, *keys(kKeyA)->current());
  kill();
  const auto same = segment(2);
  start();
  EXPECT_EQ(segment(2), same);  // the same key: it serves
  kill();
  with(kKeyB + "\n" + kKeyA);
  start();
  EXPECT_EQ(seal_of(2)->key, *keys(kKeyB)->current());
  append_synced("in the second");
  EXPECT_EQ(verify(options.keys).segments[0].state, SegmentInfo::State::closed);
  EXPECT_EQ(verify(options.keys).problems_total, 0u);
}

TEST_F(SealingTest, U13_without_room_for_a_segment_of_the_new_key_it_does_not_start_and_loses_nothing) {
  start();
  append_synced(kMarker);
  ASSERT_TRUE(journal->close());
  kill();
  disk.capacity = disk.used();
  with(kKeyB + "\n" + kKeyA);
  const auto refused = try_start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::disk_full);
  EXPECT_NE(refused.error().describe().find(key_name(*keys(kKeyB)->current())), std::string::npos);
  with(kKeyA);
  start();
  EXPECT_EQ(texts(), std::vector<std::string>{kMarker});
  kill();
  disk.capacity *= 4;
  with(kKeyB + "\n" + kKeyA);
  start();
  EXPECT_EQ(texts(), std::vector<std::string>{kMarker});
}

TEST_F(SealingTest, U13_keys_are_read_as_they_are_written_and_nothing_else_is) {
  EXPECT_EQ(*keys("\n# mine\r\n  " + kKeyA + "\t\r\n")->current(), *keys(kKeyA)->current());
  EXPECT_NE(*keys(kKeyA)->current(), *keys(kKeyB)->current());
  EXPECT_FALSE(keys("plain\n" + kKeyA)->current());
  EXPECT_TRUE(keys("plain\n" + kKeyA)->has(*keys(kKeyA)->current()));
  EXPECT_FALSE(keys("plain")->current());
  std::string many;
  for (std::size_t i = 0; i <= kJournalKeysMax; ++i) many += kKeyA.substr(0, 60) + std::to_string(1000 + i) + "\n";
  for (const auto& wrong : {std::string(), std::string("# only a word\n"), kKeyA.substr(1), kKeyA + "0",
                            "g" + kKeyA.substr(1), kKeyA + "\n" + kKeyA, kKeyA + "\nplain", std::string(64, '0'), many,
                            std::string(kJournalKeyTextBytesMax + 1, '\n'), kKeyA + kKeyB}) {
    const auto made = JournalKeys::parse(wrong);
    ASSERT_FALSE(made) << wrong;
    EXPECT_EQ(made.error().code, ErrorCode::invalid_field);
    EXPECT_EQ(made.error().describe().find("aabbccdd"), std::string::npos);
  }
}

}  // namespace
}  // namespace folkmoot::test
