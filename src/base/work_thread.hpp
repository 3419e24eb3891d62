// A thread that works for an owner on another one: woken when there is something to do, and heard through an eventfd
// when something is done. What the work is, and what waits for it, is the derived class's. Without a thread who has
// made it does the work by hand.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "base/error.hpp"

namespace folkmoot {

class WorkThread {
 public:
  /// Readable when there is something to hear.
  int event_fd() const { return event_fd_; }

 protected:
  WorkThread() = default;
  WorkThread(const WorkThread&) = delete;
  WorkThread& operator=(const WorkThread&) = delete;
  /// Requires: the thread has ended, as end() does it.
  ~WorkThread();

  /// A `Thread` of these, without a thread. Errors: io_error.
  template <class Thread, class... Its>
  static Result<std::unique_ptr<Thread>> make_one(Its&&... its) {
    auto self = std::unique_ptr<Thread>(new Thread(std::forward<Its>(its)...));
    if (auto open = self->open(); !open) return std::unexpected(std::move(open.error()));
    return self;
  }
  /// The same, and Thread::run() on a thread; `name`: as `top` shows it, null: the program's.
  template <class Thread, class... Its>
  static Result<std::unique_ptr<Thread>> start_one(const char* name, Its&&... its) {
    auto self = make_one<Thread>(std::forward<Its>(its)...);
    if (!self) return self;
    auto& thread = (*self)->thread_ = std::thread([each = self->get()] { each->run(); });
    if (name != nullptr) pthread_setname_np(thread.native_handle(), name);
    return self;
  }

  // The owner's:
  /// Changes what the thread waits for, and wakes it.
  template <class Change>
  void wake(Change change) {
    {
      const std::lock_guard lock(mutex_);
      change();
    }
    awake_.notify_one();
  }
  /// Makes event_fd() unreadable.
  void hear();
  /// Tells the thread to stop, and waits until it has. False: there is none, any more or at all.
  bool end();

  // The thread's:
  /// Makes event_fd() readable.
  void tell();

  std::mutex mutex_;
  std::condition_variable awake_;
  bool stopping_ = false;  // guarded by mutex_

 private:
  Result<void> open();

  int event_fd_ = -1;
  std::thread thread_;
};

}  // namespace folkmoot
