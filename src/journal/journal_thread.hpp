// The thread that writes and syncs, and tells the reactor through an eventfd when it has. One wake-up a batch each way.
#pragma once

#include "base/work_thread.hpp"
#include "journal/journal.hpp"

namespace folkmoot {

class JournalThread final : public WorkThread {
 public:
  /// Runs until stop(); the journal must outlive it. Errors: io_error.
  static Result<std::unique_ptr<JournalThread>> start(Journal& journal);
  /// The same without a thread: who makes it calls work() by hand.
  static Result<std::unique_ptr<JournalThread>> make(Journal& journal);
  ~JournalThread();

  /// Journal::submit(), and wakes the thread when there is something to write. The owner's.
  bool submit(std::int64_t now_ms);
  // event_fd() is readable when a batch is done: then the owner calls collect() here.
  /// Makes event_fd() unreadable, and Journal::collect().
  Result<Lsn> collect();
  /// What the thread does with a batch: writes and syncs it, and tells.
  void work();
  /// Waits for what is being written, then ends the thread; afterwards the journal may be closed. May be called twice.
  void stop() { end(); }

 private:
  friend WorkThread;
  explicit JournalThread(Journal& journal) : journal_(journal) {}
  void run();

  Journal& journal_;
  bool awaited_ = false;  // the owner's: a batch was handed over and not yet collected
};

}  // namespace folkmoot
