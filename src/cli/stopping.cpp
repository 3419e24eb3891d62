#include "cli/stopping.hpp"

#include <poll.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <iterator>

#include "base/error.hpp"

namespace folkmoot::cli {
namespace {

// Readable once nobody is waited for any more.
int stop_event() {
  static const int event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return event;
}

}  // namespace

Result<void> wait_for(int file, short events) {
  pollfd waits[] = {{.fd = file, .events = events, .revents = 0}, {.fd = stop_event(), .events = POLLIN, .revents = 0}};
  while (waits[0].revents == 0) {
    if (::poll(waits, std::size(waits), -1) < 0 && errno != EINTR)
      return std::unexpected(system_error(ErrorCode::io_error, "waiting for a file", errno));
    if (waits[0].revents == 0 && waits[1].revents != 0)
      return failure(ErrorCode::cancelled,
                     "stopped by a signal while it waited for who reads its output or writes its input");
  }
  return {};
}

bool rest(Milliseconds time) {
  pollfd told{.fd = stop_event(), .events = POLLIN, .revents = 0};
  return ::poll(&told, 1, static_cast<int>(time.count())) <= 0;
}

void stop_waiting() { (void)::eventfd_write(stop_event(), 1); }

}  // namespace folkmoot::cli
