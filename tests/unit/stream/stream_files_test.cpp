// Files of streams: appended to, read both ways and by time, begun anew when they are full, gone from the oldest end.
#include "unit/stream/stream_fixture.hpp"

namespace folkmoot::test {
namespace {

constexpr std::uint64_t kMany = 20'000;  // some 4 MB: four files of 1 MiB, each with several steps of the index

class ManyFilesTest : public StreamFilesTest {
 protected:
  void SetUp() override {
    StreamFilesTest::SetUp();
    files->set_file_bytes(kStream, 0);
    for (std::uint64_t first = 1; first <= kMany; first += 500) ASSERT_NO_FATAL_FAILURE(append(first, first + 500));
  }
};

TEST_F(StreamFilesTest, U14_what_was_appended_is_read_both_ways) {
  append(1, 4);
  append(4, 11);
  EXPECT_EQ(names(), std::vector{EventFileName(kStream, Sequence{1}).text()});
  EXPECT_EQ(forwards(), from_to(1, 10));
  EXPECT_EQ(forwards(4), from_to(4, 10));
  EXPECT_EQ(backwards(), from_to(10, 1));
  EXPECT_EQ(backwards(Sequence{4}), from_to(4, 1));
  EXPECT_EQ(forwards(11), std::vector<std::uint64_t>{});
  const auto found = files_of();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].end, Sequence{11});
  EXPECT_EQ(found[0].oldest, event_at(Sequence{1}));
  EXPECT_EQ(found[0].newest, event_at(Sequence{10}));
  expect_sound();
}

TEST_F(StreamFilesTest, U14_a_chunk_ends_where_it_was_said_and_tells_where_to_go_on) {
  append(1, 11);
  auto chunk = files->read({.stream = kStream, .from = Sequence{3}, .events_max = 2});
  EXPECT_EQ(sequences_of(chunk), from_to(3, 4));
  EXPECT_EQ(chunk.next, Sequence{5});
  EXPECT_FALSE(chunk.at_end);
  chunk = files->read({.stream = kStream, .from = Sequence{3}, .bytes_max = 1});
  EXPECT_EQ(sequences_of(chunk), from_to(3, 3)) << "one event, whatever its size";
  chunk = files->read({.stream = kStream, .from = Sequence{8}, .backwards = true, .events_max = 3});
  EXPECT_EQ(sequences_of(chunk), from_to(8, 6));
  EXPECT_EQ(chunk.next, Sequence{5});
  EXPECT_FALSE(chunk.at_end);
  chunk = files->read({.stream = kStream, .from = Sequence{2}, .backwards = true});
  EXPECT_EQ(sequences_of(chunk), from_to(2, 1));
  EXPECT_EQ(chunk.next, Sequence{0});
  EXPECT_TRUE(chunk.at_end);
}

TEST_F(StreamFilesTest, U14_a_stream_without_files_is_at_its_end) {
  const auto chunk = files->read({.stream = StreamNumber{99}, .from = Sequence{5}});
  EXPECT_TRUE(chunk.at_end && chunk.events.empty() && !chunk.error);
  EXPECT_EQ(chunk.next, Sequence{5});
  const auto down = files->read({.stream = StreamNumber{99}, .from = Sequence{5}, .backwards = true});
  EXPECT_TRUE(down.at_end && down.events.empty() && !down.error);
  EXPECT_EQ(down.next, Sequence{0});
}

