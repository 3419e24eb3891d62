// Room for frames that have come in part (server/frame_pool.hpp).
#include "server/frame_room.hpp"

#include <gtest/gtest.h>

#include <random>

namespace folkmoot {
namespace {

using Ids = std::vector<std::uint64_t>;

// A pool asked on behalf of one owner.
class Pool {
 public:
  Pool(std::size_t bytes_max, std::size_t frame_bytes_max) : pool_(bytes_max, frame_bytes_max) {}
  bool ask(std::uint64_t id, const PeerAddress& address, std::size_t bytes) {
    return pool_.ask({nullptr, SessionId{id}}, address, bytes);
  }
  void give_back(std::uint64_t id) { pool_.give_back({nullptr, SessionId{id}}); }
  void change(std::size_t bytes_max) { pool_.change(bytes_max); }
  Ids take_granted() {
    Ids ids;
    for (const auto& asker : pool_.take_granted()) ids.push_back(asker.id.value);
    return ids;
  }
  std::size_t used_bytes() const { return pool_.used_bytes(); }
  std::size_t waiting() const { return pool_.waiting(); }

 private:
  FramePool pool_;
};

constexpr PeerAddress kAnn{2, 1}, kBob{2, 2}, kCyd{2, 3};

TEST(FramePool, gives_room_until_it_is_used_up_and_then_in_the_order_that_they_came) {
  Pool pool(100, 10);
  for (std::uint64_t id = 1; id <= 7; ++id) EXPECT_TRUE(pool.ask(id, kAnn, 10));
  EXPECT_FALSE(pool.ask(8, kAnn, 10));  // above three quarters
  EXPECT_FALSE(pool.ask(9, kAnn, 10));
  EXPECT_TRUE(pool.take_granted().empty());
  pool.give_back(3);
  EXPECT_EQ(pool.take_granted(), Ids{8});
  pool.give_back(1);
  EXPECT_EQ(pool.take_granted(), Ids{9});
  EXPECT_EQ(pool.used_bytes(), 70u);
  EXPECT_EQ(pool.waiting(), 0u);
}

TEST(FramePool, an_address_does_not_shut_others_out) {
  Pool pool(100, 10);
  for (std::uint64_t id = 1; id <= 7; ++id) EXPECT_TRUE(pool.ask(id, kAnn, 10));
  EXPECT_FALSE(pool.ask(8, kAnn, 10));
  EXPECT_TRUE(pool.ask(9, kBob, 10)) << "one that waits for room of its own address is nobody's concern";
  EXPECT_TRUE(pool.ask(10, kBob, 10));
  EXPECT_TRUE(pool.ask(11, kCyd, 10));
  EXPECT_FALSE(pool.ask(12, kCyd, 10)) << "all room is used";
}

TEST(FramePool, addresses_take_turns) {
  Pool pool(40, 10);
  for (std::uint64_t id = 1; id <= 3; ++id) EXPECT_TRUE(pool.ask(id, kCyd, 10));
  EXPECT_TRUE(pool.ask(4, {2, 4}, 10));
  for (std::uint64_t id = 10; id <= 12; ++id) EXPECT_FALSE(pool.ask(id, kAnn, 10));
  for (std::uint64_t id = 20; id <= 21; ++id) EXPECT_FALSE(pool.ask(id, kBob, 10));
  Ids order;
  for (const auto ends : {1, 2, 3, 4, 10}) {
    pool.give_back(ends);
    for (const auto id : pool.take_granted()) order.push_back(id);
  }
  EXPECT_EQ(order, (Ids{10, 20, 11, 21, 12}));
}

TEST(FramePool, nobody_takes_what_comes_free_before_one_that_needs_more) {
  Pool pool(100, 50);
  for (std::uint64_t id = 1; id <= 7; ++id) EXPECT_TRUE(pool.ask(id, kAnn, 10));
  EXPECT_FALSE(pool.ask(8, kBob, 50));
  EXPECT_FALSE(pool.ask(9, kCyd, 10)) << "there would be room, but not for whoever came before";
  pool.give_back(1);
  EXPECT_TRUE(pool.take_granted().empty());
  pool.give_back(2);
  EXPECT_EQ(pool.take_granted(), Ids{8});
  pool.give_back(3);
  EXPECT_EQ(pool.take_granted(), Ids{9});
}

TEST(FramePool, who_leaves_the_line_holds_nobody_up) {
  Pool pool(100, 50);
  for (std::uint64_t id = 1; id <= 7; ++id) EXPECT_TRUE(pool.ask(id, kAnn, 10));
  EXPECT_FALSE(pool.ask(8, kBob, 50));
  EXPECT_FALSE(pool.ask(9, kCyd, 10));
  pool.give_back(8);
  EXPECT_EQ(pool.take_granted(), Ids{9});
  pool.give_back(8);
  EXPECT_EQ(pool.used_bytes(), 80u);
}

TEST(FramePool, who_is_gone_before_it_hears_of_its_room_gives_it_back) {
  Pool pool(20, 10);
  EXPECT_TRUE(pool.ask(1, kAnn, 10));
  EXPECT_TRUE(pool.ask(2, kBob, 10));
  EXPECT_FALSE(pool.ask(3, kCyd, 10));
  EXPECT_FALSE(pool.ask(4, kCyd, 10));
  pool.give_back(1);
  pool.give_back(3);
  EXPECT_EQ(pool.take_granted(), Ids{4});
}

TEST(FramePool, lets_the_longest_frame_through_however_small_it_is) {
  Pool pool(10, 1'000);
  EXPECT_TRUE(pool.ask(1, kAnn, 1'000));
  EXPECT_FALSE(pool.ask(2, kBob, 1'000));
  pool.give_back(1);
  EXPECT_EQ(pool.take_granted(), Ids{2});
}

// Whatever comes and goes: never more than there is, nobody forgotten, and all of it free in the end.
TEST(FramePool, holds_its_bounds_and_serves_everybody) {
  constexpr std::size_t kBytesMax = 1'000, kFrameMax = 200;
  Pool pool(kBytesMax, kFrameMax);
  std::mt19937 chance(7);
  std::map<std::uint64_t, std::size_t> has, waits;
  std::map<std::uint64_t, std::uint64_t> of;
  const auto hear = [&] {
    for (const auto id : pool.take_granted()) {
      ASSERT_TRUE(waits.contains(id));
      has.insert(waits.extract(id));
    }
  };
  std::uint64_t next = 1;
  for (int step = 0; step < 20'000; ++step) {
    if (chance() % 2 == 0 && waits.size() < 50) {
      const auto id = next++;
      const std::size_t bytes = 1 + chance() % kFrameMax;
      of[id] = chance() % 4;
      (pool.ask(id, {2, of[id]}, bytes) ? has : waits)[id] = bytes;
    } else if (auto& from = chance() % 4 != 0 && !has.empty() ? has : waits; !from.empty()) {
      const auto one = std::next(from.begin(), static_cast<std::ptrdiff_t>(chance() % from.size()));
      pool.give_back(one->first);
      from.erase(one);
    }
    hear();
    std::size_t used = 0;
    std::map<std::uint64_t, std::size_t> by_address;
    for (const auto& [id, bytes] : has) used += bytes, by_address[of[id]] += bytes;
    ASSERT_EQ(pool.used_bytes(), used);
    ASSERT_LE(used, kBytesMax);
    for (const auto& [address, bytes] : by_address) ASSERT_LE(bytes, kBytesMax * 3 / 4);
    ASSERT_EQ(pool.waiting(), waits.size());
  }
  while (!has.empty()) {
    pool.give_back(has.begin()->first);
    has.erase(has.begin());
    hear();
  }
  EXPECT_TRUE(waits.empty());
  EXPECT_EQ(pool.used_bytes(), 0u);
}

class Owner : public RoomOwner {
 public:
  void on_room(SessionId id) override { told.push_back(id.value); }
  Ids told;
};

TEST(FramePool, changes_how_much_room_there_is_and_takes_none_away) {
  Pool pool(400, 100);
  for (std::uint64_t id = 1; id <= 4; ++id) EXPECT_TRUE(pool.ask(id, id < 3 ? kAnn : kBob, 100));
  EXPECT_FALSE(pool.ask(5, kCyd, 100));
  pool.change(200);
  EXPECT_EQ(pool.used_bytes(), 400u);
  pool.give_back(1);
  EXPECT_TRUE(pool.take_granted().empty()) << "300 of 200 bytes are used";
  pool.change(400);
  EXPECT_EQ(pool.take_granted(), Ids{5});
  EXPECT_EQ(pool.used_bytes(), 400u);
}

TEST(FrameRoom, tells_the_owner_of_the_connection_that_has_room_now) {
  FrameRoom room(1'600, 400);
  Owner one, other;
  EXPECT_TRUE(room.ask(one, SessionId{1}, kAnn, 400));
  EXPECT_FALSE(room.ask(one, SessionId{2}, kAnn, 400));
  EXPECT_TRUE(room.ask(other, SessionId{2}, kBob, 400));
  EXPECT_EQ(room.used_bytes(), 800u);
  room.give_back(one, SessionId{1}, 400);
  EXPECT_EQ(one.told, Ids{2});
  EXPECT_TRUE(other.told.empty());
}

TEST(FrameRoom, long_frames_leave_room_for_ordinary_ones_and_the_other_way_round) {
  FrameRoom room(1'600, 400);
  Owner owner;
  EXPECT_TRUE(room.ask(owner, SessionId{1}, kAnn, 400));
  EXPECT_FALSE(room.ask(owner, SessionId{2}, kAnn, 400));
  EXPECT_TRUE(room.ask(owner, SessionId{3}, kAnn, 100)) << "a quarter of the longest is ordinary";
  std::uint64_t id = 4;
  while (room.ask(owner, SessionId{id}, {2, id % 3}, 100)) ++id;
  room.give_back(owner, SessionId{id}, 100);
  EXPECT_EQ(room.used_bytes(), 400u + 100 * (id - 3));
  room.give_back(owner, SessionId{1}, 400);
  EXPECT_EQ(owner.told, Ids{2});
}

}  // namespace
}  // namespace folkmoot
