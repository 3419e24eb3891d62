#include "journal/journal_thread.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/assert.hpp"

namespace folkmoot {

Result<std::unique_ptr<JournalThread>> JournalThread::make(Journal& journal) {
  const int event_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event_fd < 0) return failure(ErrorCode::io_error, std::string("making an eventfd: ") + std::strerror(errno));
  return std::unique_ptr<JournalThread>(new JournalThread(journal, event_fd));
}

Result<std::unique_ptr<JournalThread>> JournalThread::start(Journal& journal) {
  auto self = make(journal);
  if (self) (*self)->thread_ = std::thread([thread = self->get()] { thread->run(); });
  return self;
}

JournalThread::~JournalThread() {
  stop();
  ::close(event_fd_);
}

bool JournalThread::submit(std::int64_t now_ms) {
  const bool in_flight = journal_.submit(now_ms);
  if (in_flight && !awaited_) {
    awaited_ = true;
    {
      const std::lock_guard lock(mutex_);
    }  // the thread is either before its look at submitted(), or waits
    wake_.notify_one();
  }
  return in_flight;
}

Result<Lsn> JournalThread::collect() {
  std::uint64_t count = 0;
  // Not readable is fine: collect() then has nothing to report either.
  (void)!::read(event_fd_, &count, sizeof count);
  if (journal_.completed()) awaited_ = false;
  return journal_.collect();
}

void JournalThread::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void JournalThread::work() {
  journal_.write_and_sync([this] {
    const std::uint64_t one = 1;
    FOLKMOOT_ASSERT(::write(event_fd_, &one, sizeof one) == sizeof one);
  });
}

void JournalThread::run() {
  const bool timed = journal_.options().sync == SyncPolicy::interval;
  const std::chrono::milliseconds interval(journal_.options().sync_interval_ms);
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto awake = [this] { return stopping_ || journal_.submitted(); };
    bool quiet = false;
    if (timed && journal_.sync_pending())
      quiet = !wake_.wait_for(lock, interval, awake);
    else
      wake_.wait(lock, awake);
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
