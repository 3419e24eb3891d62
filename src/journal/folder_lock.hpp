// One server a data folder: a lock on the file `lock` in it, held as long as this object lives and let go by the system
// when the process ends, however it ends. The file holds the owner's process id for whoever is refused.
#pragma once

#include <string>
#include <utility>

#include "base/error.hpp"

namespace folkmoot {

class FolderLock {
 public:
  /// For a server: exclusive; makes the folder and the file. Errors: in_use (names the process), io_error.
  static Result<FolderLock> take(const std::string& folder);
  /// For tools that only read: shared among them; needs no right to write. A folder without the file is not in use.
  static Result<FolderLock> take_shared(const std::string& folder);

  FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FolderLock& operator=(FolderLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FolderLock();

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace folkmoot
