// Each promise of promises.hpp, kept and broken: a history that breaks one must be found out by that one's check.
#include "simulation/promises.hpp"

#include <gtest/gtest.h>

namespace folkmoot::simulation {
namespace {

constexpr std::int64_t kNow = 1'000'000;

class PromisesTest : public testing::Test {
 protected:
  PromisesTest() : promises({"ann", "bob", "$bus", "$unrouted"}, options()) {}

  static EngineOptions options() {
    EngineOptions options;
    options.mailbox.retry.attempts = 3;
    options.mailbox.overflow = Overflow::reject;
    return options;
  }
  // From ann to bob.
  static Published mail() { return {.mailbox = 1, .sender = 0}; }
  static Uuid id(std::uint8_t number) {
    Uuid id;
    id.bytes.back() = number;
    return id;
  }
  void publish(std::uint64_t number, const Published& asked = mail()) { promises.publishing(number, asked, kNow); }
  void deliver(std::uint64_t number, std::uint64_t lease, std::int64_t now = kNow, const Uuid* as = nullptr,
               std::string_view to = "bob", Priority priority = normal, std::int64_t deadline = 0) {
    Routing routing;
    routing.from = "ann";
    routing.to = to;
    routing.priority = priority;
    routing.id = as != nullptr ? *as : id(static_cast<std::uint8_t>(number));
    promises.delivered(number, routing, LeaseToken{lease},
                       {.id = routing.id, .session = SessionId{1}, .deadline = deadline}, now);
  }
  void ack(std::uint64_t number, bool answered = true) {
    const LeaseToken lease{number};
    const auto ids = promises.held({lease}, kNow);
    promises.settling(lease, Promises::End::acked, kNow);
    for (const auto& each : ids) {
      if (answered) promises.acknowledged(each);
    }
  }
  /// Runs what must break the promise.
  template <class Step>
  static void broken(int promise, Step step) {
    try {
      step();
    } catch (const Violation& violation) {
      EXPECT_EQ(std::string(violation.what()).substr(0, 11), fmt::format("promise {}: ", promise).substr(0, 11))
          << violation.what();
      return;
    }
    ADD_FAILURE() << "nothing was found";
  }

  Promises promises;
};

TEST_F(PromisesTest, WhatIsDeliveredAndSettledKeepsThem) {
  publish(1);
  promises.confirmed(1, {.id = id(1)});
  deliver(1, 10);
  ack(10);
  promises.drained();
}

TEST_F(PromisesTest, AMessageIsWhatWasPublished) {
  broken(1, [&] { deliver(1, 10); });
  publish(2);
  broken(1, [&] { deliver(2, 11, kNow, nullptr, "ann"); });
  broken(1, [&] { deliver(2, 12, kNow, nullptr, "bob", 1); });
  promises.refused(2);
  broken(1, [&] { deliver(2, 13); });
}

TEST_F(PromisesTest, WhatWasConfirmedIsNotLost) {
  publish(1);
  promises.confirmed(1, {.id = id(1)});
  broken(2, [&] { promises.drained(); });
  deliver(1, 10);
  promises.crash();
  broken(2, [&] { promises.drained(); });
}

TEST_F(PromisesTest, WhatWasNotConfirmedOrMayHaveDiedMayBeGone) {
  publish(1);
  auto mortal = mail();
  mortal.ttl_ms = 5;
  publish(2, mortal);
  promises.confirmed(2, {.id = id(2)});
  publish(3);
  promises.confirmed(3, {.id = id(3)});
  for (std::uint64_t lease = 10; lease < 13; ++lease) {
    deliver(3, lease);
    promises.settling(LeaseToken{lease}, Promises::End::given_back, kNow);
  }
  promises.drained();
}

TEST_F(PromisesTest, AnAnsweredAckHolds) {
  publish(1);
  deliver(1, 10);
  ack(10, false);
  deliver(1, 11);  // nothing was answered
  ack(11);
  promises.crash();
  broken(3, [&] { deliver(1, 12); });
}

TEST_F(PromisesTest, AtMostOnce) {
  auto once = mail();
  once.once = true;
  publish(1, once);
  deliver(1, 0);
  promises.crash();
  broken(4, [&] { deliver(1, 0); });
}

TEST_F(PromisesTest, OneHolderAtATime) {
  publish(1);
  deliver(1, 10);
  broken(5, [&] { deliver(1, 11); });
  promises.closing(SessionId{1});
  deliver(1, 12, kNow, nullptr, "bob", normal, kNow + 10);
  broken(5, [&] { deliver(1, 13, kNow + 9); });
  deliver(1, 14, kNow + 10);
}

TEST_F(PromisesTest, OneMessageOfAGroupAtATime) {
  auto grouped = mail();
  grouped.group = 7;
  publish(1, grouped);
  publish(2, grouped);
  deliver(1, 10);
  promises.settling(LeaseToken{10}, Promises::End::given_back, kNow);
  broken(5, [&] { deliver(2, 11); });
  deliver(1, 12);
  ack(12, false);
  deliver(2, 13);
}

TEST_F(PromisesTest, InOrder) {
  publish(1);
  publish(2);
  deliver(2, 10);
  broken(6, [&] { deliver(1, 11); });
}

TEST_F(PromisesTest, OneKeyOneMessage) {
  auto keyed = mail();
  keyed.key = 9;
  publish(1, keyed);
  promises.confirmed(1, {.id = id(1)});
  publish(1, keyed);
  broken(7, [&] { promises.confirmed(1, {.id = id(2)}); });
  const auto other = id(3);
  broken(7, [&] { deliver(1, 10, kNow, &other); });
}

TEST_F(PromisesTest, OneIdOneMessage) {
  publish(1);
  publish(2);
  deliver(1, 10);
  ack(10, false);
  const auto same = id(1);
  broken(7, [&] { deliver(2, 11, kNow, &same); });
}

TEST_F(PromisesTest, TogetherOrNotAtAll) {
  for (const std::uint64_t number : {1, 2, 3, 4}) publish(number);
  promises.together({1, 2}, nullptr);
  deliver(1, 10);
  ack(10);
  broken(8, [&] { promises.drained(); });  // 2 never came

  deliver(3, 11);
  const auto input = id(3);
  promises.together({4}, &input);
  promises.crash();
  deliver(3, 12);  // the completion did not happen
  broken(1, [&] { deliver(4, 13); });
}

TEST_F(PromisesTest, ACompletionSettlesItsInput) {
  publish(1);
  publish(2);
  deliver(1, 10);
  const auto input = id(1);
  promises.together({2}, &input);
  promises.crash();
  deliver(2, 11);  // it happened
  broken(3, [&] { deliver(1, 12); });
}

TEST_F(PromisesTest, InItsTime) {
  auto later = mail();
  later.deliver_at = kNow + 5;
  publish(1, later);
  broken(9, [&] { deliver(1, 10, kNow + 4); });
  auto mortal = mail();
  mortal.ttl_ms = 5;
  publish(2, mortal);
  broken(9, [&] { deliver(2, 11, kNow + 5); });
}

}  // namespace
}  // namespace folkmoot::simulation
