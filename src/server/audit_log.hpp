// The audit log of a server, as it is written: on a thread of its own, so that no disk holds up the engine. What
// administers is synced as soon as it is written; the rest with it, or when the system likes. What waits is bounded, and
// so is what is kept: the oldest file goes for a new one.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "access/audit_files.hpp"
#include "access/pace.hpp"

namespace folkmoot {

class AuditLog {
 public:
  /// durable: synced at once; rare: what strangers can cause, of which so many a second are written and the others are
  /// counted.
  enum class Kind : std::uint8_t { plain, durable, rare };
  static constexpr std::uint32_t kRareASecond = 10;
  static constexpr std::size_t kWaitingMax = 4'096;

  /// Nothing is made there before the first note. A record that a crash has torn is cut off. Errors: io_error.
  static Result<std::unique_ptr<AuditLog>> open(const std::string& data);
  ~AuditLog();

  /// Any thread, never waits. Number, time and what was before are the log's own. `now`: Unix ms.
  void note(access::AuditRecord record, Kind kind, std::int64_t now);
  /// All that was noted is written, and the thread has ended. May be called twice.
  void stop();

 private:
  struct Waiting {
    access::AuditRecord record;
    bool is_durable = false;
  };
  explicit AuditLog(std::string folder) : folder_(std::move(folder)) {}

  Result<void> find_end();
  void run();
  void write(const std::vector<Waiting>& batch);
  Result<void> write_lines(const std::string& lines, bool is_durable);
  Result<void> next_file();

  const std::string folder_;
  std::mutex lock_;
  std::condition_variable awake_;
  std::vector<Waiting> waiting_;     // guarded by lock_
  bool stop_requested_ = false;      // guarded by lock_
  std::uint64_t left_out_ = 0;       // guarded by lock_: since the last record
  access::Pace refused_pace_;
  std::thread thread_;

  // The thread's.
  std::vector<std::uint64_t> files_;
  int file_ = -1;
  std::size_t file_bytes_ = 0;
  std::uint64_t last_ = 0;
  std::string hash_ = access::no_audit_hash();
  bool has_failed_ = false;  // and it was said
};

}  // namespace folkmoot
