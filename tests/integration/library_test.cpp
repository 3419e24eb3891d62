// Every promise about delivery through the C++ library, against the real program (docs/delivery.md, "Where each promise
// is used").
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <thread>

#include "cli/spawn.hpp"
#include "folkmoot/folkmoot.hpp"

namespace folkmoot {
namespace {

using namespace std::chrono_literals;

class LibraryTest : public ::testing::Test {
 protected:
  LibraryTest() {
    // It ends by itself, if this program is killed.
    pid_ = value(cli::spawn("/usr/bin/timeout",
                            {"timeout", "100", FOLKMOOT_PROGRAM, "serve", "--data", folder_, "--listen", "127.0.0.1:0",
                             "--log-level", "warn"},
                            {}));
  }
  void SetUp() override {
    value(me.connect());
    value(other.connect());
  }
  ~LibraryTest() override {
    me.close();
    other.close();
    stop();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  void stop() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGTERM);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    pid_ = 0;
  }

  ClientOptions options(std::string agent) const {
    ClientOptions out;
    out.address = "unix:" + folder_ + "/folkmoot.sock";
    out.agent = std::move(agent);
    out.patience = 20s;
    return out;
  }
  Delivery take(const std::string& mailbox) {
    auto got = value(other.receive(mailbox, {.wait = 10s}));
    EXPECT_EQ(got.size(), 1u);
    return got.empty() ? Delivery{} : got.front();
  }
  template <class Condition>
  static bool eventually(Condition holds) {
    for (int i = 0; i < 1'000; ++i) {
      if (holds()) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }

 private:
  static std::string new_folder() {
    auto pattern = (std::filesystem::temp_directory_path() / "folkmoot-library-XXXXXX").string();
    return ::mkdtemp(pattern.data());
  }
  const std::string folder_ = new_folder();
  pid_t pid_ = 0;

 protected:
  SyncClient me{options("me")}, other{options("other")};
};

TEST_F(LibraryTest, A9_X5_a_key_is_published_once_and_a_completion_is_both_or_neither) {
  auto task = make_message("box", "2");
  task.key = "k";
  const auto first = value(me.publish(task)), again = value(me.publish(task));
  EXPECT_EQ(again.outcome, Outcome::duplicate);
  EXPECT_EQ(again.id, first.id);
  EXPECT_EQ(again.state, CopyState::queued);
  const auto taken = take("box");
  EXPECT_TRUE(value(other.complete(taken, {make_message("next", "4")})).front());
  EXPECT_EQ(other.complete(taken, {make_message("next", "4")}).error().code, ErrorCode::lease_lost);
  const auto output = take("next");
  EXPECT_EQ(output.content(), "4");
  EXPECT_EQ(output.message.cause, first.id);
  EXPECT_EQ(output.message.hops, 1u);
  EXPECT_EQ(value(other.receive("next")).size(), 0u);
}

TEST_F(LibraryTest, A10_A11_X18_what_fails_is_tried_again_then_dead_and_can_be_sent_again) {
  value(me.configure_mailbox("box", {.retry = RetryPolicy{.attempts = 2, .backoff = Backoff::fixed, .initial_ms = 1}}));
  auto task = make_message("box", "x");
  task.bounce = true;
  const auto id = value(me.publish(task)).id;
  value(other.nack(take("box"), {.reason = "no disk"}));
  value(other.nack(take("box"), {.reason = "still none"}));
  const auto bounced = value(me.receive("me", {.wait = 10s}));
  ASSERT_EQ(bounced.size(), 1u);
  EXPECT_EQ(bounced.front().message.type, "error");
  const auto dead =
      value(me.call(ListDead{.which = {.mailbox = "box", .reason = "max_deliveries", .filter = "bounce = TRUE"}})).dead;
  ASSERT_EQ(dead.size(), 1u);
  const auto shown = value(me.call(ShowDead{id}));
  EXPECT_EQ(shown.message.content, "x");
  ASSERT_EQ(shown.attempts.size(), 2u);
  EXPECT_EQ(shown.attempts[0].reason, "no disk");
  EXPECT_EQ(value(me.call(RedriveDead{.which = {.mailbox = "box"}, .dry_run = true})).count, 1u);
  EXPECT_EQ(value(me.call(RedriveDead{
                      .which = {.mailbox = "box"}, .changes = json_text({{"to", "saved"}}), .per_second = 100}))
                .sent,
            1u);
  value(other.reject(take("saved"), "not mine"));
  EXPECT_EQ(value(me.call(PurgeDead{.which = {.reason = "rejected"}})).purged, 1u);
}

TEST_F(LibraryTest, X5_times_schedules_and_taking_back) {
  auto later = make_message("box", "later");
  later.deliver_at = 4'000'000'000'000;
  const auto waiting = value(me.publish(later));
  EXPECT_EQ(waiting.outcome, Outcome::scheduled);
  value(me.call(CancelMessage{waiting.id}));
  EXPECT_EQ(value(me.receipts({waiting.id})).front().state, CopyState::cancelled);
  value(me.call(SetSchedule{.name = "tick", .every = 100ms, .times = 1, .message = make_message("box", "tick")}));
  EXPECT_EQ(take("box").content(), "tick");
  value(me.call(SetSchedule{.name = "nightly", .cron = "0 3 * * *", .message = make_message("box", "sweep")}));
  EXPECT_EQ(value(me.call(ListSchedules{})).schedules.front().cron, "0 3 * * *");
  value(me.call(RemoveSchedule{"nightly"}));
}

TEST_F(LibraryTest, X5_A1_lengths_of_time_are_lengths_and_a_life_begins_when_it_is_due) {
  value(me.call(ConfigureMailbox{.name = "short", .default_ttl = 200ms}));
  auto later = make_message("short", "later"), lasting = make_message("short", "lasting");
  later.delay_ms = 600;
  lasting.ttl_ms = 0;
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(value(me.publish(later)).outcome, Outcome::scheduled);
  value(me.publish(lasting));
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(take("short").content(), "lasting");
  EXPECT_EQ(take("short").content(), "later");
  EXPECT_GE(std::chrono::steady_clock::now() - began, 550ms);
  auto over = make_message("box", "over");
  over.expires_at = 1;
  EXPECT_EQ(me.publish(over).error().code, ErrorCode::out_of_range);
}

TEST_F(LibraryTest, A4_only_who_holds_a_request_may_answer_it) {
  auto question = make_message("box", "how many?");
  question.mode = DeliveryMode::at_least_once;
  auto answer = std::async(std::launch::async, [&] { return me.request(question, 20s); });
  const auto asked = take("box");
  ASSERT_EQ(asked.message.reply_to.size(), 33u);
  SyncClient stranger{options("other")};
  value(stranger.connect());
  EXPECT_EQ(stranger.publish(make_reply(asked, "12")).error().code, ErrorCode::not_permitted);
  EXPECT_EQ(value(other.publish(make_reply(asked, "11"))).outcome, Outcome::sent);
  EXPECT_EQ(value(answer.get()).content, "11");
  // Nobody waits any more: what was taken is settled, and the result says so.
  const auto late = value(other.complete(asked, {make_reply(asked, "again")}));
  ASSERT_EQ(late.size(), 1u);
  EXPECT_EQ(late.front().error().code, ErrorCode::no_such_request);
  stranger.close();
}

TEST_F(LibraryTest, A4_who_waits_for_a_durable_request_hears_that_it_died) {
  auto question = make_message("box", "how many?");
  question.mode = DeliveryMode::at_least_once;
  auto answer = std::async(std::launch::async, [&] { return me.request(question, 20s); });
  value(other.reject(take("box"), "not mine"));
  const auto told = value(answer.get());
  EXPECT_EQ(told.type, "error");
  EXPECT_NE(told.content.find("not mine"), std::string::npos);
}

TEST_F(LibraryTest, A24_routes_choose_a_recipient_and_can_be_looked_at) {
  const RouteRule urgent{.name = "urgent", .targets = {{"expert"}}, .order = 1, .filter = "priority <= 3"};
  const RouteRule rest{.name = "rest", .targets = {{"a", 3}, {"b"}}, .strategy = RouteStrategy::weighted};
  value(me.call(urgent));
  value(me.call(rest));
  auto bug = make_message("", "the build is red");
  bug.priority = critical;
  value(me.publish(bug));
  EXPECT_EQ(take("expert").content(), "the build is red");
  for (int i = 0; i < 4; ++i) value(me.publish(make_message("", "x")));
  EXPECT_EQ(value(other.receive("a", {.max = 10})).size(), 3u);
  const auto routes = value(me.call(ListRoutes{})).routes;
  ASSERT_EQ(routes.size(), 2u);
  EXPECT_EQ(routes[0].rule, urgent);
  EXPECT_EQ(routes[1].rule, rest);
  EXPECT_EQ(routes[1].routed, 4u);
  const auto wrong = me.call(SetRoute{.name = "r", .targets = {{"a"}}, .filter = "priority <"});
  EXPECT_EQ(wrong.error().code, ErrorCode::invalid_filter);
  EXPECT_NE(wrong.error().describe().find("column 11"), std::string::npos) << wrong.error().describe();
  value(me.call(RemoveRoute{"urgent"}));
  EXPECT_EQ(me.call(RemoveRoute{"urgent"}).error().code, ErrorCode::not_found);
}

TEST_F(LibraryTest, A24_an_agent_says_how_busy_it_is) {
  value(me.call(SetRoute{.name = "r", .targets = {{"me"}, {"other"}}, .strategy = RouteStrategy::least_loaded}));
  value(me.call(ReportLoad{.load = 10}));
  for (int i = 0; i < 3; ++i) value(me.publish(make_message("", "x")));
  EXPECT_EQ(value(other.receive("other", {.max = 10})).size(), 3u);
}

TEST_F(LibraryTest, M2_a_subscription_with_a_filter_hears_what_it_holds_for) {
  auto news = value(other.subscribe("news.>", {.filter = "content.score > 5"}));
  for (const auto* content : {R"({"score":3})", R"({"score":9})"}) value(me.publish(make_event("news.x", content)));
  EXPECT_EQ(value(news.next(10s)).content(), R"({"score":9})");
  EXPECT_EQ(other.subscribe("news.>", {.filter = "score >"}).error().code, ErrorCode::invalid_filter);
}

TEST_F(LibraryTest, M2_a_filter_changes_while_the_subscription_runs) {
  auto news = value(other.subscribe("news.>", {.filter = "content.score > 5"}));
  value(me.publish(make_event("news.x", R"({"score":9})")));
  value(news.set_filter("content.score < 5"));
  for (const auto* content : {R"({"score":8})", R"({"score":3})"}) value(me.publish(make_event("news.x", content)));
  EXPECT_EQ(value(news.next(10s)).content(), R"({"score":9})");
  EXPECT_EQ(value(news.next(10s)).content(), R"({"score":3})");
  EXPECT_EQ(news.set_filter("score >").error().code, ErrorCode::invalid_filter);
  value(news.set_filter(""));
  value(me.publish(make_event("news.x", "all")));
  EXPECT_EQ(value(news.next(10s)).content(), "all");
  auto inbox = value(other.consume("other"));
  EXPECT_EQ(inbox.set_filter("score > 5").error().code, ErrorCode::not_found);
}

TEST_F(LibraryTest, M2_an_event_that_must_be_kept_is_a_message_in_a_mailbox) {
  auto event = make_event("orders.eu", R"({"total":120})");
  event.mode = DeliveryMode::at_least_once;
  EXPECT_EQ(me.publish(event).error().code, ErrorCode::not_kept);
  value(me.call(SetSubscription{.name = "billing", .pattern = "orders.*", .filter = "content.total > 100"}));
  const auto receipt = value(me.publish(event));
  EXPECT_EQ(receipt.outcome, Outcome::kept);
  EXPECT_EQ(receipt.unread, 1u);
  EXPECT_FALSE(receipt.last_read_age);
  const auto got = take("billing");
  EXPECT_EQ(got.message.event_topic, "orders.eu");
  EXPECT_EQ(got.message.type, "event");
  value(other.ack(got));
  const auto listed = value(me.call(ListSubscriptions{})).subscriptions;
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0].rule.mailbox, "billing");
  EXPECT_EQ(listed[0].kept, 1u);
  value(me.call(RemoveSubscription{"billing"}));
  EXPECT_EQ(me.call(RemoveSubscription{"billing"}).error().code, ErrorCode::not_found);
}

