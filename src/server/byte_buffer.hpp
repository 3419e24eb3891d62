// Bytes on their way out of a connection: appended at the back, written from the front. Memory comes from a pool and
// goes back when the buffer is empty, so that an idle connection holds none.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "base/bytes.hpp"

namespace folkmoot {

/// Blocks given back, for use by whoever writes next. Bounded.
class BufferPool {
 public:
  struct Block {
    std::uint8_t* data = nullptr;
    std::size_t capacity = 0;
  };

  BufferPool() = default;
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool() {
    for (const auto& block : free_) std::free(block.data);
  }

  Block take() {
    if (free_.empty()) return {allocate(kFirstBytes), kFirstBytes};
    const auto block = free_.back();
    free_.pop_back();
    kept_bytes_ -= block.capacity;
    return block;
  }

  void give(Block block) {
    if (block.data == nullptr) return;
    if (kept_bytes_ + block.capacity <= kKeptBytesMax) {
      free_.push_back(block);
      kept_bytes_ += block.capacity;
    } else {
      std::free(block.data);
    }
  }

  /// Lets all kept blocks go (the server is idle).
  void trim() {
    for (const auto& block : free_) std::free(block.data);
    free_.clear();
    kept_bytes_ = 0;
  }
  bool empty() const { return free_.empty(); }

  static std::uint8_t* allocate(std::size_t bytes) {
    auto* const data = static_cast<std::uint8_t*>(std::malloc(bytes));
    if (data == nullptr) throw std::bad_alloc();
    return data;
  }

 private:
  // A large block that is let go costs a page fault for every 4 KiB of the next one.
  static constexpr std::size_t kFirstBytes = 16 * 1024, kKeptBytesMax = 16 * 1024 * 1024;
  std::vector<Block> free_;
  std::size_t kept_bytes_ = 0;
};

class ByteBuffer {
 public:
  ByteBuffer() = default;
  ByteBuffer(const ByteBuffer&) = delete;
  ByteBuffer& operator=(const ByteBuffer&) = delete;
  ~ByteBuffer() { std::free(block_.data); }

  bool empty() const { return begin_ == end_; }
  std::size_t size() const { return end_ - begin_; }
  Bytes bytes() const { return {data(), size()}; }
  std::uint8_t* data() const { return block_.data + begin_; }

  /// Room for `bytes` more at the back; the caller fills it and it counts at once.
  std::uint8_t* extend(BufferPool& pool, std::size_t bytes) {
    if (block_.capacity - end_ < bytes) grow(pool, bytes);
    auto* const at = block_.data + end_;
    end_ += bytes;
    return at;
  }

  void append(BufferPool& pool, Bytes bytes) {
    if (!bytes.empty()) std::memcpy(extend(pool, bytes.size()), bytes.data(), bytes.size());
  }

  /// Takes `bytes` off the front.
  void consume(BufferPool& pool, std::size_t bytes) {
    begin_ += bytes;
    if (begin_ == end_) clear(pool);
  }

  void clear(BufferPool& pool) {
    pool.give(std::exchange(block_, {}));
    begin_ = end_ = 0;
  }

 private:
  // Apart from extend(), which is on the way of every message.
  [[gnu::noinline]] void grow(BufferPool& pool, std::size_t bytes) {
    const auto held = size();
    if (block_.data == nullptr) {
      block_ = pool.take();
      if (block_.capacity >= bytes) return;
    } else if (held + bytes <= block_.capacity && begin_ >= held) {
      std::memcpy(block_.data, block_.data + begin_, held);
      begin_ = 0;
      end_ = held;
      return;
    }
    const auto capacity = std::max(block_.capacity * 2, round_up(held + bytes, 4096));
    auto* const larger = BufferPool::allocate(capacity);
    if (held != 0) std::memcpy(larger, block_.data + begin_, held);
    pool.give(block_);
    block_ = {larger, capacity};
    begin_ = 0;
    end_ = held;
  }

  BufferPool::Block block_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace folkmoot
