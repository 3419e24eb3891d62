// What goes out of a reactor, and who takes too little of it (server/outbox.hpp).
#include "server/outbox.hpp"

#include <gtest/gtest.h>

#include "unit/server/silent_net.hpp"

namespace folkmoot {
namespace {

constexpr std::int64_t kNow = 1'000'000;

/// Its sockets take so many bytes more.
class TakingNet final : public SilentNet {
 public:
  std::ptrdiff_t send(int, std::span<const Bytes> parts) override {
    if (is_broken) return kFailed;
    if (takes == 0) return kNothing;
    const auto before = taken.size();
    for (const auto& part : parts) {
      const auto some = part.first(std::min(part.size(), takes));
      takes -= some.size();
      taken.append(as_text(some));
    }
    return static_cast<std::ptrdiff_t>(taken.size() - before);
  }
  void end_sending(int) override { ++ends; }

  std::size_t takes = 1 << 30;
  bool is_broken = false;
  std::string taken;
  int ends = 0;
};

class OutboxTest : public testing::Test {
 protected:
  OutboxTest() {
    options_.pending_bytes_high = 100;
    options_.pending_bytes_max = 1'000;
  }
  Connection& open(DoorKind door = DoorKind::native) {
    auto& connection = connections_.add(5, nullptr);
    connection.state = Connection::State::open;
    connection.door = door;
    return connection;
  }
  void put(Connection& connection, std::string_view text) {
    std::memcpy(outbox_.room(connection, text.size()), text.data(), text.size());
  }
  // A turn's end.
  std::vector<SessionId> write_all() {
    std::vector<SessionId> written;
    outbox_.send_fan_out();
    outbox_.each_dirty([&](Connection& connection) {
      written.push_back(connection.id);
      EXPECT_TRUE(outbox_.write(connection));
    });
    return written;
  }

