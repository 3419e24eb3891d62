// The ledger: what is written, noted and copied, and what waits for it.
#include "engine/ledger.hpp"

#include <gtest/gtest.h>

#include "memory_log.hpp"
#include "no_effects.hpp"

namespace folkmoot::test {
namespace {

class LedgerTest : public ::testing::Test, Ledger::Resolver {
 protected:
  void resolve(Waiting& what) override { happened.push_back(std::get<waiting::Answer>(what).to.request.value); }
  static Waiting answer(std::uint32_t request) { return waiting::Answer{.to = {SessionId{1}, RequestNumber{request}}}; }
  FactPlace write(std::string_view text) { return ledger.write(FactKind::route_set, {as_bytes(text)}, Life::live); }

  MemoryLog log;
  NoEffects effects;
  Ledger ledger{log, effects, *this};
  std::vector<std::uint32_t> happened;
};

TEST_F(LedgerTest, X3_what_waits_happens_in_its_order_when_its_fact_is_durable) {
  const Durable first(write("one"));
  ledger.when(first, answer(1));
  ledger.when_or_now({}, answer(2));  // behind what waits
  const Durable last(write("two"));
  ledger.when_or_now(last, answer(3));
  ledger.on_durable(first.lsn());
  EXPECT_TRUE(happened.empty());
  ledger.on_durable(last.lsn());
  EXPECT_EQ(happened, (std::vector<std::uint32_t>{1, 2}));
  EXPECT_FALSE(ledger.is_durable());
  ledger.on_durable(log.end);
  EXPECT_EQ(happened, (std::vector<std::uint32_t>{1, 2, 3}));
  EXPECT_TRUE(ledger.is_durable());
  ledger.when_or_now({}, answer(4));  // for nothing
  EXPECT_EQ(happened.back(), 4u);
}

TEST_F(LedgerTest, X3_the_later_of_two_facts_is_what_both_need) {
  const Durable first(write("one")), second(write("two"));
  Durable both;
  EXPECT_FALSE(both);
  both.add(second);
  both.add(first);
  both.add({});
  EXPECT_EQ(both.lsn(), second.lsn());
}

TEST_F(LedgerTest, X3_what_is_noted_without_room_is_lost_and_known_to_be) {
  EXPECT_NE(ledger.note(FactKind::route_removed, {as_bytes(std::string_view("r"))}).lsn, Lsn{});
  EXPECT_FALSE(ledger.lost_any());
  log.room_settling = false;
  EXPECT_EQ(ledger.note(FactKind::route_removed, {as_bytes(std::string_view("r"))}).lsn, Lsn{});
  EXPECT_TRUE(ledger.lost_any());
  EXPECT_EQ(log.records.size(), 1u);
}

TEST_F(LedgerTest, X3_a_copy_takes_the_place_of_its_original) {
  const auto original = write("kept");
  auto place = original;
  ledger.copy(FactKind::route_set, place, {as_bytes(std::string_view("kept"))});
  EXPECT_GT(place.lsn, original.lsn);
  EXPECT_FALSE(log.records.at(original.lsn).live);
  EXPECT_TRUE(log.records.at(place.lsn).live);
}

TEST_F(LedgerTest, X3_a_draft_adds_up_what_its_group_may_come_to) {
  Draft part, draft;
  part.add(10).add(20);
  draft.add(5).add(part);
  EXPECT_EQ(draft.facts(), 3u);
  EXPECT_EQ(draft.bytes(), 35 + 3 * kFactOverheadBytes);
  const Ledger::Group group(ledger, draft);
  write("12345");
  write("1234567890");
  EXPECT_EQ(log.group_left.facts, 1u);
  EXPECT_EQ(log.group_left.body_bytes, 20u);
}

TEST_F(LedgerTest, X3_a_message_that_waits_for_the_disk_is_found_by_its_key) {
  const auto place = write("a message");
  ledger.when(Durable(place), waiting::Accepted{.fact = {.key = MessageKey{7}}, .place = place});
  ASSERT_NE(ledger.find_accepted(MessageKey{7}, place), nullptr);
  EXPECT_EQ(ledger.find_accepted(MessageKey{8}, place), nullptr);
  EXPECT_EQ(ledger.find_accepted(MessageKey{7}, {.lsn = Lsn{place.lsn.value - 1}}), nullptr) << "it was not there yet";
}

}  // namespace
}  // namespace folkmoot::test
