#include "cli/line_reader.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/error.hpp"
#include "cli/stopping.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr std::size_t kLineBytesMax = 4 * 1024 * 1024;  // as much as max_content_bytes may allow

}  // namespace

Result<LineReader> LineReader::open(const std::string& path) {
  if (path == "-") return LineReader("stdin", STDIN_FILENO);
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::unexpected(system_error(ErrorCode::io_error, path, errno));
  return LineReader(path, file);
}

LineReader::LineReader(LineReader&& other) noexcept
    : path_(std::move(other.path_)),
      file_(std::exchange(other.file_, -1)),
      read_(std::move(other.read_)),
      at_(other.at_),
      number_(other.number_) {}

LineReader::~LineReader() {
  if (file_ > STDIN_FILENO) ::close(file_);
}

Result<bool> LineReader::next(std::string& line) {
  std::size_t looked = at_;
  for (;;) {
    const auto end = read_.find('\n', looked);
    if (end != std::string::npos) {
      line.assign(read_, at_, end - at_);
      at_ = end + 1;
      ++number_;
      return true;
    }
    if (read_.size() - at_ > kLineBytesMax) {
      return failure(
          ErrorCode::out_of_range,
          fmt::format("{}, line {}: more than {} bytes, which no message may have", path_, number_ + 1, kLineBytesMax),
          "`folkmoot send --file` sends a large content by reference");
    }
    looked = read_.size() - at_;
    read_.erase(0, std::exchange(at_, 0));
    const auto more = read_more();
    if (!more) return more;
    if (*more) continue;
    if (read_.empty()) return false;
    line = std::exchange(read_, {});  // the last one has no line feed
    ++number_;
    return true;
  }
}

// False at the end.
Result<bool> LineReader::read_more() {
  if (auto ready = wait_for(file_, POLLIN); !ready) return std::unexpected(ready.error());
  const auto held = read_.size();
  ssize_t got = 0;
  read_.resize_and_overwrite(held + kReadBytes, [&](char* bytes, std::size_t) {
    got = ::read(file_, bytes + held, kReadBytes);
    return held + static_cast<std::size_t>(std::max<ssize_t>(got, 0));
  });
  if (got >= 0) return got > 0;
  if (errno == EINTR || errno == EAGAIN) return true;
  return std::unexpected(system_error(ErrorCode::io_error, path_, errno));
}

}  // namespace folkmoot::cli
