// Idempotency keys that were used: what a second message with the same one is answered by. Bounded by count and age; a
// key costs about 50 bytes.
#pragma once

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>
#include <deque>

#include "base/siphash.hpp"
#include "base/uuid.hpp"
#include "engine/fact_log.hpp"

namespace folkmoot {

struct UsedKey {
  Hash128 hash;
  MessageKey message = 0;
  Lsn place = 0;  // of its key_used fact
  NameId mailbox = 0;

  UsedKey() = default;
  UsedKey(const Hash128& of, MessageKey key, Lsn lsn, NameId box) : hash(of), message(key), place(lsn), mailbox(box) {}
};

class DedupWindow {
 public:
  DedupWindow() : index_(0, Hasher{this}, Equal{this}) {}
  DedupWindow(const DedupWindow&) = delete;

  std::size_t size() const { return used_.size(); }
  const UsedKey& oldest() const { return used_.front(); }

  /// Null if the key was not used. The pointer lives until the next call.
  UsedKey* find(const Hash128& hash) {
    const auto found = index_.find(hash);
    return found == index_.end() ? nullptr : &at(*found);
  }

  /// Requires: find(key.hash) is null.
  void add(const UsedKey& key) {
    used_.push_back(key);
    index_.insert(first_ + static_cast<std::uint32_t>(used_.size() - 1));
  }

  void drop_oldest() {
    index_.erase(first_);
    used_.pop_front();
    ++first_;
  }

  /// Recovery may have met them in another order than that of their messages, by which they grow old.
  void sort() {
    const auto older = [](const UsedKey& a, const UsedKey& b) { return a.message < b.message; };
    if (std::ranges::is_sorted(used_, older)) return;
    index_.clear();
    std::ranges::stable_sort(used_, older);
    for (std::uint32_t i = 0; i < used_.size(); ++i) index_.insert(first_ + i);
  }

 private:
  const UsedKey& at(std::uint32_t serial) const { return used_[serial - first_]; }
  UsedKey& at(std::uint32_t serial) { return used_[serial - first_]; }

  // The index holds serial numbers; what they stand for is looked up in `used_`.
  struct Hasher {
    using is_transparent = void;
    const DedupWindow* window;
    std::size_t operator()(std::uint32_t serial) const { return window->at(serial).hash.low; }
    std::size_t operator()(const Hash128& hash) const { return hash.low; }
  };
  struct Equal {
    using is_transparent = void;
    const DedupWindow* window;
    bool operator()(std::uint32_t a, std::uint32_t b) const { return a == b; }
    bool operator()(std::uint32_t a, const Hash128& b) const { return window->at(a).hash == b; }
    bool operator()(const Hash128& a, std::uint32_t b) const { return window->at(b).hash == a; }
  };

  std::deque<UsedKey> used_;
  std::uint32_t first_ = 0;  // serial number of used_.front()
  boost::unordered_flat_set<std::uint32_t, Hasher, Equal> index_;
};

}  // namespace folkmoot
