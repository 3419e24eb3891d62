#include <map>

#include "engine_fixture.hpp"

namespace folkmoot::test {
namespace {

using What = SpanView::What;

constexpr const char* kSampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
constexpr std::uint64_t kCaller = 0x00f067aa0ba902b7;

class TracingTest : public EngineTest {
 protected:
  struct Told {
    SpanView span;
    std::string destination, agent, error;
  };

  void SetUp() override {
    EngineTest::SetUp();
    engine->tracing().turn(true);
  }
  void traced(const SpanView& span) override {
    told.push_back({span, std::string(span.destination), std::string(span.agent), std::string(span.error)});
  }
  static Message traced_mail(const char* trace = kSampled) {
    auto message = mail("x");
    message.metadata["traceparent"] = trace;
    return message;
  }
  const Told& only(What what) const {
    const auto is_it = [&](const Told& each) { return each.span.what == what; };
    EXPECT_EQ(std::ranges::count_if(told, is_it), 1);
    return *std::ranges::find_if(told, is_it);
  }

  std::vector<Told> told;
};

TEST_F(TracingTest, A20_a_message_is_published_received_and_processed) {
  send(traced_mail());
  pass(5);
  EXPECT_TRUE(told.empty());
  sync();
  pass(20);
  consume(kBob, 1);
  pass(300);
  ack(delivered.back().lease);
  ASSERT_EQ(told.size(), 3u);
  const auto &publish = told[0], &receive = told[1], &process = told[2];
  EXPECT_EQ(publish.span.parent, kCaller);
  EXPECT_EQ(receive.span.parent, publish.span.span);
  EXPECT_EQ(process.span.parent, receive.span.span);
  EXPECT_EQ((publish.span.ended - publish.span.began).ms, 5);
  EXPECT_EQ((receive.span.ended - receive.span.began).ms, 25);
  EXPECT_EQ((process.span.ended - process.span.began).ms, 300);
  EXPECT_EQ(publish.agent, "alice");
  EXPECT_EQ(process.agent, "bob");
  EXPECT_EQ(process.destination, "box");
  const auto& example = engine->tracing().delivery_examples()[TimeCounts::place(325)];
  EXPECT_EQ(example.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(example.took.ms, 325);
}

TEST_F(TracingTest, A20_what_is_not_sampled_or_when_nobody_is_told_is_not_told) {
  send(traced_mail("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"));
  send(traced_mail("nonsense"));
  put("x");
  engine->tracing().turn(false);
  send(traced_mail());
  sync();
  consume(kBob, 10);
  EXPECT_EQ(delivered.size(), 4u);
  EXPECT_TRUE(told.empty());
}

TEST_F(TracingTest, A20_the_mark_is_in_the_log) {
  send(traced_mail());
  sync();
  const auto publish = only(What::publish).span.span;
  crash();
  engine->tracing().turn(true);
  consume(kBob, 1);
  EXPECT_EQ(only(What::receive).span.parent, publish);
  engine->close_session(kBob);
  EXPECT_EQ(only(What::process).error, "connection_lost");
}

TEST_F(TracingTest, A20_a_copy_of_the_message_keeps_the_mark) {
  send(traced_mail());
  sync();
  copy_forward(log.end);
  crash();
  engine->tracing().turn(true);
  told.clear();
  consume(kBob, 1);
  EXPECT_EQ(told.size(), 1u);
}

TEST_F(TracingTest, A20_what_is_caused_goes_on_below_the_process_span_of_its_cause) {
  send(traced_mail());
  sync();
  consume(kBob, 1);
  auto onward = mail("y", "other");
  onward.cause = delivered.back().message.id;
  send(onward, kBob);
  sync();
  ack(delivered.back().lease);
  const auto& process = only(What::process);
  const auto publish = std::ranges::find(told, "other", &Told::destination);
  ASSERT_NE(publish, told.end());
  EXPECT_EQ(publish->span.parent, process.span.span);
  EXPECT_EQ(publish->span.trace_low, process.span.trace_low);
}

TEST_F(TracingTest, A20_a_request_in_memory_ends_with_its_answer_its_time_or_who_asked) {
  ask(traced_mail(), 1'000);
  consume(kBob, 10);
  auto answer = mail("done", delivered.back().message.reply_to);
  send(answer, kBob);
  EXPECT_EQ(only(What::process).error, "");
  ASSERT_EQ(told.size(), 4u);
  EXPECT_EQ(told[2].destination, "");
  EXPECT_EQ(told[2].span.parent, told[3].span.span);
  told.clear();
  ask(traced_mail(), 1'000);
  engine->dispatch();
  pass(1'001);
  EXPECT_EQ(only(What::process).error, "timed_out");
  told.clear();
  ask(traced_mail(), 1'000);
  engine->dispatch();
  engine->close_session(kAlice);
  EXPECT_EQ(only(What::process).error, "cancelled");
}

TEST_F(TracingTest, A20_one_that_dies_in_nobodys_hands_says_why) {
  auto message = traced_mail();
  message.ttl_ms = 50;
  send(message);
  sync();
  pass(51);
  EXPECT_EQ(only(What::expire).error, "expired");
  EXPECT_EQ(only(What::expire).span.parent, only(What::publish).span.span);
}

TEST_F(TracingTest, A20_the_numbers_of_spans_differ) {
  options.mailbox.retry.attempts = 1'000;
  send(traced_mail());
  sync();
  consume(kBob, 1);
  for (int i = 0; i < 100; ++i) nack(delivered.back().lease);
  std::set<std::uint64_t> numbers;
  for (const auto& each : told) EXPECT_TRUE(numbers.insert(each.span.span).second);
  EXPECT_GT(numbers.size(), 30u);
}

TEST(TimeCounts, B9_AreInPowersOfTwo) {
  TimeCounts times;
  for (const std::int64_t ms : {-5, 0, 1, 2, 3, 4, 1'000}) times.add(Duration{ms});
  EXPECT_EQ(times.counts[0], 2u);
  EXPECT_EQ(times.counts[1], 1u);
  EXPECT_EQ(times.counts[2], 2u);
  EXPECT_EQ(times.counts[3], 1u);
  EXPECT_EQ(times.counts[10], 1u);
  EXPECT_EQ(times.sum_ms, 1'010u);
  times.add(Duration{std::int64_t{1} << 60});
  EXPECT_EQ(times.counts[TimeCounts::kPlaces - 1], 1u);
}

TEST_F(TracingTest, A19_the_fullest_mailboxes_are_found) {
  for (int box = 0; box < 10; ++box) {
    for (int i = 0; i <= (box * 7) % 10; ++i) send(mail("x", "box-" + std::to_string(box)));
  }
  sync();
  std::vector<std::string> names;
  engine->mailboxes().each_fullest(3, [&](const MailboxStats& each) { names.emplace_back(each.name); });
  EXPECT_EQ(names, (std::vector<std::string>{"box-1", "box-4", "box-7"}));
  names.clear();
  engine->mailboxes().each_fullest(0, [&](const MailboxStats& each) { names.emplace_back(each.name); });
  EXPECT_TRUE(names.empty());
}

TEST_F(TracingTest, A19_a_full_mailbox_is_found_once_though_there_are_too_many_to_look_at_together) {
  for (int box = 0; box < 20'100; ++box) {
    for (int i = 0; i <= (box > 19'900); ++i) send(mail("x", "box-" + std::to_string(box)));
  }
  sync();
  for (int look = 0; look < 4; ++look) {
    std::vector<std::string> names;
    engine->mailboxes().each_fullest(200, [&](const MailboxStats& each) { names.emplace_back(each.name); });
    EXPECT_EQ(std::set(names.begin(), names.end()).size(), 200u);
    EXPECT_EQ(names.size(), 200u);
  }
}

}  // namespace
}  // namespace folkmoot::test
