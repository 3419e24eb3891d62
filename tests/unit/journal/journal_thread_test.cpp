// The journal with its thread, on the real disk (feature X3).
#include "journal/journal_thread.hpp"

#include <poll.h>

#include "temporary_folder.hpp"

namespace folkmoot::test {
namespace {

class JournalThreadTest : public ::testing::TestWithParam<SyncPolicy> {
 protected:
  void open() {
    options.segment_bytes = std::size_t{1} << 20;
    options.sync = GetParam();
    options.sync_interval_ms = 5;
    disk = std::move(*PosixDisk::open(folder));
    journal = std::move(*Journal::open(*disk, options));
    const auto report = journal->recover([this](FactKind, FactPlace, Bytes body) -> Result<void> {
      if (load<std::uint64_t>(body.data()) != facts++) return failure(ErrorCode::internal, "out of order");
      return {};
    });
    ASSERT_TRUE(report) << report.error().describe();
    thread = std::move(*JournalThread::start(*journal));
  }
  void await_batch() {
    pollfd event{thread->event_fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&event, 1, 20'000), 1);
    const auto durable = thread->collect();
    ASSERT_TRUE(durable) << durable.error().describe();
  }

  const TemporaryFolder folder;
  JournalOptions options;
  std::unique_ptr<PosixDisk> disk;
  std::unique_ptr<Journal> journal;
  std::unique_ptr<JournalThread> thread;
  std::uint64_t facts = 0;
};

TEST_P(JournalThreadTest, X3_batches_are_written_while_the_next_fills_and_nothing_is_lost) {
  constexpr std::uint64_t kFacts = 50'000;
  open();
  std::vector<std::uint8_t> body(100);
  FactPlace first;
  for (std::uint64_t i = 0; i < kFacts; ++i) {
    store(body.data(), i);
    const Bytes part = body;
    ASSERT_TRUE(journal->has_room(FactLog::Urgency::durable, body.size()));
    const auto place = journal->append(FactKind::message_accepted, {&part, 1}, FactLog::Life::live);
    if (i == 0) first = place;
    if (i % 100 != 99) continue;
    while (journal->staged_bytes() > 200'000) {
      ASSERT_NO_FATAL_FAILURE(await_batch());
      thread->submit(0);
    }
    ASSERT_TRUE(thread->collect());
    thread->submit(0);
    ASSERT_EQ(load<std::uint64_t>(journal->read(first)->data()), 0u);  // from disk, beside the writing
  }
  while (journal->durable_end() < journal->appended_end()) {
    if (thread->submit(0)) {
      ASSERT_NO_FATAL_FAILURE(await_batch());
    }
  }
  thread->stop();
  thread->stop();
  ASSERT_TRUE(journal->close());
  thread.reset();
  journal.reset();
  facts = 0;
  ASSERT_NO_FATAL_FAILURE(open());
  EXPECT_EQ(facts, kFacts);
}

TEST_P(JournalThreadTest, X3_a_batch_is_told_once) {
  open();
  std::vector<std::uint8_t> body(8);
  const Bytes part = body;
  journal->append(FactKind::message_accepted, {&part, 1}, FactLog::Life::live);
  ASSERT_TRUE(thread->submit(0));
  ASSERT_NO_FATAL_FAILURE(await_batch());
  EXPECT_EQ(journal->durable_end(), journal->appended_end());
  pollfd event{thread->event_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&event, 1, 0), 0) << "it would be told for ever";
}

TEST_P(JournalThreadTest, X3_a_thread_without_work_stops_at_once) {
  open();
  thread->stop();
  EXPECT_FALSE(thread->submit(0));
}

INSTANTIATE_TEST_SUITE_P(Policies, JournalThreadTest,
                         ::testing::Values(SyncPolicy::always, SyncPolicy::interval, SyncPolicy::never));

}  // namespace
}  // namespace folkmoot::test
