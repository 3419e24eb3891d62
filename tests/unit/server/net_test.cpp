// The network of the operating system, as far as a reactor waits for it outside its loop (server/net.hpp).
#include "server/net.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

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

// Whoever comes while the descriptors are used up stays with the system, and is taken when there are some again.
TEST(PosixNet, takes_nobody_while_there_are_no_files_left_and_then_who_has_waited) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  auto few = before;
  few.rlim_cur = 160;  // 20 of them are kept for the server's own files
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  const auto net = std::move(*PosixNet::make());
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);

  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener, 8), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  EXPECT_EQ(net->accept(listener).what, Net::Accepted::What::nothing);
  const auto connect = [&] {
    const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&address), size), 0);
    return client;
  };

  std::vector<int> clients{connect()};
  const auto first = net->accept(listener);
  ASSERT_EQ(first.what, Net::Accepted::What::taken);
  EXPECT_GE(first.socket, 0);
  EXPECT_TRUE(first.peer.is_loopback());

  std::vector<int> used;
  while (used.empty() || used.back() < 160) used.push_back(::dup(listener));
  clients.push_back(connect());
  EXPECT_EQ(net->accept(listener).what, Net::Accepted::What::no_files) << "it is turned away, as it was taken to tell";
  clients.push_back(connect());
  EXPECT_EQ(net->accept(listener).what, Net::Accepted::What::no_files) << "and this one is not touched";
  for (const int file : used) ::close(file);
  const auto last = net->accept(listener);
  EXPECT_EQ(last.what, Net::Accepted::What::taken);

  for (const int client : clients) ::close(client);
  net->close(first.socket);
  if (last.socket >= 0) net->close(last.socket);
  ::close(listener);
}

}  // namespace
}  // namespace folkmoot
