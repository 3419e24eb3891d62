#include "base/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

namespace folkmoot {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
};

Result<void> write_whole(int file, const std::string& path, std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return std::unexpected(system_error(ErrorCode::io_error, "writing " + path, errno));
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(file) != 0) return std::unexpected(system_error(ErrorCode::io_error, "syncing " + path, errno));
  return {};
}

}  // namespace

Result<std::string> read_small_file(const std::string& path, std::size_t bytes_max) {
  // Not one that may be waited for, such as a pipe.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.number() < 0) return std::unexpected(system_error(ErrorCode::io_error, "reading " + path, errno));
  struct stat info{};
  if (::fstat(file.number(), &info) != 0 || !S_ISREG(info.st_mode))
    return failure(ErrorCode::io_error, fmt::format("{} is not a regular file", path));
  std::string text;
  char block[16 * 1024];
  for (;;) {
    const auto got = ::read(file.number(), block, sizeof block);
    if (got == 0) return text;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(system_error(ErrorCode::io_error, "reading " + path, errno));
    text.append(block, static_cast<std::size_t>(got));
    if (text.size() > bytes_max)
      return failure(ErrorCode::out_of_range, fmt::format("{} has more than {} bytes", path, bytes_max));
  }
}

Result<void> write_new_file(const std::string& path, std::string_view text, FileFor reader) {
  const auto mode = reader == FileFor::owner ? 0600 : 0644;
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (file.number() < 0 && errno == EEXIST)
    return failure(ErrorCode::already_exists, fmt::format("{} is there already; nothing was written", path),
                   "move it away, or name another place");
  if (file.number() < 0) return std::unexpected(system_error(ErrorCode::io_error, "making " + path, errno));
  auto done = write_whole(file.number(), path, text);
  if (!done) ::unlink(path.c_str());
  return done;
}

Result<void> replace_file(const std::string& path, std::string_view text, FileFor reader) {
  const auto next = fmt::format("{}.new", path);
  ::unlink(next.c_str());  // of one who was interrupted
  if (auto done = write_new_file(next, text, reader); !done) return done;
  if (::rename(next.c_str(), path.c_str()) == 0) return {};
  auto error = system_error(ErrorCode::io_error, "replacing " + path, errno);
  ::unlink(next.c_str());
  return std::unexpected(std::move(error));
}

Result<void> make_private_folder(const std::string& path) {
  std::filesystem::path folder(path);
  while (!folder.has_filename() && folder.has_relative_path()) folder = folder.parent_path();  // "data/"
  std::error_code cause;
  if (folder.has_parent_path()) std::filesystem::create_directories(folder.parent_path(), cause);
  if (!cause && ::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) cause.assign(errno, std::generic_category());
  if (!cause && !std::filesystem::is_directory(folder, cause) && !cause) cause.assign(ENOTDIR, std::generic_category());
  if (!cause) return {};
  return std::unexpected(system_error(ErrorCode::io_error, "making the folder " + path, cause.value()));
}

}  // namespace folkmoot
