#include "gateway/http/peer.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>

namespace folkmoot {
namespace {

using namespace std::chrono_literals;

}  // namespace

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
