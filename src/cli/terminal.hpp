// What goes to a person's eyes: no control sequence of a message is carried out by the terminal, it is shown. Names,
// errors and all that this program says of itself are made harmless wherever they go; a content is so when it goes to a
// terminal, and goes byte for byte anywhere else.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "folkmoot/content.hpp"

namespace folkmoot::cli {

/// `text` with its control characters (U+0000-001F, U+007F-009F) as `\u001b`, which JSON reads as before, and what is
/// no UTF-8 as `\x9b`. Line feeds, tabs and a carriage return before a line feed stay.
std::string shown(std::string_view text);
/// The same without line feeds and tabs: what has to stay on its line.
std::string shown_on_one_line(std::string_view text);

/// The same for a text that comes in parts, whose characters may be cut in two.
class Shower {
 public:
  std::string next(std::string_view part);
  /// What is left at the end.
  std::string end();

 private:
  std::string held_;
};

bool stdout_is_terminal();

/// A line on stderr.
void say(std::string_view text);
template <class... Args>
void tell(fmt::format_string<Args...> format, Args&&... args) {
  say(fmt::format(format, std::forward<Args>(args)...));
}

/// How far a long piece of work is, on stderr if that is a terminal, a few times a second; else nothing. The line is
/// wiped away when it ends.
class Progress {
 public:
  explicit Progress(std::string what);
  Progress(const Progress&) = delete;
  ~Progress();

  /// `done` of `all`; of what is counted, `unit` (bytes if empty). `all` 0: not known.
  void at(std::uint64_t done, std::uint64_t all, std::string_view unit = {});
  /// Its line goes, for another one.
  void wipe();
  /// From here on it is called so.
  void now(std::string what) { what_ = std::move(what); }

 private:
  std::string what_;
  const bool on_;
  bool is_written_ = false;
  std::chrono::steady_clock::time_point next_{};
};

/// A source that tells `progress` how far it is read: once to be hashed, then to be sent. Both live until the end.
ContentSource watched(ContentSource source, std::uint64_t size, Progress& progress);
/// What tells `progress` how much of `size` bytes has come.
ContentSink watcher(std::uint64_t size, Progress& progress);

}  // namespace folkmoot::cli
