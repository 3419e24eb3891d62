// One webhook as a consumer of its mailbox: what it takes, when, and how it settles. No socket, no clock: the test is
// the shard at the other end of its link, and whoever makes the requests.
#include "webhook/endpoint.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/bytes.hpp"
#include "message/frame.hpp"

namespace folkmoot::test {
namespace {

constexpr const char* kSecret = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

class EndpointTest : public testing::Test {
 protected:
  struct Posted {
    std::uint64_t number;
    PostRequest request;
    PostLimits limits;
  };

  EndpointTest() { rule_ = {.agent = "worker", .url = "http://x/", .secrets = {{.secret = kSecret}}, .revision = 1}; }

  void set() {
    endpoint_.set_rule(ShardNumber{0}, rule_, now());
    ++rule_.revision;
    go_on();
  }
  PostTime now() const { return {.steady_ms = ms_, .wall = Instant{1'700'000'000'000 + ms_}}; }
  Endpoint::Wants go_on(std::size_t room = 100) { return endpoint_.go_on(settings_, now(), room); }

  /// Frames that it has sent since the last call, HELLO aside.
  std::vector<Frame> said() {
    bool closed = false;
    bytes_ = link_ ? link_->take_inbox(closed) : std::string();
    std::vector<Frame> frames;
    auto bytes = as_bytes(bytes_);
    for (;;) {
      const auto cut = cut_frame(bytes, std::size_t{1} << 30);
      if (!cut || !*cut) break;
      if ((*cut)->header.opcode == Opcode::receive) receive_ = (*cut)->header.request;
      const bool is_question = as_text((*cut)->body).contains("mailbox.show");
      if ((*cut)->header.opcode != Opcode::hello && !is_question) frames.push_back(**cut);
    }
    return frames;
  }
  std::vector<Opcode> opcodes() {
    std::vector<Opcode> out;
    for (const auto& frame : said()) out.push_back(frame.header.opcode);
    return out;
  }
  void put(Opcode opcode, std::uint32_t request, std::string_view body, std::uint8_t flags = 0) {
    std::string frame;
    append_frame(frame, opcode, flags, request, body);
    link_->put_outbox(frame);
  }
  /// The shard hands out a message, and ends the RECEIVE that it is for.
  void deliver(std::uint64_t lease, bool ends = true) {
    Message message;
    message.id = Uuid::parse("019ab3c0-4f1e-7d42-8a00-3c5d7e9f1a2b").value();
    message.from = "boss";
    message.to = "worker";
    message.content = "x";
    std::string publish;
    ASSERT_TRUE(append_publish(publish, 1, message));
    std::string head(12, '\0');
    store(head.data(), lease);
    store(head.data() + 8, std::uint32_t{1});
    put(Opcode::deliver, receive_, head + publish.substr(12), kFlagLeased);
    if (ends) put(Opcode::ok, receive_, std::string(8, '\0'));
    endpoint_.read(now());
    go_on(room_);
  }
  void end(const Posted& post, PostOutcome outcome) {
    outcome.number = post.number;
    endpoint_.end(post.number, std::move(outcome), settings_, now());
    go_on();
  }
  WebhookState state() { return board_.state("worker").value_or(WebhookState{}); }

