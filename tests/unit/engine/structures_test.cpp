// The engine's parts by themselves, each against something simpler.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>

#include "engine/mailroom/chunk_queue.hpp"
#include "engine/mailroom/lane.hpp"
#include "engine/mailroom/lease_table.hpp"
#include "engine/mailroom/receipts.hpp"
#include "engine/mailroom/slab_ring.hpp"
#include "engine/ring.hpp"
#include "engine/slab.hpp"
#include "engine/timers.hpp"
#include "engine/topic_index.hpp"
#include "message/topic.hpp"

namespace folkmoot {
namespace {

Entry entry(std::uint64_t key) { return Entry(MessageKey{key}, {Lsn{key * 8}, 1}, normal, 0); }

TEST(PackedEntries, gives_back_what_was_packed) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<Entry> entries;
    MessageKey key{random() >> 8};
    for (auto count = 1 + random() % 700; count > 0; --count) {
      key += random() % 3 == 0 ? 1 + (random() >> (8 + random() % 56)) % (std::uint64_t{1} << 50) : 1;
      const FactPlace place{Lsn{random() >> (16 + random() % 48)},
                            static_cast<std::uint32_t>(random() >> (32 + random() % 32))};
      const bool as_before = !entries.empty() && random() % 2 == 0;
      entries.push_back(as_before ? Entry(key, entries.back().place(), entries.back().priority, entries.back().flags)
                                  : Entry(key, place, static_cast<Priority>(1 + random() % 10),
                                          static_cast<std::uint16_t>(random())));
      if (random() % 4 == 0) entries.back().deliveries = static_cast<std::uint16_t>(random());
    }
    std::vector<Entry> out(entries.size());
    PackedEntries(entries).unpack(out);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      ASSERT_EQ(out[i].key, entries[i].key);
      ASSERT_EQ(out[i].place().lsn, entries[i].place().lsn);
      ASSERT_EQ(out[i].place().bytes, entries[i].place().bytes);
      ASSERT_EQ(out[i].priority, entries[i].priority);
      ASSERT_EQ(out[i].flags, entries[i].flags);
      ASSERT_EQ(out[i].deliveries, entries[i].deliveries);
    }
  }
}

