// StreamStore over files, stepped by hand: what is handed over, what comes back, and what bounds it.
#include "stream/file_stream_store.hpp"

#include "unit/stream/stream_fixture.hpp"

namespace folkmoot::test {
namespace {

class FileStreamStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }

  void open() {
    store.reset();
    auto opened = FileStreamStore::open(disk, {.id = kFileId});
    ASSERT_TRUE(opened) << opened.error().text;
    store = std::move(*opened);
  }
  bool append(std::uint64_t sequence, StreamNumber stream = kStream) {
    const auto text = event_text(stream, Sequence{sequence});
    const auto half = text.size() / 2;
    return store->append(stream, Sequence{sequence}, event_at(Sequence{sequence}),
                         {as_bytes(text).first(half), as_bytes(text).subspan(half)});
  }
  FileStreamStore::News step() {
    store->submit();
    store->work();
    auto news = store->collect();
    EXPECT_TRUE(news) << news.error().text;
    return news ? std::move(*news) : FileStreamStore::News{};
  }

  MemoryDisk disk;
  std::unique_ptr<FileStreamStore> store;
};

using Stored = std::vector<std::pair<StreamNumber, Sequence>>;

TEST_F(FileStreamStoreTest, U14_what_is_handed_over_is_said_to_be_stored_when_it_is_synced) {
  for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) ASSERT_TRUE(append(sequence));
  ASSERT_TRUE(append(1, StreamNumber{9}));
  EXPECT_EQ(store->extent(kStream).end, Sequence{1});
  EXPECT_TRUE(store->submit());
  EXPECT_TRUE(store->has_work());
  store->work();
  const auto syncs = disk.syncs;
  const auto news = store->collect();
  ASSERT_TRUE(news);
  EXPECT_EQ(news->stored, (Stored{{kStream, Sequence{6}}, {StreamNumber{9}, Sequence{2}}}));
  EXPECT_EQ(store->extent(kStream).end, Sequence{6});
  EXPECT_EQ(store->files(kStream).size(), 1u);
  EXPECT_FALSE(store->has_work());
  EXPECT_FALSE(store->submit());
  EXPECT_TRUE(step().stored.empty());
  EXPECT_EQ(disk.syncs, syncs) << "nothing is synced twice";
}

