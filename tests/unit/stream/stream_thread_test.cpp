// The thread of the files of streams: wakes its owner when there is something to tell, tries again what found no room,
// and ends in order.
#include "stream/stream_thread.hpp"

#include <poll.h>

#include "unit/journal/temporary_folder.hpp"
#include "unit/stream/stream_fixture.hpp"

namespace folkmoot::test {
namespace {

class StreamThreadTest : public ::testing::Test {
 protected:
  void start(Disk& disk) {
    thread.reset();
    auto store = FileStreamStore::open(disk);
    ASSERT_TRUE(store) << store.error().text;
    thread = std::move(StreamThread::start(std::move(*store)).value());
  }
  // Waits until the thread has something to tell.
  FileStreamStore::News wait() {
    pollfd readable{thread->event_fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&readable, 1, 10'000), 1);
    auto news = thread->collect();
    EXPECT_TRUE(news) << news.error().text;
    return news ? std::move(*news) : FileStreamStore::News{};
  }
  Sequence append(std::uint64_t first, std::uint64_t end) {
    for (auto sequence = first; sequence < end; ++sequence) {
      const auto text = event_text(kStream, Sequence{sequence});
      EXPECT_TRUE(
          thread->store().append(kStream, Sequence{sequence}, event_at(Sequence{sequence}), {as_bytes(text), {}}));
    }
    thread->submit();
    Sequence stored = 0;
    while (stored < Sequence{end}) {
      const auto news = wait();
      if (!news.stored.empty()) stored = news.stored.back().second;
    }
    return stored;
  }

  TemporaryFolder folder;
  std::unique_ptr<StreamThread> thread;
};

TEST_F(StreamThreadTest, U14_events_are_stored_and_read_behind_the_owners_back) {
  const auto disk = PosixDisk::open(folder.path()).value();
  start(*disk);
  EXPECT_EQ(append(1, 5'001), Sequence{5'001});
  for (std::uint64_t number = 1; number <= 49; ++number)
    thread->store().read({.stream = kStream, .from = Sequence{number * 100}, .events_max = 3}, ReadTicket{number});
  thread->submit();
  for (std::size_t got = 0; got < 49;) {
    for (const auto& [ticket, chunk] : wait().chunks) {
      EXPECT_EQ(sequences_of(chunk), from_to(ticket.value * 100, ticket.value * 100 + 2));
      ++got;
    }
  }
  ASSERT_TRUE(thread->stop());
  ASSERT_TRUE(thread->stop()) << "twice";
  start(*disk);
  EXPECT_EQ(thread->store().extent(kStream).end, Sequence{5'001});
  EXPECT_EQ(append(5'001, 5'003), Sequence{5'003});
  ASSERT_TRUE(thread->stop());
}

TEST_F(StreamThreadTest, U14_reads_that_wait_for_room_go_on_when_chunks_are_collected) {
  const auto disk = PosixDisk::open(folder.path()).value();
  start(*disk);
  append(1, 20'001);
  for (std::uint64_t number = 1; number <= 60; ++number)
    thread->store().read({.stream = kStream, .bytes_max = kStreamReadBytesMax}, ReadTicket{number});
  thread->submit();
  for (std::size_t got = 0; got < 60;) got += wait().chunks.size();
  ASSERT_TRUE(thread->stop());
}

TEST_F(StreamThreadTest, U14_what_found_no_room_is_tried_again_without_being_asked) {
  MemoryDisk disk;
  disk.capacity = 0;
  start(disk);
  const auto text = event_text(kStream, Sequence{1});
  ASSERT_TRUE(thread->store().append(kStream, Sequence{1}, event_at(Sequence{1}), {as_bytes(text), {}}));
  thread->submit();
  EXPECT_TRUE(wait().stored.empty());
  EXPECT_TRUE(thread->store().refusal());
  EXPECT_TRUE(wait().stored.empty()) << "and again";
  ASSERT_TRUE(thread->stop());
}

}  // namespace
}  // namespace folkmoot::test
