// The thread that reads and writes contents, so that no disk holds the reactor up. Jobs are carried out in the order
// they come; what came of each is told through an eventfd. How much may be on the way is for whoever hands jobs over to
// bound (server/content_transfers.hpp).
#pragma once

#include "base/work_thread.hpp"
#include "content/content_job.hpp"

namespace folkmoot {

class ContentThread final : public ContentWorker, public WorkThread {
 public:
  /// Errors: io_error.
  static Result<std::unique_ptr<ContentThread>> start(std::unique_ptr<ContentStore> store);
  /// The same without a thread: who makes it calls work() by hand.
  static Result<std::unique_ptr<ContentThread>> make(std::unique_ptr<ContentStore> store);
  ~ContentThread() override;

  // The owner's:
  void submit(ContentJob job) override;
  /// Makes event_fd() unreadable; what was done since, in order.
  std::deque<ContentDone> collect() override;
  /// What the thread does: carries out the next job, and tells. False: there is none.
  bool work();
  bool has_work() {
    const std::lock_guard lock(mutex_);
    return !jobs_.empty();
  }
  /// Carries out what was handed over, then ends the thread. May be called twice.
  void stop() { end(); }

 private:
  friend WorkThread;
  explicit ContentThread(std::unique_ptr<ContentStore> store) : store_(std::move(store)) {}
  void run();

  const std::unique_ptr<ContentStore> store_;  // the thread's
  std::deque<ContentJob> jobs_;                // guarded by mutex_
  std::deque<ContentDone> done_;               // guarded by mutex_
};

}  // namespace folkmoot
