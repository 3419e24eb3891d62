#include "cli/backup/partial_folder.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/error.hpp"
#include "base/files.hpp"
#include "cli/backup/manifest.hpp"
#include "folkmoot/failure.hpp"

namespace folkmoot::cli {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void fail(const std::string& doing, int cause) {
  throw Failure(
      system_error(cause == ENOSPC || cause == EDQUOT ? ErrorCode::disk_full : ErrorCode::io_error, doing, cause));
}

std::string without_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

}  // namespace

PartialFolder::PartialFolder(std::string target)
    : target_(without_slash(std::move(target))), path_(target_ + ".folkmoot-partial") {
  std::error_code cause;
  const auto status = fs::symlink_status(target_, cause);
  if (fs::exists(status) && !(fs::is_directory(status) && fs::is_empty(target_, cause))) {
    throw Failure({ErrorCode::already_exists, fmt::format("{} is there already, and is no empty folder", target_),
                   "give a folder that is not there yet; nothing was changed"});
  }
  if (auto made = make_private_folder(path_); !made) throw Failure(std::move(made.error()));
  fd_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd_ < 0) fail(fmt::format("opening the folder {}", path_), errno);
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    const int why = errno;
    ::close(fd_);
    if (why != EWOULDBLOCK) fail(fmt::format("locking the folder {}", path_), why);
    throw Failure({ErrorCode::in_use, fmt::format("another process is writing {}", path_), "wait until it has ended"});
  }
  for (const auto& left : fs::directory_iterator(path_, cause)) {
    fs::remove_all(left.path(), cause);
    if (cause) fail(fmt::format("removing {}", left.path().string()), cause.value());
  }
  const auto mark = fmt::format("{}/{}", path_, kManifestName);
  const int fd = ::open(mark.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (fd < 0) fail(fmt::format("making {}", mark), errno);
  ::close(fd);
}

PartialFolder::~PartialFolder() {
  std::error_code ignored;  // the next run removes what is left
  if (!path_.empty()) fs::remove_all(path_, ignored);
  if (fd_ >= 0) ::close(fd_);
}

void PartialFolder::finish() {
  if (::fsync(fd_) != 0) fail(fmt::format("syncing the folder {}", path_), errno);
  if (::rename(path_.c_str(), target_.c_str()) != 0) fail(fmt::format("renaming {} to {}", path_, target_), errno);
  path_.clear();
  const auto above = fs::absolute(target_).parent_path().string();
  const int fd = ::open(above.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const int done = fd < 0 ? -1 : ::fsync(fd);
  const int why = errno;
  if (fd >= 0) ::close(fd);
  if (done != 0) fail(fmt::format("syncing the folder {}", above), why);
}

}  // namespace folkmoot::cli
