// PosixDisk: every file is opened relative to the folder's descriptor, so that a renamed folder does no harm.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/files.hpp"
#include "journal/disk.hpp"

namespace folkmoot {
namespace {

std::unexpected<Error> posix_failure(std::string_view doing, std::string_view path) {
  const int cause = errno;
  const auto code = cause == ENOSPC || cause == EDQUOT   ? ErrorCode::disk_full
                    : cause == EMFILE || cause == ENFILE ? ErrorCode::limit_reached
                                                         : ErrorCode::io_error;
  return std::unexpected(system_error(code, fmt::format("{} {}", doing, path), cause));
}

class PosixFile final : public DiskFile {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override { ::close(fd_); }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
    std::size_t done = 0;
    while (done < into.size()) {
      const auto got = ::pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return posix_failure("reading", path_);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  Result<void> write(std::uint64_t offset, std::span<const Bytes> parts) override {
    constexpr std::size_t kPartsMax = 256;  // a write of more is cut: IOV_MAX is 1024
    std::array<iovec, kPartsMax> vectors;
    while (!parts.empty()) {
      const auto count = std::min(parts.size(), kPartsMax);
      for (std::size_t i = 0; i < count; ++i) {
        vectors[i] = {const_cast<std::uint8_t*>(parts[i].data()), parts[i].size()};
      }
      if (auto done = write_vectors(offset, std::span(vectors).first(count)); !done) return done;
      for (const auto& part : parts.first(count)) offset += part.size();
      parts = parts.subspan(count);
    }
    return {};
  }

  Result<void> sync() override {
    if (::fdatasync(fd_) != 0) return posix_failure("syncing", path_);
    return {};
  }

  Result<void> preallocate(std::uint64_t bytes) override {
    int done;
    do done = ::fallocate(fd_, 0, 0, static_cast<off_t>(bytes));
    while (done != 0 && errno == EINTR);
    if (done == 0) return {};
    if (errno != EOPNOTSUPP) return posix_failure("allocating", path_);
    return fill_with_zeros(bytes);  // a file system without fallocate
  }

  Result<std::uint64_t> size() override {
    struct stat status;
    if (::fstat(fd_, &status) != 0) return posix_failure("asking the size of", path_);
    return static_cast<std::uint64_t>(status.st_size);
  }

 private:
  Result<void> write_vectors(std::uint64_t offset, std::span<iovec> vectors) {
    while (!vectors.empty()) {
      auto put = ::pwritev(fd_, vectors.data(), static_cast<int>(vectors.size()), static_cast<off_t>(offset));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return posix_failure("writing", path_);
      offset += static_cast<std::uint64_t>(put);
      while (!vectors.empty() && static_cast<std::size_t>(put) >= vectors.front().iov_len) {
        put -= static_cast<ssize_t>(vectors.front().iov_len);
        vectors = vectors.subspan(1);
      }
      if (put > 0) {
        vectors.front().iov_base = static_cast<std::uint8_t*>(vectors.front().iov_base) + put;
        vectors.front().iov_len -= static_cast<std::size_t>(put);
      }
    }
    return {};
  }

  Result<void> fill_with_zeros(std::uint64_t bytes) {
    const std::vector<std::uint8_t> zeros(std::size_t{1} << 20);
    for (std::uint64_t at = 0; at < bytes; at += zeros.size()) {
      const Bytes part = Bytes(zeros).first(std::min<std::uint64_t>(zeros.size(), bytes - at));
      if (auto done = write(at, {&part, 1}); !done) return done;
    }
    return {};
  }

  const int fd_;
  const std::string path_;
};

}  // namespace

Result<std::unique_ptr<PosixDisk>> PosixDisk::open(std::string folder, Access access) {
  if (access == Access::read_write) {
    if (auto made = make_private_folder(folder); !made) return std::unexpected(std::move(made.error()));
  }
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return posix_failure("opening the folder", folder);
  return std::unique_ptr<PosixDisk>(new PosixDisk(std::move(folder), fd));
}

PosixDisk::~PosixDisk() { ::close(fd_); }

Result<std::vector<std::string>> PosixDisk::list() {
  const int again = ::openat(fd_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);  // closedir() closes it
  DIR* folder = again < 0 ? nullptr : ::fdopendir(again);
  if (!folder) return posix_failure("listing", folder_);
  std::vector<std::string> names;
  errno = 0;
  while (const auto* entry = ::readdir(folder)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  const int cause = errno;
  ::closedir(folder);
  errno = cause;
  if (cause != 0) return posix_failure("listing", folder_);
  return names;
}

Result<std::unique_ptr<DiskFile>> PosixDisk::open(std::string_view name, Open how) {
  int flags = O_CLOEXEC;
  switch (how) {
    case Open::existing:
      flags |= O_RDWR;
      break;
    case Open::read_only:
      flags |= O_RDONLY;
      break;
    case Open::create_empty:
      flags |= O_RDWR | O_CREAT | O_TRUNC;
      break;
  }
  std::string path = fmt::format("{}/{}", folder_, name);
  const int fd = ::openat(fd_, std::string(name).c_str(), flags, 0640);
  if (fd < 0) return posix_failure("opening", path);
  return std::make_unique<PosixFile>(fd, std::move(path));
}

Result<void> PosixDisk::rename(std::string_view from, std::string_view to) {
  if (::renameat(fd_, std::string(from).c_str(), fd_, std::string(to).c_str()) != 0) {
    return posix_failure("renaming", fmt::format("{}/{} to {}", folder_, from, to));
  }
  return {};
}

Result<void> PosixDisk::remove(std::string_view name) {
  if (::unlinkat(fd_, std::string(name).c_str(), 0) != 0) {
    return posix_failure("removing", fmt::format("{}/{}", folder_, name));
  }
  return {};
}

Result<void> PosixDisk::sync_folder() {
  if (::fsync(fd_) != 0) return posix_failure("syncing the folder", folder_);
  return {};
}

}  // namespace folkmoot
