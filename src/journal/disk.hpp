// The disk as the journal sees it: one flat folder of files. PosixDisk is the real one; the simulation brings its own,
// which tears and reorders what was not synced, fills up, and fails to sync.
//
// What is promised after a power failure, and no more than that: bytes written before a sync() of their file that
// returned are there; a sector of 512 bytes written since is wholly old or wholly new, in any mix; a file created,
// renamed or removed before a sync_folder() that returned stays so, and since then may be so or not, each alone.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/error.hpp"

namespace folkmoot {

/// An open file. Reads may run beside one write or sync of another thread. Errors: disk_full, io_error; they name the
/// file.
class DiskFile {
 public:
  virtual ~DiskFile() = default;
  /// Fills `into` from `offset`; returns how many bytes there were (fewer only at the end of the file).
  virtual Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) = 0;
  /// Writes the parts one after the other from `offset` on, all of them or an error.
  virtual Result<void> write(std::uint64_t offset, std::span<const Bytes> parts) = 0;
  /// Makes what was written, and the size, durable (fdatasync).
  virtual Result<void> sync() = 0;
  /// Reserves room, so that writing up to `bytes` cannot fill the disk; the file is that long afterwards, zeros.
  virtual Result<void> preallocate(std::uint64_t bytes) = 0;
  virtual Result<std::uint64_t> size() = 0;
};

/// A folder. Errors: disk_full, limit_reached (no more files can be open), io_error; they name the file.
class Disk {
 public:
  enum class Open { existing, read_only, create_empty };

  virtual ~Disk() = default;
  /// The names in the folder, in no particular order.
  virtual Result<std::vector<std::string>> list() = 0;
  virtual Result<std::unique_ptr<DiskFile>> open(std::string_view name, Open how) = 0;
  /// Replaces `to` if it is there.
  virtual Result<void> rename(std::string_view from, std::string_view to) = 0;
  virtual Result<void> remove(std::string_view name) = 0;
  /// Makes creations, renames and removals durable.
  virtual Result<void> sync_folder() = 0;
};

/// A folder of the operating system. Made when missing, unless read only.
class PosixDisk final : public Disk {
 public:
  enum class Access { read_write, read_only };
  static Result<std::unique_ptr<PosixDisk>> open(std::string folder, Access access = Access::read_write);
  ~PosixDisk() override;
  PosixDisk(const PosixDisk&) = delete;
  PosixDisk& operator=(const PosixDisk&) = delete;

  Result<std::vector<std::string>> list() override;
  Result<std::unique_ptr<DiskFile>> open(std::string_view name, Open how) override;
  Result<void> rename(std::string_view from, std::string_view to) override;
  Result<void> remove(std::string_view name) override;
  Result<void> sync_folder() override;

 private:
  PosixDisk(std::string folder, int fd) : folder_(std::move(folder)), fd_(fd) {}

  const std::string folder_;
  const int fd_;
};

}  // namespace folkmoot
