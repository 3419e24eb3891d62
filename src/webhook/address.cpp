#include "webhook/address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>

namespace folkmoot {
namespace {

struct Block {
  std::uint32_t first;
  int bits;
};

// The special-purpose registry of IANA (RFC 6890), in host order.
constexpr Block kLocal[] = {
    {0x00000000, 8},   // this network
    {0x0A000000, 8},   // private
    {0x64400000, 10},  // shared
    {0x7F000000, 8},   // loopback
    {0xA9FE0000, 16},  // link-local
    {0xAC100000, 12},  // private
    {0xC0000000, 24},  // protocol assignments
    {0xC0A80000, 16},  // private
    {0xC6120000, 15},  // benchmarks
    {0xE0000000, 4},   // multicast
    {0xF0000000, 4},   // reserved
};

bool is_local(std::uint32_t address) {
  return std::ranges::any_of(kLocal,
                             [&](const Block& block) { return (address ^ block.first) >> (32 - block.bits) == 0; });
}

bool is_local(const in6_addr& address) {
  const auto* const byte = address.s6_addr;
  const auto starts = [&](std::initializer_list<std::uint8_t> prefix) {
    return std::ranges::equal(prefix, std::span(byte, prefix.size()));
  };
  const auto last = [&] {
    std::uint32_t inner = 0;
    std::memcpy(&inner, byte + 12, sizeof inner);
    return ntohl(inner);
  };
  if (starts({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff})) return is_local(last());             // mapped
  if (starts({0, 0x64, 0xff, 0x9b})) return is_local(last()) || byte[4] != 0 || byte[5] != 0;  // translated
  if (starts({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})) return true;  // ::, ::1, and compatible ones
  if (starts({0x20, 0x02})) {                                     // 6to4
    std::uint32_t inner = 0;
    std::memcpy(&inner, byte + 2, sizeof inner);
    return is_local(ntohl(inner));
  }
  const bool is_unique_local = (byte[0] & 0xfe) == 0xfc, is_link_local = byte[0] == 0xfe && (byte[1] & 0xc0) == 0x80;
  const bool is_site_local = byte[0] == 0xfe && (byte[1] & 0xc0) == 0xc0;
  return is_unique_local || is_link_local || is_site_local || byte[0] == 0xff;
}

}  // namespace

bool is_local_address(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, &address, sizeof in);
    return is_local(ntohl(in.sin_addr.s_addr));
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 in;
    std::memcpy(&in, &address, sizeof in);
    return is_local(in.sin6_addr);
  }
  return true;
}

}  // namespace folkmoot
