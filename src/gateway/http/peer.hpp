// Waiting until the other end of a connection has taken what was written.
#pragma once

#include "gateway/context.hpp"

namespace folkmoot {

/// Whether all that was written has been taken: by the peer's host over TCP, by the peer itself over a Unix socket.
/// False if the peer is gone, or has not taken it within `patience`.
asio::awaitable<bool> wait_until_taken(asio::any_io_executor strand, int socket, std::chrono::milliseconds patience);

}  // namespace folkmoot