TEST_F(ManyFilesTest, U14_many_files_are_one_stream) {
  EXPECT_GE(files_of().size(), 4u);
  for (const auto& file : files_of()) EXPECT_LE(file.bytes, kStreamFileBytesMin + 256 * 1024);
  EXPECT_EQ(forwards(1, 100'000), from_to(1, kMany));
  EXPECT_EQ(backwards(kLastSequence, 100'000), from_to(kMany, 1));
  for (const std::uint64_t from : {2u, 499u, 500u, 501u, 7'777u, 19'999u, 20'000u}) {
    EXPECT_EQ(forwards(from, 300'000), from_to(from, kMany));
    EXPECT_EQ(backwards(Sequence{from}, 300'000), from_to(from, 1));
  }
  expect_sound();
}

TEST_F(ManyFilesTest, U14_what_was_closed_in_order_is_found_again_without_being_read) {
  ASSERT_TRUE(files->close());
  const auto before = disk.reads;
  open();
  EXPECT_LE(disk.reads - before, 2 * files_of().size()) << "a header and a trailer each";
  EXPECT_EQ(forwards(1, 300'000), from_to(1, kMany));
  const auto count = files_of().size();
  append(kMany + 1, kMany + 3);
  EXPECT_EQ(files_of().size(), count) << "the newest file is appended to again";
  EXPECT_EQ(forwards(kMany - 1), from_to(kMany - 1, kMany + 2));
  expect_sound();
  ASSERT_TRUE(files->close());
  expect_sound();
}

TEST_F(ManyFilesTest, U14_a_time_leads_to_the_first_event_that_is_not_older) {
  for (const std::uint64_t sequence : {1u, 2u, 333u, 5'000u, 5'001u, 12'345u, 19'999u, 20'000u}) {
    for (const int early : {0, 1, 9}) {
      const Instant since{event_at(Sequence{sequence}).ms - early};
      auto chunk = files->read({.stream = kStream, .since = since, .events_max = 1});
      EXPECT_EQ(sequences_of(chunk), from_to(sequence, sequence));
      chunk =
          files->read({.stream = kStream, .from = kLastSequence, .since = since, .backwards = true, .events_max = 1});
      const auto last = early == 0 ? sequence : sequence - 1;
      EXPECT_EQ(sequences_of(chunk), last == 0 ? std::vector<std::uint64_t>{} : from_to(last, last));
    }
  }
  auto chunk = files->read({.stream = kStream, .since = event_at(Sequence{kMany + 1})});
  EXPECT_TRUE(chunk.at_end && chunk.events.empty());
  chunk = files->read({.stream = kStream, .from = Sequence{15'000}, .since = Instant{0}, .events_max = 1});
  EXPECT_EQ(sequences_of(chunk), from_to(15'000, 15'000)) << "the later of the two";
  chunk = files->read({.stream = kStream, .since = Instant{-5}, .events_max = 1});
  EXPECT_EQ(sequences_of(chunk), from_to(1, 1));
}

TEST_F(ManyFilesTest, U14_retention_takes_whole_files_and_what_is_below_is_not_given_out) {
  const auto before = files_of();
  const auto middle = before[2].first;
  ASSERT_TRUE(files->trim(kStream, middle + 5));
  EXPECT_EQ(files_of().size(), before.size() - 2);
  EXPECT_EQ(files_of().front().first, middle);
  EXPECT_EQ(forwards(1, 300'000), from_to(middle.value + 5, kMany));
  EXPECT_EQ(backwards(kLastSequence, 300'000), from_to(kMany, middle.value + 5));
  const auto chunk = files->read({.stream = kStream, .from = middle + 2, .backwards = true});
  EXPECT_TRUE(chunk.at_end && chunk.events.empty());
  ASSERT_TRUE(files->sync([](auto, auto) {}));
  expect_sound();
}

TEST_F(ManyFilesTest, U14_a_purge_leaves_an_empty_file_that_says_where_the_stream_goes_on) {
  ASSERT_TRUE(files->trim(kStream, Sequence{kMany + 1}));
  EXPECT_EQ(names(), std::vector{EventFileName(kStream, Sequence{kMany + 1}).text()});
  EXPECT_EQ(forwards(), std::vector<std::uint64_t>{});
  EXPECT_EQ(backwards(), std::vector<std::uint64_t>{});
  ASSERT_TRUE(files->close());
  open();
  ASSERT_TRUE(files->trim(kStream, Sequence{kMany + 1}));
  EXPECT_EQ(files_of().back().end, Sequence{kMany + 1});
  append(kMany + 1, kMany + 6);
  EXPECT_EQ(forwards(), from_to(kMany + 1, kMany + 5));
  EXPECT_EQ(names().size(), 1u);
  expect_sound();
}

TEST_F(StreamFilesTest, U14_events_that_were_trimmed_before_they_came_are_left_out) {
  append(1, 5);
  ASSERT_TRUE(files->trim(kStream, Sequence{8}));
  append(5, 12);
  EXPECT_EQ(forwards(), from_to(8, 11));
  EXPECT_EQ(names().size(), 1u);
  expect_sound();
}

TEST_F(StreamFilesTest, U14_what_is_there_already_is_not_appended_twice) {
  append(1, 8);
  append(1, 12);
  EXPECT_EQ(forwards(), from_to(1, 11));
  expect_sound();
}

TEST_F(StreamFilesTest, U14_a_removed_stream_leaves_nothing_and_others_stay) {
  append(1, 5);
  append(1, 5, StreamNumber{8});
  ASSERT_TRUE(files->remove(kStream));
  EXPECT_EQ(names(), std::vector{EventFileName(StreamNumber{8}, Sequence{1}).text()});
  EXPECT_EQ(forwards(), std::vector<std::uint64_t>{});
  ASSERT_TRUE(files->sync([](auto, auto) {}));
  open();
  EXPECT_TRUE(files_of().empty());
  EXPECT_EQ(read_all(*files, {.stream = StreamNumber{8}}), from_to(1, 4));
}

TEST_F(StreamFilesTest, U14_large_events_go_into_files_as_they_fit) {
  files->set_file_bytes(kStream, 0);
  std::vector<std::string> texts;
  for (const std::size_t bytes : {100u, 3'000'000u, 100u, 700'000u, 600'000u, 0u, 50u}) texts.emplace_back(bytes, 'x');
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::vector<std::uint8_t> bytes(event_bytes(texts[i].size()));
    lay_out_event(bytes.data(), Sequence{i + 1}, Instant{1}, {as_bytes(texts[i]), {}});
    StreamFiles::Taken taken;
    ASSERT_TRUE(files->append(kStream, bytes, taken));
  }
  ASSERT_TRUE(files->sync([](auto, auto) {}));
  EXPECT_EQ(files_of().size(), 4u);
  for (const bool backwards : {false, true}) {
    Sequence from = backwards ? kLastSequence : Sequence{1};
    std::vector<std::size_t> sizes;
    for (bool at_end = false; !at_end;) {
      const auto chunk = files->read({.stream = kStream, .from = from, .backwards = backwards, .bytes_max = 1000});
      ASSERT_FALSE(chunk.error) << chunk.error->text;
      for (const auto& event : chunk.events) sizes.push_back(event.message.size());
      from = chunk.next;
      at_end = chunk.at_end;
    }
    if (backwards) std::ranges::reverse(sizes);
    EXPECT_EQ(sizes, (std::vector<std::size_t>{100, 3'000'000, 100, 700'000, 600'000, 0, 50}));
  }
  expect_sound();
}

TEST_F(StreamFilesTest, U14_more_streams_than_files_may_be_open_take_turns) {
  options.open_max = 2;
  options.readers_max = 2;
  open();
  for (std::uint64_t round = 0; round < 5; ++round) {
    for (std::uint32_t number = 1; number <= 6; ++number)
      ASSERT_NO_FATAL_FAILURE(append(1 + round * 3, 4 + round * 3, StreamNumber{number}));
  }
  EXPECT_EQ(names().size(), 6u);
  for (std::uint32_t number = 1; number <= 6; ++number)
    EXPECT_EQ(read_all(*files, {.stream = StreamNumber{number}}), from_to(1, 15));
  expect_sound();
  open();
  for (std::uint32_t number = 1; number <= 6; ++number)
    EXPECT_EQ(read_all(*files, {.stream = StreamNumber{number}}), from_to(1, 15));
}

TEST_F(ManyFilesTest, U14_what_has_changed_is_told_from_the_first_file_that_has) {
  std::vector<StreamFile> told;
  const auto hear = [&](StreamNumber, std::span<const StreamFile> changed) {
    told.assign(changed.begin(), changed.end());
  };
  ASSERT_TRUE(files->sync(hear));
  auto events = laid_out(kStream, Sequence{kMany + 1}, Sequence{kMany + 6'000});
  StreamFiles::Taken taken;
  const auto before = files_of();
  ASSERT_TRUE(files->append(kStream, events, taken));
  EXPECT_EQ(taken.end, Sequence{kMany + 6'000});
  ASSERT_TRUE(files->sync(hear));
  ASSERT_GE(told.size(), 2u);
  EXPECT_EQ(told.front().first, before.back().first);
  EXPECT_EQ(told.back().end, Sequence{kMany + 6'000});
}

}  // namespace
}  // namespace folkmoot::test