TEST_F(LibraryTest, U14_X20_pages_of_a_stream_are_as_its_events_were_published) {
  value(me.call(StreamRule{.name = "s", .topic = "orders.>"}));
  value(me.call(StreamConsumerRule{.stream = "s", .name = "c"}));
  for (int i = 0; i < 10; ++i) {
    auto event = make_event("orders.eu", std::string(static_cast<std::size_t>(i) * 100, 'x') + std::to_string(i));
    event.mode = DeliveryMode::at_least_once;
    event.content_type = "text/plain";
    event.metadata["number"] = i;
    value(me.publish(event));
  }
  auto page = value(other.call(ReadStream{.name = "s", .from = 4, .limit = 5}));
  ASSERT_EQ(page.events.size(), 5u);
  EXPECT_EQ(page.first, 1u);
  EXPECT_EQ(page.next, 9u);
  EXPECT_EQ(page.end, 11u);
  for (std::size_t i = 0; i < 5; ++i) {
    const auto& event = page.events[i];
    EXPECT_EQ(event.sequence, 4 + i);
    EXPECT_GT(event.at_ms, 1'700'000'000'000);
    EXPECT_EQ(event.delivery, 0u);
    EXPECT_EQ(event.message.from, "me");
    EXPECT_EQ(event.message.topic, "orders.eu");
    EXPECT_EQ(event.message.mode, DeliveryMode::at_least_once);
    EXPECT_EQ(event.message.content, std::string((3 + i) * 100, 'x') + std::to_string(3 + i));
    EXPECT_EQ(event.message.metadata.at("number").as_int64(), static_cast<std::int64_t>(3 + i));
  }
  page = value(other.call(ReadStream{.name = "s", .limit = 1, .content = false}));
  ASSERT_EQ(page.events.size(), 1u);
  EXPECT_TRUE(page.events[0].message.content.empty());
  page = value(other.call(ReadStreamConsumer{.stream = "s", .name = "c", .limit = 2}));
  ASSERT_EQ(page.events.size(), 2u);
  EXPECT_EQ(page.events[1].delivery, 1u);
  const auto none = other.call(ReadStream{.name = "none"});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::not_found);
}

