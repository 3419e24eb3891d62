// The power fails at every operation of the disk, in the middle of making, filling, sealing and removing files:
// whatever was said to be stored is there afterwards, and the stream goes on without a gap or a double (X3).
#include <gtest/gtest.h>

#include <deque>

#include "simulation/virtual_disk.hpp"
#include "stream/file_stream_store.hpp"
#include "stream/verify.hpp"

namespace folkmoot::test {
namespace {

using simulation::PowerLoss;
using simulation::Random;
using simulation::VirtualDisk;

// Large events, so that few of them fill a file.
std::string large_text(StreamNumber stream, Sequence sequence) {
  const auto seed = stream.value * 31 + sequence.value * 7919;
  return std::string(1'000 + seed % 150'000, static_cast<char>('a' + seed % 26));
}

/// The engine's part: what is durable in the log, and which of it the files are said to have.
struct Written {
  Sequence first{1};   // as trimmed
  Sequence end{1};     // behind the last event that is in the log
  Sequence handed{1};  // up to here
  Sequence stored{1};  // as said
};

class StreamCrashTest : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  void open() {
    auto opened = FileStreamStore::open(disk, {.id = EventFileId{1}, .open_max = 1});
    ASSERT_TRUE(opened) << opened.error().text;
    store = std::move(*opened);
    EXPECT_TRUE(store->problems().empty());
    for (auto& [number, stream] : streams) {
      store->set_file_bytes(number, 0);
      const auto extent = store->extent(number);
      ASSERT_GE(extent.end, stream.stored) << "what was said to be stored is lost";
      ASSERT_LE(extent.end, stream.end) << "what nobody has appended is there";
      store->trim(number, stream.first);
      stream.handed = stream.stored = std::max(extent.end, stream.first);
    }
  }
  void work() {
    for (auto& [number, stream] : streams) {
      stream.end += random.below(6);
      for (; stream.handed < stream.end; ++stream.handed) {
        const auto text = large_text(number, stream.handed);
        const Instant at{static_cast<std::int64_t>(stream.handed.value)};
        if (!store->append(number, stream.handed, at, {as_bytes(text), {}})) break;
      }
      if (random.one_in(4)) {
        const auto keep = random.below(25);
        if (stream.stored.value > stream.first.value + keep)
          store->trim(number, stream.first = Sequence{stream.stored.value - keep});
      }
    }
    store->submit();
    store->work();
    collect();
  }
  void collect() {
    auto news = store->collect();
    ASSERT_TRUE(news) << news.error().text;
    for (const auto& [number, end] : news->stored) {
      ASSERT_GE(end, streams[number].stored);
      streams[number].stored = end;
    }
    chunks.insert(chunks.end(), std::make_move_iterator(news->chunks.begin()),
                  std::make_move_iterator(news->chunks.end()));
  }
  void check_all() {
    for (auto& [number, stream] : streams) {
      auto expected = stream.first;
      for (auto from = stream.first; from < stream.stored;) {
        chunks.clear();
        store->read({.stream = number, .from = from}, ReadTicket{1});
        store->submit();
        store->work();
        ASSERT_NO_FATAL_FAILURE(collect());
        ASSERT_EQ(chunks.size(), 1u);
        const auto& chunk = chunks[0].second;
        ASSERT_FALSE(chunk.error) << chunk.error->text;
        for (const auto& event : chunk.events) {
          ASSERT_EQ(event.sequence, expected++);
          ASSERT_EQ(as_text(event.message), large_text(number, event.sequence));
        }
        ASSERT_GT(chunk.next, from);
        from = chunk.next;
      }
      ASSERT_GE(expected, stream.stored);
    }
    const auto report = verify_streams(disk);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->problems, std::vector<std::string>{});
  }

  Random random{GetParam()};
  VirtualDisk disk{GetParam()};
  std::unique_ptr<FileStreamStore> store;
  std::map<StreamNumber, Written> streams{{StreamNumber{1}, {}}, {StreamNumber{2}, {}}, {StreamNumber{3}, {}}};
  std::deque<std::pair<ReadTicket, StreamChunk>> chunks;
};

TEST_P(StreamCrashTest, U14_X3_what_was_said_to_be_stored_outlives_every_power_failure) {
  for (int run = 0; run < 60; ++run) {
    disk.fail_power_in(1 + random.below(run % 3 == 0 ? 12 : 60));
    try {
      ASSERT_NO_FATAL_FAILURE(open());
      for (int turn = 0; turn < 20; ++turn) ASSERT_NO_FATAL_FAILURE(work());
      ASSERT_TRUE(store->close());
      store.reset();
      disk.keep_power();
    } catch (const PowerLoss&) {
      store.reset();
      disk.keep_power();
      disk.lose_power();
    }
    ASSERT_NO_FATAL_FAILURE(open());
    ASSERT_NO_FATAL_FAILURE(work());
    ASSERT_NO_FATAL_FAILURE(check_all());
    store.reset();
    disk.end_process();
  }
}

TEST_P(StreamCrashTest, U14_X3_a_full_disk_costs_nothing_and_a_failed_sync_ends_the_run) {
  ASSERT_NO_FATAL_FAILURE(open());
  for (int round = 0; round < 40; ++round) {
    disk.faults.full = random.one_in(3);
    disk.faults.write_refused_percent = random.one_in(3) ? 50 : 0;
    ASSERT_NO_FATAL_FAILURE(work());
  }
  disk.faults.full = false;
  for (int round = 0; round < 8; ++round) ASSERT_NO_FATAL_FAILURE(work());
  EXPECT_FALSE(store->refusal());
  for (const auto& [number, stream] : streams) EXPECT_EQ(stream.stored, stream.end);
  ASSERT_NO_FATAL_FAILURE(check_all());

  disk.faults.sync_fails_one_in = 1;
  ++streams[StreamNumber{1}].end;
  store->append(StreamNumber{1}, streams[StreamNumber{1}].handed, Instant{1}, {as_bytes("x"), {}});
  store->submit();
  store->work();
  EXPECT_EQ(store->collect().error().code, ErrorCode::io_error);
  EXPECT_EQ(store->collect().error().code, ErrorCode::io_error) << "for good";
  EXPECT_FALSE(store->has_work());
  EXPECT_FALSE(store->close());
}

INSTANTIATE_TEST_SUITE_P(Seeds, StreamCrashTest, ::testing::Range<std::uint64_t>(1, 9));

}  // namespace
}  // namespace folkmoot::test
