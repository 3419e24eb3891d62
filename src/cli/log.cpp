#include "cli/log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iterator>
#include <memory>

#include "message/json_writer.hpp"

namespace folkmoot {
namespace {

constexpr auto kLookEvery = std::chrono::seconds(1);
constexpr int kStandardError = 2;
constexpr const char* kPattern = "%Y-%m-%dT%H:%M:%S.%eZ %l %v";

int priority_of(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::critical:
      return 2;
    case spdlog::level::err:
      return 3;
    case spdlog::level::warn:
      return 4;
    case spdlog::level::info:
      return 6;
    default:
      return 7;
  }
}

// As sd-daemon(3) reads it: the priority of syslog in angle brackets before each line; the journal has the time itself.
class JournalFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    fmt::format_to(std::back_inserter(out), "<{}>{}\n", priority_of(message.level),
                   std::string_view(message.payload.data(), message.payload.size()));
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JournalFormatter>(); }
};

// What speaks: what stands before a colon, of those that call themselves so, else the thread.
std::string component_of(std::string_view text) {
  static constexpr std::string_view kSelfNamed[] = {"alerts",  "history", "journal", "settings",
                                                    "streams", "tls",     "traces",  "webhooks"};
  const auto prefix = text.substr(0, text.find(": "));
  if (std::ranges::find(kSelfNamed, prefix) != std::end(kSelfNamed)) return std::string(prefix);
  char thread[16] = {};
  if (::pthread_getname_np(::pthread_self(), thread, sizeof thread) != 0) return "server";
  const std::string_view name(thread);
  // One that has no name of its own is called as the program is.
  const auto program = std::string_view(program_invocation_short_name).substr(0, sizeof thread - 1);
  return name.empty() || name == program ? "server" : std::string(name);
}

// One object a line. The journal reads the priority before it, and keeps the time itself.
class JsonFormatter final : public spdlog::formatter {
 public:
  explicit JsonFormatter(bool is_journal) : is_journal_(is_journal) {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const std::string_view text(message.payload.data(), message.payload.size());
    const auto level = spdlog::level::to_string_view(message.level);
    std::string line;
    JsonWriter json(line);
    json.begin_object();
    if (!is_journal_) json.field("time", time_text(message.time));
    json.field("level", std::string_view(level.data(), level.size())).field("component", component_of(text));
    json.field("text", text).end_object();
    if (is_journal_) fmt::format_to(std::back_inserter(out), "<{}>", priority_of(message.level));
    fmt::format_to(std::back_inserter(out), "{}\n", line);
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(is_journal_); }

 private:
  static std::string time_text(spdlog::log_clock::time_point at) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count();
    const std::time_t seconds = ms / 1'000;
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    char text[32] = {};
    (void)std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    return fmt::format("{}.{:03}Z", text, ms % 1'000);
  }

  const bool is_journal_;
};

// systemd says in $JOURNAL_STREAM which file the journal reads; what stderr is may have been changed since.
bool stderr_is_journal() {
  const char* const said = std::getenv("JOURNAL_STREAM");
  struct stat file{};
  if (said == nullptr || ::fstat(kStandardError, &file) != 0) return false;
  return fmt::format("{}:{}", file.st_dev, file.st_ino) == said;
}

Error cannot_open(const std::string& path, int why) {
  return {
      ErrorCode::io_error, fmt::format("the log file {} cannot be opened: {}", path, std::strerror(why)),
      "make its folder, and let the server's user write there; or set log.file to another, or log.target to stderr"};
}

}  // namespace

LogSink::~LogSink() {
  if (file_ != kStandardError) ::close(file_);
}

Result<void> LogSink::direct(const LogOptions& options) {
  const std::lock_guard guard(mutex_);
  const bool is_file =
      options.target == LogTarget::file || (options.target == LogTarget::automatic && !options.file.empty());
  if (is_file && options.file.empty())
    return failure(ErrorCode::invalid_field, "log.target is `file`, and log.file says none", "set log.file");
  if (is_file) {
    if (auto opened = open(options.file); !opened) return opened;
  } else {
    if (file_ != kStandardError) ::close(std::exchange(file_, kStandardError));
    path_.clear();
  }
  const bool is_journal = options.target == LogTarget::journald ||
                          (options.target == LogTarget::automatic && !is_file && stderr_is_journal());
  if (options.format == LogFormat::json) {
    formatter_ = std::make_unique<JsonFormatter>(is_journal);
  } else if (is_journal) {
    formatter_ = std::make_unique<JournalFormatter>();
  } else {
    formatter_ = std::make_unique<spdlog::pattern_formatter>(kPattern, spdlog::pattern_time_type::utc);
  }
  return {};
}

// What is not a regular file (a pipe, say) is not waited for either.
Result<void> LogSink::open(const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
  if (file < 0) return std::unexpected(cannot_open(path, errno));
  if (file_ != kStandardError) ::close(file_);
  file_ = file;
  path_ = path;
  is_torn_ = false;
  return {};
}

// Whoever rotates logs renames the file; then the next line goes to a new one. If that cannot be made, the old one goes
// on to be written.
void LogSink::follow(spdlog::log_clock::time_point now) {
  if (path_.empty() || (now - looked_ < kLookEvery && now >= looked_)) return;
  looked_ = now;
  struct stat open_file{}, at_path{};
  const bool is_there = ::stat(path_.c_str(), &at_path) == 0;
  if (::fstat(file_, &open_file) != 0) return;
  if (is_there && at_path.st_dev == open_file.st_dev && at_path.st_ino == open_file.st_ino) return;
  (void)open(std::string(path_));
}

void LogSink::sink_it_(const spdlog::details::log_msg& message) {
  follow(message.time);
  spdlog::memory_buf_t line;
  formatter_->format(message, line);
  write({line.data(), line.size()});
}

void LogSink::write(std::string_view line) {
  std::string text;
  if (is_torn_) text += '\n';
  if (lost_ > 0) text += fmt::format("({} lines of the log are missing here: they could not be written)\n", lost_);
  text += line;
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto written = ::write(file_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  if (rest.empty()) {
    lost_ = 0;
    is_torn_ = false;
  } else {
    ++lost_;
    is_torn_ = is_torn_ || rest.size() < text.size();
  }
}

void log_to(std::shared_ptr<LogSink> sink) {
  auto logger = std::make_shared<spdlog::logger>("folkmoot", std::move(sink));
  logger->set_error_handler([](const std::string&) {});
  spdlog::set_default_logger(std::move(logger));
}

void set_log_level(const std::string& level) { spdlog::set_level(spdlog::level::from_str(level)); }

}  // namespace folkmoot
