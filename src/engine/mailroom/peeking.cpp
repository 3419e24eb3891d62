#include "engine/mailroom/peeking.hpp"

#include <algorithm>

namespace folkmoot {

// The first few by key of those that are put in: a heap with the last of them on top.
class Peeking::Page {
 public:
  Page(MessageKey after, std::size_t limit) : after_(after), limit_(limit) {}

  /// False: it is behind all that there is room for, and so is whatever follows it.
  bool put(const Found& found) {
    if (found.entry.key <= after_) return true;
    if (heap_.size() == limit_) {
      if (!(found < heap_.front())) return false;
      std::pop_heap(heap_.begin(), heap_.end());
      heap_.pop_back();
    }
    heap_.push_back(found);
    std::push_heap(heap_.begin(), heap_.end());
    return true;
  }
  /// In order, each once.
  std::vector<Found> take() {
    std::sort(heap_.begin(), heap_.end());
    const auto same = [](const Found& a, const Found& b) { return a.entry.key == b.entry.key; };
    heap_.erase(std::unique(heap_.begin(), heap_.end(), same), heap_.end());
    return std::move(heap_);
  }

 private:
  const MessageKey after_;
  const std::size_t limit_;
  std::vector<Found> heap_;
};

std::vector<Peeking::Found> Peeking::find(const Mailbox& mailbox, MessageKey after, std::size_t limit,
                                          bool with_leased) const {
  Page page(after, limit);
  for (const auto& lane : mailbox.lanes) {
    if (!lane) continue;
    lane->each_after(after, [&](const QueuedMessage& message) {
      return page.put({.entry = message.entry, .state = PeekState::waiting});
    });
  }
  if (mailbox.blocked > 0) {
    shelves_.groups.each_after(mailbox.number, after, [&](const QueuedMessage& message) {
      return page.put({.entry = message.entry, .state = PeekState::blocked});
    });
  }
  if (mailbox.scheduled > 0) {
    to_.agenda.each(TimerKind::due, [&](const Timer& timer) {
      if (timer.mailbox() != mailbox.number || !shelves_.is_live(timer)) return;
      const auto& scheduled = *shelves_.find_scheduled(MessageKey{timer.id});
      page.put({.entry = scheduled.message.entry, .state = PeekState::scheduled, .due = scheduled.due});
    });
  }
  for (auto at = with_leased ? mailbox.lease_head : kNoSlot; at != kNoSlot; at = dispatch_.leases[at].mailbox_next) {
    page.put({.entry = dispatch_.leases[at].entry, .state = PeekState::leased, .lease = at});
  }
  return page.take();
}

bool Peeking::each(std::string_view name, MessageKey after, std::size_t at_once,
                   const std::function<bool(const PeekView&)>& each) {
  const auto* const mailbox = shelves_.mailboxes.find(to_.names.find(name));
  if (mailbox == nullptr) return false;
  for (;;) {
    const auto page = find(*mailbox, after, at_once, true);
    for (const auto& found : page) {
      if (!each(view_of(*mailbox, found))) return true;
    }
    if (page.size() < at_once) return true;
    after = page.back().entry.key;
  }
}

std::optional<PeekView> Peeking::one(const Uuid& id) {
  const auto address = message_address(id);
  auto* const mailbox = address && to_.run.is_ours(*address) ? shelves_.mailboxes.find(address->mailbox) : nullptr;
  if (mailbox == nullptr) return std::nullopt;
  const auto key = address->key;
  if (const auto lease = dispatch_.leases.find_key(key); lease != kNoSlot)
    return view_of(*mailbox, {.entry = dispatch_.leases[lease].entry, .state = PeekState::leased, .lease = lease});
  NameId sender = 0;
  const auto* const entry = shelves_.find(*mailbox, key, sender);
  if (entry == nullptr) return std::nullopt;
  Found found{.entry = *entry, .state = PeekState::waiting};
  if (const auto* const scheduled = shelves_.find_scheduled(key); scheduled != nullptr) {
    found.state = PeekState::scheduled;
    found.due = scheduled->due;
  } else if (mailbox->blocked > 0) {
    shelves_.groups.each_after(mailbox->number, MessageKey{key.value - 1}, [&](const QueuedMessage& message) {
      if (message.entry.key == key) found.state = PeekState::blocked;
      return false;
    });
  }
  return view_of(*mailbox, found);
}

PeekView Peeking::view_of(const Mailbox& mailbox, const Found& found) {
  const auto& entry = found.entry;
  const auto node = entry.has(Entry::kTransient) ? to_.run.memory_node() : to_.run.node();
  PeekView view{.id = make_uuid({.key = entry.key, .mailbox = mailbox.number, .node = node}),
                .state = found.state,
                .deliveries = entry.deliveries,
                .due = found.due,
                .expires_at = shelves_.expires_at(entry),
                .message = shelves_.bytes_of(entry)};
  if (found.lease == kNoSlot) return view;
  const auto& lease = dispatch_.leases[found.lease];
  ++view.deliveries;
  view.holder = lease.holder != 0 ? std::string_view(to_.names[lease.holder]) : std::string_view();
  view.since = lease.since;
  view.until = lease.deadline;
  view.retrieved = lease.retrieved;
  return view;
}

Instant Peeking::oldest(const Mailbox& mailbox) const {
  MessageKey oldest = 0;
  const auto look = [&](MessageKey key) { oldest = oldest == 0 ? key : std::min(oldest, key); };
  for (const auto& lane : mailbox.lanes) {
    if (lane && !lane->empty()) look(lane->oldest().entry.key);
  }
  if (mailbox.blocked > 0) {
    shelves_.groups.each_after(mailbox.number, 0, [&](const QueuedMessage& message) {
      look(message.entry.key);
      return false;
    });
  }
  for (auto at = mailbox.lease_head; at != kNoSlot; at = dispatch_.leases[at].mailbox_next) {
    look(dispatch_.leases[at].entry.key);
  }
  return oldest == 0 ? Instant{} : key_time(oldest);
}

std::vector<MessageKey> Peeking::waiting(const Mailbox& mailbox, MessageKey after, std::size_t limit) const {
  std::vector<MessageKey> keys;
  for (const auto& found : find(mailbox, after, limit, false)) keys.push_back(found.entry.key);
  return keys;
}

}  // namespace folkmoot
