// Which addresses webhooks may not go to.
#include "webhook/address.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstring>
#include <string>

namespace folkmoot {
namespace {

bool is_local(const std::string& text) {
  sockaddr_storage storage{};
  if (text.find(':') == std::string::npos) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    EXPECT_EQ(::inet_pton(AF_INET, text.c_str(), &in.sin_addr), 1) << text;
    std::memcpy(&storage, &in, sizeof in);
  } else {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    EXPECT_EQ(::inet_pton(AF_INET6, text.c_str(), &in.sin6_addr), 1) << text;
    std::memcpy(&storage, &in, sizeof in);
  }
  return is_local_address(reinterpret_cast<const sockaddr&>(storage));
}

TEST(WebhookAddress, X11_this_machine_and_private_networks_are_told_from_the_rest) {
  for (const auto* const local : {"127.0.0.1",
                                  "127.255.255.255",
                                  "0.0.0.0",
                                  "10.1.2.3",
                                  "100.64.0.1",
                                  "100.127.255.255",
                                  "169.254.169.254",
                                  "172.16.0.1",
                                  "172.31.255.255",
                                  "192.168.1.1",
                                  "198.18.0.1",
                                  "224.0.0.1",
                                  "255.255.255.255",
                                  "::",
                                  "::1",
                                  "::ffff:127.0.0.1",
                                  "::ffff:10.0.0.1",
                                  "::7f00:1",
                                  "64:ff9b::7f00:1",
                                  "2002:7f00:1::",
                                  "fc00::1",
                                  "fdff::1",
                                  "fe80::1",
                                  "fec0::1",
                                  "ff02::1"}) {
    EXPECT_TRUE(is_local(local)) << local;
  }
  for (const auto* const open :
       {"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1",
        "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "223.255.255.255", "2606:4700::1111",
        "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::", "2001:4860:4860::8888"}) {
    EXPECT_FALSE(is_local(open)) << open;
  }
  sockaddr unix_socket{};
  unix_socket.sa_family = AF_UNIX;
  EXPECT_TRUE(is_local_address(unix_socket));
}

}  // namespace
}  // namespace folkmoot
