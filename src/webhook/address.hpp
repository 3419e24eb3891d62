// Which addresses webhooks may go to: a URL is what somebody told the server, and the server may reach what they
// cannot.
#pragma once

#include <sys/socket.h>

namespace folkmoot {

/// Of this machine, of a network that is somebody's own, or of no single host at all: loopback, private, link-local,
/// shared, multicast and reserved addresses, also as IPv6 carries IPv4 ones.
bool is_local_address(const sockaddr& address);

}  // namespace folkmoot
