// The trail: which message became which, found by message, of the newest steps.
#include "engine/trail.hpp"

#include <gtest/gtest.h>

#include "base/uuid.hpp"
#include "memory_log.hpp"
#include "no_effects.hpp"

namespace folkmoot::test {
namespace {

Uuid id(std::uint32_t number, std::uint32_t node = 1) {
  return make_uuid({.key = make_key(Instant{1'700'000'000'000}, number), .mailbox = 7, .node = node});
}

class TrailTest : public ::testing::Test, Ledger::Resolver {
 protected:
  static constexpr std::size_t kMax = 100;
  using Told = std::vector<std::tuple<Uuid, Uuid, StepKind>>;

  void resolve(Waiting&) override {}
  Told told(const Uuid& of, Trail& from) {
    Told out;
    from.each_of(of,
                 [&](const Uuid& before, const Uuid& next, StepKind kind) { out.emplace_back(before, next, kind); });
    return out;
  }
  Told told(const Uuid& of) { return told(of, trail); }
  /// The facts that are alive, in their order.
  std::vector<Fact> facts() {
    std::vector<Fact> out;
    for (auto& [lsn, record] : log.records) {
      if (record.live)
        out.push_back({record.kind, {lsn, static_cast<std::uint32_t>(record.body.size())}, as_bytes(record.body)});
    }
    return out;
  }

  MemoryLog log;
  NoEffects effects;
  Ledger ledger{log, effects, *this};
  Trail trail{ledger, kMax};
};

TEST_F(TrailTest, A11_a_message_has_the_steps_to_it_and_from_it_oldest_first) {
  trail.caused(id(1), id(2));
  trail.caused(id(8), id(9));
  trail.write(id(2), id(3), StepKind::resent);
  trail.caused(id(2), id(4));
  EXPECT_EQ(
      told(id(2)),
      (Told{{id(1), id(2), StepKind::caused}, {id(2), id(3), StepKind::resent}, {id(2), id(4), StepKind::caused}}));
  EXPECT_EQ(told(id(1)), (Told{{id(1), id(2), StepKind::caused}}));
  EXPECT_EQ(told(id(5)), Told{});
}

TEST_F(TrailTest, A11_messages_of_two_shards_with_one_key_are_two) {
  trail.write(id(1, 16), id(1, 17), StepKind::moved);
  trail.caused(id(1, 17), id(2, 17));
  trail.caused(id(1, 16), id(3, 16));
  EXPECT_EQ(told(id(1, 16)), (Told{{id(1, 16), id(1, 17), StepKind::moved}, {id(1, 16), id(3, 16), StepKind::caused}}));
  EXPECT_EQ(told(id(1, 17)), (Told{{id(1, 16), id(1, 17), StepKind::moved}, {id(1, 17), id(2, 17), StepKind::caused}}));
}

TEST_F(TrailTest, A11_the_newest_steps_are_kept_and_nothing_of_the_others) {
  for (std::uint32_t i = 0; i < 3 * kMax; ++i) {
    trail.caused(id(i), id(i + 1));
    if (i % 3 == 0) trail.write(id(5), id(1'000 + i), StepKind::resent);
    ASSERT_LE(trail.steps(), kMax);
    ASSERT_LE(trail.messages(), 2 * kMax);
  }
  EXPECT_EQ(trail.steps(), kMax);
  EXPECT_EQ(told(id(10)), Told{});
  EXPECT_EQ(told(id(3 * kMax)).size(), 1u);
  EXPECT_EQ(told(id(5)).size(), 25u);  // one in four, though its first ones are gone
  EXPECT_EQ(facts().size(), 25u);      // the others are released
  Trail none(ledger, 0);
  none.write(id(1), id(2), StepKind::moved);
  EXPECT_EQ(none.steps() + none.messages(), 0u);
  EXPECT_EQ(facts().size(), 25u);
}

TEST_F(TrailTest, X3_what_is_entered_twice_is_one_step) {
  trail.write(id(1), id(2), StepKind::resent);
  const auto original = facts().at(0);
  ASSERT_TRUE(trail.keep(original));
  const auto copy = facts().at(0);
  ASSERT_NE(copy.place, original.place);
  log.retain(original.place);

  Trail again(ledger, kMax);
  ASSERT_TRUE(again.enter(original));
  again.enter_caused(id(2), id(3));
  again.enter_caused(id(3), id(4));
  ASSERT_TRUE(again.enter(copy));
  again.enter_caused(id(2), id(3));
  again.enter_caused(id(1), id(3));  // another cause is another step
  EXPECT_EQ(told(id(2), again), (Told{{id(1), id(2), StepKind::resent}, {id(2), id(3), StepKind::caused}}));
  EXPECT_EQ(
      told(id(3), again),
      (Told{{id(2), id(3), StepKind::caused}, {id(3), id(4), StepKind::caused}, {id(1), id(3), StepKind::caused}}));
  EXPECT_EQ(facts().size(), 1u);
  EXPECT_EQ(facts().at(0).place, copy.place);
}

}  // namespace
}  // namespace folkmoot::test
