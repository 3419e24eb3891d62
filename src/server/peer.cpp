#include "server/peer.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

namespace folkmoot {

PeerAddress peer_address(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    return {AF_INET, ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr)};
  }
  if (address.ss_family != AF_INET6) return {};
  const auto& bytes = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&bytes)) {
    std::uint32_t inner = 0;
    std::memcpy(&inner, bytes.s6_addr + 12, sizeof inner);
    return {AF_INET, ntohl(inner)};
  }
  std::uint64_t network = 0;
  for (int i = 0; i < 8; ++i) network = network << 8 | bytes.s6_addr[i];
  return {AF_INET6, network};
}

PeerAddress peer_address(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return peer_address(address);
}

std::optional<std::uint32_t> peer_user(int socket) {
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || size != sizeof who) return std::nullopt;
  return who.uid;
}

// Of IPv6 the lower half is not known, and nobody comes from the unspecified address.
bool PeerAddress::is_loopback() const {
  return (family == AF_INET && network >> 24 == 127) || (family == AF_INET6 && network == 0);
}

std::string PeerAddress::text() const {
  char out[INET6_ADDRSTRLEN + 4] = {};
  if (family == AF_INET) {
    const in_addr bytes{htonl(static_cast<std::uint32_t>(network))};
    return ::inet_ntop(AF_INET, &bytes, out, sizeof out);
  }
  if (family != AF_INET6) return "the Unix socket";
  in6_addr bytes{};
  for (int i = 0; i < 8; ++i) bytes.s6_addr[i] = static_cast<std::uint8_t>(network >> (56 - 8 * i));
  return ::inet_ntop(AF_INET6, &bytes, out, sizeof out) + std::string("/64");
}

}  // namespace folkmoot
