// Whatever a disk or a hand did to files of events: torn ends are cut, damage is told with its place, and nothing that
// was not appended is ever given out.
#include <random>

#include "unit/stream/stream_fixture.hpp"

namespace folkmoot::test {
namespace {

class DamageTest : public StreamFilesTest {
 protected:
  static std::string name(std::uint64_t first = 1) { return EventFileName(kStream, Sequence{first}).text(); }
  std::vector<std::uint8_t>& bytes(std::uint64_t first = 1) { return disk.bytes(name(first)); }
};

TEST_F(DamageTest, U14_X3_an_end_torn_at_every_byte_is_cut_and_the_stream_goes_on) {
  append(1, 6);
  const auto synced = EventFile::open(disk, {kStream, Sequence{1}}, Disk::Open::read_only).value()->records_end();
  append(6, 9);
  files.reset();
  const auto whole = bytes();
  const auto end = EventFile::open(disk, {kStream, Sequence{1}}, Disk::Open::read_only).value()->records_end();
  for (auto cut = synced; cut < end; ++cut) {
    bytes() = whole;
    std::fill(bytes().begin() + static_cast<std::ptrdiff_t>(cut), bytes().end(), std::uint8_t{0});
    open();
    const auto last = files_of().back().end.value - 1;
    ASSERT_GE(last, 5u) << cut;
    ASSERT_LE(last, 8u) << cut;
    ASSERT_EQ(forwards(), from_to(1, last)) << cut;
    append(last + 1, 12);
    ASSERT_EQ(forwards(), from_to(1, 11)) << cut;
    expect_sound();
  }
}

TEST_F(DamageTest, U14_X3_a_file_that_was_cut_short_loses_its_end_alone) {
  append(1, 6);
  files.reset();
  const auto whole = bytes();
  for (std::size_t size = kEventFileHeaderBytes; size < whole.size(); size += size < 2'000 ? 1 : 997) {
    bytes().assign(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    open();
    const auto last = files_of().back().end.value - 1;
    ASSERT_EQ(forwards(), last == 0 ? std::vector<std::uint64_t>{} : from_to(1, last)) << size;
    append(last + 1, 8);
    ASSERT_EQ(forwards(), from_to(1, 7)) << size;
    expect_sound();
  }
}

TEST_F(DamageTest, U14_X3_every_flipped_bit_of_a_sealed_file_is_found_and_no_wrong_event_is_given_out) {
  append(1, 8);
  ASSERT_TRUE(files->close());
  append(8, 9);
  ASSERT_TRUE(files->close());
  const auto whole = bytes();
  const auto records_end = EventFile::open(disk, {kStream, Sequence{1}}, Disk::Open::read_only).value()->records_end();
  files.reset();
  for (std::size_t at = 0; at<whole.size(); at += at> records_end + 200 && at + 200 < whole.size() ? 501 : 1) {
    bytes()[at] ^= static_cast<std::uint8_t>(1 << at % 8);
    const auto report = verify_streams(disk);
    ASSERT_TRUE(report);
    // Behind the last record, what was being written when the power failed looks no different.
    const bool is_told = report->problems_total > 0 || report->torn_bytes > 0;
    ASSERT_TRUE(is_told) << at;
    if (at < records_end) {
      ASSERT_GT(report->problems_total, 0u) << at;
    }
    auto opened = StreamFiles::open(disk, options);
    ASSERT_TRUE(opened) << at;
    std::optional<Error> error;
    const auto read = read_all(**opened, {.stream = kStream}, &error);
    ASSERT_LE(read.size(), 8u);
    ASSERT_EQ(read, read.empty() ? read : from_to(1, read.size())) << at;
    if (at >= kEventFileHeaderBytes) {
      ASSERT_TRUE(error || read.size() == 8) << at;
    }
    opened->reset();
    bytes() = whole;
  }
}

TEST_F(DamageTest, U14_damage_is_told_with_its_place_and_what_is_behind_can_be_read) {
  files->set_file_bytes(kStream, 0);
  for (std::uint64_t first = 1; first <= 4'000; first += 100) append(first, first + 100);
  ASSERT_TRUE(files->close());
  bytes()[200'000] ^= 1;
  open();
  std::optional<Error> error;
  const auto read = read_all(*files, {.stream = kStream}, &error);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::damaged);
  EXPECT_NE(error->text.find(name()), std::string::npos) << error->text;
  EXPECT_NE(error->text.find("offset 19"), std::string::npos) << error->text;
  EXPECT_EQ(read, from_to(1, read.size()));
  const auto chunk = files->read({.stream = kStream, .from = Sequence{read.size() + 1}});
  ASSERT_TRUE(chunk.error);
  ASSERT_GT(chunk.next.value, read.size() + 1);
  EXPECT_LT(chunk.next.value, read.size() + 800) << "the next step of the index";
  EXPECT_EQ(read_all(*files, {.stream = kStream, .from = chunk.next}), from_to(chunk.next.value, 4'000));

  const auto down = read_all(*files, {.stream = kStream, .from = kLastSequence, .backwards = true}, &error);
  EXPECT_EQ(down, from_to(4'000, chunk.next.value));
  const auto below = files->read({.stream = kStream, .from = Sequence{chunk.next.value - 1}, .backwards = true});
  ASSERT_TRUE(below.error);
  EXPECT_EQ(below.next.value, read.size());
  EXPECT_EQ(read_all(*files, {.stream = kStream, .from = below.next, .backwards = true}), from_to(read.size(), 1));
}

TEST_F(DamageTest, U14_damage_in_the_newest_file_is_no_torn_end_and_the_stream_goes_on_in_another) {
  for (std::uint64_t first = 1; first <= 400; first += 50) append(first, first + 50);
  files.reset();
  bytes()[10'000] ^= 1;
  const auto before = bytes();
  open();
  ASSERT_EQ(files->problems().size(), 1u);
  EXPECT_EQ(files_of().back().end, Sequence{401}) << "what stands behind is known";
  append(401, 411);
  EXPECT_EQ(names().size(), 2u);
  EXPECT_EQ(bytes(), before) << "as evidence";
  EXPECT_EQ(forwards(401), from_to(401, 410));
  std::optional<Error> error;
  const auto read = read_all(*files, {.stream = kStream}, &error);
  ASSERT_TRUE(error);
  const auto chunk = files->read({.stream = kStream, .from = Sequence{read.size() + 1}});
  EXPECT_EQ(chunk.next.value % 50, 1u) << "behind the next mark";
  EXPECT_EQ(forwards(chunk.next.value), from_to(chunk.next.value, 410));
}

TEST_F(DamageTest, U14_a_file_that_is_gone_is_told) {
  files->set_file_bytes(kStream, 0);
  for (std::uint64_t first = 1; first <= 20'000; first += 1'000) append(first, first + 1'000);
  const auto all = files_of();
  ASSERT_TRUE(files->close());
  disk.forget(name(all[1].first.value));
  open();
  std::optional<Error> error;
  EXPECT_EQ(read_all(*files, {.stream = kStream, .bytes_max = 300'000}, &error), from_to(1, all[1].first.value - 1));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->text,
            fmt::format("stream 7: events {} to {} are in no file", all[1].first.value, all[1].end.value - 1));
  const auto chunk = files->read({.stream = kStream, .from = all[1].first + 7});
  ASSERT_TRUE(chunk.error);
  EXPECT_EQ(chunk.next, all[2].first);
  const auto down = files->read({.stream = kStream, .from = all[1].first + 7, .backwards = true});
  ASSERT_TRUE(down.error);
  EXPECT_EQ(down.next.value, all[1].first.value - 1);
  EXPECT_EQ(verify_streams(disk)->problems_total, 1u);

  disk.forget(name(1));
  open();
  EXPECT_TRUE(files->read({.stream = kStream}).error) << "what is not trimmed is missing";
  ASSERT_TRUE(files->trim(kStream, all[2].first));
  EXPECT_EQ(forwards(1, 300'000), from_to(all[2].first.value, 20'000));
}

TEST_F(DamageTest, U14_a_header_that_cannot_be_read_costs_its_file_alone) {
  files->set_file_bytes(kStream, 0);
  for (std::uint64_t first = 1; first <= 20'000; first += 1'000) append(first, first + 1'000);
  const auto all = files_of();
  ASSERT_TRUE(files->close());
  bytes(all[1].first.value)[3] ^= 1;
  bytes(all.back().first.value)[3] ^= 1;
  open();
  EXPECT_EQ(files->problems().size(), 2u);
  const auto chunk = files->read({.stream = kStream, .from = all[1].first});
  ASSERT_TRUE(chunk.error);
  EXPECT_EQ(chunk.next, all[2].first);
  EXPECT_EQ(files_of().back().end, all.back().first) << "what the newest has is not known";
  append(20'001, 20'006);
  EXPECT_EQ(forwards(20'001), from_to(20'001, 20'005));
  const auto gone = files->read({.stream = kStream, .from = all.back().first});
  ASSERT_TRUE(gone.error);
  EXPECT_EQ(gone.next, Sequence{20'001});
}

TEST_F(DamageTest, U14_a_time_does_not_lead_past_what_cannot_be_read) {
  files->set_file_bytes(kStream, 0);
  for (std::uint64_t first = 1; first <= 20'000; first += 1'000) append(first, first + 1'000);
  const auto all = files_of();
  ASSERT_TRUE(files->close());
  disk.forget(name(all[1].first.value));
  open();
  const StreamRead within{.stream = kStream, .since = event_at(all[1].first + 10)};
  auto chunk = files->read(within);
  ASSERT_TRUE(chunk.error) << "it may have been there";
  EXPECT_EQ(chunk.next, all[2].first);
  chunk = files->read({.stream = kStream, .since = event_at(all[2].first + 10), .events_max = 1});
  EXPECT_EQ(sequences_of(chunk), from_to(all[2].first.value + 10, all[2].first.value + 10));
  chunk = files->read({.stream = kStream, .from = kLastSequence, .since = within.since, .backwards = true});
  ASSERT_TRUE(chunk.error);
  EXPECT_EQ(chunk.next.value, all[1].first.value - 1);
}

TEST_F(DamageTest, U14_a_newest_file_of_which_nothing_can_be_read_gives_way_to_one_of_its_name) {
  append(1, 3);
  files.reset();
  bytes()[3] ^= 1;
  open();
  append(1, 6);
  EXPECT_EQ(names(), std::vector{name()});
  EXPECT_EQ(forwards(), from_to(1, 5));
  expect_sound();
}

TEST_F(DamageTest, U14_bytes_by_chance_never_pass_for_events) {
  std::mt19937 lot(1);
  append(1, 60);
  ASSERT_TRUE(files->close());
  const auto whole = bytes();
  for (int round = 0; round < 400; ++round) {
    files.reset();
    bytes() = whole;
    for (auto count = lot() % 4 + 1; count > 0; --count) {
      const auto begin = lot() % bytes().size();
      const auto end = std::min<std::size_t>(bytes().size(), begin + lot() % 3'000);
      const bool zeros = lot() % 2 == 0;
      for (auto at = begin; at < end; ++at) bytes()[at] = zeros ? 0 : static_cast<std::uint8_t>(lot());
    }
    if (lot() % 4 == 0) bytes().resize(lot() % bytes().size());
    ASSERT_TRUE(verify_streams(disk));
    open();
    // Every event that comes is right (sequences_of), whatever the way there.
    StreamRead what{.stream = kStream, .bytes_max = 3'000};
    for (int steps = 0; steps < 200; ++steps) {
      const auto chunk = files->read(what);
      sequences_of(chunk);
      if (chunk.at_end || (chunk.error && chunk.next <= what.from)) break;
      what.from = chunk.next;
    }
    what = {.stream = kStream, .from = kLastSequence, .backwards = true, .bytes_max = 3'000};
    for (int steps = 0; steps < 200; ++steps) {
      const auto chunk = files->read(what);
      sequences_of(chunk);
      if (chunk.at_end || chunk.next == 0) break;
      ASSERT_LT(chunk.next, what.from);
      what.from = chunk.next;
    }
    for (const auto since : {0, 100, 599, 600}) files->read({.stream = kStream, .since = Instant{since}});
    append(60, 63);
    EXPECT_EQ(forwards(60), from_to(60, 62));
  }
}

}  // namespace
}  // namespace folkmoot::test
