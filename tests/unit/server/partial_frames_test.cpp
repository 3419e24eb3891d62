// What is kept of frames that have come in part (server/partial_frames.hpp).
#include "server/partial_frames.hpp"

#include <gtest/gtest.h>

#include "message/frame.hpp"
#include "unit/server/silent_net.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kKib = 1024, kMib = 1024 * kKib;
constexpr std::int64_t kNow = 1'000'000;
using Room = Beginning::Room;

// The first `bytes` of a frame of `whole`.
std::string beginning(std::size_t whole, std::size_t bytes) {
  std::string frame;
  append_header(frame, Opcode::publish, 0, 1, whole - kFrameHeaderBytes);
  frame.resize(whole, 'x');
  return frame.substr(0, bytes);
}

class PartialFramesTest : public ::testing::Test, public RoomOwner {
 protected:
  void on_room(SessionId id) override { told.push_back(id); }
  Connection& connect() {
    auto& connection = *connections.emplace_back(std::make_unique<Connection>());
    connection.id = SessionId{connections.size()};
    connection.socket = 1'000'000;  // never touched: all are of the Unix socket
    connection.is_unix = true;
    connection.state = Connection::State::open;
    return connection;
  }

  static ServerOptions made() {
    ServerOptions options;
    options.partial_frames = {.total_bytes_max = 16 * kMib, .timeout_ms = 1'000};
    options.engine.shards = 1;
    return options;
  }

  const ServerOptions options = made();
  FrameRoom room{16 * kMib, options.frame_bytes_max};
  SilentNet net;
  PartialFrames frames{options, room, *this, net};
  std::vector<SessionId> told;
  std::vector<std::unique_ptr<Connection>> connections;
};

TEST_F(PartialFramesTest, a_short_frame_needs_no_room_and_is_kept_until_it_is_taken) {
  auto& connection = connect();
  const auto part = beginning(4 * kKib, 100);
  frames.keep(connection, part, false, kNow);
  EXPECT_EQ(connection.begun(), part);
  EXPECT_EQ(connection.in->room, Room::none);
  EXPECT_TRUE(connection.is_read());
  EXPECT_EQ(frames.counters().kept_bytes, 100u);
  EXPECT_EQ(frames.take(connection), part);
  EXPECT_EQ(frames.counters().kept_bytes, 0u);
  frames.keep(connection, {}, false, kNow);
  EXPECT_EQ(connection.in, nullptr) << "an idle connection holds nothing";
}

TEST_F(PartialFramesTest, a_longer_one_has_room_or_is_not_read_until_it_has) {
  auto& first = connect();
  auto& second = connect();
  frames.keep(first, beginning(6 * kMib, 100), false, kNow);
  EXPECT_EQ(first.in->room, Room::has);
  EXPECT_TRUE(first.in->is_gathered_apart());
  EXPECT_EQ(frames.counters().room_bytes, 6 * kMib);
  EXPECT_EQ(frames.counters().kept_bytes, 0u) << "it is counted once";
  frames.keep(second, beginning(6 * kMib, 100), false, kNow);
  EXPECT_EQ(second.in->room, Room::waits);
  EXPECT_FALSE(second.is_read());
  EXPECT_EQ(frames.counters().waiting, 1u);
  frames.drop(first);
  EXPECT_EQ(told, std::vector<SessionId>{second.id});
  EXPECT_TRUE(frames.on_room(second, kNow + 500));
  EXPECT_TRUE(second.is_read());
  EXPECT_EQ(second.begun(), beginning(6 * kMib, 100)) << "nothing is lost";
  EXPECT_EQ(frames.counters().waiting, 0u);
  EXPECT_FALSE(frames.on_room(second, kNow));
  frames.drop(second);
  EXPECT_EQ(room.used_bytes(), 0u);
}

TEST_F(PartialFramesTest, what_goes_on_keeps_its_room_and_its_time_and_what_is_new_does_not) {
  auto& connection = connect();
  frames.keep(connection, beginning(100 * kKib, 10), false, kNow);
  EXPECT_EQ(frames.deadline(connection), kNow + 1'000 + 1'000) << "a second more for each 64 KiB";
  frames.keep(connection, beginning(100 * kKib, 3'000), true, kNow + 700);
  EXPECT_EQ(frames.deadline(connection), kNow + 2'000);
  EXPECT_EQ(room.used_bytes(), 100 * kKib);
  frames.keep(connection, beginning(20 * kKib, 10), false, kNow + 900);
  EXPECT_EQ(frames.deadline(connection), kNow + 1'900);
  EXPECT_EQ(room.used_bytes(), 20 * kKib);
}

TEST_F(PartialFramesTest, a_length_that_comes_in_pieces_counts_once_it_is_there) {
  auto& connection = connect();
  const auto whole = beginning(1 * kMib, 200);
  for (std::size_t bytes = 1; bytes < 200; ++bytes) {
    frames.keep(connection, whole.substr(0, bytes), bytes > 1, kNow + static_cast<std::int64_t>(bytes));
    EXPECT_EQ(connection.in->room, bytes < 4 ? Room::none : Room::has);
  }
  EXPECT_EQ(frames.deadline(connection), kNow + 1 + 1'000 + 16'000);
}

TEST_F(PartialFramesTest, time_does_not_run_while_the_server_does_not_read) {
  auto& first = connect();
  auto& second = connect();
  frames.keep(first, beginning(6 * kMib, 100), false, kNow);
  frames.keep(second, beginning(6 * kMib, 100), false, kNow);
  EXPECT_EQ(frames.deadline(second), 0) << "it waits for room";
  frames.drop(first);
  frames.on_room(second, kNow + 50'000);
  EXPECT_EQ(frames.deadline(second), kNow + 50'000 + frames.time_of(6 * kMib));
  second.is_held = true;
  EXPECT_EQ(frames.deadline(second), 0);
  second.is_held = false;
  frames.restart(second, kNow + 60'000);
  EXPECT_EQ(frames.deadline(second), kNow + 60'000 + frames.time_of(6 * kMib));
  second.state = Connection::State::ending;
  EXPECT_EQ(frames.deadline(second), 0);
}

TEST_F(PartialFramesTest, what_was_read_before_a_connection_was_held_is_kept_without_room_or_time) {
  auto& connection = connect();
  connection.is_held = true;
  frames.keep(connection, beginning(6 * kMib, 200 * kKib), false, kNow);
  EXPECT_EQ(connection.in->room, Room::none);
  EXPECT_EQ(frames.counters().kept_bytes, 200 * kKib);
  frames.drop(connection);
  EXPECT_EQ(frames.counters().kept_bytes, 0u);
}

TEST_F(PartialFramesTest, reads_are_short_while_much_is_kept_without_room) {
  auto& reader = connect();
  EXPECT_GT(frames.read_bytes_max(reader), kMib);
  frames.keep(connect(), beginning(8 * kMib, 100), false, kNow);
  while (frames.counters().kept_bytes <= 2 * kMib) {
    auto& connection = connect();
    frames.keep(connection, beginning(8 * kMib, 200 * kKib), false, kNow);
    ASSERT_EQ(connection.in->room, Room::waits);
  }
  EXPECT_EQ(frames.read_bytes_max(reader), PartialFrames::kFreeBytes);
  frames.keep(reader, beginning(60 * kKib, 10), false, kNow);
  EXPECT_EQ(frames.read_bytes_max(reader), 60 * kKib - 10) << "it has room for all of it";
}

TEST_F(PartialFramesTest, links_and_those_that_have_not_said_hello_ask_for_no_room) {
  auto& link = connect();
  link.socket = -1;
  frames.keep(link, beginning(6 * kMib, 100'000), false, kNow);
  EXPECT_EQ(frames.deadline(link), 0);
  auto& fresh = connect();
  fresh.state = Connection::State::greeting;
  frames.keep(fresh, beginning(4 * kKib, 100), false, kNow);
  EXPECT_EQ(frames.deadline(fresh), 0) << "it has a time of its own";
  EXPECT_EQ(room.used_bytes(), 0u);
  EXPECT_EQ(frames.counters().kept_bytes, 100u);
}

TEST_F(PartialFramesTest, memory_of_a_long_read_is_not_held_by_a_short_rest) {
  auto& connection = connect();
  connection.is_held = true;
  frames.keep(connection, std::string(200 * kKib, 'x'), false, kNow);
  frames.keep(connection, "x", false, kNow);
  EXPECT_LE(connection.in->bytes.capacity(), 8 * kKib);
}

}  // namespace
}  // namespace folkmoot
