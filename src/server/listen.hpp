// Listening sockets.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.hpp"

namespace folkmoot {

struct TcpListener {
  int socket = -1;
  std::uint16_t port = 0;
};

/// True for names and addresses that only this machine can reach.
bool is_loopback(const std::string& host);
/// `port` 0 takes a free one. Errors: io_error (name not found, address not ours), in_use.
Result<TcpListener> listen_tcp(const std::string& host, std::uint16_t port);
/// Replaces a socket file that nobody listens on any more. Errors: io_error, in_use, out_of_range (path too long).
Result<int> listen_unix(const std::string& path);

}  // namespace folkmoot
