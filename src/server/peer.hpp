// Who is at the other end: an address, as far as bounds by address go; of a Unix socket a user.
#pragma once

#include <sys/socket.h>

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

namespace folkmoot {

/// An IPv4 address; of an IPv6 address the upper 64 bits, since one host has all of the lower ones; or the Unix socket,
/// as a whole.
struct PeerAddress {
  std::uint64_t family = 0;  // AF_INET, AF_INET6; 0: the Unix socket
  std::uint64_t network = 0;

  auto operator<=>(const PeerAddress&) const = default;
  std::string text() const;
  /// Of this machine, over the network that does not leave it.
  bool is_loopback() const;
};

/// As accept() and getpeername() have it. An IPv4 address within IPv6 is an IPv4 address.
PeerAddress peer_address(const sockaddr_storage& address);
/// Of a connected socket.
PeerAddress peer_address(int socket);

/// Who runs the program at the other end of a Unix socket: its user id; nothing if the system does not say.
std::optional<std::uint32_t> peer_user(int socket);

}  // namespace folkmoot
