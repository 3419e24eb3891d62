#include "stream/stream_thread.hpp"

#include <chrono>
#include <utility>

namespace folkmoot {
namespace {
constexpr std::chrono::seconds kRetry{1};
// What is handed over is on disk in the log: nobody waits for it to be in the files. So events gather, that a sync may
// be of many, as it holds up those of the log on the same disk.
constexpr std::chrono::milliseconds kGather{20};
}  // namespace

Result<std::unique_ptr<StreamThread>> StreamThread::make(std::unique_ptr<FileStreamStore> store) {
  return make_one<StreamThread>(std::move(store));
}

Result<std::unique_ptr<StreamThread>> StreamThread::start(std::unique_ptr<FileStreamStore> store) {
  return start_one<StreamThread>("streams", std::move(store));
}

StreamThread::~StreamThread() { (void)stop(); }

// One that gathers is left to it, unless it is pressed.
void StreamThread::ask() {
  bool is_asked = false;
  {
    const std::lock_guard lock(mutex_);
    is_asked = std::exchange(asked_, true);
  }
  if (!is_asked || store_->is_pressed()) awake_.notify_one();
}

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
    awake_.wait_for(lock, kGather, [this] { return stopping_ || store_->is_pressed(); });
    if (stopping_) return;
    asked_ = false;
    lock.unlock();
    work();
    lock.lock();
  }
}

}  // namespace folkmoot
