// What the system knows of the other end of a connection: a client that has closed its sending side may still read, and
// is answered; one that is gone is not.
#pragma once

#include "gateway/context.hpp"

namespace folkmoot {

enum class Peer : std::uint8_t {
  here,
  half_closed,  // it sends nothing more; over TCP it may be gone altogether, which shows when something is sent to it
  gone,
};

/// Looks without waiting and without taking anything off the socket.
Peer look_at_peer(int socket);

/// Whether all that was written has been taken: by the peer's host over TCP, by the peer itself over a Unix socket.
/// False if the peer is gone, or has not taken it within `patience`.
asio::awaitable<bool> wait_until_taken(asio::any_io_executor strand, int socket, std::chrono::milliseconds patience);

}  // namespace folkmoot
