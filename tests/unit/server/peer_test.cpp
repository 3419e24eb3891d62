// Whose connection it is (server/peer.hpp).
#include "server/peer.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace folkmoot {
namespace {

PeerAddress v4(const char* text) {
  sockaddr_storage address{};
  auto& inner = reinterpret_cast<sockaddr_in&>(address);
  inner.sin_family = AF_INET;
  inner.sin_port = htons(1234);
  EXPECT_EQ(::inet_pton(AF_INET, text, &inner.sin_addr), 1);
  return peer_address(address);
}

PeerAddress v6(const char* text) {
  sockaddr_storage address{};
  auto& inner = reinterpret_cast<sockaddr_in6&>(address);
  inner.sin6_family = AF_INET6;
  EXPECT_EQ(::inet_pton(AF_INET6, text, &inner.sin6_addr), 1);
  return peer_address(address);
}

TEST(PeerAddress, is_an_ipv4_address_whatever_its_port) {
  EXPECT_EQ(v4("10.1.2.3").text(), "10.1.2.3");
  EXPECT_NE(v4("10.1.2.3"), v4("10.1.2.4"));
}

TEST(PeerAddress, of_ipv6_is_the_network_that_one_host_has_to_itself) {
  EXPECT_EQ(v6("2001:db8:1:2::1"), v6("2001:db8:1:2:ffff:1:2:3"));
  EXPECT_NE(v6("2001:db8:1:2::1"), v6("2001:db8:1:3::1"));
  EXPECT_EQ(v6("2001:db8:1:2::1").text(), "2001:db8:1:2::/64");
}

TEST(PeerAddress, within_ipv6_is_the_ipv4_address) { EXPECT_EQ(v6("::ffff:10.1.2.3"), v4("10.1.2.3")); }

TEST(PeerAddress, of_the_unix_socket_and_of_no_socket_is_one) {
  sockaddr_storage address{};
  address.ss_family = AF_UNIX;
  EXPECT_EQ(peer_address(address), PeerAddress{});
  EXPECT_EQ(peer_address(-1), PeerAddress{});
  EXPECT_EQ(PeerAddress{}.text(), "the Unix socket");
}

}  // namespace
}  // namespace folkmoot
