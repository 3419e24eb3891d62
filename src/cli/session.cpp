#include "cli/session.hpp"

#include <pthread.h>
#include <signal.h>

#include "cli/cli.hpp"
#include "cli/patience.hpp"
#include "cli/stopping.hpp"

namespace folkmoot::cli {
namespace {

sigset_t watched() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) sigaddset(&set, signal);
  return set;
}

}  // namespace

Session::BlockSignals::BlockSignals() {
  const auto set = watched();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

Session::Session() : Session(client_options()) {}

Session::Session(ClientOptions options) : client_(std::move(options)) {
  watcher_ = std::thread([this] {
    const auto set = watched();
    for (int signal = 0; sigwait(&set, &signal) == 0;) {
      if (signal == SIGUSR1) return;  // from the destructor
      interrupt();
    }
  });
  try {
    value(connect());
  } catch (...) {
    pthread_kill(watcher_.native_handle(), SIGUSR1);
    watcher_.join();
    throw;
  }
}

// Once more where nothing listened, if it is on this machine: the server may have been started a moment ago.
Result<void> Session::connect() {
  auto done = client_.connect();
  if (done || done.error().code != ErrorCode::connection_lost || !may_be_about_to_listen(client_.address()))
    return done;
  return wait_until_listening(client_.address()) ? client_.connect() : done;
}

Session::~Session() {
  pthread_kill(watcher_.native_handle(), SIGUSR1);
  watcher_.join();
}

Session::Busy::Busy(Session& session) : session_(session) {
  const std::lock_guard guard(session_.lock_);
  ++session_.busy_;
}

Session::Busy::~Busy() {
  const std::lock_guard guard(session_.lock_);
  if (--session_.busy_ == 0 && session_.interrupted_) session_.end();
}

void Session::interrupt() {
  const std::lock_guard guard(lock_);
  const bool again = interrupted_.exchange(true);
  if (busy_ == 0 || again) end();
}

void Session::end() {
  client_.close();
  stop_waiting();
}

}  // namespace folkmoot::cli
