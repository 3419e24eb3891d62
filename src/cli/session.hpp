// A connected client for the time of a subcommand. SIGINT and SIGTERM close it, so that whatever waits ends with
// `cancelled`: a stream that was stopped by hand is done, anything else failed. What belongs together is not cut in
// half: see undisturbed().
#pragma once

#include <atomic>
#include <mutex>
#include <thread>

#include "folkmoot/sync.hpp"

namespace folkmoot::cli {

class Session {
 public:
  /// Connects; where nothing listens on this machine it tries for a moment (patience.hpp). Throws Failure.
  explicit Session(ClientOptions options);
  Session();
  Session(const Session&) = delete;
  ~Session();

  SyncClient* operator->() { return &client_; }
  SyncClient& client() { return client_; }
  bool interrupted() const { return interrupted_; }

  /// Does `work`, say prints a message and acknowledges it, and lets a signal wait until it is done; a second signal
  /// does not wait. False, and nothing done, if a signal came before.
  template <class Work>
  bool undisturbed(Work work) {
    const Busy busy(*this);
    if (interrupted_) return false;
    work();
    return true;
  }

 private:
  struct BlockSignals {
    BlockSignals();  // before any thread starts, so that all of them inherit it
  };
  /// Holds a signal back; what came meanwhile is done by the destructor of the last one.
  class Busy {
   public:
    explicit Busy(Session& session);
    Busy(const Busy&) = delete;
    ~Busy();

   private:
    Session& session_;
  };
  Result<void> connect();
  void interrupt();
  void end();

  BlockSignals block_;
  SyncClient client_;
  std::mutex lock_;
  unsigned busy_ = 0;  // guarded by lock_
  std::atomic<bool> interrupted_ = false;
  std::thread watcher_;
};

}  // namespace folkmoot::cli
