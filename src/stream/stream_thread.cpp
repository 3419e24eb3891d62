#include "stream/stream_thread.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

namespace folkmoot {
namespace {
constexpr std::chrono::seconds kRetry{1};
}

Result<std::unique_ptr<StreamThread>> StreamThread::make(std::unique_ptr<FileStreamStore> store) {
  const int event_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event_fd < 0) return failure(ErrorCode::io_error, fmt::format("making an eventfd: {}", std::strerror(errno)));
  return std::unique_ptr<StreamThread>(new StreamThread(std::move(store), event_fd));
}

Result<std::unique_ptr<StreamThread>> StreamThread::start(std::unique_ptr<FileStreamStore> store) {
  auto self = make(std::move(store));
  if (!self) return self;
  (*self)->thread_ = std::thread([thread = self->get()] { thread->run(); });
  pthread_setname_np((*self)->thread_.native_handle(), "streams");
  return self;
}

StreamThread::~StreamThread() {
  (void)stop();
  ::close(event_fd_);
}

void StreamThread::wake() {
  {
    const std::lock_guard lock(mutex_);
    asked_ = true;
  }
  wake_.notify_one();
}

void StreamThread::submit() {
  if (store_->submit()) wake();
}

Result<FileStreamStore::News> StreamThread::collect() {
  std::uint64_t count = 0;
  (void)!::read(event_fd_, &count, sizeof count);
  auto news = store_->collect();
  if (store_->has_work()) wake();  // reads that had waited until what was read is collected
  return news;
}

Result<void> StreamThread::stop() {
  if (!thread_.joinable()) return {};
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
  return store_->close();
}

void StreamThread::work() {
  store_->work();
  const std::uint64_t one = 1;
  (void)!::write(event_fd_, &one, sizeof one);
}

void StreamThread::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto is_due = [this] { return stopping_ || asked_; };
    if (store_->wants_retry()) {
      wake_.wait_for(lock, kRetry, is_due);
    } else {
      wake_.wait(lock, is_due);
    }
    if (stopping_) return;
    asked_ = false;
    lock.unlock();
    work();
    lock.lock();
  }
}

}  // namespace folkmoot
