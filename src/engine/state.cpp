// Where messages stand: entering, moving and leaving. Used by the live engine and by recovery alike.
#include "engine/engine.hpp"

namespace folkmoot {

void Engine::append_fact(FactKind kind, std::initializer_list<Bytes> parts) {
  std::size_t bytes = 0;
  for (const auto& part : parts) bytes += part.size();
  // Without room for it the fact is lost at a crash and its message is handed out once more: at least once still holds.
  if (!log_.has_room(FactLog::Urgency::settling, bytes)) return;
  last_fact_ = log_.append(kind, {parts.begin(), parts.size()}, FactLog::Life::dead).lsn;
}

// A message the log holds, as the fact says: newly durable, recovered, or recovered from its copy.
void Engine::enter_accepted(const AcceptedFact& fact, FactPlace place) {
  auto& mailbox = parties_.mailbox(fact.mailbox);
  std::uint8_t flags = 0;
  if (fact.mode == DeliveryMode::at_most_once) flags |= Entry::kOnce;
  if (fact.deliveries != 0 || fact.redelivered) flags |= Entry::kRedelivered;
  if (fact.expires_at != 0) flags |= Entry::kExpires;
  QueuedMessage message{Entry(fact.key, place, fact.priority, flags), fact.sender};
  message.entry.deliveries = fact.deliveries;
  if (fact.dead != DeadReason::none) return enter_dead(mailbox, message, fact.dead, key_ms(fact.key));
  // The disk may have taken longer than the message had.
  if (fact.expires_at != 0 && fact.expires_at <= now_) return bury(mailbox, message, DeadReason::expired);
  if (fact.expires_at != 0) {
    expiries_[fact.key] = fact.expires_at;
    add_timer({.at = fact.expires_at, .id = fact.key, .box = fact.mailbox, .kind = TimerKind::expiry});
  }
  if (fact.not_before > now_) return enter_scheduled(mailbox, message, fact.not_before);
  enter_ready(mailbox, message, true);
}

void Engine::enter_ready(Mailbox& mailbox, const QueuedMessage& message, bool in_order) {
  ++counters_.ready;
  if (in_order) {
    mailbox.push(message.sender, message.entry);
  } else {
    mailbox.put_back(message);
  }
  mark_dirty(mailbox);
}

void Engine::enter_scheduled(Mailbox& mailbox, const QueuedMessage& message, std::int64_t due) {
  ++counters_.scheduled;
  ++mailbox.scheduled;
  scheduled_[message.entry.key] = {message, mailbox.number, due};
  add_timer({.at = due, .id = message.entry.key, .box = mailbox.number, .kind = TimerKind::due});
}

void Engine::enter_dead(Mailbox& mailbox, const QueuedMessage& message, DeadReason reason, std::int64_t at) {
  if (!mailbox.dead) mailbox.dead = std::make_unique<std::map<MessageKey, DeadLetter>>();
  ++counters_.dead_now;
  auto dead = message;
  dead.entry.flags &= static_cast<std::uint8_t>(~Entry::kExpires);
  (*mailbox.dead)[message.entry.key] = {dead, reason, at};
}

// The message is gone for good: its record no longer matters.
void Engine::leave(const Entry& entry, bool acknowledged, std::uint32_t deliveries) {
  if (entry.has(Entry::kExpires)) expiries_.erase(entry.key);
  if (entry.has(Entry::kTransient)) {
    transient_.drop(static_cast<std::uint32_t>(entry.place().lsn));
    return;
  }
  log_.release(entry.place());
  if (acknowledged) settled_.add(entry.key, {now_, deliveries});
}

// Takes a message that is ready or scheduled out of its mailbox.
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
  return std::nullopt;
}

// Moves a message that stands nowhere (any more) to the dead letters.
void Engine::bury(Mailbox& mailbox, const QueuedMessage& message, DeadReason reason) {
  if (reason == DeadReason::expired) ++counters_.expired;
  if (message.entry.has(Entry::kExpires)) expiries_.erase(message.entry.key);
  if (message.entry.has(Entry::kTransient)) return leave(message.entry, false, 0);
  ++counters_.dead;
  const DeadFact fact{MessageRef(message.entry.key, mailbox.number, message.sender, message.entry.priority), now_,
                      static_cast<std::uint16_t>(message.entry.deliveries), reason, {}};
  append_fact(FactKind::message_dead, {bytes_of(fact)});
  enter_dead(mailbox, message, reason, now_);
  while (mailbox.dead->size() > options_.dead_max) {
    const auto oldest = mailbox.dead->begin();
    const auto& entry = oldest->second.message.entry;
    const MessageRef ref(entry.key, mailbox.number, oldest->second.message.sender, entry.priority);
    append_fact(FactKind::dead_purged, {bytes_of(ref)});
    log_.release(entry.place());
    mailbox.dead->erase(oldest);
    --counters_.dead_now;
  }
}

void Engine::on_expiry(std::uint32_t number, MessageKey key) {
  auto& mailbox = parties_.mailbox(number);
  std::uint32_t sender = 0;
  if (auto* const entry = find_entry(mailbox, key, sender)) {
    const auto message = take_waiting(MessageRef(key, number, sender, entry->priority));
    FOLKMOOT_ASSERT(message.has_value());
    return bury(mailbox, *message, DeadReason::expired);
  }
  // Leased: whoever holds it may still settle it; should it come back, give_back() sees that its time is over.
}

// Finds a message that is ready or scheduled, and its sender.
Entry* Engine::find_entry(Mailbox& mailbox, MessageKey key, std::uint32_t& sender) {
  if (const auto found = scheduled_.find(key); found != scheduled_.end()) {
    sender = found->second.message.sender;
    return &found->second.message.entry;
  }
  for (auto& lane : mailbox.lanes) {
    if (!lane || lane->empty()) continue;
    if (auto* const entry = lane->find(key, sender)) return entry;
  }
  return nullptr;
}

}  // namespace folkmoot
