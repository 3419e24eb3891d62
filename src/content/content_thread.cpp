#include "content/content_thread.hpp"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace folkmoot {

Result<std::unique_ptr<ContentThread>> ContentThread::make(std::unique_ptr<ContentStore> store) {
  const int event_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event_fd < 0) return failure(ErrorCode::io_error, fmt::format("making an eventfd: {}", std::strerror(errno)));
  return std::unique_ptr<ContentThread>(new ContentThread(std::move(store), event_fd));
}

Result<std::unique_ptr<ContentThread>> ContentThread::start(std::unique_ptr<ContentStore> store) {
  auto self = make(std::move(store));
  if (self) (*self)->thread_ = std::thread([thread = self->get()] { thread->run(); });
  return self;
}

ContentThread::~ContentThread() {
  stop();
  ::close(event_fd_);
}

void ContentThread::submit(ContentJob job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
}

std::deque<ContentDone> ContentThread::collect() {
  std::uint64_t count = 0;
  (void)!::read(event_fd_, &count, sizeof count);
  const std::lock_guard lock(mutex_);
  return std::exchange(done_, {});
}

void ContentThread::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

bool ContentThread::work() {
  std::unique_lock lock(mutex_);
  if (jobs_.empty()) return false;
  auto job = std::move(jobs_.front());
  jobs_.pop_front();
  lock.unlock();
  auto done = carry_out(*store_, std::move(job));
  lock.lock();
  done_.push_back(std::move(done));
  const std::uint64_t one = 1;
  (void)!::write(event_fd_, &one, sizeof one);
  return true;
}

void ContentThread::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    }
    if (!work()) return;
  }
}

}  // namespace folkmoot
