#include "cli/terminal.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "base/utf8.hpp"

namespace folkmoot::cli {
namespace {

constexpr auto kPause = std::chrono::milliseconds(200);
constexpr std::size_t kCharacterBytesMax = 4;

std::string amount(std::uint64_t count, std::string_view unit) {
  if (!unit.empty()) return fmt::format("{} {}", count, unit);
  constexpr std::string_view kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(count);
  std::size_t at = 0;
  for (; value >= 1024 && at + 1 < std::size(kUnits); ++at) value /= 1024;
  return at == 0 ? fmt::format("{} bytes", count) : fmt::format("{:.1f} {}", value, kUnits[at]);
}

}  // namespace

std::string shown(std::string_view text) { return escaped_controls(text, KeepLines::yes); }
std::string shown_on_one_line(std::string_view text) { return escaped_controls(text, KeepLines::no); }

std::string Shower::next(std::string_view part) {
  held_.append(part);
  // A character, or CR LF, that is cut in two waits for its rest.
  const auto good = utf8_prefix(held_);
  auto ready = held_.size() - good < kCharacterBytesMax ? good : held_.size();
  if (ready == held_.size() && ready > 0 && held_.back() == '\r') --ready;
  auto out = shown(std::string_view(held_).substr(0, ready));
  held_.erase(0, ready);
  return out;
}

std::string Shower::end() { return shown(std::exchange(held_, {})); }

bool stdout_is_terminal() { return ::isatty(STDOUT_FILENO) == 1; }

void say(std::string_view text) {
  const auto line = shown(text);
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fputc('\n', stderr);
}

Progress::Progress(std::string what) : what_(std::move(what)), on_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() { wipe(); }

void Progress::wipe() {
  if (std::exchange(is_written_, false)) std::fputs("\r\x1b[K", stderr);
}

void Progress::at(std::uint64_t done, std::uint64_t all, std::string_view unit) {
  if (!on_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + kPause;
  const auto line = all > 0
                        ? fmt::format("{}: {}% of {}", shown_on_one_line(what_), done * 100 / all, amount(all, unit))
                        : fmt::format("{}: {}", shown_on_one_line(what_), amount(done, unit));
  fmt::print(stderr, "\r{}\x1b[K", line);
  std::fflush(stderr);
  is_written_ = true;
}

ContentSource watched(ContentSource source, std::uint64_t size, Progress& progress) {
  const auto passes = std::make_shared<int>(0);
  return [source = std::move(source), size, &progress, passes](std::uint64_t offset, std::size_t most) {
    if (offset == 0) progress.now(++*passes == 1 ? "reading" : "uploading");
    progress.at(offset, size);
    return source(offset, most);
  };
}

ContentSink watcher(std::uint64_t size, Progress& progress) {
  return [size, &progress, done = std::uint64_t{0}](std::string_view part) mutable -> Result<void> {
    progress.at(done += part.size(), size);
    return {};
  };
}

}  // namespace folkmoot::cli
