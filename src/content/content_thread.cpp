#include "content/content_thread.hpp"

#include <utility>

namespace folkmoot {

Result<std::unique_ptr<ContentThread>> ContentThread::make(std::unique_ptr<ContentStore> store) {
  return make_one<ContentThread>(std::move(store));
}

Result<std::unique_ptr<ContentThread>> ContentThread::start(std::unique_ptr<ContentStore> store) {
  return start_one<ContentThread>(nullptr, std::move(store));
}

ContentThread::~ContentThread() { stop(); }

void ContentThread::submit(ContentJob job) {
  wake([&] { jobs_.push_back(std::move(job)); });
}

std::deque<ContentDone> ContentThread::collect() {
  hear();
  const std::lock_guard lock(mutex_);
  return std::exchange(done_, {});
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
  tell();
  return true;
}

void ContentThread::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      awake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    }
    if (!work()) return;
  }
}

}  // namespace folkmoot
