// The thread that writes and syncs, and tells the reactor through an eventfd when it has. One wake-up a batch each way.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "journal/journal.hpp"

namespace folkmoot {

class JournalThread {
 public:
  /// Runs until stop(); the journal must outlive it. Errors: io_error.
  static Result<std::unique_ptr<JournalThread>> start(Journal& journal);
  /// The same without a thread: who makes it calls work() by hand.
  static Result<std::unique_ptr<JournalThread>> make(Journal& journal);
  ~JournalThread();

  /// Journal::submit(), and wakes the thread when there is something to write. The owner's.
  bool submit(std::int64_t now_ms);
  /// Readable when a batch is done: then the owner calls collect() here.
  int event_fd() const { return event_fd_; }
  /// Makes event_fd() unreadable, and Journal::collect().
  Result<Lsn> collect();
  /// What the thread does with a batch: writes and syncs it, and tells.
  void work();
  /// Waits for what is being written, then ends the thread; afterwards the journal may be closed. May be called twice.
  void stop();

 private:
  JournalThread(Journal& journal, int event_fd) : journal_(journal), event_fd_(event_fd) {}
  void run();

  Journal& journal_;
  const int event_fd_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mutex_
  bool awaited_ = false;   // the owner's: a batch was handed over and not yet collected
  std::thread thread_;
};

}  // namespace folkmoot
