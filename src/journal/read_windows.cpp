#include "journal/read_windows.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace folkmoot {

Result<Bytes> ReadWindows::read(DiskFile& file, Lsn begin, Lsn limit, Lsn lsn, std::size_t bytes) {
  for (auto& window : windows_) {
    if (lsn >= window.begin && lsn + bytes <= window.end) {
      window.used_at = ++clock_;
      return Bytes(window.data.get() + (lsn - window.begin), bytes);
    }
  }
  used_ = true;
  ++disk_reads_;
  large_.reset();
  std::uint8_t* into = nullptr;
  std::size_t size = bytes;
  Window* window = nullptr;
  if (bytes > kBytesMax) {
    large_ = std::make_unique_for_overwrite<std::uint8_t[]>(bytes);
    into = large_.get();
  } else {
    window = &choose(lsn, bytes, size);
    window->begin = window->end = 0;  // nothing is in it if the read fails
    if (!window->data) window->data = std::make_unique_for_overwrite<std::uint8_t[]>(kBytesMax);
    into = window->data.get();
    window->size = size;
    size = std::max(bytes, std::min<std::size_t>(size, limit - lsn));
  }
  const auto got = file.read(lsn - begin, {into, size});
  if (!got) return std::unexpected(got.error());
  if (*got < bytes) return failure(ErrorCode::damaged, "the file ends within the record");
  if (window) {
    window->begin = lsn;
    window->end = lsn + *got;
    window->used_at = ++clock_;
  }
  return Bytes(into, bytes);
}

ReadWindows::Window& ReadWindows::choose(Lsn lsn, std::size_t bytes, std::size_t& size) {
  // A window that ended shortly before is being read through: it moves on, larger.
  for (auto& window : windows_) {
    if (window.size > 0 && lsn > window.begin && lsn <= window.end + kBytesMin) {
      size = std::max(bytes, std::min(window.size * 4, kBytesMax));
      return window;
    }
  }
  size = std::max(bytes, kBytesMin);
  return *std::ranges::min_element(windows_, {}, &Window::used_at);
}

void ReadWindows::clear() {
  for (auto& window : windows_) window = {};
  large_.reset();
  used_ = false;
}

}  // namespace folkmoot
