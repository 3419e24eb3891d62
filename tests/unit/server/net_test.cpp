// The network of the operating system, as far as a reactor waits for it outside its loop (server/net.hpp).
#include "server/net.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>

namespace folkmoot {
namespace {

class PosixNetTest : public ::testing::Test {
 protected:
  PosixNetTest() : net_(std::move(*PosixNet::make())) {
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair_.data()), 0);
  }
  ~PosixNetTest() override {
    for (const int socket : pair_) net_->close(socket);
  }
  std::span<const int> first() const { return {pair_.data(), 1}; }
  void fill() {
    const std::vector<std::uint8_t> bytes(64 * 1024);
    const Bytes part(bytes);
    while (net_->send(pair_[0], {&part, 1}) > 0) {
    }
  }
  void empty() {
    std::vector<std::uint8_t> bytes(64 * 1024);
    while (net_->receive(pair_[1], bytes) > 0) {
    }
  }

  const std::unique_ptr<PosixNet> net_;
  std::array<int, 2> pair_{};
};

TEST_F(PosixNetTest, waits_for_room_until_there_is_some) {
  EXPECT_TRUE(net_->wait_for(first(), Net::kWritable, 0));
  fill();
  EXPECT_FALSE(net_->wait_for(first(), Net::kWritable, 20));
  empty();
  EXPECT_TRUE(net_->wait_for(first(), Net::kWritable, 10'000));
}

TEST_F(PosixNetTest, waits_for_bytes_of_any_of_the_sockets) {
  EXPECT_FALSE(net_->wait_for(pair_, Net::kReadable, 20));
  const std::uint8_t byte = 1;
  const Bytes part(&byte, 1);
  ASSERT_EQ(net_->send(pair_[1], {&part, 1}), 1);
  EXPECT_TRUE(net_->wait_for(pair_, Net::kReadable, 10'000));
}

TEST_F(PosixNetTest, waits_for_nobody_who_is_gone_and_for_nothing_no_longer_than_said) {
  fill();
  net_->close(std::exchange(pair_[1], -1));
  EXPECT_TRUE(net_->wait_for(first(), Net::kWritable, 10'000));
  EXPECT_FALSE(net_->wait_for({}, Net::kReadable, 1));
}

}  // namespace
}  // namespace folkmoot
