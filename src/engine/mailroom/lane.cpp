#include "engine/mailroom/lane.hpp"

namespace folkmoot {

Lane::SenderQueue* Lane::find_queue(NameId sender) {
  if (last_ < queues_.size() && queues_[last_].sender == sender) return &queues_[last_];
  const auto found = index_.find(sender);
  if (found == index_.end()) return nullptr;
  last_ = found->second;
  return &queues_[last_];
}

Lane::SenderQueue& Lane::queue_of(NameId sender) {
  if (auto* found = find_queue(sender)) return *found;
  if (queues_.size() - in_turn_ >= kIdleSendersMax) forget_idle();
  last_ = static_cast<std::uint32_t>(queues_.size());
  index_[sender] = last_;
  queues_.push_back({});
  queues_.back().sender = sender;
  return queues_.back();
}

// Drops the queues of senders who have nothing waiting; those in turn keep their order.
void Lane::forget_idle() {
  std::vector<SenderQueue> kept;
  index_.clear();
  for (auto at = turn_head_; at != kNone;) {
    const auto next = queues_[at].next;
    queues_[at].next = next == kNone ? kNone : static_cast<std::uint32_t>(kept.size() + 1);
    index_[queues_[at].sender] = static_cast<std::uint32_t>(kept.size());
    kept.push_back(std::move(queues_[at]));
    at = next;
  }
  queues_ = std::move(kept);
  turn_head_ = queues_.empty() ? kNone : 0;
  turn_tail_ = queues_.empty() ? kNone : static_cast<std::uint32_t>(queues_.size() - 1);
  last_ = 0;
}

void Lane::push(NameId sender, const Entry& entry) {
  auto& from = queue_of(sender);
  from.queue.push(entry);
  ++size_;
  if (from.in_turn) return;
  from.in_turn = true;
  from.next = kNone;
  ++in_turn_;
  (turn_tail_ == kNone ? turn_head_ : queues_[turn_tail_].next) = last_;
  turn_tail_ = last_;
}

QueuedMessage Lane::pop() {
  --size_;
  for (;;) {
    const auto at = turn_head_;
    FOLKMOOT_ASSERT(at != kNone);
    auto& from = queues_[at];
    turn_head_ = from.next;
    if (turn_head_ == kNone) turn_tail_ = kNone;
    if (from.queue.empty()) {  // emptied by take()
      from.in_turn = false;
      --in_turn_;
      continue;
    }
    const QueuedMessage message{from.queue.pop(), from.sender};
    from.next = kNone;
    if (from.queue.empty()) {
      from.in_turn = false;
      --in_turn_;
    } else {
      (turn_tail_ == kNone ? turn_head_ : queues_[turn_tail_].next) = at;
      turn_tail_ = at;
    }
    return message;
  }
}

QueuedMessage Lane::oldest() const {
  QueuedMessage oldest;
  bool found = false;
  for (const auto& from : queues_) {
    if (from.queue.empty() || (found && from.queue.front().key > oldest.entry.key)) continue;
    oldest = {from.queue.front(), from.sender};
    found = true;
  }
  FOLKMOOT_ASSERT(found);
  return oldest;
}

Entry* Lane::find(MessageKey key, NameId& sender) {
  if (sender != 0) {
    auto* const from = find_queue(sender);
    return from == nullptr ? nullptr : from->queue.find(key);
  }
  for (auto& from : queues_) {
    if (auto* entry = from.queue.find(key)) {
      sender = from.sender;
      return entry;
    }
  }
  return nullptr;
}

std::optional<QueuedMessage> Lane::take(NameId sender, MessageKey key) {
  QueuedMessage message{.entry = {}, .sender = sender};
  auto* const from = find_queue(sender);
  if (from == nullptr || !from->queue.take(key, message.entry)) return std::nullopt;
  --size_;
  return message;
}

}  // namespace folkmoot
