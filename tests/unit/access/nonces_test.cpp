// Which signatures were seen (access/nonces.hpp).
#include "access/nonces.hpp"

#include <gtest/gtest.h>

namespace folkmoot::access {
namespace {

constexpr std::int64_t kStart = 1'796'000'000'000, kAge = 60'000;

ErrorCode noted(Nonces& nonces, std::string_view sender, std::string_view nonce, std::int64_t now,
                std::int64_t signed_at = 0, std::int64_t age = kAge) {
  const auto done = nonces.note({sender, nonce, signed_at == 0 ? now : signed_at}, age, now);
  return done ? ErrorCode{} : done.error().code;
}

TEST(Nonces, U13_each_is_taken_once_for_as_long_as_its_signature_is_good) {
  Nonces nonces(kStart);
  const auto now = kStart + 5'000;
  EXPECT_EQ(noted(nonces, "ann", "1", now), ErrorCode{});
  EXPECT_EQ(noted(nonces, "bob", "1", now), ErrorCode{});
  for (std::int64_t at = now; at <= now + kAge; at += 500) {
    EXPECT_EQ(noted(nonces, "ann", "1", at, now), ErrorCode::unauthorized) << at - now;
    EXPECT_EQ(noted(nonces, "carol", std::to_string(at), at), ErrorCode{});
  }
}

TEST(Nonces, U13_what_may_have_been_seen_before_the_start_is_refused) {
  Nonces nonces(kStart);
  EXPECT_EQ(noted(nonces, "ann", "1", kStart + 2'000, kStart - 1), ErrorCode::unauthorized);
  // A clock may be ahead by so much.
  EXPECT_EQ(noted(nonces, "ann", "2", kStart + 2'000, kStart + kNonceAheadMs), ErrorCode::unauthorized);
  EXPECT_EQ(noted(nonces, "ann", "3", kStart + 2'000, kStart + kNonceAheadMs + 1), ErrorCode{});
  EXPECT_EQ(noted(nonces, "ann", "4", kStart + 2'000, kStart + 2'000 + kNonceAheadMs + 1), ErrorCode::unauthorized);
}

TEST(Nonces, U13_a_longer_age_makes_nothing_good_again_that_was_forgotten) {
  Nonces nonces(kStart);
  const auto now = kStart + 5'000;
  EXPECT_EQ(noted(nonces, "ann", "1", now), ErrorCode{});
  EXPECT_EQ(noted(nonces, "ann", "2", now + 3 * kAge), ErrorCode{}) << "the first is forgotten";
  EXPECT_EQ(noted(nonces, "ann", "1", now + 3 * kAge + 1, now, 10 * kAge), ErrorCode::unauthorized);
  EXPECT_EQ(noted(nonces, "ann", "2", now + 3 * kAge + 2, now + 3 * kAge, 10 * kAge), ErrorCode::unauthorized);
}

TEST(Nonces, U13_a_shorter_age_forgets_nothing_that_is_good_by_it) {
  Nonces nonces(kStart);
  const auto now = kStart + 5'000;
  EXPECT_EQ(noted(nonces, "ann", "1", now), ErrorCode{});
  EXPECT_EQ(noted(nonces, "ann", "2", now + 25'000), ErrorCode{});
  EXPECT_EQ(noted(nonces, "ann", "2", now + 26'000, now + 25'000, 5'000), ErrorCode::unauthorized);
  EXPECT_EQ(noted(nonces, "ann", "2", now + 29'000, now + 25'000, 5'000), ErrorCode::unauthorized);
}

TEST(Nonces, U13_nobody_fills_the_memory_of_the_others) {
  Nonces nonces(kStart, {.of_sender = 3, .of_all = 5});
  const auto now = kStart + 5'000;
  for (const auto* const each : {"1", "2", "3"}) EXPECT_EQ(noted(nonces, "ann", each, now), ErrorCode{});
  EXPECT_EQ(noted(nonces, "ann", "4", now), ErrorCode::limit_reached);
  nonces.take_back("ann", "2");
  EXPECT_EQ(noted(nonces, "ann", "4", now), ErrorCode{});
  EXPECT_EQ(noted(nonces, "ann", "1", now), ErrorCode::unauthorized);
  for (const auto* const each : {"1", "2"}) EXPECT_EQ(noted(nonces, "bob", each, now), ErrorCode{});
  EXPECT_EQ(noted(nonces, "bob", "3", now), ErrorCode::busy);
  EXPECT_EQ(noted(nonces, "bob", "3", now + kAge + kNonceAheadMs), ErrorCode{}) << "there is room again";
}

}  // namespace
}  // namespace folkmoot::access
