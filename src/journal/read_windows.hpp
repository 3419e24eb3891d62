// A few windows onto segments, for reading back what is no longer in memory. A first look reads little; whoever goes on
// where a window ended (a mailbox being emptied) gets more at a time, so that consecutive messages cost one read a
// window.
#pragma once

#include <array>
#include <memory>

#include "journal/disk.hpp"
#include "journal/format.hpp"

namespace folkmoot {

class ReadWindows {
 public:
  static constexpr std::size_t kCount = 8;
  static constexpr std::size_t kBytesMax = 256 * 1024;
  static constexpr std::size_t kBytesMin = 16 * 1024;

  /// The `bytes` at `lsn`, which lie in `file` (the segment that begins at `begin`). `limit`: the window must not reach
  /// further, since what is there is still being written. The result lives until the next call. Errors: io_error,
  /// damaged.
  Result<Bytes> read(DiskFile& file, Lsn begin, Lsn limit, Lsn lsn, std::size_t bytes);
  /// Gives all memory back.
  void clear();
  bool empty() const { return !used_; }
  std::uint64_t disk_reads() const { return disk_reads_; }

 private:
  struct Window {
    std::unique_ptr<std::uint8_t[]> data;  // kBytesMax
    Lsn begin = 0;
    Lsn end = 0;
    std::size_t size = 0;  // as asked for, to grow from
    std::uint64_t used_at = 0;
  };
  Window& choose(Lsn lsn, std::size_t bytes, std::size_t& size);

  std::array<Window, kCount> windows_;
  std::unique_ptr<std::uint8_t[]> large_;  // one record above kBytesMax
  std::uint64_t clock_ = 0;
  std::uint64_t disk_reads_ = 0;
  bool used_ = false;
};

}  // namespace folkmoot
