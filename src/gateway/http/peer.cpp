#include "gateway/http/peer.hpp"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>

namespace folkmoot {
namespace {

using namespace std::chrono_literals;

// A reset, or a Unix socket whose other end is closed.
bool has_hung_up(int socket) {
  pollfd look{.fd = socket, .events = 0, .revents = 0};
  return ::poll(&look, 1, 0) < 0 || (look.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
}

}  // namespace

Peer look_at_peer(int socket) {
  if (has_hung_up(socket)) return Peer::gone;
  char byte = 0;
  const auto got = ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got == 0) return Peer::half_closed;
  if (got < 0 && errno != EAGAIN && errno != EINTR) return Peer::gone;
  return Peer::here;
}

asio::awaitable<bool> wait_until_taken(asio::any_io_executor strand, int socket, std::chrono::milliseconds patience) {
  asio::steady_timer timer(strand);
  const auto deadline = Clock::now() + patience;
  for (auto pause = 1ms;; pause = std::min<std::chrono::milliseconds>(pause * 2, 50ms)) {
    // In this order: a reset empties the queue too.
    int unsent = 0;
    const bool is_known = ::ioctl(socket, SIOCOUTQ, &unsent) == 0;
    if (!is_known || has_hung_up(socket)) co_return false;
    if (unsent == 0) co_return true;
    if (Clock::now() >= deadline) co_return false;
    timer.expires_after(pause);
    co_await timer.async_wait(kAwait);
  }
}

}  // namespace folkmoot
