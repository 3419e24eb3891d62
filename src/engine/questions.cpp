// What can be asked: receipts and numbers. Nothing here changes what happens.
#include "engine/engine.hpp"

namespace folkmoot {

ReceiptView Engine::receipt(const Uuid& id) {
  ReceiptView receipt{
      .id = id, .recipient = {}, .state = ReceiptState::unknown, .deliveries = 0, .at = 0, .reason = {}};
  const auto address = message_address(id);
  if (!address || !is_ours(*address) || !parties_.holds(address->mailbox)) return receipt;
  const auto& party = parties_[address->mailbox];
  if (!party.mailbox) return receipt;
  auto& mailbox = *party.mailbox;
  receipt.recipient = party.name;
  if (const auto slot = leases_.find_key(address->key); slot != kNoSlot) {
    const auto& lease = leases_[slot];
    receipt.state = lease.retrieved ? ReceiptState::retrieved : ReceiptState::offered;
    receipt.deliveries = lease.entry.deliveries + 1u;
    return receipt;
  }
  std::uint32_t sender = 0;
  if (const auto* const entry = find_entry(mailbox, address->key, sender)) {
    receipt.state = scheduled_.contains(address->key) ? ReceiptState::scheduled : ReceiptState::queued;
    receipt.deliveries = static_cast<std::uint32_t>(entry->deliveries);
    receipt.at = key_ms(address->key);
    return receipt;
  }
  if (mailbox.dead) {
    if (const auto found = mailbox.dead->find(address->key); found != mailbox.dead->end()) {
      receipt.state = ReceiptState::dead;
      receipt.deliveries = static_cast<std::uint32_t>(found->second.message.entry.deliveries);
      receipt.at = found->second.at;
      receipt.reason = name(found->second.reason);
      return receipt;
    }
  }
  if (const auto* const settled = settled_.find(address->key)) {
    receipt.state = settled->state;
    receipt.deliveries = settled->deliveries;
    receipt.at = settled->at;
  }
  return receipt;
}

namespace {

MailboxStats stats_of(const Party& party) {
  const auto& mailbox = *party.mailbox;
  return {.name = party.name,
          .ready = std::uint64_t{mailbox.ready} + mailbox.pending + mailbox.blocked,
          .scheduled = mailbox.scheduled,
          .leased = mailbox.leased,
          .dead = mailbox.dead ? mailbox.dead->size() : 0,
          .consumers = mailbox.is_stray ? 0 : mailbox.consumers,
          .last_read = mailbox.is_stray ? -1 : mailbox.last_read};
}

}  // namespace

bool Engine::mailbox_stats(std::string_view name, MailboxStats& out) const {
  const auto number = parties_.find(name);
  if (number == 0 || !parties_[number].mailbox) return false;
  out = stats_of(parties_[number]);
  return true;
}

void Engine::each_new_mailbox(const std::function<void(std::string_view name)>& each) {
  for (const auto number : parties_.take_made()) {
    if (parties_.holds(number)) each(parties_[number].name);
  }
}

void Engine::each_mailbox(std::size_t limit, const std::function<void(const MailboxStats&)>& each) const {
  for (std::uint32_t number = 1; number < parties_.end() && limit > 0; ++number) {
    if (!parties_[number].mailbox) continue;
    each(stats_of(parties_[number]));
    --limit;
  }
}

}  // namespace folkmoot