  ServerOptions options_;
  Connections connections_;
  Deadlines deadlines_;
  TakingNet net_;
  std::int64_t now_ = kNow;
  SocketBytes sockets_{net_};
  Outbox outbox_{options_, connections_, deadlines_, sockets_, now_};
};

TEST_F(OutboxTest, writes_once_what_was_put_in_a_turn) {
  auto& connection = open();
  put(connection, "one");
  put(connection, "two");
  EXPECT_EQ(outbox_.unsent_bytes(), 6u);
  EXPECT_EQ(write_all(), std::vector<SessionId>{connection.id});
  EXPECT_EQ(net_.taken, "onetwo");
  EXPECT_EQ(outbox_.unsent_bytes(), 0u);
  EXPECT_TRUE(write_all().empty()) << "nothing is new";
}

TEST_F(OutboxTest, what_is_put_while_others_are_written_is_written_too) {
  auto& first = open();
  auto& second = open();
  put(first, "a");
  int turns = 0;
  outbox_.each_dirty([&](Connection& connection) {
    if (++turns == 1) put(second, "b");
    outbox_.write(connection);
  });
  EXPECT_EQ(turns, 2);
  EXPECT_EQ(net_.taken, "ab");
}

TEST_F(OutboxTest, what_the_socket_does_not_take_waits_until_it_is_writable) {
  auto& connection = open();
  net_.takes = 4;
  put(connection, "abcdef");
  write_all();
  EXPECT_TRUE(connection.wants_write);
  EXPECT_EQ(connection.unsent(), 2u);
  put(connection, "gh");
  EXPECT_TRUE(write_all().empty()) << "it waits for the socket, not for a turn";
  net_.takes = 100;
  EXPECT_TRUE(outbox_.write(connection));
  EXPECT_FALSE(connection.wants_write);
  EXPECT_EQ(net_.taken, "abcdefgh");
}

TEST_F(OutboxTest, a_socket_that_has_broken_is_to_be_closed_and_last_words_end_it) {
  auto& connection = open();
  connection.state = Connection::State::ending;
  put(connection, "farewell");
  net_.takes = 3;
  EXPECT_TRUE(outbox_.write(connection));
  EXPECT_EQ(net_.ends, 0) << "there is more to say";
  net_.takes = 100;
  EXPECT_TRUE(outbox_.write(connection));
  EXPECT_EQ(net_.ends, 1);
  put(connection, "x");
  net_.is_broken = true;
  EXPECT_FALSE(outbox_.write(connection));
}

TEST_F(OutboxTest, much_goes_past_the_buffer_and_the_rest_of_it_waits) {
  auto& connection = open();
  const std::string head = "head", rest(Outbox::kOwnWriteBytes, 'x');
  ASSERT_TRUE(outbox_.sends_at_once(connection, rest.size()));
  EXPECT_FALSE(outbox_.sends_at_once(connection, rest.size() - 1));
  net_.takes = 10;
  const Bytes parts[] = {as_bytes(head), as_bytes(rest)};
  outbox_.send_or_keep(connection, parts);
  EXPECT_EQ(net_.taken, "headxxxxxx");
  EXPECT_EQ(connection.unsent(), rest.size() - 6);
  EXPECT_FALSE(outbox_.sends_at_once(connection, rest.size())) << "that would overtake what waits";
}

TEST_F(OutboxTest, an_event_for_several_goes_out_before_what_is_put_behind_it) {
  auto& first = open();
  auto& second = open();
  const EventTarget targets[] = {{first.id, RequestNumber{1}}, {second.id, RequestNumber{2}}};
  outbox_.fan_out(targets, {as_bytes("event"), {}});
  EXPECT_EQ(first.unsent(), 0u) << "gathered";
  put(second, "!");
  EXPECT_EQ(first.unsent(), kFrameHeaderBytes + 5);
  EXPECT_EQ(second.unsent(), kFrameHeaderBytes + 6);
  EXPECT_TRUE(as_text(second.out.bytes()).ends_with("event!"));
}

TEST_F(OutboxTest, whoever_is_behind_with_events_holds_those_who_publish_until_half_is_taken) {
  auto& connection = open();
  EXPECT_TRUE(outbox_.hold_if_behind(connection, 100, true));
  EXPECT_FALSE(outbox_.take_holds_readers());
  put(connection, std::string(101, 'x'));
  EXPECT_TRUE(outbox_.is_behind(connection));
  EXPECT_FALSE(outbox_.hold_if_behind(connection, connection.unsent(), true));
  EXPECT_FALSE(outbox_.hold_if_behind(connection, connection.unsent(), true)) << "counted once";
  EXPECT_TRUE(outbox_.take_holds_readers());
  EXPECT_FALSE(outbox_.take_holds_readers()) << "told once";
  EXPECT_TRUE(outbox_.has_congested() && outbox_.has_congested_client());
  EXPECT_EQ(connection.deadline, kNow + options_.slow_consumer_ms);
  net_.takes = 50;
  write_all();
  EXPECT_FALSE(outbox_.has_drained(connection)) << "51 wait, of 100";
  net_.takes = 1;
  outbox_.write(connection);
  EXPECT_TRUE(outbox_.has_drained(connection));
  EXPECT_TRUE(outbox_.no_more_congested(connection)) << "the last client";
  EXPECT_FALSE(outbox_.no_more_congested(connection)) << "it was not any more";
  EXPECT_FALSE(outbox_.has_congested() || outbox_.has_congested_client());
  EXPECT_EQ(connection.deadline, 0);
}

TEST_F(OutboxTest, mail_holds_the_engine_alone_and_a_shard_link_no_client) {
  auto& reader = open();
  EXPECT_FALSE(outbox_.hold_if_behind(reader, 101, false));
  EXPECT_TRUE(reader.engine_held);
  EXPECT_FALSE(outbox_.has_congested());
  auto& shard = open(DoorKind::shard);
  EXPECT_FALSE(outbox_.hold_if_behind(shard, 101, true));
  EXPECT_TRUE(outbox_.has_congested());
  EXPECT_FALSE(outbox_.has_congested_client());
  EXPECT_FALSE(outbox_.no_more_congested(shard));
  EXPECT_FALSE(outbox_.has_congested());
}

TEST_F(OutboxTest, whoever_has_too_much_waiting_is_told_of_once_and_a_shard_link_never) {
  auto& connection = open();
  auto& shard = open(DoorKind::shard);
  EXPECT_FALSE(outbox_.is_overrun(connection, 1'000));
  EXPECT_FALSE(outbox_.is_overrun(shard, 1'001));
  EXPECT_FALSE(outbox_.has_overrun());
  EXPECT_TRUE(outbox_.is_overrun(connection, 1'001));
  EXPECT_TRUE(outbox_.has_overrun());
  EXPECT_EQ(outbox_.take_overrun(), std::vector<SessionId>{connection.id});
  EXPECT_FALSE(outbox_.has_overrun());
}

// Found by the simulation (seed 77007194): a response was left out, and its CANCEL was answered as if nothing had come.
TEST_F(OutboxTest, who_is_overrun_is_answered_nothing_more) {
  auto& connection = open();
  EXPECT_FALSE(outbox_.is_overrun(connection, connection.answer_bytes));
  EXPECT_TRUE(outbox_.is_overrun(connection, 1'001));
  connection.answer_bytes += 10;
  EXPECT_TRUE(outbox_.is_overrun(connection, connection.answer_bytes));
  EXPECT_EQ(outbox_.take_overrun(), std::vector<SessionId>{connection.id}) << "once";
}

}  // namespace
}  // namespace folkmoot
