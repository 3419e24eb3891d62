#include "stream/stream_thread.hpp"

#include <chrono>

namespace folkmoot {
namespace {
constexpr std::chrono::seconds kRetry{1};
}  // namespace

Result<std::unique_ptr<StreamThread>> StreamThread::make(std::unique_ptr<FileStreamStore> store) {
  return make_one<StreamThread>(std::move(store));
}

Result<std::unique_ptr<StreamThread>> StreamThread::start(std::unique_ptr<FileStreamStore> store) {
  return start_one<StreamThread>("streams", std::move(store));
}

StreamThread::~StreamThread() { (void)stop(); }

void StreamThread::submit() {
  if (store_->submit()) ask();
}

Result<FileStreamStore::News> StreamThread::collect() {
  hear();
  auto news = store_->collect();
  if (store_->has_work()) ask();  // reads that had waited until what was read is collected
  return news;
}

Result<void> StreamThread::stop() {
  if (!end()) return {};
  return store_->close();
}

void StreamThread::work() {
  store_->work();
  tell();
}

void StreamThread::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto is_due = [this] { return stopping_ || asked_; };
    if (store_->wants_retry()) {
      awake_.wait_for(lock, kRetry, is_due);
    } else {
      awake_.wait(lock, is_due);
    }
    if (stopping_) return;
    asked_ = false;
    lock.unlock();
    work();
    lock.lock();
  }
}

}  // namespace folkmoot
