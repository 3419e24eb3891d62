// A connected client for the time of a subcommand. SIGINT and SIGTERM close it, so that whatever waits ends with `cancelled`:
// a stream that was stopped by hand is done, anything else failed.
#pragma once

#include <atomic>
#include <thread>

#include "folkmoot/sync.hpp"

namespace folkmoot::cli {

class Session {
 public:
  /// Connects. Throws Failure.
  explicit Session(ClientOptions options);
  Session();
  Session(const Session&) = delete;
  ~Session();

  SyncClient* operator->() { return &client_; }
  SyncClient& client() { return client_; }
  bool interrupted() const { return interrupted_; }
  void interrupt();

 private:
  struct BlockSignals {
    BlockSignals();  // before any thread starts, so that all of them inherit it
  };
  BlockSignals block_;
  SyncClient client_;
  std::atomic<bool> interrupted_ = false;
  std::thread watcher_;
};

}  // namespace folkmoot::cli