TEST_F(FileStreamStoreTest, U14_one_turn_of_many_events_is_one_sync_of_a_file) {
  ASSERT_TRUE(append(1));
  step();
  const auto before = disk.syncs;
  for (std::uint64_t sequence = 2; sequence <= 3'000; ++sequence) ASSERT_TRUE(append(sequence));
  EXPECT_EQ(step().stored, (Stored{{kStream, Sequence{3'001}}}));
  EXPECT_EQ(disk.syncs, before + 1);
}

TEST_F(FileStreamStoreTest, U14_reads_are_answered_under_their_tickets_behind_what_is_stored) {
  for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) ASSERT_TRUE(append(sequence));
  store->read({.stream = kStream, .from = Sequence{2}}, ReadTicket{11});
  store->read({.stream = StreamNumber{99}}, ReadTicket{12});
  const auto news = step();
  ASSERT_EQ(news.chunks.size(), 2u);
  EXPECT_EQ(news.chunks[0].first, ReadTicket{11});
  EXPECT_EQ(sequences_of(news.chunks[0].second), from_to(2, 5));
  EXPECT_TRUE(news.chunks[0].second.at_end);
  EXPECT_EQ(news.chunks[1].first, ReadTicket{12});
  EXPECT_TRUE(news.chunks[1].second.at_end);
  const auto copy = news.chunks[0].second;
  store.reset();
  EXPECT_EQ(sequences_of(copy), from_to(2, 5)) << "a chunk lives as long as anybody has it";
}

TEST_F(FileStreamStoreTest, U14_what_is_on_the_way_is_bounded) {
  const std::string large(1'000'000, 'x');
  std::uint64_t next = 1;
  const auto hand_over = [&] {
    return store->append(kStream, Sequence{next}, Instant{1}, {as_bytes(large), {}}) && ++next > 0;
  };
  while (hand_over()) ASSERT_LT(next, 100u);
  EXPECT_EQ(next, 17u);
  store->submit();
  EXPECT_FALSE(hand_over()) << "handed over is not stored";
  store->work();
  EXPECT_FALSE(hand_over()) << "nor is it known to be";
  ASSERT_TRUE(store->collect());
  EXPECT_TRUE(hand_over());
  step();

  const std::string huge(kEventMessageBytesMax, 'x');
  EXPECT_TRUE(store->append(kStream, Sequence{next}, Instant{1}, {as_bytes(huge), {}})) << "alone it may be larger";
  EXPECT_EQ(step().stored, (Stored{{kStream, Sequence{next + 1}}}));
}

TEST_F(FileStreamStoreTest, U14_chunks_that_nobody_collects_hold_further_reads) {
  const std::string large(1'000'000, 'x');
  for (std::uint64_t next = 1; next <= 40; ++next) {
    ASSERT_TRUE(store->append(kStream, Sequence{next}, Instant{1}, {as_bytes(large), {}}));
    if (next % 10 == 0) step();
  }
  for (std::uint64_t number = 1; number <= 40; ++number)
    store->read({.stream = kStream, .from = Sequence{number}, .events_max = 1}, ReadTicket{number});
  store->submit();
  store->work();
  EXPECT_FALSE(store->has_work()) << "until they are collected";
  std::size_t chunks = store->collect()->chunks.size();
  EXPECT_EQ(chunks, 17u);
  while (store->has_work()) chunks += step().chunks.size();
  EXPECT_EQ(chunks, 40u);
}

TEST_F(FileStreamStoreTest, U14_X3_a_full_disk_keeps_what_is_stored_and_goes_on_when_there_is_room) {
  for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) ASSERT_TRUE(append(sequence));
  step();
  disk.capacity = disk.used();
  std::uint64_t next = 6;
  for (int round = 0; round < 4; ++round) {  // some of it finds room that was reserved
    while (append(next)) ASSERT_LT(++next, 1'000'000u);
    step();
  }
  EXPECT_TRUE(store->wants_retry());
  ASSERT_TRUE(store->refusal());
  EXPECT_NE(store->refusal()->find("no space"), std::string::npos);
  EXPECT_FALSE(append(next)) << "nothing more is taken";
  store->read({.stream = kStream}, ReadTicket{1});
  const auto news = step();
  ASSERT_EQ(news.chunks.size(), 1u) << "reading goes on";
  EXPECT_FALSE(news.chunks[0].second.error);
  EXPECT_GE(news.chunks[0].second.events.size(), 5u);
  disk.capacity = std::uint64_t{1} << 40;
  EXPECT_EQ(step().stored, (Stored{{kStream, Sequence{next}}}));
  EXPECT_FALSE(store->wants_retry());
  EXPECT_FALSE(store->refusal());
  EXPECT_TRUE(append(next));
}

TEST_F(FileStreamStoreTest, U14_trimming_while_the_disk_is_full_makes_room) {
  store->set_file_bytes(kStream, 0);
  const std::string large(300'000, 'x');
  std::uint64_t next = 1;
  for (; next <= 20; ++next) {
    ASSERT_TRUE(store->append(kStream, Sequence{next}, Instant{1}, {as_bytes(large), {}}));
    if (next % 5 == 0) step();
  }
  disk.capacity = disk.used();
  for (; next <= 30; ++next) ASSERT_TRUE(store->append(kStream, Sequence{next}, Instant{1}, {as_bytes(large), {}}));
  step();
  ASSERT_TRUE(store->refusal());
  store->trim(kStream, Sequence{20});
  EXPECT_EQ(step().stored.back().second, Sequence{31});
  EXPECT_FALSE(store->refusal());
}

TEST_F(FileStreamStoreTest, U14_a_busy_stream_that_keeps_few_events_does_not_begin_a_file_each_time) {
  for (std::uint64_t next = 1; next <= 2'000; ++next) {
    ASSERT_TRUE(append(next));
    if (next % 50 != 0) continue;
    store->trim(kStream, Sequence{next - 9});
    step();
  }
  EXPECT_EQ(disk.list()->size(), 1u);
  EXPECT_EQ(store->files(kStream).front().first, Sequence{41}) << "what was trimmed before it came was not written";
  store->trim(kStream, Sequence{2'001});
  step();
  EXPECT_EQ(store->files(kStream).front().first, Sequence{2'001});
}

TEST_F(FileStreamStoreTest, U14_files_are_known_to_the_owner_as_they_are_on_the_disk) {
  store->set_file_bytes(kStream, 0);
  for (std::uint64_t sequence = 1; sequence <= 20'000; ++sequence) {
    ASSERT_TRUE(append(sequence));
    if (sequence % 700 == 0) step();
  }
  step();
  const auto check = [&] {
    const auto known = store->files(kStream);
    std::vector<StreamFile> found;
    StreamFiles::open(disk).value()->each([&](StreamNumber, const auto& all) { found = all; });
    ASSERT_EQ(known.size(), found.size());
    for (std::size_t i = 0; i < known.size(); ++i) {
      EXPECT_EQ(known[i].first, found[i].first);
      EXPECT_EQ(known[i].end, found[i].end);
      EXPECT_EQ(known[i].oldest, found[i].oldest);
      EXPECT_EQ(known[i].newest, found[i].newest);
      EXPECT_EQ(known[i].bytes, found[i].bytes);
    }
  };
  check();
  const auto second = store->files(kStream)[1].first;
  store->trim(kStream, second + 3);
  EXPECT_EQ(store->files(kStream).front().first, second) << "at once";
  EXPECT_EQ(store->extent(kStream).first, second + 3);
  step();
  check();
  store->trim(kStream, Sequence{20'001});
  step();
  check();
  EXPECT_EQ(store->extent(kStream).first, Sequence{20'001});
  EXPECT_EQ(store->extent(kStream).end, Sequence{20'001});
  for (std::uint64_t sequence = 20'001; sequence <= 20'003; ++sequence) ASSERT_TRUE(append(sequence));
  step();
  check();
  ASSERT_TRUE(store->close());
  open();
  std::vector<std::pair<StreamNumber, Sequence>> all;
  store->each([&](StreamNumber number, const StreamExtent& extent) { all.emplace_back(number, extent.end); });
  EXPECT_EQ(all, (Stored{{kStream, Sequence{20'004}}}));
}

TEST_F(FileStreamStoreTest, U14_a_removed_stream_is_not_spoken_of_any_more) {
  for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) ASSERT_TRUE(append(sequence));
  step();
  ASSERT_TRUE(append(6));
  store->submit();
  store->remove(kStream);
  store->work();
  ASSERT_TRUE(store->collect()->stored.empty());
  step();
  EXPECT_TRUE(disk.list()->empty());
  EXPECT_EQ(store->extent(kStream).end, Sequence{1});
}

TEST_F(FileStreamStoreTest, U14_reading_a_file_that_cannot_be_opened_now_is_no_damage) {
  ASSERT_TRUE(append(1));
  step();
  ASSERT_TRUE(store->close());
  open();
  disk.files_used_up = true;
  store->read({.stream = kStream}, ReadTicket{1});
  const auto news = step();
  ASSERT_TRUE(news.chunks.at(0).second.error);
  EXPECT_EQ(news.chunks[0].second.error->code, ErrorCode::limit_reached);
  EXPECT_EQ(news.chunks[0].second.next, Sequence{1}) << "where to try again";
}

}  // namespace
}  // namespace folkmoot::test
