// Where the server's log goes: stderr, the journal of systemd, or a file that others may rotate. It may change while
// the server runs. Writing it never stops the server: what cannot be written is counted and left out.
#pragma once

#include <spdlog/sinks/base_sink.h>

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

#include "base/error.hpp"

namespace folkmoot {

/// automatic: the file, if there is one; else the journal, if stderr is connected to it; else stderr.
enum class LogTarget : std::uint8_t { automatic, standard_error, journald, file };

/// json: an object a line, with the part of the server that says it.
enum class LogFormat : std::uint8_t { text, json };

struct LogOptions {
  std::string level = "info";
  LogTarget target = LogTarget::automatic;
  LogFormat format = LogFormat::text;
  std::string file;  // empty: none

  bool operator==(const LogOptions&) const = default;
};

class LogSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  ~LogSink() override;

  /// From now on as the options say; the file, if it is one, is opened anew. Errors: those of opening it, and
  /// invalid_field for target file without one; then it goes on as before.
  Result<void> direct(const LogOptions& options);

 private:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}  // nothing is kept back
  Result<void> open(const std::string& path);
  void follow(spdlog::log_clock::time_point now);
  void write(std::string_view line);

  // Guarded by base_sink's lock.
  int file_ = 2;                            // stderr, or a file of its own
  std::string path_;                        // empty: stderr
  spdlog::log_clock::time_point looked_{};  // when the path was last looked at
  std::uint64_t lost_ = 0;                  // lines since the last that was written
  bool is_torn_ = false;                    // the last one was written in part
};

/// Makes `sink` where everything that is logged goes.
void log_to(std::shared_ptr<LogSink> sink);
/// debug, info, warn or error.
void set_log_level(const std::string& level);

}  // namespace folkmoot