TEST(ChunkQueue, gives_by_key_whatever_the_order_of_pushes_and_takes) {
  std::mt19937 random(1);
  for (int round = 0; round < 20; ++round) {
    ChunkQueue queue;
    std::set<std::uint64_t> model;
    std::uint64_t newest = 1'000;
    // Most rounds begin with a queue whose middle is packed, filled from either end, or in any order.
    std::vector<std::uint64_t> first(round % 4 == 3 ? 0 : 10'000);
    for (auto& key : first) key = ++newest;
    if (round % 4 == 1) std::ranges::reverse(first);
    if (round % 4 == 2) std::ranges::shuffle(first, random);
    for (const auto key : first) queue.push(entry(key));
    model.insert(first.begin(), first.end());
    for (int step = 0; step < 4'000; ++step) {
      const auto what = random() % 10;
      if (what < 5) {
        const auto key = random() % 4 == 0 ? 1 + random() % newest : ++newest;
        if (!model.insert(key).second) continue;
        queue.push(entry(key));  // one that was taken may still lie in the queue as gone
      } else if (what < 8 && !model.empty()) {
        ASSERT_EQ(queue.pop().key.value, *model.begin());
        model.erase(model.begin());
      } else if (!model.empty()) {
        const auto key = *std::next(model.begin(), static_cast<std::ptrdiff_t>(random() % model.size()));
        ASSERT_NE(queue.find(MessageKey{key}), nullptr);
        ASSERT_EQ(queue.find(MessageKey{key})->place().lsn, Lsn{key * 8});
        Entry out;
        ASSERT_TRUE(queue.take(MessageKey{key}, out));
        ASSERT_EQ(out.key, MessageKey{key});
        ASSERT_EQ(queue.find(MessageKey{key}), nullptr);
        model.erase(key);
      }
      ASSERT_EQ(queue.size(), model.size());
      if (!model.empty()) {
        ASSERT_EQ(queue.front().key.value, *model.begin());
      }
    }
  }
}

TEST(Lane, A7_what_was_given_back_takes_its_place_among_those_of_its_sender) {
  Lane lane;
  for (const auto key : {3u, 4u, 5u, 6u}) lane.push(NameId{1}, entry(key));
  EXPECT_EQ(lane.pop().entry.key.value, 3u);
  EXPECT_EQ(lane.pop().entry.key.value, 4u);
  lane.push(NameId{1}, entry(4));
  lane.push(NameId{1}, entry(3));
  EXPECT_EQ(lane.oldest().entry.key.value, 3u);
  for (const auto key : {3u, 4u, 5u, 6u}) EXPECT_EQ(lane.pop().entry.key.value, key);
  EXPECT_TRUE(lane.empty());
}

TEST(Lane, X17_a_sender_whose_messages_come_back_goes_before_no_one_elses_turn) {
  Lane lane;
  for (const auto key : {1u, 2u}) lane.push(NameId{1}, entry(key));
  for (const auto key : {3u, 4u}) lane.push(NameId{2}, entry(key));
  for (int turn = 0; turn < 4; ++turn) {
    const auto failing = lane.pop();
    EXPECT_EQ(failing.entry.key.value, 1u);
    lane.push(NameId{1}, failing.entry);
    if (turn < 2) {
      EXPECT_EQ(lane.pop().sender, NameId{2});
    }
  }
}

TEST(Lane, X17_a_sender_emptied_by_a_take_loses_no_one_elses_turn) {
  Lane lane;
  lane.push(NameId{1}, entry(1));
  lane.push(NameId{2}, entry(2));
  lane.push(NameId{3}, entry(3));
  EXPECT_TRUE(lane.take(NameId{2}, MessageKey{2}).has_value());
  EXPECT_FALSE(lane.take(NameId{2}, MessageKey{2}).has_value());
  EXPECT_EQ(lane.pop().sender, NameId{1});
  EXPECT_EQ(lane.pop().sender, NameId{3});
  EXPECT_TRUE(lane.empty());
}

TEST(Slab, slots_are_used_again_and_hold_what_was_put) {
  Slab<std::string> slab;
  const auto a = slab.insert("a"), b = slab.insert("b");
  slab.erase(a);
  EXPECT_FALSE(slab.holds(a));
  EXPECT_EQ(slab.insert("c"), a);
  EXPECT_EQ(slab[a], "c");
  EXPECT_EQ(slab[b], "b");
  EXPECT_EQ(slab.size(), 2u);
}

TEST(Slab, what_is_erased_is_let_go_of_at_once) {
  Slab<std::shared_ptr<int>> slab;
  const auto held = std::make_shared<int>(1);
  const auto at = slab.insert(held);
  EXPECT_EQ(held.use_count(), 2);
  slab.erase(at);
  EXPECT_EQ(held.use_count(), 1);
}

TEST(Slab, one_that_was_large_begins_anew_when_it_is_empty) {
  Slab<int> slab;
  std::vector<Slot> all;
  for (int i = 0; i < 2'000; ++i) all.push_back(slab.insert(i));
  for (const auto at : all) slab.erase(at);
  EXPECT_EQ(slab.insert(1), Slot{0});
}

TEST(SlabRing, A7_gives_turns_to_who_is_in_it_in_the_order_of_coming) {
  struct Member {
    RingLinks links{};
  };
  Slab<Member> slab;
  SlabRing<Member> ring;
  std::deque<Slot> model;  // whose turn is next first
  std::mt19937 random(3);
  for (int step = 0; step < 20'000; ++step) {
    const auto what = random() % 4;
    if (what == 0 || model.empty()) {
      const auto at = slab.insert({});
      ring.push_back(slab, at);
      model.push_back(at);
    } else if (what == 1) {
      const auto leaves = model.begin() + static_cast<std::ptrdiff_t>(random() % model.size());
      ring.remove(slab, *leaves);
      ASSERT_FALSE(slab[*leaves].links.in_ring());
      slab.erase(*leaves);
      model.erase(leaves);
    } else {
      ASSERT_EQ(ring.take_turn(slab), model.front());
      std::rotate(model.begin(), model.begin() + 1, model.end());
    }
    ASSERT_EQ(ring.empty(), model.empty());
    std::deque<Slot> walked;
    for (auto at = ring.first(); at != kNoSlot; at = ring.after(slab, at)) walked.push_back(at);
    ASSERT_EQ(walked, model);
    const auto last = model.empty() ? kNoSlot : model.back();
    ASSERT_EQ(ring.any_of(slab, [&](const Member& member) { return &member == &slab[last]; }), !model.empty());
  }
}

TEST(Ring, is_first_in_first_out_while_it_grows) {
  Ring<int> ring;
  int next = 0;
  for (int i = 0; i < 1'000; ++i) {
    ring.push(i);
    if (i % 3 == 0) {
      EXPECT_EQ(ring.front(), next++);
      ring.pop();
    }
  }
  EXPECT_EQ(ring.at(1), next + 1);
  for (; !ring.empty(); ring.pop()) EXPECT_EQ(ring.front(), next++);
  EXPECT_EQ(next, 1'000);
}

TEST(Timers, A1_X5_come_up_by_time_and_in_a_defined_order_and_stale_ones_can_be_dropped) {
  Timers timers;
  for (const auto id : {3u, 1u, 2u}) timers.add({.at = Instant{10}, .id = id, .place = 0, .kind = TimerKind::due});
  timers.add({.at = Instant{5}, .id = 9, .place = 0, .kind = TimerKind::lease});
  timers.add({.at = Instant{10}, .id = 7, .place = 0, .kind = TimerKind::expiry});
  EXPECT_EQ(timers.next_at(), Instant{5});
  timers.drop_stale([](const Timer& timer) { return timer.id != 2; });
  Timer timer;
  EXPECT_FALSE(timers.pop_due(Instant{4}, timer));
  for (const auto id : {9u, 7u, 1u, 3u}) {
    ASSERT_TRUE(timers.pop_due(Instant{10}, timer));
    EXPECT_EQ(timer.id, id);
  }
  EXPECT_EQ(timers.next_at(), kNoTime);
}

TEST(LeaseTable, X12_tokens_of_two_runs_never_meet) {
  LeaseTable table;
  Slot session = kNoSlot, mailbox = kNoSlot;
  table.begin_run(0, 1);
  const auto first = table.add({.entry = entry(1), .session = SessionId{1}}, session, mailbox);
  const auto token = table[first].token;
  table.begin_run(0, 2);
  const auto second = table.add({.entry = entry(2), .session = SessionId{1}}, session, mailbox);
  EXPECT_GT(table[second].token, token);
  EXPECT_EQ(table.find_key(MessageKey{1}), first);
  table.remove(first, &session, mailbox);
  EXPECT_EQ(table.find(token), kNoSlot);
  EXPECT_EQ(session, second);
  EXPECT_EQ(mailbox, second);
}

TEST(SettledReceipts, X10_remember_the_newest_only) {
  SettledReceipts receipts(2);
  for (const auto key : {1u, 2u, 3u}) receipts.add(MessageKey{key}, {.at = 10});
  EXPECT_EQ(receipts.find(MessageKey{1}), nullptr);
  EXPECT_NE(receipts.find(MessageKey{2}), nullptr);
  EXPECT_NE(receipts.find(MessageKey{3}), nullptr);
}

TEST(SettledReceipts, X10_are_found_whenever_they_are_asked_for) {
  constexpr std::size_t kMax = 100'000;  // more than wait to be indexed
  SettledReceipts receipts(kMax);
  std::mt19937_64 random(5);
  std::vector<MessageKey> keys;
  for (int i = 0; i < 400'000; ++i) {
    keys.push_back(random() % 64 == 0 && !keys.empty() ? keys[random() % keys.size()]
                                                       : MessageKey{random()});  // a few come twice
    receipts.add(keys.back(), {.at = i});
    if (random() % (1 + static_cast<unsigned>(i) % 40'000) != 0) continue;
    const auto asked = random() % keys.size();
    const auto newest = keys.rend() - std::find(keys.rbegin(), keys.rend(), keys[asked]) - 1;
    const auto* const found = receipts.find(keys[asked]);
    ASSERT_EQ(found != nullptr, static_cast<std::size_t>(newest) + kMax >= keys.size());
    EXPECT_TRUE(found == nullptr || found->at == newest);
  }
}

TEST(TopicIndex, M1_finds_what_a_comparison_with_each_pattern_finds) {
  std::mt19937 random(2);
  const std::vector<std::string> words = {"a", "b", "*", ">"};
  const auto make = [&](bool pattern) {
    for (;;) {
      std::string text;
      for (auto count = 1 + random() % 4; count > 0; --count)
        text += (text.empty() ? "" : ".") + words[random() % (pattern ? 4 : 2)];
      if (pattern ? is_pattern(text) : is_topic(text)) return text;
    }
  };
  TopicIndex index;
  std::vector<std::unique_ptr<TopicSubscription>> subscriptions;
  for (int step = 0; step < 3'000; ++step) {
    if (random() % 3 == 0) {
      subscriptions.push_back(std::make_unique<TopicSubscription>());
      subscriptions.back()->pattern = make(true);
      index.add(subscriptions.back().get());
    } else if (random() % 4 == 0 && !subscriptions.empty()) {
      const auto at = subscriptions.begin() + static_cast<std::ptrdiff_t>(random() % subscriptions.size());
      index.remove(at->get());
      subscriptions.erase(at);
    }
    const auto topic = make(false);
    std::vector<TopicSubscription*> expected;
    for (const auto& each : subscriptions) {
      if (topic_matches(each->pattern, topic)) expected.push_back(each.get());
    }
    ASSERT_EQ(index.match(topic).subscriptions, expected) << topic;
    ASSERT_EQ(index.size(), subscriptions.size());
  }
}

}  // namespace
}  // namespace folkmoot
