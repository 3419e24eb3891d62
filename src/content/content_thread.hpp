// The thread that reads and writes contents, so that no disk holds the reactor up. Jobs are carried out in the order
// they come; what came of each is told through an eventfd. How much may be on the way is for whoever hands jobs over to
// bound (server/content_transfers.hpp).
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "content/content_job.hpp"

namespace folkmoot {

class ContentThread final : public ContentWorker {
 public:
  /// Errors: io_error.
  static Result<std::unique_ptr<ContentThread>> start(std::unique_ptr<ContentStore> store);
  /// The same without a thread: who makes it calls work() by hand.
  static Result<std::unique_ptr<ContentThread>> make(std::unique_ptr<ContentStore> store);
  ~ContentThread() override;

  // The owner's:
  void submit(ContentJob job) override;
  /// Readable when jobs are done.
  int event_fd() const { return event_fd_; }
  /// Makes event_fd() unreadable; what was done since, in order.
  std::deque<ContentDone> collect() override;
  /// What the thread does: carries out the next job, and tells. False: there is none.
  bool work();
  bool has_work() {
    const std::lock_guard lock(mutex_);
    return !jobs_.empty();
  }
  /// Carries out what was handed over, then ends the thread. May be called twice.
  void stop();

 private:
  ContentThread(std::unique_ptr<ContentStore> store, int event_fd) : store_(std::move(store)), event_fd_(event_fd) {}
  void run();

  const std::unique_ptr<ContentStore> store_;  // the thread's
  const int event_fd_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<ContentJob> jobs_;   // guarded by mutex_
  std::deque<ContentDone> done_;  // guarded by mutex_
  bool stopping_ = false;         // guarded by mutex_
  std::thread thread_;
};

}  // namespace folkmoot
