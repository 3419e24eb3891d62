// What became of messages that are no longer waiting: remembered for the newest of them. Every message comes in here
// and few are asked for, so they are indexed only when one is (but for those beyond the newest kUnindexedMax).
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/assert.hpp"
#include "base/uuid.hpp"
#include "engine/ring.hpp"
#include "message/frame.hpp"

namespace folkmoot {

class SettledReceipts {
 public:
  struct Settled {
    std::int64_t at : 56 = 0;
    ReceiptState state : 8 = ReceiptState::acknowledged;
    NameId silent_for = 0;  // the name that sent it and expects no reply; 0: an answer is welcome
    std::uint16_t deliveries = 0;
    std::uint16_t hops = 0;
  };
  static_assert(sizeof(Settled) == 16);

  explicit SettledReceipts(std::size_t max) : max_(max) {}

  void add(MessageKey key, Settled settled) {
    if (max_ == 0) return;
    if (kept_.size() >= max_) drop_oldest();
    kept_.push({key, settled});
    if (kept_.size() - indexed_ > kUnindexedMax) index_next();
  }

  /// Null if it is not known (any more). The pointer lives until the next call.
  const Settled* find(MessageKey key) {
    while (indexed_ < kept_.size()) index_next();
    const auto found = index_.find(key);
    return found == index_.end() ? nullptr : &kept_.at(found->second - first_).settled;
  }

 private:
  struct Kept {
    MessageKey key = 0;
    Settled settled;
  };
  static constexpr std::size_t kUnindexedMax = 65'536;  // what one find() may have to index: a millisecond's work

  // Requires: not all of kept_ is in the index.
  void index_next() {
    index_[kept_.at(indexed_).key] = first_ + indexed_;
    ++indexed_;
  }
  // From the index, too, unless a newer one of that key has taken its place there.
  void drop_oldest() {
    if (indexed_ > 0) {
      const auto found = index_.find(kept_.front().key);
      FOLKMOOT_ASSERT(found != index_.end());
      if (found->second == first_) index_.erase(found);
      --indexed_;
    }
    kept_.pop();
    ++first_;
  }

  const std::size_t max_;
  Ring<Kept> kept_;
  std::uint64_t first_ = 0;                                     // serial number of kept_.front()
  std::size_t indexed_ = 0;                                     // so many of kept_, from the front on, are in the index
  boost::unordered_flat_map<MessageKey, std::uint64_t> index_;  // serial numbers
};

}  // namespace folkmoot