TEST_F(LibraryTest, A5_a_command_has_statuses_and_a_result_and_is_cancelled) {
  auto inbox = value(other.consume("other"));
  std::promise<std::string> status;
  auto result = std::async(std::launch::async, [&] {
    return me.send_command("other", {.name = "deploy", .parameters = {{"change", 12}}}, 30s,
                           [&](const Message& told) { status.set_value(told.content); });
  });
  const auto asked = value(inbox.next(10s));
  EXPECT_EQ(value(read_command(asked.message)).parameters.at("change"), 12);
  value(other.status(asked, "half way"));
  EXPECT_EQ(status.get_future().get(), "half way");
  value(other.reply(asked, {.content = "deployed"}));
  EXPECT_EQ(value(result.get()).content, "deployed");

  std::stop_source stop;
  auto given_up = std::async(std::launch::async,
                             [&] { return me.send_command("other", {.name = "deploy"}, 30s, {}, stop.get_token()); });
  const auto held = value(inbox.next(10s));
  EXPECT_FALSE(held.leased());
  EXPECT_FALSE(held.withdrawn());
  stop.request_stop();
  EXPECT_EQ(given_up.get().error().code, ErrorCode::cancelled);
  EXPECT_TRUE(eventually([&] { return held.withdrawn(); }));
}

