// The audit log of a server, as it is written: on a thread of its own, so that no disk holds up the engine. What
// administers is synced as soon as it is written; the rest with it, or when the system likes. What waits is bounded,
// and so is what is kept: the oldest file goes for a new one.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "access/audit_files.hpp"
#include "access/pace.hpp"

namespace folkmoot {

class AuditLog {
 public:
  enum class Kind : std::uint8_t { plain, durable };  // durable: synced as soon as it is written
  static constexpr std::uint32_t kRareASecond = 10;
  static constexpr std::size_t kWaitingMax = 4'096;

  /// Nothing is made there before the first note. A record that a crash has torn is cut off. Errors: io_error.
  static Result<std::unique_ptr<AuditLog>> open(const std::string& data);
  ~AuditLog();

  /// Whether one more may be noted of what strangers can cause as often as they like: kRareASecond are, all together.
  /// Those that are not are counted, and the log says how many. Any thread. `now`: Unix ms.
  bool takes_rare(std::int64_t now);
  /// Any thread, never waits. Its number and what was before are the log's own.
  void note(access::AuditRecord record, Kind kind = Kind::plain);
  /// All that was noted is written, and the thread has ended. May be called twice.
  void stop();

 private:
  struct Waiting {
    access::AuditRecord record;
    bool is_durable = false;
  };
  explicit AuditLog(std::string folder) : folder_(std::move(folder)) {}

  Result<void> find_end();
  Result<void> take_up_last_file(std::size_t torn_bytes);
  void run();
  void write(const std::vector<Waiting>& batch);
  // As many as go into the file that is open, from the first: how many that were. Requires: some do. Errors: io_error;
  // then none is written.
  Result<std::size_t> write_some(std::span<const Waiting> batch);
  Result<void> put(const std::string& lines);
  // What cannot be synced is said in the server's log alone.
  void sync();
  Result<void> next_file();

  const std::string folder_;
  std::mutex lock_;
  std::condition_variable awake_;
  std::vector<Waiting> waiting_;             // guarded by lock_
  bool stop_requested_ = false;              // guarded by lock_
  std::atomic<std::uint64_t> left_out_ = 0;  // since the last record
  access::Pace rare_pace_;
  std::thread thread_;

  // The thread's.
  std::vector<std::uint64_t> files_;
  int file_ = -1;
  std::size_t file_bytes_ = 0;
  std::uint64_t last_ = 0, since_ = 0;  // since_: of which file on each says how it begins; 0: of none yet
  std::string hash_ = access::no_audit_hash();
  bool has_failed_ = false, sync_has_failed_ = false;  // and it was said
};

}  // namespace folkmoot
