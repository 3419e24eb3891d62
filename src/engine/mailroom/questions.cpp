#include "engine/mailroom/questions.hpp"

#include <algorithm>

namespace folkmoot {

// One that was moved on is followed, as far as that is known.
ReceiptView Questions::receipt(const Uuid& id) {
  auto receipt = receipt_of(id);
  for (std::size_t steps = 0; receipt.state == ReceiptState::unknown && steps < kMovesFollowed; ++steps) {
    const auto next = to_.trail.moved_to(receipt.id);
    if (next.is_nil()) break;
    receipt = receipt_of(next);
  }
  return receipt;
}

ReceiptView Questions::receipt_of(const Uuid& id) const {
  ReceiptView receipt{
      .id = id, .recipient = {}, .state = ReceiptState::unknown, .deliveries = 0, .at = 0, .reason = {}};
  const auto address = message_address(id);
  if (!address || !to_.run.is_ours(*address) || !to_.names.holds(address->mailbox)) return receipt;
  auto* const mailbox = shelves_.mailboxes.find(address->mailbox);
  if (mailbox == nullptr) return receipt;
  receipt.recipient = to_.names[address->mailbox];
  if (const auto slot = dispatch_.leases.find_key(address->key); slot != kNoSlot) {
    const auto& lease = dispatch_.leases[slot];
    receipt.state = lease.retrieved ? ReceiptState::retrieved : ReceiptState::offered;
    receipt.deliveries = lease.entry.deliveries + 1u;
    receipt.at = receipt.since = lease.since;
    if (lease.holder != 0) receipt.holder = to_.names[lease.holder];
    return receipt;
  }
  NameId sender = 0;
  if (const auto* const entry = shelves_.find(*mailbox, address->key, sender)) {
    const bool waits = shelves_.find_scheduled(address->key) != nullptr;
    receipt.state = waits ? ReceiptState::scheduled : ReceiptState::queued;
    receipt.deliveries = static_cast<std::uint32_t>(entry->deliveries);
    receipt.at = key_time(address->key);
    return receipt;
  }
  if (const auto* const letter = to_.graveyard.find(address->mailbox, address->key)) {
    receipt.state = ReceiptState::dead;
    receipt.deliveries = static_cast<std::uint32_t>(letter->message.entry.deliveries);
    receipt.at = letter->at;
    receipt.reason = name(letter->reason);
    return receipt;
  }
  if (const auto* const settled = shelves_.receipts.find(address->key)) {
    receipt.state = settled->state;
    receipt.deliveries = settled->deliveries;
    receipt.at = Instant{settled->at};
  }
  return receipt;
}

MailboxStats Questions::stats_of(const Mailbox& mailbox) const {
  return {.name = to_.names[mailbox.number],
          .ready = std::uint64_t{mailbox.ready} + mailbox.pending + mailbox.blocked,
          .scheduled = mailbox.scheduled,
          .leased = mailbox.leased,
          .dead = to_.graveyard.count(mailbox.number),
          .consumers = mailbox.is_misplaced ? 0 : mailbox.consumers,
          .last_read = mailbox.is_misplaced ? kNoTime : mailbox.last_read,
          .is_misplaced = mailbox.is_misplaced};
}

bool Questions::stats_with_oldest(std::string_view name, MailboxStats& out) const {
  const auto* const mailbox = shelves_.mailboxes.find(to_.names.find(name));
  if (mailbox == nullptr) return false;
  out = stats_of(*mailbox);
  out.oldest = peeking_.oldest(*mailbox);
  return true;
}

std::optional<MailboxSettings> Questions::settings(std::string_view name) const {
  const auto* const mailbox = shelves_.mailboxes.find(to_.names.find(name));
  if (mailbox == nullptr) return std::nullopt;
  const auto* const own = mailbox->own_limits.get();
  return own != nullptr ? MailboxSettings{own->limits, own->own} : MailboxSettings{to_.options.mailbox, 0};
}

void Questions::each_consumer(std::string_view name, std::size_t limit,
                              const std::function<void(const ConsumerView&)>& each) const {
  const auto* const mailbox = shelves_.mailboxes.find(to_.names.find(name));
  if (mailbox != nullptr) dispatch_.each_consumer(*mailbox, limit, each);
}

bool Questions::stats(std::string_view name, MailboxStats& out) const {
  const auto* const mailbox = shelves_.mailboxes.find(to_.names.find(name));
  if (mailbox == nullptr) return false;
  out = stats_of(*mailbox);
  return true;
}

void Questions::each_mailbox(std::size_t limit, const std::function<void(const MailboxStats&)>& each) const {
  for (NameId number{1}; number < shelves_.mailboxes.end() && limit > 0; ++number) {
    const auto* const mailbox = shelves_.mailboxes.find(number);
    if (mailbox == nullptr) continue;
    each(stats_of(*mailbox));
    --limit;
  }
}

void Questions::each_fullest(std::size_t limit, const std::function<void(const MailboxStats&)>& each) {
  struct Found {
    std::uint64_t load = 0;
    NameId number = 0;
  };
  const auto is_fuller = [](const Found& one, const Found& other) {
    return one.load != other.load ? one.load > other.load : one.number < other.number;
  };
  std::vector<Found> found;  // a heap with the least full in front
  const auto look_at = [&](NameId number) {
    const auto* const mailbox = shelves_.mailboxes.find(number);
    if (mailbox == nullptr) return;
    const Found one{mailbox->load(), number};
    if (found.size() == limit && !is_fuller(one, found.front())) return;
    found.push_back(one);
    std::ranges::push_heap(found, is_fuller);
    if (found.size() <= limit) return;
    std::ranges::pop_heap(found, is_fuller);
    found.pop_back();
  };
  if (limit == 0) return;
  const auto end = shelves_.mailboxes.end();
  const bool is_all = end.value <= kLookedAtOnce;
  if (is_all || look_from_ >= end) look_from_ = NameId{1};
  const NameId from = look_from_, to{static_cast<std::uint32_t>(
                                      std::min<std::uint64_t>(end.value, std::uint64_t{from.value} + kLookedAtOnce))};
  for (const auto number : fullest_) {
    if (number < from || number >= to) look_at(number);
  }
  for (auto number = from; number < to; ++number) look_at(number);
  look_from_ = to;
  fullest_.clear();
  for (const auto& one : found) fullest_.push_back(one.number);
  std::ranges::sort(fullest_);
  for (const auto number : fullest_) each(stats_of(*shelves_.mailboxes.find(number)));
}

void Questions::each_new_mailbox(const std::function<void(std::string_view name)>& each) {
  for (const auto number : shelves_.mailboxes.take_made()) {
    if (to_.names.holds(number)) each(to_.names[number]);
  }
}

}  // namespace folkmoot
