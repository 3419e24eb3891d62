// Where the server is: "host:port", "[::1]:7470", "unix:/path" or "/path"; with TLS: "tls://host:port".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace folkmoot {

struct Address {
  std::string host;  // empty for a Unix socket
  std::string port;
  std::string path;  // empty for TCP
  bool is_tls = false;
};

constexpr std::string_view kAddressDefault = "127.0.0.1:7470";

/// `given`, else $FOLKMOOT_ADDRESS, else kAddressDefault.
std::string address_or_default(std::string given);

/// Errors: invalid_field with what was met and the accepted forms.
Result<Address> parse_address(std::string_view text);

}  // namespace folkmoot