  WebhookRule rule_;
  WebhookBoard board_;
  std::shared_ptr<Link> link_;
  std::vector<Posted> posted_;
  Endpoint::Settings settings_;
  std::int64_t ms_ = 1'000;
  std::uint32_t receive_ = 0;
  std::size_t room_ = 100;  // as a message is delivered
  std::string bytes_;
  Endpoint endpoint_{"worker",
                     {.connect =
                          [this](ShardNumber) {
                            link_ =
                                std::make_shared<Link>(DoorKind::webhook, std::size_t{1} << 24, [] {}, [](Link&) {});
                            return link_;
                          },
                      .post =
                          [this](PostRequest request, const PostLimits& limits) {
                            posted_.push_back({posted_.size() + 1, std::move(request), limits});
                            return posted_.size();
                          },
                      .board = board_}};
};

TEST_F(EndpointTest, B7_it_asks_for_one_message_posts_it_and_acknowledges_it) {
  set();
  EXPECT_EQ(opcodes(), std::vector{Opcode::receive});
  deliver(7);
  ASSERT_EQ(posted_.size(), 1u);
  EXPECT_EQ(posted_[0].request.url, "http://x/");
  EXPECT_EQ(opcodes(), std::vector{Opcode::receive}) << "it asks for more beside it";
  end(posted_[0], {.status = 200});
  EXPECT_EQ(opcodes(), std::vector{Opcode::ack});
  EXPECT_EQ(state().delivered, 1u);
}

TEST_F(EndpointTest, B7_no_more_than_its_concurrency_and_the_room_are_under_way) {
  rule_.concurrency = 2;
  set();
  said();
  deliver(1);
  said();
  deliver(2);
  EXPECT_EQ(posted_.size(), 2u);
  EXPECT_TRUE(said().empty()) << "both are under way";
  end(posted_[0], {.status = 204});
  EXPECT_EQ(opcodes(), (std::vector{Opcode::ack, Opcode::receive}));
  EXPECT_FALSE(go_on(0).room) << "it has asked already";
}

TEST_F(EndpointTest, B7_what_comes_without_room_is_held_and_goes_when_there_is_some) {
  set();
  said();
  room_ = 0;
  deliver(1);
  EXPECT_TRUE(posted_.empty());
  EXPECT_TRUE(go_on(0).room);
  EXPECT_TRUE(said().empty()) << "it has one already";
  EXPECT_FALSE(go_on(1).at);
  EXPECT_EQ(posted_.size(), 1u);
}

TEST_F(EndpointTest, B7_a_failure_gives_the_message_back_and_a_refusal_rejects_it) {
  set();
  said();
  deliver(1);
  said();
  end(posted_[0], {.status = 500});
  EXPECT_EQ(opcodes(), std::vector{Opcode::nack});
  deliver(2);
  said();
  end(posted_[1], {.status = 422});
  EXPECT_EQ(opcodes(), std::vector{Opcode::reject});
  EXPECT_EQ(state().failed, 2u);
}

TEST_F(EndpointTest, B7_an_open_circuit_takes_back_what_it_asked_for_and_tries_one_later) {
  rule_.failures = 1;
  rule_.open_ms = 500;
  rule_.concurrency = 4;
  set();
  said();
  deliver(1);
  said();
  end(posted_[0], {.status = 500});
  EXPECT_EQ(opcodes(), (std::vector{Opcode::nack, Opcode::cancel}));
  EXPECT_EQ(state().breaker, WebhookState::Breaker::open);
  put(Opcode::error, receive_, std::string("\x1b\x00", 2));  // cancelled
  endpoint_.read(now());
  const auto wants = go_on();
  EXPECT_EQ(wants.at, ms_ + 500);
  EXPECT_TRUE(said().empty());
  ms_ += 500;
  go_on();
  EXPECT_EQ(opcodes(), std::vector{Opcode::receive});
  EXPECT_EQ(state().breaker, WebhookState::Breaker::half_open);
  deliver(2);
  EXPECT_TRUE(said().empty()) << "one is tried, and no other";
  end(posted_[1], {.status = 200});
  EXPECT_EQ(state().breaker, WebhookState::Breaker::closed);
}

TEST_F(EndpointTest, B7_who_asks_to_be_left_alone_is_not_asked_for_more_meanwhile) {
  set();
  said();
  deliver(1);
  said();
  end(posted_[0], {.status = 429, .retry_after = std::chrono::seconds(3)});
  EXPECT_EQ(opcodes(), (std::vector{Opcode::nack, Opcode::cancel}));
  EXPECT_EQ(go_on().at, ms_ + 3'000);
  EXPECT_EQ(state().breaker, WebhookState::Breaker::closed);
}

TEST_F(EndpointTest, B7_one_that_is_gone_is_told_to_be_disabled_once_and_takes_nothing_more) {
  set();
  said();
  deliver(1);
  said();
  end(posted_[0], {.status = 410});
  EXPECT_EQ(opcodes(), (std::vector{Opcode::nack, Opcode::call, Opcode::cancel}));
  put(Opcode::error, receive_, std::string("\x1b\x00", 2));  // cancelled
  endpoint_.read(now());
  ms_ += 10'000;
  go_on();
  EXPECT_TRUE(said().empty());
  set();  // changed since: a new revision, and enabled
  EXPECT_FALSE(said().empty());
}

TEST_F(EndpointTest, B7_a_settlement_that_is_refused_gives_the_message_back_unless_it_is_gone) {
  set();
  said();
  deliver(1);
  said();
  end(posted_[0], {.status = 200});
  auto frames = said();
  ASSERT_EQ(frames.size(), 1u);
  put(Opcode::error, frames[0].header.request, std::string("\x13\x00", 2));  // disk_full
  endpoint_.read(now());
  go_on();
  EXPECT_EQ(opcodes(), std::vector{Opcode::nack});
}

TEST_F(EndpointTest, B7_without_its_link_it_comes_back_and_what_was_leased_is_not_settled) {
  set();
  said();
  deliver(1);
  link_->end_by_reactor();
  endpoint_.read(now());
  const auto old = link_;
  EXPECT_GT(go_on().at, 0);
  end(posted_[0], {.status = 200});
  ms_ += 1'000;
  go_on();
  EXPECT_NE(link_, old);
  EXPECT_EQ(opcodes(), std::vector{Opcode::receive});
}

TEST_F(EndpointTest, B7_how_long_it_failed_goes_on_after_a_restart_without_the_time_in_between) {
  rule_.failures = 1;
  rule_.disable_after_ms = 10'000;
  set();
  const auto began = now().wall.ms;
  endpoint_.go_on_failing({.revision = 1, .since = began - 60'000, .excused_ms = 1'000, .last_failed = began - 55'000},
                          0, now());
  EXPECT_EQ(state().failing_since, began - 60'000);
  EXPECT_EQ(endpoint_.failing(), (FailingWebhook{1, began - 60'000, 56'000, began}));  // it failed for 4 s
  const auto is_disabled = [&] {
    return std::ranges::any_of(said(),
                               [](const Frame& frame) { return as_text(frame.body).contains("webhook.disable"); });
  };
  deliver(1);
  ms_ += 5'000;
  end(posted_[0], {.status = 500});
  EXPECT_FALSE(is_disabled());  // for 9 s
  EXPECT_EQ(endpoint_.failing().last_failed, now().wall.ms);
  ms_ += 31'000;
  go_on();
  said();
  deliver(2);
  end(posted_[1], {.status = 500});
  EXPECT_TRUE(is_disabled());
}

TEST_F(EndpointTest, B7_the_time_that_a_killed_server_ran_after_the_last_failure_counts) {
  rule_.failures = 3;
  rule_.disable_after_ms = 10'000;
  set();
  const auto began = now().wall.ms;
  endpoint_.go_on_failing({.revision = 1, .since = began - 60'000, .excused_ms = 1'000, .last_failed = began - 55'000},
                          began - 46'000, now());
  EXPECT_EQ(endpoint_.failing().excused_ms, 47'000);  // it failed for 13 s
  said();
  deliver(1);
  end(posted_[0], {.status = 500});
  EXPECT_TRUE(
      std::ranges::any_of(said(), [](const Frame& frame) { return as_text(frame.body).contains("webhook.disable"); }));
}

TEST_F(EndpointTest, B7_what_failed_before_a_restart_and_answers_since_is_not_disabled) {
  rule_.failures = 3;
  rule_.disable_after_ms = 10'000;
  set();
  const auto began = now().wall.ms;
  endpoint_.go_on_failing({.revision = 1, .since = began - 60'000, .excused_ms = 0, .last_failed = began}, began,
                          now());
  said();
  deliver(1);
  end(posted_[0], {.status = 400});  // it is there, and does not want this one
  deliver(2);
  end(posted_[1], {.status = 500});
  EXPECT_FALSE(
      std::ranges::any_of(said(), [](const Frame& frame) { return as_text(frame.body).contains("webhook.disable"); }));
}

TEST_F(EndpointTest, B7_one_that_delivers_or_is_set_anew_fails_no_more) {
  rule_.failures = 1;
  set();
  endpoint_.go_on_failing({.revision = 1, .since = 5, .excused_ms = 0, .last_failed = 7}, 0, now());
  said();
  deliver(1);
  end(posted_[0], {.status = 200});
  EXPECT_EQ(endpoint_.failing(), FailingWebhook{});
  endpoint_.go_on_failing({.revision = 1, .since = 5, .excused_ms = 0, .last_failed = 7}, 0, now());
  EXPECT_EQ(endpoint_.failing().since, 5);
  rule_.url = "http://y/";
  set();
  EXPECT_EQ(endpoint_.failing(), FailingWebhook{});
}

TEST_F(EndpointTest, B7_one_that_is_removed_ends_when_nothing_is_under_way) {
  set();
  said();
  deliver(1);
  endpoint_.remove();
  go_on();
  EXPECT_FALSE(endpoint_.is_over());
  end(posted_[0], {.status = 200});
  EXPECT_TRUE(endpoint_.is_over());
  EXPECT_FALSE(board_.state("worker"));
}

}  // namespace
}  // namespace folkmoot::test
