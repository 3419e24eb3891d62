#include "journal/folder_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/files.hpp"

namespace folkmoot {
namespace {

std::string owner_of(int fd) {
  std::array<char, 32> text{};
  const auto got = ::pread(fd, text.data(), text.size() - 1, 0);
  std::string owner(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  while (!owner.empty() && owner.back() == '\n') owner.pop_back();
  return owner.empty() ? "another process" : "process " + owner;
}

Result<void> lock(int fd, int how, const std::string& folder) {
  int done;
  do done = ::flock(fd, how | LOCK_NB);
  while (done != 0 && errno == EINTR);
  if (done == 0) return {};
  if (errno == EWOULDBLOCK) {
    return failure(ErrorCode::in_use, fmt::format("the data folder {} is in use by {}", folder, owner_of(fd)),
                   "use the server that runs on it, stop that one, or give another folder");
  }
  return std::unexpected(system_error(ErrorCode::io_error, fmt::format("locking {}/lock", folder), errno));
}

}  // namespace

Result<FolderLock> FolderLock::take(const std::string& folder) {
  if (auto made = make_private_folder(folder); !made) return std::unexpected(std::move(made.error()));
  const auto path = folder + "/lock";
  FolderLock self(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (self.fd_ < 0) return std::unexpected(system_error(ErrorCode::io_error, fmt::format("opening {}", path), errno));
  if (auto done = lock(self.fd_, LOCK_EX, folder); !done) return std::unexpected(done.error());
  const auto text = fmt::format("{}\n", ::getpid());
  if (::ftruncate(self.fd_, 0) != 0 ||
      ::pwrite(self.fd_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    // The lock holds without the name; only the message to others is poorer.
    if (errno != ENOSPC && errno != EDQUOT) {
      return std::unexpected(system_error(ErrorCode::io_error, fmt::format("writing {}", path), errno));
    }
  }
  return self;
}

Result<FolderLock> FolderLock::take_shared(const std::string& folder) {
  const auto path = folder + "/lock";
  FolderLock self(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (self.fd_ < 0 && errno == ENOENT) return self;
  if (self.fd_ < 0) return std::unexpected(system_error(ErrorCode::io_error, fmt::format("opening {}", path), errno));
  if (auto done = lock(self.fd_, LOCK_SH, folder); !done) return std::unexpected(done.error());
  return self;
}

FolderLock::~FolderLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace folkmoot
