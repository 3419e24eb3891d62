// The thread that writes and reads the files of streams, and tells the reactor through an eventfd when there is
// something to tell. What the disk had no room for it tries again every second.
#pragma once

#include "base/work_thread.hpp"
#include "stream/file_stream_store.hpp"

namespace folkmoot {

class StreamThread final : public WorkThread {
 public:
  /// Runs until stop(). Errors: io_error.
  static Result<std::unique_ptr<StreamThread>> start(std::unique_ptr<FileStreamStore> store);
  /// The same without a thread: who makes it calls work() by hand, while the store has some.
  static Result<std::unique_ptr<StreamThread>> make(std::unique_ptr<FileStreamStore> store);
  ~StreamThread();

  // The owner's:
  /// What the engine sees.
  FileStreamStore& store() { return *store_; }
  /// FileStreamStore::submit(), and wakes the thread when there is something to do. Once a turn.
  void submit();
  /// Makes event_fd() unreadable, and FileStreamStore::collect().
  Result<FileStreamStore::News> collect();
  /// What the thread does: FileStreamStore::work(), and tells.
  void work();
  /// Waits for what is being done, ends the thread, and closes the store. May be called twice.
  Result<void> stop();

 private:
  friend WorkThread;
  explicit StreamThread(std::unique_ptr<FileStreamStore> store) : store_(std::move(store)) {}
  void run();
  void ask();

  const std::unique_ptr<FileStreamStore> store_;
  bool asked_ = false;  // guarded by mutex_: there may be something to do
};

}  // namespace folkmoot
