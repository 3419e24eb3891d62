// A queue of waiting messages of one sender and priority, ordered by key, in chunks: 24 bytes a message at its ends and
// about two in the middle of a long one, nothing while it is empty but for one small chunk.
//
//   1. keys grow from front to back, entries that are gone included; one whose key comes back takes its place again
//   2. the front entry, if there is one, is not gone
//   3. size() counts entries that are not gone
//   4. packed are chunks in the middle, behind the first and before the last two, that are at least half full; one of
//   them may be open
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "base/assert.hpp"
#include "engine/entry.hpp"
#include "engine/mailroom/packed_entries.hpp"

namespace folkmoot {

class ChunkQueue {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  /// At its place by key: the end, or further to the front if it was handed out before, waited for its time, or
  /// recovery met it late. Requires: no entry of this key is here.
  void push(const Entry& entry) {
    if (size_ != 0 && chunks_.back().last_key() >= entry.key) return insert(entry);
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

  /// The entry of `key`, or null. The pointer lives until the next call of any function but the questions above.
  Entry* find(MessageKey key) {
    if (empty()) return nullptr;
    const auto chunk = chunk_of(key);
    if (chunk == chunks_.end()) return nullptr;
    open(chunk);
    auto* const at = chunk->place_of(key);
    return at != chunk->last() && at->key == key && !at->has(Entry::kGone) ? at : nullptr;
  }

  /// Calls `each` for the entries behind `key`, in order, until it returns false. Nothing is changed by it: a packed
  /// chunk is unpacked beside itself.
  template <class Each>
  void each_after(MessageKey key, Each each) const {
    std::vector<Entry> unpacked;
    for (auto index = head_; size_ != 0 && index < chunks_.size(); ++index) {
      const auto& chunk = chunks_[index];
      if (chunk.begin == chunk.end || chunk.last_key() <= key) continue;
      const Entry* entries = chunk.entries.get();
      if (chunk.is_packed()) {
        unpacked.resize(chunk.end);
        chunk.packed.unpack(unpacked);
        entries = unpacked.data();
      }
      for (auto at = chunk.begin; at < chunk.end; ++at) {
        const auto& entry = entries[at];
        if (entry.key > key && !entry.has(Entry::kGone) && !each(entry)) return;
      }
    }
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
    std::unique_ptr<Entry[]> entries;  // null: packed
    PackedEntries packed{};
    MessageKey packed_last_key = 0;
    std::uint32_t capacity = 0;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;

    Entry* first() { return entries.get() + begin; }
    Entry* last() { return entries.get() + end; }
    /// The first entry that is not before `key`. Requires: open.
    Entry* place_of(MessageKey key) {
      return std::partition_point(first(), last(), [&](const Entry& e) { return e.key < key; });
    }
    bool is_packed() const { return entries == nullptr; }
    MessageKey last_key() const { return is_packed() ? packed_last_key : entries[end - 1].key; }

    // Requires: open, and nothing taken from its front.
    void pack() {
      packed_last_key = last_key();
      packed = PackedEntries({entries.get(), end});
      entries.reset();
    }
    void unpack() {
      entries = std::make_unique_for_overwrite<Entry[]>(capacity);
      packed.unpack({entries.get(), end});
      packed = {};
    }
  };
  using At = std::vector<Chunk>::iterator;
  static constexpr std::uint32_t kFirst = 8, kLargest = 680;  // 680 entries: just under four pages
  static constexpr std::size_t kNone = ~std::size_t{0};

  At at(std::size_t index) { return chunks_.begin() + static_cast<std::ptrdiff_t>(index); }

  /// The first chunk whose last key is not below `key`.
  At chunk_of(MessageKey key) {
    return std::partition_point(at(head_), chunks_.end(),
                                [&](const Chunk& c) { return c.begin == c.end || c.last_key() < key; });
  }

  /// Unpacks a chunk, and packs the one that was opened before.
  void open(At chunk) {
    if (!chunk->is_packed()) return;
    close_opened();
    chunk->unpack();
    opened_ = static_cast<std::size_t>(chunk - chunks_.begin());
  }

  // Packs the opened one, if it may be. Pointers to entries of it are invalid then.
  void close_opened() {
    if (opened_ != kNone) pack(opened_);
    opened_ = kNone;
  }

  /// If it is one that may be. Two ends stay open, so that a queue about as long as one chunk is never packed and
  /// unpacked at every turn.
  void pack(std::size_t index) {
    if (index <= head_ || index + 2 >= chunks_.size()) return;
    auto& chunk = chunks_[index];
    if (!chunk.is_packed() && chunk.begin == 0 && chunk.end >= kLargest / 2) chunk.pack();
  }

  /// There is one chunk more: what was one of the last two may be in the middle now.
  void pack_third_last() {
    if (chunks_.size() > 3 && opened_ != chunks_.size() - 3) pack(chunks_.size() - 3);
  }

  // Behind the front, by key. Requires: not empty, and the key is not above the last one. Chunks move: no At stays
  // valid.
  void insert(const Entry& entry) {
    auto chunk = chunk_of(entry.key);
    open(chunk);
    ++size_;
    auto* place = chunk->place_of(entry.key);
    if (place != chunk->last() && place->key == entry.key) {  // taken before, and back
      *place = entry;
      return;
    }
    if (chunk->begin == 0 && chunk->end == chunk->capacity) {
      if (chunk->capacity < kLargest) {
        enlarge(*chunk);
      } else {
        chunk = split(chunk, entry.key);
      }
      place = chunk->place_of(entry.key);
    }
    if (chunk->begin > 0) {
      std::copy(chunk->first(), place, chunk->first() - 1);
      --chunk->begin;
      --place;
    } else {
      std::copy_backward(place, chunk->last(), chunk->last() + 1);
      ++chunk->end;
    }
    *place = entry;
  }

  /// It may be packed from now on, as the one that was opened last.
  void enlarge(Chunk& chunk) {
    const auto index = static_cast<std::size_t>(&chunk - chunks_.data());
    if (opened_ != index) close_opened();
    opened_ = index;
    chunk.capacity = std::min(kLargest, chunk.capacity * 4);
    auto larger = std::make_unique_for_overwrite<Entry[]>(chunk.capacity);
    std::copy(chunk.first(), chunk.last(), larger.get() + chunk.begin);
    chunk.entries = std::move(larger);
  }

  /// Two half-full chunks out of a full one; the one that `key` belongs to.
  At split(At full, MessageKey key) {
    const auto capacity = full->capacity, half = capacity / 2;
    Chunk upper{.entries = std::make_unique_for_overwrite<Entry[]>(capacity),
                .capacity = capacity,
                .begin = 0,
                .end = capacity - half};
    std::copy(full->entries.get() + half, full->entries.get() + capacity, upper.entries.get());
    full->end = half;
    const auto lower = static_cast<std::size_t>(full - chunks_.begin());
    if (opened_ != lower) close_opened();
    chunks_.insert(full + 1, std::move(upper));
    const bool is_above = at(lower)->last_key() < key;
    opened_ = is_above ? lower + 1 : lower;
    pack(is_above ? lower : lower + 1);
    pack_third_last();
    return at(opened_);
  }

  // One empty chunk more at the back. Chunks move: no At stays valid, and head_ may be 0 again.
  void grow() {
    // Chunks before head_ are used up; their places in the vector go once they are the larger part.
    if (head_ > 16 && head_ * 2 > chunks_.size()) {
      close_opened();
      chunks_.erase(chunks_.begin(), at(head_));
      head_ = 0;
    }
    const auto capacity = chunks_.empty() ? kFirst : std::min(kLargest, chunks_.back().capacity * 4);
    chunks_.push_back({.entries = std::make_unique_for_overwrite<Entry[]>(capacity), .capacity = capacity});
    pack_third_last();
  }

  // The front, and those behind it that were taken before. The new front is unpacked. Requires: size_ counts it no
  // more.
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
        if (chunks_[head_].is_packed()) chunks_[head_].unpack();
      }
    } while (front().has(Entry::kGone));
  }

  // Empty again: keeps a small chunk, so that a queue that goes back and forth between none and one allocates nothing.
  void reset(Chunk last) {
    chunks_.clear();
    head_ = 0;
    size_ = 0;
    opened_ = kNone;
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
  std::size_t opened_ = kNone;  // the chunk in the middle that was unpacked last
};

}  // namespace folkmoot
