#include "server/audit_log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace folkmoot {
namespace {

std::unexpected<Error> audit_error(std::string_view doing, const std::string& path) {
  return std::unexpected(system_error(ErrorCode::io_error, fmt::format("{} {}", doing, path), errno));
}

Result<void> sync_audit_folder(const std::string& path) {
  const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return audit_error("opening", path);
  const bool is_synced = ::fsync(folder) == 0;
  ::close(folder);
  if (!is_synced) return audit_error("syncing", path);
  return {};
}

}  // namespace

Result<std::unique_ptr<AuditLog>> AuditLog::open(const std::string& data) {
  std::unique_ptr<AuditLog> log(new AuditLog(access::audit_folder(data)));
  if (auto found = log->find_end(); !found) return std::unexpected(found.error());
  log->thread_ = std::thread([each = log.get()] { each->run(); });
  ::pthread_setname_np(log->thread_.native_handle(), "audit");
  return log;
}

AuditLog::~AuditLog() {
  stop();
  if (file_ >= 0) ::close(file_);
}

// The last two files are looked at: a crash may have left the last one without any record.
Result<void> AuditLog::find_end() {
  auto files = access::audit_files(folder_);
  if (!files) return std::unexpected(files.error());
  files_ = std::move(*files);
  if (files_.empty()) return {};
  const std::vector<std::uint64_t> last(files_.end() - std::min<std::ptrdiff_t>(2, std::ssize(files_)), files_.end());
  const auto report = access::read_audit_files(folder_, last, {});
  if (!report) return std::unexpected(report.error());
  if (report->records > 0) {
    last_ = report->last;
    hash_ = report->hash;
    since_ = report->begins.back().since != 0 ? report->begins.back().since : report->begins.front().since;
  }
  if (report->problems_total == 0) return take_up_last_file(report->torn_bytes);
  spdlog::error(
      "the audit log is not what was written, and is continued in a new file: {}; `folkmoot audit verify` says it all",
      report->problems[0]);
  return {};
}

Result<void> AuditLog::take_up_last_file(std::size_t torn_bytes) {
  const auto path = access::audit_file(folder_, files_.back());
  file_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  struct stat status{};
  if (file_ < 0 || ::fstat(file_, &status) != 0) return audit_error("opening", path);
  file_bytes_ = static_cast<std::size_t>(status.st_size) - torn_bytes;
  if (torn_bytes == 0) return {};
  if (::ftruncate(file_, static_cast<off_t>(file_bytes_)) != 0) return audit_error("cutting the torn record off", path);
  spdlog::warn("the last record of the audit log was torn by a crash ({} bytes); it is cut off", torn_bytes);
  return {};
}

bool AuditLog::takes_rare(std::int64_t now) {
  if (rare_pace_.take(kRareASecond, 1, now) == 0) return true;
  ++left_out_;
  return false;
}

void AuditLog::note(access::AuditRecord record, Kind kind) {
  {
    const std::lock_guard guard(lock_);
    if (waiting_.size() >= kWaitingMax || stop_requested_) {
      ++left_out_;
      return;
    }
    waiting_.push_back({std::move(record), kind == Kind::durable});
  }
  awake_.notify_one();
}

void AuditLog::stop() {
  {
    const std::lock_guard guard(lock_);
    stop_requested_ = true;
  }
  awake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void AuditLog::run() {
  for (bool is_last = false; !is_last;) {
    std::vector<Waiting> batch;
    {
      std::unique_lock guard(lock_);
      awake_.wait(guard, [this] { return stop_requested_ || !waiting_.empty(); });
      batch.swap(waiting_);
      is_last = stop_requested_;
    }
    if (batch.empty()) continue;
    if (const auto count = left_out_.exchange(0); count > 0) {
      access::AuditRecord record{.at = batch.back().record.at, .what = "audit.left_out"};
      record.of = std::to_string(count);
      batch.push_back({std::move(record), false});
    }
    write(batch);
  }
}

void AuditLog::write(const std::vector<Waiting>& batch) {
  for (std::span<const Waiting> rest = batch; !rest.empty();) {
    Result<std::size_t> written = std::size_t{0};
    if (file_ < 0 || file_bytes_ >= access::kAuditFileBytesMax) {
      if (auto made = next_file(); !made) written = std::unexpected(made.error());
    }
    if (written) written = write_some(rest);
    if (!written) {
      left_out_ += rest.size();
      if (!std::exchange(has_failed_, true)) spdlog::error("the audit log cannot be written: {}", written.error().text);
      return;
    }
    has_failed_ = false;
    rest = rest.subspan(*written);
  }
}

Result<std::size_t> AuditLog::write_some(std::span<const Waiting> batch) {
  auto hash = hash_;
  auto last = last_;
  std::string lines;
  std::size_t count = 0;
  bool is_durable = false;
  const auto add = [&](access::AuditRecord record) {
    record.number = ++last;
    record.previous = hash;
    const auto line = access::audit_line(record);
    hash = access::hash_of_audit_line(line);
    lines.append(line);
  };
  const auto number = files_.back();
  const auto since = since_ != 0 ? since_ : number;
  if (file_bytes_ == 0 && number > 1)
    add({.at = batch.front().record.at, .what = std::string(access::kAuditFileBegun), .file = number, .since = since});
  for (; count < batch.size() && file_bytes_ + lines.size() < access::kAuditFileBytesMax; ++count) {
    add(batch[count].record);
    is_durable = is_durable || batch[count].is_durable;
  }
  if (auto done = put(lines); !done) return std::unexpected(done.error());
  hash_ = std::move(hash);
  last_ = last;
  if (number > 1) since_ = since;
  if (is_durable) sync();
  return count;
}

// All of it, or nothing.
Result<void> AuditLog::put(const std::string& lines) {
  const auto path = access::audit_file(folder_, files_.back());
  const auto put = ::write(file_, lines.data(), lines.size());
  if (put == static_cast<ssize_t>(lines.size())) {
    file_bytes_ += lines.size();
    return {};
  }
  if (put >= 0) errno = ENOSPC;
  auto error = audit_error("writing", path);
  if (put > 0 && ::ftruncate(file_, static_cast<off_t>(file_bytes_)) != 0) return audit_error("cutting", path);
  return error;
}

// What was written stands there, and what follows continues it, whether the disk has it or not.
void AuditLog::sync() {
  if (::fdatasync(file_) == 0) {
    sync_has_failed_ = false;
  } else if (!std::exchange(sync_has_failed_, true)) {
    spdlog::error("the audit log may not be on disk: {}", audit_error("syncing", folder_).error().text);
  }
}

Result<void> AuditLog::next_file() {
  if (::mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST) return audit_error("making the folder", folder_);
  const auto number = files_.empty() ? 1 : files_.back() + 1;
  const auto path = access::audit_file(folder_, number);
  const int made = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (made < 0) return audit_error("making", path);
  if (file_ >= 0) {
    sync();
    ::close(file_);
  }
  file_ = made;
  file_bytes_ = 0;
  files_.push_back(number);
  while (files_.size() > access::kAuditFilesMax) {
    ::unlink(access::audit_file(folder_, files_.front()).c_str());
    files_.erase(files_.begin());
  }
  return sync_audit_folder(folder_);
}

}  // namespace folkmoot
