// Uploads and reads of all connections (server/content_transfers.hpp), with the jobs done by hand on a disk in memory.
#include "server/content_transfers.hpp"

#include <algorithm>

#include "unit/engine/engine_fixture.hpp"
#include "unit/journal/memory_disk.hpp"

namespace folkmoot::test {
namespace {

constexpr std::size_t kMib = 1 << 20;

class HandWorker final : public ContentWorker {
 public:
  explicit HandWorker(ContentStore& store) : store_(store) {}
  void submit(ContentJob job) override { jobs.push_back(std::move(job)); }
  std::deque<ContentDone> collect() override { return std::exchange(done_, {}); }
  void work(std::size_t most = ~std::size_t{0}) {
    for (; most-- > 0 && !jobs.empty(); jobs.pop_front()) done_.push_back(carry_out(store_, std::move(jobs.front())));
  }
  std::deque<ContentJob> jobs;

 private:
  ContentStore& store_;
  std::deque<ContentDone> done_;
};

struct Told {
  SessionId session = 0;
  RequestNumber request = 0;
  std::string body;
  ErrorCode code{};  // of a refusal
};

class ContentTransfersTest : public EngineTest, public ContentAnswers {
 protected:
  void done(SessionId session, RequestNumber number, Bytes body) override {
    told.push_back({session, number, std::string(as_text(body)), {}});
  }
  void refuse(SessionId session, RequestNumber number, const Error& error) override {
    told.push_back({session, number, {}, error.code});
  }
  void SetUp() override {
    EngineTest::SetUp();
    server.content = {.bytes_max = 10 * kMib,
                      .total_bytes_max = 100 * kMib,
                      .uploads_max = 4,
                      .connection_uploads_max = 3,
                      .idle_ms = 60'000,
                      .pace_bytes = 1'000};
    auto opened = ContentStore::open(disk, [](const ContentRef&) {});
    ASSERT_TRUE(opened);
    store = std::move(*opened);
    worker = std::make_unique<HandWorker>(*store);
    transfers = std::make_unique<ContentTransfers>(
        server, *engine, *this, *worker,
        ContentTransfers::Calls{.unsent = [this](SessionId id) { return unsent[id]; },
                                .on_known = [this](const ContentRef& ref) { known.push_back(ref); },
                                .go_on = [this](SessionId id) { went_on.push_back(id); },
                                .on_piece = [](ContentDone&) {}});
  }
  void work() {
    worker->work();
    transfers->on_done();
  }
  Result<void> open(SessionId session, std::uint32_t number, std::uint64_t size) {
    return transfers->open(session, RequestNumber{number}, size, std::nullopt);
  }
  Result<void> write(SessionId session, std::uint32_t upload, std::uint64_t offset, std::string_view bytes) {
    return transfers->write(session, ++request, RequestNumber{upload}, offset, as_bytes(bytes));
  }
  static ContentRef ref_of(std::string_view bytes) { return {Sha256::of(as_bytes(bytes)), bytes.size()}; }
  ContentRef stored(std::string_view bytes) {
    EXPECT_TRUE(open(kAlice, 1'000, bytes.size()));
    EXPECT_TRUE(write(kAlice, 1'000, 0, bytes));
    EXPECT_TRUE(transfers->finish(kAlice, ++request, RequestNumber{1'000}, ref_of(bytes).hash));
    work();
    EXPECT_EQ(last().code, ErrorCode{});
    return ref_of(bytes);
  }
  const Told& last() const { return told.back(); }
  void later(std::int64_t ms) {
    pass(ms);
    transfers->expire(now);
  }
  /// What uploads were told that are gone: session and number.
  std::vector<std::pair<SessionId, RequestNumber>> ended() {
    std::vector<std::pair<SessionId, RequestNumber>> all;
    for (const auto& answer : std::exchange(told, {})) {
      if (answer.code == ErrorCode::timed_out) all.emplace_back(answer.session, answer.request);
    }
    return all;
  }

  std::vector<Told> told;
  ServerOptions server;
  MemoryDisk disk;
  std::unique_ptr<ContentStore> store;
  std::unique_ptr<HandWorker> worker;
  std::unique_ptr<ContentTransfers> transfers;
  std::map<SessionId, std::size_t> unsent;
  std::vector<ContentRef> known;
  std::vector<SessionId> went_on;
};

using Ended = std::vector<std::pair<SessionId, RequestNumber>>;

TEST_F(ContentTransfersTest, X19_what_was_uploaded_in_parts_is_known_to_the_engine_and_can_be_read) {
  ASSERT_TRUE(open(kAlice, 1, 6));
  work();
  EXPECT_EQ(last().body, std::string(1, '\0')) << "send it";
  ASSERT_TRUE(write(kAlice, 1, 0, "abc"));
  ASSERT_TRUE(write(kAlice, 1, 3, "def"));
  ASSERT_TRUE(transfers->finish(kAlice, RequestNumber{7}, RequestNumber{1}, ref_of("abcdef").hash));
  work();
  EXPECT_EQ(last().request, RequestNumber{7});
  EXPECT_EQ(load<std::uint64_t>(last().body.data()), 6u);
  EXPECT_EQ(known, std::vector{ref_of("abcdef")});
  EXPECT_EQ(engine->contents().ask_for(ref_of("abcdef").hash), 6u);
  ASSERT_TRUE(transfers->read(kBob, RequestNumber{8}, ref_of("abcdef").hash, 2, 3));
  work();
  EXPECT_EQ(last().body, "cde");
  EXPECT_EQ(transfers->counters().uploads_open, 0u);
}

TEST_F(ContentTransfersTest, X19_one_that_is_stored_need_not_be_sent_and_has_to_have_that_size) {
  const auto ref = stored("abc");
  ASSERT_TRUE(transfers->open(kBob, RequestNumber{1}, 3, ref.hash));
  EXPECT_EQ(last().body, std::string(1, '\1'));
  EXPECT_EQ(transfers->open(kBob, RequestNumber{2}, 4, ref.hash).error().code, ErrorCode::invalid_field);
  EXPECT_TRUE(worker->jobs.empty());
}

TEST_F(ContentTransfersTest, X19_offsets_sizes_windows_and_numbers_are_checked) {
  EXPECT_EQ(open(kAlice, 1, 0).error().code, ErrorCode::content_too_large);
  EXPECT_EQ(open(kAlice, 1, 10 * kMib + 1).error().code, ErrorCode::content_too_large);
  ASSERT_TRUE(open(kAlice, 1, 3 * kMib));
  EXPECT_EQ(open(kAlice, 1, 5).error().code, ErrorCode::already_exists);
  EXPECT_EQ(write(kBob, 1, 0, "x").error().code, ErrorCode::not_found) << "it is another connection's";
  EXPECT_EQ(write(kAlice, 1, 1, "x").error().code, ErrorCode::out_of_range);
  EXPECT_EQ(write(kAlice, 1, 0, "").error().code, ErrorCode::out_of_range);
  const std::string part(kMib, 'x');
  ASSERT_TRUE(write(kAlice, 1, 0, part));
  ASSERT_TRUE(write(kAlice, 1, kMib, part));
  EXPECT_EQ(write(kAlice, 1, 2 * kMib, part).error().code, ErrorCode::busy) << "2 MiB are unanswered";
  work();
  ASSERT_TRUE(write(kAlice, 1, 2 * kMib, part));
  EXPECT_EQ(write(kAlice, 1, 3 * kMib, "x").error().code, ErrorCode::content_too_large);
  ASSERT_TRUE(transfers->finish(kAlice, RequestNumber{9}, RequestNumber{1}, ref_of("other").hash));
  EXPECT_EQ(transfers->finish(kAlice, RequestNumber{10}, RequestNumber{1}, ref_of("other").hash).error().code,
            ErrorCode::not_found);
  work();
  EXPECT_EQ(last().code, ErrorCode::invalid_field);
}

TEST_F(ContentTransfersTest, X19_uploads_are_bounded_by_connection_and_in_all) {
  for (std::uint32_t number = 1; number <= 3; ++number) ASSERT_TRUE(open(kAlice, number, 10));
  EXPECT_EQ(open(kAlice, 4, 10).error().code, ErrorCode::limit_reached);
  ASSERT_TRUE(open(kBob, 1, 10));
  EXPECT_EQ(open(kBob, 2, 10).error().code, ErrorCode::limit_reached);
  work();
  transfers->close_session(kAlice);
  EXPECT_TRUE(open(kBob, 2, 10));
  EXPECT_TRUE(transfers->cancel(kBob, RequestNumber{2}));
  EXPECT_FALSE(transfers->cancel(kBob, RequestNumber{2}));
  work();
  EXPECT_EQ(disk.list()->size(), 1u) << "what was dropped is gone";
}

TEST_F(ContentTransfersTest, X19_uploads_that_do_not_go_on_give_their_places_to_others) {
  for (std::uint32_t number = 1; number <= 3; ++number) ASSERT_TRUE(open(kAlice, number, 5'000));
  ASSERT_TRUE(open(kCarol, 1, 5'000));
  for (std::uint32_t number = 1; number <= 3; ++number) ASSERT_TRUE(write(kAlice, number, 0, "x"));
  work();
  EXPECT_EQ(open(kBob, 1, 10).error().code, ErrorCode::limit_reached) << "all have just begun";
  later(3'000);
  ASSERT_TRUE(write(kCarol, 1, 0, std::string(4'000, 'x')));
  ASSERT_TRUE(write(kAlice, 3, 1, "xx"));
  work();
  EXPECT_TRUE(open(kBob, 1, 10));
  EXPECT_TRUE(open(kBob, 2, 10));
  EXPECT_TRUE(open(kBob, 3, 10));
  EXPECT_EQ(ended(), (Ended{{kAlice, RequestNumber{1}}, {kAlice, RequestNumber{2}}, {kAlice, RequestNumber{3}}}))
      << "the slowest first";
  EXPECT_EQ(open(kCarol, 2, 10).error().code, ErrorCode::limit_reached) << "nobody else is slow";
  EXPECT_EQ(write(kAlice, 1, 1, "y").error().code, ErrorCode::not_found);
  ASSERT_TRUE(write(kCarol, 1, 4'000, std::string(1'000, 'x')));
}

TEST_F(ContentTransfersTest, X19_room_that_is_reserved_and_not_used_goes_to_others) {
  server.content.total_bytes_max = 10 * kMib;
  ASSERT_TRUE(open(kAlice, 1, 10 * kMib));
  work();
  EXPECT_EQ(open(kBob, 1, 10).error().code, ErrorCode::limit_reached);
  later(3'000);
  EXPECT_TRUE(open(kBob, 1, 10));
  EXPECT_EQ(ended(), (Ended{{kAlice, RequestNumber{1}}}));
}

TEST_F(ContentTransfersTest, X19_an_upload_that_the_disk_holds_up_is_not_slow) {
  for (std::uint32_t number = 1; number <= 3; ++number) ASSERT_TRUE(open(kAlice, number, 5'000));
  ASSERT_TRUE(open(kCarol, 1, 5'000));
  later(30'000);
  EXPECT_EQ(open(kBob, 1, 10).error().code, ErrorCode::limit_reached) << "nothing of them was begun by the disk";
  later(100'000);
  EXPECT_TRUE(ended().empty());
}

TEST_F(ContentTransfersTest, X19_an_upload_ends_when_nothing_comes_or_too_little) {
  ASSERT_TRUE(open(kAlice, 1, 1'000'000));
  ASSERT_TRUE(open(kBob, 1, 1'000'000));
  work();
  std::uint64_t at = 0;
  for (int second = 0; second < 62; ++second) {
    later(1'000);
    ASSERT_TRUE(second >= 60 || write(kBob, 1, at, "x"));
    if (second < 60) ++at;
    work();
  }
  EXPECT_EQ(ended(), (Ended{{kAlice, RequestNumber{1}}, {kBob, RequestNumber{1}}}))
      << "one had nothing for a minute, one a byte a second";
  EXPECT_EQ(transfers->counters().expired, 2u);
  EXPECT_LT(transfers->next_expiry(), 0);
}

TEST_F(ContentTransfersTest, X19_an_upload_that_keeps_its_pace_may_take_as_long_as_it_likes) {
  ASSERT_TRUE(open(kAlice, 1, 1'000'000));
  work();
  std::uint64_t at = 0;
  for (int second = 0; second < 300; ++second) {
    ASSERT_TRUE(write(kAlice, 1, at, std::string(1'000, 'x')));
    at += 1'000;
    work();
    later(1'000);
  }
  EXPECT_TRUE(ended().empty());
}

TEST_F(ContentTransfersTest, X19_what_is_not_written_yet_is_bounded_in_all) {
  server.content.uploads_max = 100;
  const std::string part(kMib, 'x');
  std::uint64_t number = 100;
  for (std::size_t written = 0; written < ContentTransfers::kInFlightBytesMax; written += kMib, ++number) {
    const SessionId session{number};
    EXPECT_FALSE(transfers->makes_wait(session));
    ASSERT_TRUE(open(session, 1, 5 * kMib) || disk.capacity);
    ASSERT_TRUE(write(session, 1, 0, part));
    server.content.total_bytes_max = 1'000 * kMib;
  }
  EXPECT_TRUE(transfers->makes_wait(SessionId{100}));
  EXPECT_TRUE(transfers->makes_wait(SessionId{101}));
  worker->work(4);
  transfers->on_done();
  EXPECT_TRUE(went_on.empty()) << "half has to be free";
  transfers->close_session(SessionId{103});
  work();
  EXPECT_EQ(went_on, (std::vector{SessionId{100}, SessionId{101}}));
  EXPECT_FALSE(transfers->makes_wait(SessionId{100}));
}

TEST_F(ContentTransfersTest, X19_what_is_removed_while_an_upload_of_it_ends_is_decided_by_that) {
  const auto ref = stored("abc");
  ASSERT_TRUE(open(kBob, 1, 3));
  ASSERT_TRUE(write(kBob, 1, 0, "abc"));
  ASSERT_TRUE(transfers->finish(kBob, RequestNumber{2}, RequestNumber{1}, ref.hash));
  transfers->remove(ref.hash);
  work();
  work();
  EXPECT_EQ(disk.list()->size(), 1u) << "it was found there, and is a new one";

  ASSERT_TRUE(open(kBob, 3, 4));
  ASSERT_TRUE(transfers->finish(kBob, RequestNumber{4}, RequestNumber{3}, ref.hash));
  transfers->remove(ref.hash);
  work();
  work();
  EXPECT_TRUE(disk.list()->empty()) << "that upload has failed: nobody needs it";
}

TEST_F(ContentTransfersTest, X19_a_failing_disk_fails_the_upload_and_nobody_elses) {
  ASSERT_TRUE(open(kAlice, 1, 3));
  ASSERT_TRUE(open(kBob, 1, 3));
  work();
  disk.failing_writes = 1;
  ASSERT_TRUE(write(kAlice, 1, 0, "abc"));
  ASSERT_TRUE(write(kBob, 1, 0, "abc"));
  work();
  EXPECT_EQ(write(kAlice, 1, 3, "x").error().code, ErrorCode::not_found);
  ASSERT_TRUE(transfers->finish(kBob, RequestNumber{2}, RequestNumber{1}, ref_of("abc").hash));
  work();
  EXPECT_EQ(last().code, ErrorCode{});
  EXPECT_EQ(transfers->counters().failed, 1u);
}

TEST_F(ContentTransfersTest, X19_whoever_does_not_take_what_it_is_sent_has_nothing_read) {
  const auto ref = stored("abcdef");
  unsent[kBob] = server.pending_bytes_high + 1;
  ASSERT_TRUE(transfers->read(kBob, RequestNumber{1}, ref.hash, 0, 1));
  ASSERT_TRUE(transfers->read(kCarol, RequestNumber{1}, ref.hash, 1, 1));
  work();
  EXPECT_EQ(last().body, "b");
  unsent[kBob] = 0;
  transfers->on_drained(kBob);
  work();
  EXPECT_EQ(last().body, "a");
}

TEST_F(ContentTransfersTest, X19_whoever_has_no_more_waiting_than_it_may_has_what_it_reads) {
  const auto ref = stored("abcdef");
  unsent[kBob] = server.pending_bytes_high;
  ASSERT_TRUE(transfers->read(kBob, RequestNumber{1}, ref.hash, 2, 1));
  work();
  EXPECT_EQ(last().session, kBob);
  EXPECT_EQ(last().body, "c");
}

TEST_F(ContentTransfersTest, X19_nothing_is_behind_the_last_byte_and_further_on_is_refused) {
  const auto ref = stored("abcdef");
  ASSERT_TRUE(transfers->read(kBob, RequestNumber{1}, ref.hash, 6, 10));
  work();
  EXPECT_EQ(last().body, "");
  const auto refused = transfers->read(kBob, RequestNumber{2}, ref.hash, 7, 10);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().text, "10 bytes from 7 on of 6; 1 to 1048576 from 0 to 6 are possible");
}

// -- which reads run (server/content_reads.hpp)

class ContentReadsTest : public ::testing::Test {
 protected:
  ContentJob job(SessionId session) {
    return {.kind = ContentJob::Kind::read, .session = session, .request = ++number};
  }
  std::vector<SessionId> sessions() {
    std::vector<SessionId> all;
    for (const auto& each : std::exchange(started, {})) all.push_back(each.session);
    return all;
  }

  std::set<SessionId> full;
  std::vector<ContentJob> started;
  RequestNumber number = 0;
  ContentReads reads{[this](SessionId id) { return !full.contains(id); },
                     [this](ContentJob each) { started.push_back(std::move(each)); }};
};

TEST_F(ContentReadsTest, X19_so_many_run_of_a_connection_and_so_many_of_all) {
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(reads.add(job(SessionId{1})));
  EXPECT_EQ(sessions(), std::vector<SessionId>(4, SessionId{1}));
  for (std::uint64_t id = 2; id <= 40; ++id) {
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(reads.add(job(SessionId{id})));
  }
  EXPECT_EQ(sessions().size(), ContentReads::kRunningMax - 4);
  EXPECT_TRUE(reads.has_waiting());
}

TEST_F(ContentReadsTest, X19_connections_take_turns) {
  for (std::uint64_t id = 1; id <= 16; ++id) {
    for (int i = 0; i < 8; ++i) reads.add(job(SessionId{id}));
  }
  sessions();
  std::map<SessionId, int> done;
  for (std::uint64_t id = 1; id <= 16; ++id) {
    reads.done(SessionId{id});
    for (const auto each : sessions()) ++done[each];
  }
  EXPECT_EQ(done.size(), 16u);
}

TEST_F(ContentReadsTest, X19_all_are_read_in_the_end_and_in_their_order) {
  std::map<SessionId, std::vector<RequestNumber>> asked, read;
  for (int i = 0; i < 100; ++i) {
    for (std::uint64_t each = 1; each <= 30; ++each) {
      const SessionId id{each};
      reads.add(job(id));
      asked[id].push_back(number);
      if (i == 50) full.insert(id);
    }
  }
  for (int round = 0; round < 10'000 && read != asked; ++round) {
    for (const auto& each : std::exchange(started, {})) {
      read[each.session].push_back(each.request);
      reads.done(each.session);
    }
    const SessionId id{1 + round % 30};
    if (full.erase(id) == 0) full.insert(id);
    reads.drained(id);
  }
  EXPECT_EQ(read, asked);
  EXPECT_FALSE(reads.has_waiting());
}

TEST_F(ContentReadsTest, X19_waiting_reads_are_bounded_and_nobody_shuts_the_others_out) {
  for (std::uint64_t each = 1; reads.has_waiting() == false || each <= 20; ++each) {
    const SessionId id{each};
    full.insert(id);
    for (std::size_t i = 0; i < ContentReads::kWaitingOfSessionMax && reads.add(job(id)); ++i) {
    }
  }
  full.insert(SessionId{1'000});
  EXPECT_TRUE(reads.add(job(SessionId{1'000})));
  EXPECT_FALSE(reads.add(job(SessionId{1'000})));
  EXPECT_FALSE(reads.add(job(SessionId{1})));
  reads.close(SessionId{1});
  EXPECT_TRUE(reads.add(job(SessionId{1'000})));
}

TEST_F(ContentReadsTest, X19_what_has_not_begun_ends_with_its_connection) {
  for (int i = 0; i < 6; ++i) reads.add(job(SessionId{1}));
  sessions();
  reads.close(SessionId{1});
  EXPECT_FALSE(reads.has_waiting());
  for (int i = 0; i < 4; ++i) reads.done(SessionId{1});
  EXPECT_TRUE(started.empty());
  reads.add(job(SessionId{2}));
  EXPECT_EQ(sessions(), std::vector{SessionId{2}});
}

}  // namespace
}  // namespace folkmoot::test
