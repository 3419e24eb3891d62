#include "base/work_thread.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/assert.hpp"

namespace folkmoot {

Result<void> WorkThread::open() {
  event_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event_fd_ < 0) return std::unexpected(system_error(ErrorCode::io_error, "making an eventfd", errno));
  return {};
}

WorkThread::~WorkThread() {
  if (event_fd_ >= 0) ::close(event_fd_);
}

void WorkThread::tell() {
  const std::uint64_t one = 1;
  FOLKMOOT_ASSERT(::write(event_fd_, &one, sizeof one) == sizeof one);
}

void WorkThread::hear() {
  std::uint64_t count = 0;
  (void)!::read(event_fd_, &count, sizeof count);  // not readable is fine: then there is nothing to hear
}

bool WorkThread::end() {
  if (!thread_.joinable()) return false;
  wake([this] { stopping_ = true; });
  thread_.join();
  return true;
}

}  // namespace folkmoot
