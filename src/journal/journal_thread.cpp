#include "journal/journal_thread.hpp"

#include <chrono>

namespace folkmoot {

Result<std::unique_ptr<JournalThread>> JournalThread::make(Journal& journal) {
  return make_one<JournalThread>(journal);
}

Result<std::unique_ptr<JournalThread>> JournalThread::start(Journal& journal) {
  return start_one<JournalThread>(nullptr, journal);
}

JournalThread::~JournalThread() { stop(); }

bool JournalThread::submit(std::int64_t now_ms) {
  const bool in_flight = journal_.submit(now_ms);
  if (in_flight && !awaited_) {
    awaited_ = true;
    wake([] {});  // the thread is either before its look at submitted(), or waits
  }
  return in_flight;
}

Result<Lsn> JournalThread::collect() {
  hear();
  if (journal_.completed()) awaited_ = false;
  return journal_.collect();
}

void JournalThread::work() {
  journal_.write_and_sync([this] { tell(); });
}

void JournalThread::run() {
  const bool timed = journal_.options().sync == SyncPolicy::interval;
  const std::chrono::milliseconds interval(journal_.options().sync_interval_ms);
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto awake = [this] { return stopping_ || journal_.submitted(); };
    bool quiet = false;
    if (timed && journal_.sync_pending())
      quiet = !awake_.wait_for(lock, interval, awake);
    else
      awake_.wait(lock, awake);
    const bool stopping = stopping_;
    lock.unlock();
    if (quiet)
      journal_.sync_written();
    else
      work();
    lock.lock();
    if (stopping && !journal_.submitted()) return;
  }
}

}  // namespace folkmoot
