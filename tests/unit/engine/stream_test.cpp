// Streams, with files and without: what is kept, read, given up, and still there after a crash.
#include <algorithm>

#include "engine_fixture.hpp"
#include "memory_stream_store.hpp"

namespace folkmoot::test {
namespace {

using Sequences = std::vector<std::uint64_t>;

class StreamTest : public EngineTest, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    with_files = GetParam();
    begin();
  }
  void begin(bool clean = false) {
    engine = std::make_unique<Engine>(options, log, *this, with_files ? &store : nullptr);
    for (const auto& [lsn, record] : std::map(log.records)) {
      const auto done =
          engine->recover(record.kind, {lsn, static_cast<std::uint32_t>(record.body.size())}, as_bytes(record.body));
      ASSERT_TRUE(done) << done.error().text;
    }
    engine->start(Instant{now}, 7, clean);
    for (const auto& [id, name] : {std::pair{kAlice, "alice"}, {kBob, "bob"}, {kCarol, "carol"}})
      engine->open_session(id, name);
    sync();
  }
  void crash_here(Lsn cut = kLsnMax) {
    engine.reset();
    store.crash();
    log.records.erase(log.records.lower_bound(cut), log.records.end());
    for (auto& [lsn, record] : log.records) record.live = false;
    begin();
  }
  void settle() {
    for (int i = 0; i < 50; ++i) {
      sync();
      store.step(*engine);
    }
  }
  void set(const StreamSettings& settings, std::string_view name = "s") {
    engine->streams().set({kAlice, ++request}, name, settings);
    sync();
  }
  static StreamSettings over(std::string pattern) { return {.pattern = std::move(pattern)}; }
  void publish(std::string topic, std::string content) {
    auto message = event(std::move(topic), std::move(content));
    message.mode = DeliveryMode::at_least_once;
    send(message);
  }
  void publish_some(int from, int to) {
    for (int i = from; i < to; ++i) publish("a.b", std::to_string(i));
    sync();
  }
  void read(ReadStreamCommand command) {
    command.name = "s";
    page.reset();
    engine->streams().read({kBob, ++request}, command, [this](Result<ReadPage> read) { page = std::move(read); });
    for (int i = 0; i < 50 && !page; ++i) store.step(*engine);
  }
  Sequences sequences() const {
    Sequences all;
    EXPECT_TRUE(page && *page) << (page ? page->error().text : "no answer");
    if (page && *page)
      for (const auto& each : (*page)->events) all.push_back(each.sequence.value);
    return all;
  }
  std::vector<std::string> texts() const {
    std::vector<std::string> all;
    EXPECT_TRUE(page && *page) << (page ? page->error().text : "no answer");
    if (page && *page)
      for (const auto& each : (*page)->events) all.push_back(decode_message(as_bytes(each.message))->content);
    return all;
  }
  Sequences all() {
    read({.events_max = 1'000});
    return sequences();
  }
  void take(std::string_view consumer, std::size_t most, std::int64_t wait_ms = 0) {
    page.reset();
    engine->streams().consumers().read({kBob, ++request},
                                       {.stream = "s", .name = consumer, .events_max = most, .wait = Duration{wait_ms}},
                                       [this](Result<ReadPage> read) { page = std::move(read); });
    for (int i = 0; i < 50 && !page; ++i) store.step(*engine);
  }
  void ack(std::string_view consumer, Sequences done, std::uint64_t below = 0) {
    engine->streams().consumers().ack({kBob, ++request},
                                      {.stream = "s", .name = consumer, .sequences = done, .below = Sequence{below}});
    sync();
  }
  static Sequences range(std::uint64_t from, std::uint64_t to) {
    Sequences all;
    for (auto i = from; i < to; ++i) all.push_back(i);
    return all;
  }
  StreamView view() {
    std::optional<StreamView> found;
    engine->streams().each([&](const StreamView& each) {
      if (each.name == "s") found.emplace(each);
    });
    EXPECT_TRUE(found);
    return *found;
  }

  bool with_files = false;
  MemoryStreamStore store;
  std::optional<Result<ReadPage>> page;
};

INSTANTIATE_TEST_SUITE_P(Files, StreamTest, ::testing::Bool(),
                         [](const auto& each) { return each.param ? "with_files" : "log_alone"; });

TEST_P(StreamTest, U14_an_event_is_confirmed_when_the_stream_has_it_on_disk) {
  set(over("a.>"));
  publish("a.b", "x");
  const auto before = answers.size();
  EXPECT_EQ(all(), Sequences{});
  sync();
  ASSERT_EQ(answers.size(), before + 1);
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::kept);
  EXPECT_EQ(last().confirm.count, 1u);
  EXPECT_EQ(all(), Sequences{1});
}

TEST_P(StreamTest, U14_what_no_stream_takes_is_refused) {
  set(over("a.>"));
  publish("b", "x");
  EXPECT_EQ(last().code, ErrorCode::not_kept);
}

TEST_P(StreamTest, U14_events_are_read_from_files_and_log_as_if_they_were_one) {
  set(over("a.>"));
  publish_some(0, 10);
  settle();
  publish_some(10, 15);
  EXPECT_EQ(all(), range(1, 16));
  read({.from = Sequence{9}, .events_max = 3});
  EXPECT_EQ(texts(), (std::vector<std::string>{"8", "9", "10"}));
  EXPECT_EQ((*page)->next, Sequence{12});
  read({.backwards = true, .events_max = 7});
  EXPECT_EQ(sequences(), (Sequences{15, 14, 13, 12, 11, 10, 9}));
  EXPECT_EQ((*page)->next, Sequence{8});
  read({.from = Sequence{3}, .backwards = true});
  EXPECT_EQ(sequences(), (Sequences{3, 2, 1}));
  EXPECT_EQ((*page)->next, Sequence{0});
  read({.newest = 6});
  EXPECT_EQ(sequences(), range(10, 16));
  EXPECT_EQ((*page)->next, Sequence{16});
}

TEST_P(StreamTest, U14_reading_begins_at_a_time) {
  set(over("a.>"));
  publish_some(0, 3);
  pass(1'000);
  const auto at = now;
  publish_some(3, 6);
  settle();
  pass(1'000);
  publish_some(6, 8);
  read({.since = Instant{at}});
  EXPECT_EQ(sequences(), range(4, 9));
  read({.since = Instant{at + 500}});
  EXPECT_EQ(sequences(), range(7, 9));
  read({.since = Instant{at}, .backwards = true});
  EXPECT_EQ(sequences(), (Sequences{8, 7, 6, 5, 4}));
}

TEST_P(StreamTest, U14_filters_of_stream_and_reader_hold) {
  set({.pattern = "a.>", .filter = "priority <= 5"});
  for (int i = 1; i <= 10; ++i) {
    auto message = event("a.b", std::to_string(i));
    message.priority = static_cast<Priority>(i);
    send(message);
  }
  settle();
  read({});
  EXPECT_EQ(texts(), (std::vector<std::string>{"1", "2", "3", "4", "5"}));
  read({.filter = "priority >= 4"});
  EXPECT_EQ(sequences(), (Sequences{4, 5}));
  read({.newest = 1, .filter = "priority <= 2"});
  EXPECT_EQ(sequences(), Sequences{2});
}

TEST_P(StreamTest, U14_a_reader_waits_for_the_next_event) {
  set(over("a.>"));
  publish_some(0, 2);
  settle();
  engine->streams().read({kBob, ++request}, {.name = "s", .from = Sequence{3}, .wait = Duration{1'000}},
                         [this](Result<ReadPage> read) { page = std::move(read); });
  EXPECT_FALSE(page);
  publish_some(2, 3);
  EXPECT_EQ(sequences(), Sequences{3});
  page.reset();
  engine->streams().read({kBob, ++request}, {.name = "s", .from = Sequence{4}, .wait = Duration{1'000}},
                         [this](Result<ReadPage> read) { page = std::move(read); });
  pass(999);
  EXPECT_FALSE(page);
  pass(1);
  EXPECT_EQ(sequences(), Sequences{});
  EXPECT_EQ((*page)->next, Sequence{4});
}

TEST_P(StreamTest, U14_a_crash_loses_no_confirmed_event_and_doubles_none) {
  set(over("a.>"));
  publish_some(0, 7);
  settle();
  publish_some(7, 12);
  const auto cut = log.end;
  for (int i = 12; i < 15; ++i) publish("a.b", std::to_string(i));
  crash_here(cut);
  EXPECT_EQ(all(), range(1, 13));
  publish_some(12, 14);
  EXPECT_EQ(all(), range(1, 15));
  settle();
  crash_here();
  EXPECT_EQ(all(), range(1, 15));
}

TEST_P(StreamTest, U14_the_newest_so_many_stay_exactly) {
  set({.pattern = "a.>", .max_events = 5});
  publish_some(0, 4);
  EXPECT_EQ(all(), range(1, 5));
  publish_some(4, 12);
  EXPECT_EQ(all(), range(8, 13));
  settle();
  EXPECT_EQ(all(), range(8, 13));
  crash_here();
  EXPECT_EQ(all(), range(8, 13));
  set({.pattern = "a.>", .max_events = 2});
  EXPECT_EQ(all(), range(11, 13));
  set({.pattern = "a.>", .max_events = 100});
  EXPECT_EQ(all(), range(11, 13));
  crash_here();
  EXPECT_EQ(all(), range(11, 13));
  publish_some(12, 13);
  EXPECT_EQ(all(), range(11, 14));
}

TEST_P(StreamTest, U14_events_that_are_too_old_are_not_given_out) {
  set({.pattern = "a.>", .max_age = Duration{10'000}});
  publish_some(0, 5);
  settle();
  pass(6'000);
  publish_some(5, 8);
  settle();
  pass(5'000);
  EXPECT_EQ(all(), range(6, 9));
  settle();
  crash_here();
  EXPECT_EQ(all(), range(6, 9));
  pass(20'000);
  settle();
  EXPECT_EQ(all(), Sequences{});
  crash_here();
  publish_some(8, 9);
  EXPECT_EQ(all(), Sequences{9}) << "a number is not given twice";
}

TEST_P(StreamTest, U14_bytes_are_bounded_about) {
  set({.pattern = "a.>", .max_bytes = kStreamBytesLeast});
  for (int i = 0; i < 40; ++i) publish("a.b", std::string(10'000, 'x'));
  settle();
  const auto there = all();
  EXPECT_EQ(there.back(), 40u);
  EXPECT_LE(there.size(), 10u);
  EXPECT_GE(there.size(), 3u);
  crash_here();
  EXPECT_EQ(all(), there);
}

TEST_P(StreamTest, U14_purge_gives_up_what_is_below) {
  set(over("a.>"));
  publish_some(0, 10);
  settle();
  engine->streams().purge({kAlice, ++request}, "s", Sequence{6}, 0);
  sync();
  EXPECT_EQ(replied<Purged>().purged, 5u);
  EXPECT_EQ(all(), range(6, 11));
  crash_here();
  EXPECT_EQ(all(), range(6, 11));
  engine->streams().purge({kAlice, ++request}, "s", kLastSequence, 2);
  sync();
  EXPECT_EQ(all(), range(9, 11));
  engine->streams().purge({kAlice, ++request}, "s", kLastSequence, 0);
  settle();
  EXPECT_EQ(all(), Sequences{});
  crash_here();
  publish_some(0, 1);
  settle();
  EXPECT_EQ(all(), Sequences{11});
}

TEST_P(StreamTest, U14_compaction_copies_what_is_not_in_files) {
  set({.pattern = "a.>", .max_events = 6});
  engine->streams().consumers().set({kAlice, ++request}, {.stream = "s", .name = "c"});
  sync();
  publish_some(0, 8);
  take("c", 3);
  ack("c", {4});
  copy_forward(log.end);
  sync();
  copy_forward(log.end);
  EXPECT_EQ(all(), range(3, 9));
  crash_here();
  EXPECT_EQ(all(), range(3, 9));
  settle();
  copy_forward(log.end);
  crash_here();
  EXPECT_EQ(all(), range(3, 9));
  take("c", 10);
  EXPECT_EQ(sequences(), (Sequences{3, 5, 6, 7, 8}));
}

TEST_P(StreamTest, U14_of_each_key_the_newest_event_stays) {
  set({.pattern = "a.>", .keep_last_by = "content.id", .max_keys = 3});
  const auto say = [&](std::string id, int value) {
    publish("a.b", "{\"id\":\"" + id + "\",\"v\":" + std::to_string(value) + "}");
  };
  say("x", 1), say("y", 2), say("x", 3), say("z", 4);
  sync();
  EXPECT_EQ(all(), (Sequences{2, 3, 4}));
  say("w", 5);
  EXPECT_EQ(last().code, ErrorCode::limit_reached);
  say("y", 6);
  EXPECT_EQ(all(), (Sequences{2, 3, 4})) << "the old one until the new one is on disk";
  sync();
  EXPECT_EQ(all(), (Sequences{3, 4, 5}));
  read({.backwards = true, .events_max = 2});
  EXPECT_EQ(sequences(), (Sequences{5, 4}));
  crash_here();
  EXPECT_EQ(all(), (Sequences{3, 4, 5}));
  copy_forward(log.end);
  crash_here();
  EXPECT_EQ(all(), (Sequences{3, 4, 5}));
  engine->streams().purge({kAlice, ++request}, "s", Sequence{5}, 0);
  sync();
  EXPECT_EQ(replied<Purged>().purged, 2u);
  crash_here();
  EXPECT_EQ(all(), Sequences{5});
}

TEST_P(StreamTest, U14_a_paused_stream_takes_nothing) {
  set(over("a.>"));
  engine->streams().pause({kAlice, ++request}, "s", true);
  sync();
  publish("a.b", "x");
  EXPECT_EQ(last().code, ErrorCode::not_kept);
  crash_here();
  EXPECT_TRUE(view().paused);
  engine->streams().pause({kAlice, ++request}, "s", false);
  publish_some(0, 1);
  EXPECT_EQ(all(), Sequences{1});
}

TEST_P(StreamTest, U14_a_stream_that_is_not_there_is_neither_paused_nor_purged_and_without_room_none_is) {
  engine->streams().pause({kAlice, ++request}, "none", true);
  EXPECT_EQ(last().code, ErrorCode::not_found);
  engine->streams().purge({kAlice, ++request}, "none", kLastSequence, 0);
  EXPECT_EQ(last().code, ErrorCode::not_found);
  set(over("a.>"));
  publish_some(0, 3);
  log.room_durable = log.room_settling = false;
  engine->streams().pause({kAlice, ++request}, "s", true);
  EXPECT_EQ(last().code, ErrorCode::disk_full);
  EXPECT_FALSE(view().paused);
  engine->streams().purge({kAlice, ++request}, "s", kLastSequence, 0);
  EXPECT_EQ(last().code, ErrorCode::disk_full);
  log.room_durable = log.room_settling = true;
  EXPECT_EQ(all(), (Sequences{1, 2, 3}));
}

TEST_P(StreamTest, U14_as_many_consumers_as_may_be_and_no_more) {
  options.stream_consumers_max = 2;
  crash_here();
  set(over("a.>"));
  const auto consumer = [this](std::string_view name, std::int64_t ack_wait_ms = 30'000) {
    engine->streams().consumers().set({kAlice, ++request},
                                      {.stream = "s", .name = name, .ack_wait = Duration{ack_wait_ms}});
    sync();
    return last().kind == Answer::Kind::refused ? last().code : ErrorCode{};
  };
  EXPECT_EQ(consumer("too_quick", 1), ErrorCode::out_of_range);
  EXPECT_EQ(consumer("one"), ErrorCode{});
  EXPECT_EQ(consumer("two"), ErrorCode{});
  EXPECT_EQ(consumer("three"), ErrorCode::limit_reached);
  EXPECT_EQ(consumer("two"), ErrorCode{}) << "it is there already";
}

TEST_P(StreamTest, U14_a_stream_that_was_removed_is_gone_with_its_files) {
  set(over("a.>"));
  publish_some(0, 5);
  settle();
  publish_some(5, 7);
  engine->streams().read({kBob, ++request}, {.name = "s", .from = Sequence{8}, .wait = Duration{1'000}},
                         [this](Result<ReadPage> read) { page = std::move(read); });
  engine->streams().remove({kAlice, ++request}, "s");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->error().code, ErrorCode::not_found);
  settle();
  EXPECT_TRUE(store.streams.empty());
  crash_here();
  set(over("a.>"));
  EXPECT_EQ(all(), Sequences{});
}

TEST_P(StreamTest, U14_a_consumer_goes_on_where_it_was) {
  set(over("a.>"));
  publish_some(0, 10);
  settle();
  engine->streams().consumers().set({kAlice, ++request}, {.stream = "s", .name = "c", .ack_wait = Duration{1'000}});
  sync();
  take("c", 4);
  EXPECT_EQ(sequences(), range(1, 5));
  EXPECT_EQ((*page)->events.front().delivery, 1u);
  ack("c", {2, 4});
  take("c", 4);
  EXPECT_EQ(sequences(), range(5, 9));
  pass(1'000);
  take("c", 10);
  EXPECT_EQ(sequences(), (Sequences{1, 3, 5, 6, 7, 8}));
  EXPECT_EQ((*page)->events.front().delivery, 2u);
  ack("c", {}, 7);
  crash_here();
  take("c", 10);
  EXPECT_EQ(sequences(), range(7, 11)) << "what was not acknowledged comes again";
  ack("c", range(7, 11));
  take("c", 10);
  EXPECT_EQ(sequences(), Sequences{});
}

TEST_P(StreamTest, U14_readers_of_a_consumer_take_turns) {
  set(over("a.>"));
  engine->streams().consumers().set({kAlice, ++request}, {.stream = "s", .name = "c"});
  sync();
  std::vector<Sequences> got(2);
  for (std::size_t i = 0; i < 2; ++i) {
    engine->streams().consumers().read({i == 0 ? kBob : kCarol, ++request},
                                       {.stream = "s", .name = "c", .events_max = 1, .wait = Duration{5'000}},
                                       [&got, i](Result<ReadPage> read) {
                                         for (const auto& each : read->events) got[i].push_back(each.sequence.value);
                                       });
  }
  publish_some(0, 3);
  EXPECT_EQ(got[0], Sequences{1});
  EXPECT_EQ(got[1], Sequences{2});
}

TEST_P(StreamTest, U14_an_event_that_fails_too_often_is_passed_over_and_told) {
  set(over("a.>"));
  engine->subscribe(kCarol, ++request, "bus.streams.skipped", 0, false);
  engine->streams().consumers().set({kAlice, ++request},
                                    {.stream = "s", .name = "c", .ack_wait = Duration{100}, .attempts = 2});
  sync();
  publish_some(0, 2);
  take("c", 1);
  EXPECT_EQ(sequences(), Sequences{1});
  pass(100);
  take("c", 1);
  EXPECT_EQ(sequences(), Sequences{1});
  pass(100);
  delivered.clear();
  take("c", 1);
  EXPECT_EQ(sequences(), Sequences{2});
  ASSERT_EQ(delivered.size(), 1u);
  EXPECT_EQ(delivered[0].message.topic, "bus.streams.skipped");
  EXPECT_NE(delivered[0].message.content.find("\"sequence\":1"), std::string::npos);
}

TEST_P(StreamTest, U14_a_consumer_filters_and_waits) {
  set(over("a.>"));
  engine->streams().consumers().set({kAlice, ++request}, {.stream = "s", .name = "c", .filter = "topic = 'a.c'"});
  sync();
  take("c", 5, 1'000);
  EXPECT_FALSE(page);
  publish_some(0, 3);
  EXPECT_FALSE(page);
  publish("a.c", "here");
  sync();
  EXPECT_EQ(sequences(), Sequences{4});
  ack("c", {4});
  std::optional<StreamConsumerView> is;
  EXPECT_TRUE(engine->streams().each_consumer("s", [&](const StreamConsumerView& each) { is.emplace(each); }));
  EXPECT_EQ(is->floor, Sequence{5}) << "what its filter does not want is done";
}

TEST_P(StreamTest, X20_replay_publishes_again_at_once_and_at_the_pace_of_the_events) {
  set(over("a.>"));
  for (int i = 0; i < 4; ++i) {
    publish_some(i, i + 1);
    pass(1'000);
  }
  settle();
  engine->subscribe(kCarol, ++request, "again", 0, false);
  std::optional<Result<PlayEnd>> end;
  const auto play = [&](double speed) {
    end.reset();
    delivered.clear();
    engine->streams().plays().play({kAlice, ++request}, {.name = "s", .topic = "again", .speed = speed},
                                   [&](Result<PlayEnd> done) { end = std::move(done); });
    for (int i = 0; i < 5; ++i) pass(1), settle();
  };
  play(0);
  for (int i = 0; i < 5 && !end; ++i) pass(1), settle();
  ASSERT_TRUE(end && *end);
  EXPECT_EQ((*end)->played, 4u);
  ASSERT_EQ(delivered.size(), 4u);
  EXPECT_EQ(delivered[2].message.content, "2");
  EXPECT_EQ(delivered[2].message.from, "alice");
  play(2);
  EXPECT_EQ(delivered.size(), 1u);
  pass(500);
  EXPECT_EQ(delivered.size(), 2u);
  engine->streams().plays().play({kAlice, ++request}, {.name = "s", .topic = "again"},
                                 [&](Result<PlayEnd> done) { EXPECT_EQ(done.error().code, ErrorCode::in_use); });
  engine->streams().plays().stop({kBob, ++request}, "s");
  ASSERT_TRUE(end);
  EXPECT_EQ(end->error().code, ErrorCode::cancelled);
}

TEST_P(StreamTest, X20_a_stream_is_copied_into_another) {
  set(over("a.>"), "from");
  set(over("none"));
  publish_some(0, 5);
  settle();
  std::optional<Result<PlayEnd>> end;
  engine->streams().plays().play({kAlice, ++request}, {.name = "from", .stream = "s", .from = Sequence{2}},
                                 [&](Result<PlayEnd> done) { end = std::move(done); });
  for (int i = 0; i < 5 && !end; ++i) pass(1), settle();
  ASSERT_TRUE(end && *end);
  read({});
  EXPECT_EQ(texts(), (std::vector<std::string>{"1", "2", "3", "4"}));
}

TEST_P(StreamTest, U14_files_that_are_lost_are_told_of) {
  if (!with_files) return;
  set(over("a.>"));
  publish_some(0, 6);
  settle();
  pass(2'000);
  publish_some(6, 8);
  settle();
  engine.reset();
  store.streams.clear();
  for (auto& [lsn, record] : log.records) record.live = false;
  // As after compaction: what the files had is not in the log any more.
  std::erase_if(log.records, [](const auto& each) { return each.second.kind == FactKind::stream_event; });
  begin();
  read({});
  ASSERT_TRUE(page);
  ASSERT_FALSE(*page);
  EXPECT_EQ(page->error().code, ErrorCode::damaged);
  publish_some(8, 9);
  read({.from = Sequence{9}});
  EXPECT_EQ(sequences(), Sequences{9});
  engine->streams().purge({kAlice, ++request}, "s", Sequence{9}, 0);
  settle();
  EXPECT_EQ(all(), Sequences{9});
}

TEST_P(StreamTest, U14_files_of_a_stream_that_the_log_never_heard_of_are_left) {
  if (!with_files) return;
  set(over("a.>"));
  publish_some(0, 3);
  settle();
  store.streams[StreamNumber{7}].end = Sequence{5};
  engine->streams().remove({kAlice, ++request}, "s");
  settle();
  const auto files = store.streams[StreamNumber{1}];
  engine.reset();
  store.streams[StreamNumber{1}] = files;  // a crash came before they were removed
  begin();
  settle();
  EXPECT_EQ(engine->streams().strangers(), std::vector{StreamNumber{7}});
  EXPECT_FALSE(store.streams.contains(StreamNumber{1}));
  EXPECT_TRUE(store.streams.contains(StreamNumber{7}));
  set(over("a.>"));
  publish_some(0, 2);
  settle();
  EXPECT_TRUE(store.streams.contains(StreamNumber{8}));
}

TEST_P(StreamTest, U14_a_stream_without_events_has_none_to_give_up) {
  set(over("a.>"));
  EXPECT_EQ(view().events, 0u);
  const auto purged = [this](Sequence below) {
    engine->streams().purge({kAlice, ++request}, "s", below, 0);
    sync();
    return replied<Purged>().purged;
  };
  EXPECT_EQ(purged(kLastSequence), 0u);
  publish_some(0, 3);
  EXPECT_EQ(view().events, 3u);
  EXPECT_EQ(purged(Sequence{1}), 0u);
  EXPECT_EQ(purged(kLastSequence), 3u);
  EXPECT_EQ(view().events, 0u);
}

TEST_P(StreamTest, X15_what_a_kept_event_cost_is_summed) {
  set(over("a.>"));
  auto costly = event("a.b");
  costly.mode = DeliveryMode::at_least_once;
  costly.conversation = "c";
  costly.metadata = {{"cost_tokens", 10}};
  send(costly);
  sync();
  ASSERT_TRUE(engine->causes().conversation("c"));
  EXPECT_EQ(engine->causes().conversation("c")->tokens, 10);
}

TEST_P(StreamTest, U14_a_key_whose_event_is_too_old_makes_room_for_another) {
  set({.pattern = "a.>", .max_age = Duration{10'000}, .keep_last_by = "content.id", .max_keys = 1});
  publish("a.b", R"({"id":"x"})");
  sync();
  publish("a.b", R"({"id":"y"})");
  EXPECT_EQ(last().code, ErrorCode::limit_reached);
  for (int i = 0; i < 15; ++i) pass(1'000), sync();
  EXPECT_EQ(view().events, 0u);
  publish("a.b", R"({"id":"y"})");
  sync();
  EXPECT_EQ(all(), Sequences{2});
}

TEST_P(StreamTest, U14_files_of_what_is_given_up_go) {
  if (!with_files) return;
  set({.pattern = "a.>", .max_events = 5});
  for (int i = 0; i < 40; i += 4) {
    publish_some(i, i + 4);
    settle();
  }
  publish_some(40, 41);
  settle();
  EXPECT_LE(store.streams.at(StreamNumber{1}).stored.size(), 5 + 2 * store.file_events);
  EXPECT_EQ(all(), range(37, 42));
}

TEST_P(StreamTest, U14_who_waits_behind_others_waits_for_as_long_as_it_asked) {
  set(over("a.>"));
  engine->streams().consumers().set({kAlice, ++request}, {.stream = "s", .name = "c"});
  sync();
  std::vector<SessionId> ended;
  for (const auto& [session, wait_ms] : {std::pair{kAlice, 5'000}, {kBob, 1'000}, {kCarol, 5'000}}) {
    engine->streams().consumers().read({session, ++request},
                                       {.stream = "s", .name = "c", .events_max = 1, .wait = Duration{wait_ms}},
                                       [&ended, session = session](Result<ReadPage>) { ended.push_back(session); });
  }
  pass(1'000);
  EXPECT_EQ(ended, std::vector{kBob});
  pass(4'000);
  EXPECT_EQ(ended.size(), 3u);
}

TEST_P(StreamTest, X20_what_the_other_stream_does_not_take_is_counted_and_the_rest_is_copied) {
  set(over("a.>"), "from");
  set({.pattern = "none", .filter = "priority <= 3"});
  for (const int priority : {5, 1, 6, 2, 7, 3}) {
    auto message = event("a.b", std::to_string(priority));
    message.priority = static_cast<Priority>(priority);
    message.mode = DeliveryMode::at_least_once;
    send(message);
  }
  settle();
  std::optional<Result<PlayEnd>> end;
  engine->streams().plays().play({kAlice, ++request}, {.name = "from", .stream = "s"},
                                 [&](Result<PlayEnd> done) { end = std::move(done); });
  for (int i = 0; i < 5 && !end; ++i) pass(1), settle();
  ASSERT_TRUE(end && *end);
  EXPECT_EQ((*end)->played, 3u);
  EXPECT_EQ((*end)->refused, 3u);
  read({});
  EXPECT_EQ(texts(), (std::vector<std::string>{"1", "2", "3"}));
}

TEST_P(StreamTest, U14_events_that_were_in_files_are_told_of_where_there_are_no_files) {
  if (!with_files) return;
  set(over("a.>"));
  publish_some(0, 6);
  settle();
  pass(2'000);
  publish_some(6, 8);
  settle();
  engine.reset();
  for (auto& [lsn, record] : log.records) record.live = false;
  std::erase_if(log.records, [](const auto& each) { return each.second.kind == FactKind::stream_event; });
  with_files = false;
  begin();
  read({});
  ASSERT_TRUE(page);
  ASSERT_FALSE(*page);
  EXPECT_EQ(page->error().code, ErrorCode::damaged);
}

}  // namespace
}  // namespace folkmoot::test
