// The thread that reads and writes contents, so that no disk holds the reactor up. Jobs are carried out in the order
// they come; what came of each is told through an eventfd. How much may be on the way is for whoever hands jobs over to
// bound (server/content_desk.hpp).
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "content/content_store.hpp"

namespace folkmoot {

struct ContentJob {
  enum class Kind : std::uint8_t { begin, write, finish, drop, read, remove };
  Kind kind{};
  UploadId upload = 0;       // of begin, write, finish, drop
  ContentHash hash{};        // of finish, read, remove
  std::uint64_t offset = 0;  // of read
  std::uint64_t size = 0;    // of begin: all bytes; of read and write: so many; of a finish that is done: all bytes
  std::string bytes{};       // of write: what to write; of a read that is done: what was read
  // The owner's alone: who asked, and what it calls the upload.
  std::uint64_t session = 0;
  std::uint32_t request = 0;
  std::uint32_t number = 0;
};

struct ContentDone {
  ContentJob job;
  Result<void> result{};
  bool was_known = false;  // of finish
};

class ContentThread {
 public:
  /// Errors: io_error.
  static Result<std::unique_ptr<ContentThread>> start(std::unique_ptr<ContentStore> store);
  ~ContentThread();

  // The owner's:
  void submit(ContentJob job);
  /// Readable when jobs are done.
  int event_fd() const { return event_fd_; }
  /// Makes event_fd() unreadable; what was done since, in order.
  std::deque<ContentDone> collect();
  /// Carries out what was handed over, then ends the thread. May be called twice.
  void stop();

 private:
  ContentThread(std::unique_ptr<ContentStore> store, int event_fd) : store_(std::move(store)), event_fd_(event_fd) {}
  void run();
  ContentDone carry_out(ContentJob job);

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
