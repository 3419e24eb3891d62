// What other threads have for a reactor, and when it is woken for it (server/postbox.hpp, server/link.hpp).
#include "server/postbox.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "engine/effects.hpp"
#include "unit/server/silent_net.hpp"

namespace folkmoot {
namespace {

class PostboxTest : public testing::Test {
 protected:
  std::shared_ptr<Link> link() {
    return std::make_shared<Link>(
        DoorKind::http, 16, [this] { ++readies_; }, [this](Link& link) { postbox_.post(link); });
  }
  void post_room(SessionId id) {
    postbox_.post([&](Postbox::Mail& mail) { mail.rooms.push_back(id); });
  }

  SilentNet net_;
  Postbox postbox_{net_};
  int readies_ = 0;
};

TEST_F(PostboxTest, wakes_who_sleeps_once) {
  EXPECT_TRUE(postbox_.falls_asleep());
  post_room(SessionId{1});
  post_room(SessionId{2});
  EXPECT_EQ(net_.wakes, 1);
  EXPECT_EQ(postbox_.take().rooms.size(), 2u);
  EXPECT_TRUE(postbox_.take().empty());
}

TEST_F(PostboxTest, does_not_wake_who_is_awake_and_does_not_let_it_sleep) {
  post_room(SessionId{1});
  EXPECT_EQ(net_.wakes, 0);
  EXPECT_FALSE(postbox_.falls_asleep()) << "there is something: it would not be woken for that";
  EXPECT_EQ(postbox_.take().rooms.size(), 1u);
  EXPECT_TRUE(postbox_.falls_asleep());
}

TEST_F(PostboxTest, brings_the_options_that_hold_from_now_on) {
  const auto options = std::make_shared<const ServerOptions>();
  postbox_.post_options(options);
  EXPECT_EQ(postbox_.take().options, options);
  EXPECT_EQ(postbox_.take().options, nullptr) << "once";
}

TEST_F(PostboxTest, lists_a_link_once_until_it_was_taken) {
  const auto one = link();
  EXPECT_TRUE(one->send("abc"));
  EXPECT_TRUE(one->send("def"));
  EXPECT_EQ(postbox_.take().links.size(), 1u);
  bool closed = false;
  EXPECT_EQ(one->take_inbox(closed), "abcdef");
  EXPECT_TRUE(one->send("ghi"));
  EXPECT_EQ(postbox_.take().links.size(), 1u);
}

TEST_F(PostboxTest, gives_up_the_links_that_nobody_will_take) {
  const auto one = link();
  one->send("abc");
  EXPECT_FALSE(postbox_.refuses_links());
  EXPECT_EQ(postbox_.close().size(), 1u);
  EXPECT_TRUE(postbox_.refuses_links());
  EXPECT_TRUE(postbox_.take().links.empty());
}

TEST_F(PostboxTest, nothing_is_lost_however_many_post) {
  constexpr std::uint64_t kEach = 2'000;
  std::vector<std::thread> posters;
  for (int thread = 0; thread < 3; ++thread) {
    posters.emplace_back([this] {
      for (std::uint64_t i = 0; i < kEach; ++i) post_room(SessionId{i});
    });
  }
  std::size_t taken = 0;
  while (taken < 3 * kEach) taken += postbox_.take().rooms.size();
  for (auto& poster : posters) poster.join();
  EXPECT_EQ(taken, 3 * kEach);
  EXPECT_TRUE(postbox_.falls_asleep());
}

// -- the link itself

TEST_F(PostboxTest, a_link_takes_no_more_than_its_inbox_and_says_when_it_has_room) {
  const auto one = link();
  EXPECT_TRUE(one->send(std::string(16, 'x')));
  EXPECT_FALSE(one->send("y")) << "full: nothing of it is taken";
  bool closed = false;
  EXPECT_EQ(one->take_inbox(closed).size(), 16u);
  EXPECT_EQ(readies_, 1);
  EXPECT_TRUE(one->send("y"));
}

TEST_F(PostboxTest, a_link_that_was_ended_has_its_last_words_still) {
  const auto one = link();
  EXPECT_EQ(one->put_outbox("goodbye"), 7u);
  one->end_by_reactor();
  EXPECT_TRUE(one->closed());
  EXPECT_FALSE(one->send("x"));
  EXPECT_EQ(one->take(), "goodbye");
  EXPECT_EQ(one->take(), "");
}

TEST_F(PostboxTest, a_link_that_its_door_has_closed_says_so_behind_what_it_said) {
  const auto one = link();
  one->send("abc");
  one->close();
  one->close();
  bool closed = false;
  EXPECT_EQ(one->take_inbox(closed), "abc");
  EXPECT_TRUE(closed);
}

}  // namespace
}  // namespace folkmoot
