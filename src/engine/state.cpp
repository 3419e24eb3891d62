// Where messages stand: entering, moving and leaving. Used by the live engine and by recovery alike.
#include "engine/engine.hpp"

namespace folkmoot {

// Returns its place; lsn 0 if there was no room.
FactPlace Engine::append_fact(FactKind kind, std::initializer_list<Bytes> parts, FactLog::Life life) {
  std::size_t bytes = 0;
  for (const auto& part : parts) bytes += part.size();
  // Without room for it the fact is lost at a crash and its message is handed out once more: at least once still holds.
  if (!log_.has_room(FactLog::Urgency::settling, bytes)) return lost_fact_ = true, FactPlace{};
  const auto place = log_.append(kind, {parts.begin(), parts.size()}, life);
  last_fact_ = place.lsn;
  return place;
}

// A message the log holds, as the fact says: newly durable, recovered, or recovered from its copy.
void Engine::enter_accepted(const AcceptedFact& fact, FactPlace place, std::string_view group) {
  auto& mailbox = parties_.mailbox(fact.mailbox);
  std::uint16_t flags = fact.flags & ~AcceptedFact::kSilent;
  if (fact.mode == DeliveryMode::at_most_once) flags |= Entry::kOnce;
  if (fact.deliveries != 0) flags |= Entry::kRedelivered;
  if (fact.expires_at != 0) flags |= Entry::kExpires;
  QueuedMessage message{Entry(fact.key, place, fact.priority, flags), fact.sender};
  message.entry.deliveries = fact.deliveries;
  if (fact.dead != DeadReason::none) return enter_dead(mailbox, message, fact.dead, key_ms(fact.key), {});
  // The disk may have taken longer than the message had.
  if (fact.expires_at != 0 && fact.expires_at <= now_) return bury(mailbox, message, {.reason = DeadReason::expired});
  if (fact.expires_at != 0) {
    expiries_[fact.key] = {fact.expires_at, fact.sender};
    add_timer({.at = fact.expires_at, .id = fact.key, .box = fact.mailbox, .kind = TimerKind::expiry});
  }
  if (fact.not_before > now_) {
    // One that was handed out before and waits for its next attempt is still the one its group waits for.
    if (fact.deliveries != 0 && message.entry.has(Entry::kGrouped)) groups_.enter_away(mailbox.number, group, fact.key);
    if (!started_ && message.entry.has(Entry::kGrouped)) groups_.note(fact.key, group);
    return enter_scheduled(mailbox, message, fact.not_before);
  }
  enter_ready(mailbox, message, group);
}

// `group` need not be given for a message that is a member of its group already.
void Engine::enter_ready(Mailbox& mailbox, const QueuedMessage& message, std::string_view group) {
  if (message.entry.has(Entry::kGrouped) && !groups_.enter(mailbox.number, group, message)) {
    ++mailbox.blocked;
    ++counters_.blocked;
    return;
  }
  ++counters_.ready;
  mailbox.push(message.sender, message.entry);
  mark_dirty(mailbox);
}

void Engine::enter_scheduled(Mailbox& mailbox, const QueuedMessage& message, std::int64_t due) {
  ++counters_.scheduled;
  ++mailbox.scheduled;
  scheduled_[message.entry.key] = {message, mailbox.number, due};
  add_timer({.at = due, .id = message.entry.key, .box = mailbox.number, .kind = TimerKind::due});
}

// The message is gone for good: its record no longer matters. `as`: what its receipt says from now on; nothing: no
// receipt is kept. `settled`: the lease that it was under.
void Engine::leave(Mailbox& mailbox, const Entry& entry, std::optional<ReceiptState> as, std::uint32_t deliveries,
                   const Lease* settled) {
  if (entry.has(Entry::kExpires)) expiries_.erase(entry.key);
  if (entry.has(Entry::kRefers)) drop_content(entry.key);
  if (entry.has(Entry::kTransient)) {
    transient_.drop(static_cast<std::uint32_t>(entry.place().lsn));
    return;
  }
  if (!attempts_.empty()) forget_attempts(entry.key);
  leave_group(mailbox, entry);
  log_.release(entry.place());
  if (!as) return;
  SettledReceipts::Settled receipt{
      .at = now_, .state = *as, .deliveries = static_cast<std::uint16_t>(std::min<std::uint32_t>(deliveries, 0xffff))};
  if (settled != nullptr) {
    receipt.hops = settled->hops;
    if (settled->silent) receipt.silent_for = settled->sender;
  }
  settled_.add(entry.key, receipt);
}

// The next of its group may go out.
void Engine::leave_group(Mailbox& mailbox, const Entry& entry) {
  if (!entry.has(Entry::kGrouped)) return;
  if (const auto next = groups_.leave(entry.key)) enter_head(mailbox, *next);
}

void Engine::enter_head(Mailbox& mailbox, const QueuedMessage& message) {
  --mailbox.blocked;
  --counters_.blocked;
  ++counters_.ready;
  mailbox.push(message.sender, message.entry);
  mark_dirty(mailbox);
}

// The group key in a message's envelope; lives until the next look at the log.
std::string_view Engine::group_of(const Entry& entry) {
  const auto routing = read_routing(bytes_of_message(entry).head);
  if (!routing) effects_.unreadable(routing.error());
  return routing->group;
}

// Takes a message that is ready, scheduled or blocked out of its mailbox.
std::optional<QueuedMessage> Engine::take_waiting(const MessageRef& ref) {
  auto& mailbox = parties_.mailbox(ref.mailbox);
  if (auto message = mailbox.take(ref.sender(), ref.lane(), ref.key)) {
    --counters_.ready;
    return message;
  }
  if (const auto found = scheduled_.find(ref.key); found != scheduled_.end()) {
    const auto message = found->second.message;
    scheduled_.erase(found);
    --mailbox.scheduled;
    --counters_.scheduled;
    return message;
  }
  if (auto message = groups_.take(ref.key)) {
    --mailbox.blocked;
    --counters_.blocked;
    return message;
  }
  return std::nullopt;
}

void Engine::on_expiry(std::uint32_t number, MessageKey key) {
  auto& mailbox = parties_.mailbox(number);
  auto sender = expiries_.at(key).sender;
  if (auto* const entry = find_entry(mailbox, key, sender)) {
    const auto message = take_waiting(MessageRef(key, number, sender, entry->priority));
    FOLKMOOT_ASSERT(message.has_value());
    return bury(mailbox, *message, {.reason = DeadReason::expired});
  }
  // Leased: whoever holds it may still settle it; should it come back, give_back() sees that its time is over.
}

// Finds a message that is ready, scheduled or blocked, and its sender.
Entry* Engine::find_entry(Mailbox& mailbox, MessageKey key, std::uint32_t& sender) {
  if (const auto found = scheduled_.find(key); found != scheduled_.end()) {
    sender = found->second.message.sender;
    return &found->second.message.entry;
  }
  if (auto* const blocked = groups_.find(key)) {
    sender = blocked->sender;
    return &blocked->entry;
  }
  for (auto& lane : mailbox.lanes) {
    if (!lane || lane->empty()) continue;
    if (auto* const entry = lane->find(key, sender)) return entry;
  }
  return nullptr;
}

}  // namespace folkmoot
