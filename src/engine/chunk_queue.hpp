// A queue of waiting messages of one sender and priority, ordered by key, in chunks: 24 bytes a message however long it is,
// nothing while it is empty but for one small chunk.
//
//   1. keys grow from front to back, entries that are gone included
//   2. the front entry, if there is one, is not gone
//   3. size() counts entries that are not gone
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "base/assert.hpp"
#include "engine/entry.hpp"

namespace folkmoot {

class ChunkQueue {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  /// At its place by key: the end, unless recovery met it late (copied forward in the log), or something transient overtook it.
  void push(const Entry& entry) {
    if (size_ != 0 && chunks_.back().entries[chunks_.back().end - 1].key > entry.key) return insert(entry);
    if (chunks_.empty() || chunks_.back().end == chunks_.back().capacity) grow();
    auto& chunk = chunks_.back();
    chunk.entries[chunk.end++] = entry;
    ++size_;
  }

  /// Requires: !empty().
  const Entry& front() const { return chunks_[head_].entries[chunks_[head_].begin]; }

  Entry pop() {
    const Entry entry = front();
    --size_;
    drop_front();
    return entry;
  }

  /// The entry of `key`, or null. The pointer lives until the next push, pop or take.
  Entry* find(MessageKey key) {
    if (empty()) return nullptr;
    const auto chunk = std::partition_point(chunks_.begin() + static_cast<std::ptrdiff_t>(head_), chunks_.end(),
                                            [&](const Chunk& c) { return c.begin == c.end || c.entries[c.end - 1].key < key; });
    if (chunk == chunks_.end()) return nullptr;
    auto* const first = chunk->entries.get() + chunk->begin;
    auto* const last = chunk->entries.get() + chunk->end;
    auto* const at = std::partition_point(first, last, [&](const Entry& e) { return e.key < key; });
    return at != last && at->key == key && !at->has(Entry::kGone) ? at : nullptr;
  }

  /// Takes the entry of `key` out, wherever it is; false if it is not there.
  bool take(MessageKey key, Entry& out) {
    Entry* const at = find(key);
    if (at == nullptr) return false;
    out = *at;
    --size_;
    if (at == &front()) {
      drop_front();
    } else {
      at->flags |= Entry::kGone;
    }
    return true;
  }

 private:
  struct Chunk {
    std::unique_ptr<Entry[]> entries;
    std::uint32_t capacity = 0;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
  };
  static constexpr std::uint32_t kFirst = 8, kLargest = 680;  // 680 entries: just under four pages

  void insert(const Entry& entry) {
    auto chunk = std::partition_point(chunks_.begin() + static_cast<std::ptrdiff_t>(head_), chunks_.end(),
                                      [&](const Chunk& c) { return c.entries[c.end - 1].key < entry.key; });
    if (chunk->begin == 0 && chunk->end == chunk->capacity) chunk = split(chunk, entry.key);
    auto* const first = chunk->entries.get() + chunk->begin;
    auto* const last = chunk->entries.get() + chunk->end;
    auto* at = std::partition_point(first, last, [&](const Entry& e) { return e.key < entry.key; });
    if (chunk->begin > 0) {
      std::copy(first, at, first - 1);
      --chunk->begin;
      --at;
    } else {
      std::copy_backward(at, last, last + 1);
      ++chunk->end;
    }
    *at = entry;
    ++size_;
  }

  /// Two half-full chunks out of a full one; the one that `key` belongs to.
  std::vector<Chunk>::iterator split(std::vector<Chunk>::iterator full, MessageKey key) {
    const auto capacity = full->capacity, half = capacity / 2;
    Chunk upper{std::make_unique_for_overwrite<Entry[]>(capacity), capacity, 0, capacity - half};
    std::copy(full->entries.get() + half, full->entries.get() + capacity, upper.entries.get());
    full->end = half;
    const auto added = chunks_.insert(full + 1, std::move(upper));
    const auto lower = added - 1;
    return lower->entries[lower->end - 1].key < key ? added : lower;
  }

  void grow() {
    // Chunks before head_ are used up; their places in the vector go once they are the larger part.
    if (head_ > 16 && head_ * 2 > chunks_.size()) {
      chunks_.erase(chunks_.begin(), chunks_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
    const auto capacity = chunks_.empty() ? kFirst : std::min(kLargest, chunks_.back().capacity * 4);
    chunks_.push_back({std::make_unique_for_overwrite<Entry[]>(capacity), capacity, 0, 0});
  }

  void drop_front() {
    do {
      auto& chunk = chunks_[head_];
      if (++chunk.begin == chunk.end) {
        if (head_ + 1 == chunks_.size()) {
          reset(std::move(chunk));
          return;
        }
        chunk.entries.reset();
        ++head_;
      }
    } while (front().has(Entry::kGone));
  }

  // Empty again: keeps a small chunk, so that a queue that goes back and forth between none and one allocates nothing.
  void reset(Chunk last) {
    chunks_.clear();
    head_ = 0;
    size_ = 0;
    if (last.capacity > kFirst * 4) {
      chunks_.shrink_to_fit();
      return;
    }
    last.begin = last.end = 0;
    chunks_.push_back(std::move(last));
  }

  std::vector<Chunk> chunks_;
  std::size_t head_ = 0;
  std::size_t size_ = 0;
};

}  // namespace folkmoot