TEST_F(LibraryTest, A4_of_many_as_many_are_waited_for_as_are_needed) {
  auto inbox = value(other.consume("quick")), slow = value(other.consume("slow"));
  auto gathering = std::async(std::launch::async, [&] {
    return me.request_all(to_each(make_message("", "ship?"), {"quick", "slow"}),
                          {.need = Need::first(), .timeout = 30s});
  });
  const auto held = value(slow.next(10s));
  value(other.reply(value(inbox.next(10s)), {.content = "yes"}));
  const auto got = value(gathering.get());
  EXPECT_TRUE(got.enough);
  ASSERT_EQ(got.answers.size(), 1u);
  EXPECT_EQ(got.answers.front().message.content, "yes");
  EXPECT_TRUE(eventually([&] { return held.withdrawn(); }));
}

TEST_F(LibraryTest, M1_A13_X15_groups_batches_and_costs) {
  auto first = make_message("box", "1"), second = make_message("box", "2");
  first.group = second.group = "g";
  first.conversation = second.conversation = "c";
  first.metadata = second.metadata = {{"cost_tokens", 100}};
  for (const auto& result : value(me.publish_batch({first, second}, {.atomic = true}))) EXPECT_TRUE(result);
  const auto held = take("box");
  EXPECT_EQ(value(other.receive("box")).size(), 0u);  // the other one of its group waits for it
  value(other.ack(held));
  EXPECT_EQ(take("box").content(), "2");
  EXPECT_EQ(value(me.call(ShowCost{"c"})).tokens, 200);
  const auto refused = me.publish_batch({first, make_event("a.b", "x")}, {.atomic = true});
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_field);
}

TEST_F(LibraryTest, A15_contents_are_compressed_on_their_way) {
  auto with = options("packer");
  with.compress_above = 100;
  SyncClient packer(with);
  ASSERT_TRUE(packer.connect());
  const std::string words(100'000, 'w');
  value(packer.publish(make_message("box", words)));
  const auto got = take("box");
  EXPECT_EQ(got.content(), words);
  EXPECT_TRUE(got.message.encoding.empty());
}

TEST_F(LibraryTest, U8_A12_a_server_that_is_down_is_kept_away_from) {
  auto with = options("careful");
  with.breaker.failures_to_open = 2;
  with.backoff_min = with.backoff_max = 5ms;
  SyncClient careful(with);
  ASSERT_TRUE(careful.connect());
  stop();
  ASSERT_TRUE(eventually([&] { return careful.metrics().breakers.front().state == BreakerState::open; }));
  EXPECT_EQ(careful.publish(make_message("box", "x")).error().code, ErrorCode::circuit_open);
}

}  // namespace
}  // namespace folkmoot
