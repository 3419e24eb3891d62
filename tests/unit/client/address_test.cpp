// Addresses as people write them.
#include "client/address.hpp"

#include <gtest/gtest.h>

namespace folkmoot {
namespace {

TEST(AddressTest, U1_host_and_port_ipv6_and_unix_paths_are_read) {
  EXPECT_EQ(parse_address("localhost:7470")->host, "localhost");
  EXPECT_EQ(parse_address("127.0.0.1:80")->port, "80");
  EXPECT_EQ(parse_address("[::1]:7470")->host, "::1");
  EXPECT_EQ(parse_address("unix:data/folkmoot.sock")->path, "data/folkmoot.sock");
  EXPECT_EQ(parse_address("/run/folkmoot.sock")->path, "/run/folkmoot.sock");
}

TEST(AddressTest, U1_anything_else_is_refused_with_the_accepted_forms) {
  for (const std::string text :
       {"", "host", "host:", ":7470", "host:0", "host:65536", "host:7470x", "::1:7470", "[]:1", "unix:"}) {
    const auto read = parse_address(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, ErrorCode::invalid_field);
    EXPECT_NE(read.error().text.find("host:port"), std::string::npos);
  }
  EXPECT_FALSE(parse_address("/" + std::string(200, 'x')));
}

TEST(AddressTest, B8_the_environment_gives_the_address_when_nobody_else_does) {
  unsetenv("FOLKMOOT_ADDRESS");
  EXPECT_EQ(address_or_default(""), kAddressDefault);
  setenv("FOLKMOOT_ADDRESS", "unix:/x", 1);
  EXPECT_EQ(address_or_default(""), "unix:/x");
  EXPECT_EQ(address_or_default("a:1"), "a:1");
  unsetenv("FOLKMOOT_ADDRESS");
}

}  // namespace
}  // namespace folkmoot
