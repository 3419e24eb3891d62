#include "content/content_thread.hpp"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace folkmoot {

Result<std::unique_ptr<ContentThread>> ContentThread::start(std::unique_ptr<ContentStore> store) {
  const int event_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event_fd < 0) return failure(ErrorCode::io_error, fmt::format("making an eventfd: {}", std::strerror(errno)));
  std::unique_ptr<ContentThread> self(new ContentThread(std::move(store), event_fd));
  self->thread_ = std::thread([thread = self.get()] { thread->run(); });
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

void ContentThread::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    auto done = carry_out(std::move(job));
    lock.lock();
    done_.push_back(std::move(done));
    const std::uint64_t one = 1;
    (void)!::write(event_fd_, &one, sizeof one);
  }
}

ContentDone ContentThread::carry_out(ContentJob job) {
  ContentDone done{.job = std::move(job)};
  auto& with = done.job;
  switch (with.kind) {
    case ContentJob::Kind::begin: done.result = store_->begin(with.upload, with.size); break;
    case ContentJob::Kind::write:
      done.result = store_->write(with.upload, as_bytes(with.bytes));
      with.bytes = std::string();
      break;
    case ContentJob::Kind::finish: {
      const auto finished = store_->finish(with.upload, with.hash);
      if (finished) {
        done.was_known = finished->was_known;
        with.size = finished->ref.size;
      } else {
        done.result = std::unexpected(finished.error());
      }
      break;
    }
    case ContentJob::Kind::drop: store_->drop(with.upload); break;
    case ContentJob::Kind::read: {
      with.bytes.resize(with.size);
      const auto got = store_->read(with.hash, with.offset, {reinterpret_cast<std::uint8_t*>(with.bytes.data()), with.bytes.size()});
      if (!got) {
        done.result = std::unexpected(got.error());
      } else if (*got < with.size) {
        done.result = failure(ErrorCode::damaged, fmt::format("content {} breaks off at byte {}", with.hash.text(), with.offset + *got));
      }
      break;
    }
    case ContentJob::Kind::remove: done.result = store_->remove(with.hash); break;
  }
  return done;
}

}  // namespace folkmoot
