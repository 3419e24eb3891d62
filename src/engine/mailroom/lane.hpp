// The ready messages of one priority of one mailbox. Senders take turns (X17); each sender's go out in the order in
// which they were accepted, also those that were given back or became due late.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <optional>
#include <vector>

#include "engine/mailroom/chunk_queue.hpp"

namespace folkmoot {

class Lane {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  /// Among this sender's, by key.
  void push(NameId sender, const Entry& entry);

  /// Requires: !empty().
  QueuedMessage pop();
  /// The key of the oldest message. Requires: !empty().
  QueuedMessage oldest() const;

  /// Calls `each` for each sender's messages behind `key`, in order; when it returns false, it is the next sender's
  /// turn.
  template <class Each>
  void each_after(MessageKey key, Each each) const {
    for (const auto& from : queues_) {
      from.queue.each_after(key, [&](const Entry& entry) { return each(QueuedMessage{entry, from.sender}); });
    }
  }

  std::optional<QueuedMessage> take(NameId sender, MessageKey key);
  /// `sender`: whose it is; 0 looks through all of them, and tells it.
  Entry* find(MessageKey key, NameId& sender);

 private:
  struct SenderQueue {
    NameId sender = 0;
    std::uint32_t next = 0;  // in the ring of turns
    bool in_turn = false;
    ChunkQueue queue;
  };
  static constexpr std::uint32_t kNone = ~0u;
  static constexpr std::size_t kIdleSendersMax = 8;

  // Null if there is none. Valid until a queue is added or forgotten: queues_ moves.
  SenderQueue* find_queue(NameId sender);
  // Made if there is none; the same life.
  SenderQueue& queue_of(NameId sender);
  void forget_idle();

  std::vector<SenderQueue> queues_;
  boost::unordered_flat_map<NameId, std::uint32_t> index_;  // sender -> queue, once there are several
  std::uint32_t last_ = 0;                                  // the queue used last
  std::uint32_t turn_head_ = kNone;                         // whose turn it is
  std::uint32_t turn_tail_ = kNone;
  std::size_t in_turn_ = 0;
  std::size_t size_ = 0;
};

}  // namespace folkmoot
