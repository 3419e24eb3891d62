#include "engine/mailroom/shelves.hpp"

#include <fmt/format.h>

#include "message/retry.hpp"

namespace folkmoot {

void Shelves::set_limits(Mailbox& mailbox, const MailboxLimits& limits, std::uint8_t own, FactPlace place) {
  if (mailbox.own_limits) to_.ledger.release(mailbox.own_limits->place);
  mailbox.own_limits = std::make_unique<OwnLimits>(in_force(limits, own, to_.options.mailbox), place, own);
}

void Shelves::on_options() {
  for (NameId number{1}; number < mailboxes.end(); ++number) {
    auto* const mailbox = mailboxes.find(number);
    if (mailbox == nullptr || !mailbox->own_limits) continue;
    auto& mine = *mailbox->own_limits;
    mine.limits = in_force(mine.limits, mine.own, to_.options.mailbox);
  }
}

void Shelves::forget_settings(Mailbox& mailbox) {
  if (mailbox.own_limits) to_.ledger.release(mailbox.own_limits->place);
  mailbox.own_limits.reset();
  to_.ledger.release({mailbox.read_lsn, sizeof(MailboxReadFact)});
  mailbox.read_lsn = 0;
  mailbox.last_read = mailbox.read_said = kNoTime;
  mailbox.read_noted = kNeverNoted;
}

void Shelves::remove(Mailbox& mailbox) {
  forget_settings(mailbox);
  mailboxes.remove(mailbox.number);
}

// -- last read

void Shelves::write_reads() {
  for (const auto number : reads_) {
    if (auto* const mailbox = mailboxes.find(number)) write_read(*mailbox);
  }
  reads_.clear();
}

void Shelves::write_all_reads() {
  for (NameId number{1}; number < mailboxes.end(); ++number) {
    auto* const mailbox = mailboxes.find(number);
    if (mailbox != nullptr && mailbox->last_read > mailbox->read_said) write_read(*mailbox);
  }
}

// It is news and no promise: without room for it nothing is lost but that.
void Shelves::write_read(Mailbox& mailbox) {
  if (mailbox.is_misplaced) return;
  const MailboxReadFact fact{.at = mailbox.last_read, .mailbox = mailbox.number};
  Draft draft;
  to_.names.measure(mailbox.number, draft);
  draft.add(sizeof fact);
  if (!to_.ledger.has_room(Urgency::durable, draft)) return;
  to_.names.note(mailbox.number);
  const auto place = to_.ledger.write(FactKind::mailbox_read, {folkmoot::bytes_of(fact)}, Life::live);
  to_.ledger.release({mailbox.read_lsn, sizeof fact});
  mailbox.read_lsn = place.lsn;
  mailbox.read_said = mailbox.last_read;
}

void Shelves::enter_read(Mailbox& mailbox, Instant at, FactPlace place) {
  to_.ledger.retain(place);
  to_.ledger.release({mailbox.read_lsn, sizeof(MailboxReadFact)});
  mailbox.read_lsn = place.lsn;
  mailbox.last_read = mailbox.read_said = mailbox.read_noted = at;
}

RetryPolicy Shelves::policy_of(const Mailbox& mailbox, const Entry& entry) {
  const auto& own = limits(mailbox).retry;
  if (!entry.has(Entry::kPolicy)) return own;
  const auto bytes = bytes_of(entry);
  const auto routing = read_routing(bytes);
  if (!routing) to_.effects.unreadable(routing.error());
  return over(read_retry(bytes, *routing), own);
}

std::string_view Shelves::group_of(const Entry& entry) {
  const auto routing = read_routing(bytes_of(entry));
  if (!routing) to_.effects.unreadable(routing.error());
  return routing->group;
}

// -- entering

void Shelves::enter_accepted(const AcceptedFact& fact, FactPlace place, std::string_view group) {
  auto& mailbox = mailboxes[fact.mailbox];
  std::uint16_t flags = fact.flags & ~(AcceptedFact::kSilent | AcceptedFact::kTraced);
  if (fact.flags & AcceptedFact::kTraced) flags |= Entry::kTraced;
  if (fact.mode == DeliveryMode::at_most_once) flags |= Entry::kOnce;
  if (fact.deliveries != 0) flags |= Entry::kRedelivered;
  if (fact.expires_at != 0) flags |= Entry::kExpires;
  QueuedMessage message{Entry(fact.key, place, fact.priority, flags), fact.sender};
  message.entry.deliveries = fact.deliveries;
  if (fact.dead != DeadReason::none) {
    return to_.graveyard.enter(mailbox.number, {message, fact.dead, key_time(fact.key), {}});
  }
  // The disk may have taken longer than the message had.
  if (fact.expires_at != 0 && fact.expires_at <= to_.run.now()) {
    bury(mailbox, message, {.reason = DeadReason::expired});
    return;
  }
  if (fact.expires_at != 0) expire_at(fact.expires_at, fact.key, fact.mailbox, fact.sender);
  if (fact.not_before > to_.run.now()) {
    // One that was handed out before and waits for its next attempt is still the one its group waits for.
    if (fact.deliveries != 0 && message.entry.has(Entry::kGrouped)) groups.enter_away(mailbox.number, group, fact.key);
    if (!to_.run.is_started() && message.entry.has(Entry::kGrouped)) groups.note(fact.key, group);
    return enter_scheduled(mailbox, message, fact.not_before);
  }
  enter_ready(mailbox, message, group);
}

void Shelves::enter_ready(Mailbox& mailbox, const QueuedMessage& message, std::string_view group) {
  if (message.entry.has(Entry::kGrouped) && !groups.enter(mailbox.number, group, message)) {
    ++mailbox.blocked;
    ++to_.counters.blocked;
    return;
  }
  ++to_.counters.ready;
  mailbox.push(message.sender, message.entry);
  mark_dirty(mailbox);
}

void Shelves::enter_scheduled(Mailbox& mailbox, const QueuedMessage& message, Instant due) {
  ++to_.counters.scheduled;
  ++mailbox.scheduled;
  scheduled_[message.entry.key] = {message, mailbox.number, due};
  to_.agenda.add({.at = due, .id = message.entry.key.value, .place = mailbox.number.value, .kind = TimerKind::due});
}

void Shelves::enter_returned(Mailbox& mailbox, const QueuedMessage& message, Instant not_before) {
  if (not_before > to_.run.now()) return enter_scheduled(mailbox, message, not_before);
  enter_ready(mailbox, message, {});
}

void Shelves::enter_head(Mailbox& mailbox, const QueuedMessage& message) {
  --mailbox.blocked;
  --to_.counters.blocked;
  ++to_.counters.ready;
  mailbox.push(message.sender, message.entry);
  mark_dirty(mailbox);
}

void Shelves::expire_at(Instant at, MessageKey key, NameId mailbox, NameId sender) {
  expiries_[key] = {at, sender};
  to_.agenda.add({.at = at, .id = key.value, .place = mailbox.value, .kind = TimerKind::expiry});
}

bool Shelves::has_expired(const Entry& entry) const {
  if (!entry.has(Entry::kExpires)) return false;
  const auto expiry = expiries_.find(entry.key);
  return expiry != expiries_.end() && expiry->second.at <= to_.run.now();
}

Instant Shelves::expires_at(const Entry& entry) const {
  const auto expiry = entry.has(Entry::kExpires) ? expiries_.find(entry.key) : expiries_.end();
  return expiry == expiries_.end() ? 0 : expiry->second.at;
}

// -- finding

Entry* Shelves::find(Mailbox& mailbox, MessageKey key, NameId& sender) {
  if (const auto found = scheduled_.find(key); found != scheduled_.end()) {
    sender = found->second.message.sender;
    return &found->second.message.entry;
  }
  if (auto* const blocked = groups.find(key)) {
    sender = blocked->sender;
    return &blocked->entry;
  }
  for (auto& lane : mailbox.lanes) {
    if (!lane || lane->empty()) continue;
    if (auto* const entry = lane->find(key, sender)) return entry;
  }
  return nullptr;
}

const Scheduled* Shelves::find_scheduled(MessageKey key) const {
  const auto found = scheduled_.find(key);
  return found == scheduled_.end() ? nullptr : &found->second;
}

std::optional<QueuedMessage> Shelves::take(const MessageRef& ref) {
  auto& mailbox = mailboxes[ref.mailbox];
  if (auto message = mailbox.take(ref.sender(), ref.lane(), ref.key)) {
    --to_.counters.ready;
    return message;
  }
  if (const auto found = scheduled_.find(ref.key); found != scheduled_.end()) {
    const auto message = found->second.message;
    scheduled_.erase(found);
    --mailbox.scheduled;
    --to_.counters.scheduled;
    return message;
  }
  if (auto message = groups.take(ref.key)) {
    --mailbox.blocked;
    --to_.counters.blocked;
    return message;
  }
  return std::nullopt;
}

QueuedMessage Shelves::take_oldest(Mailbox& mailbox) {
  std::optional<QueuedMessage> oldest;
  for (unsigned i = 0; i < kLanes; ++i) {
    if (!(mailbox.lanes_in_use & 1u << i)) continue;
    const auto candidate = mailbox.lanes[i]->oldest();
    if (!oldest || candidate.entry.key < oldest->entry.key) oldest = candidate;
  }
  mailbox.take(oldest->sender, oldest->entry.priority - 1u, oldest->entry.key);
  --to_.counters.ready;
  return *oldest;
}

// -- looking on

void Shelves::tap(TapRecord what, const Mailbox& mailbox, const Entry& entry, NameId sender) {
  constexpr std::size_t kWholeMax = 64 * 1024;  // larger ones are kept without their content
  auto bytes = bytes_of(entry);
  if (bytes.size() > kWholeMax) {
    if (const auto routing = read_routing(bytes))
      bytes = bytes.first(std::min<std::size_t>(routing->bytes, bytes.size()));
  }
  what.at = to_.run.now();
  what.id = make_uuid({.key = entry.key,
                       .mailbox = mailbox.number,
                       .node = entry.has(Entry::kTransient) ? to_.run.memory_node() : to_.run.node()});
  what.mailbox = mailbox.number;
  what.sender = sender;
  what.message = as_text(bytes);
  to_.tap.note(std::move(what));
}

Tracing::Message Shelves::traced(const Mailbox& mailbox, const Entry& entry) {
  return {.id = make_uuid({.key = entry.key,
                           .mailbox = mailbox.number,
                           .node = entry.has(Entry::kTransient) ? to_.run.memory_node() : to_.run.node()}),
          .destination = to_.names[mailbox.number],
          .message = bytes_of(entry)};
}

// -- leaving

void Shelves::leave(Mailbox& mailbox, const Entry& entry, const SettledReceipts::Settled* receipt) {
  if (entry.has(Entry::kExpires)) expiries_.erase(entry.key);
  if (entry.has(Entry::kRefers)) to_.references.drop(entry.key);
  if (entry.has(Entry::kTransient)) {
    to_.transient.drop(entry.stored());
    return;
  }
  to_.attempts.forget(entry.key);
  leave_group(mailbox, entry);
  to_.ledger.release(entry.place());
  if (receipt != nullptr) receipts.add(entry.key, *receipt);
}

void Shelves::leave_group(Mailbox& mailbox, const Entry& entry) {
  if (!entry.has(Entry::kGrouped)) return;
  if (const auto next = groups.leave(entry.key)) enter_head(mailbox, *next);
}

std::optional<Notice> Shelves::notice_of(const Mailbox& mailbox, const Entry& entry, const Death& death, Draft& draft) {
  // Whoever waits for its answer hears that there will be none, asked to or not.
  if (!entry.has(Entry::kBounce) && !to_.responder.is_waited_for(entry.key)) return std::nullopt;
  const auto routing = read_routing(bytes_of(entry));
  if (!routing) to_.effects.unreadable(routing.error());
  const auto id = make_uuid({.key = entry.key, .mailbox = mailbox.number, .node = to_.run.node()});
  auto notice = to_.graveyard.notice_of(*routing, id, entry.deliveries, death.reason, death.text);
  auto with_notice = draft;
  with_notice.add(to_.graveyard.measure(notice));
  auto all = with_notice;
  all.add(death.spared);
  // Nobody is told what there is no room for: the dead letter stays in any case.
  if (!to_.ledger.has_room(Urgency::durable, all)) return std::nullopt;
  draft = with_notice;
  return notice;
}

Durable Shelves::bury(Mailbox& mailbox, const QueuedMessage& message, const Death& death) {
  const auto& entry = message.entry;
  if (is_tapped()) [[unlikely]] {
    tap({.what = TapWhat::dead,
         .deliveries = entry.deliveries,
         .reason = death.text.empty() ? std::string(name(death.reason))
                                      : fmt::format("{}: {}", name(death.reason), death.text)},
        mailbox, entry, message.sender);
  }
  if (entry.has(Entry::kTraced) && death.attempt == nullptr) [[unlikely]]
    to_.tracing.died(traced(mailbox, entry), name(death.reason));
  if (entry.has(Entry::kExpires)) expiries_.erase(entry.key);
  if (entry.has(Entry::kTransient)) {
    if (death.reason == DeadReason::expired) ++to_.counters.expired;
    leave(mailbox, entry, nullptr);
    return {};
  }
  const auto deliveries = static_cast<std::uint16_t>(entry.deliveries);
  const auto now = to_.run.now();
  const DeadFact fact{
      MessageRef(entry.key, mailbox.number, message.sender, entry.priority), now, deliveries, death.reason, {}};
  Draft draft;
  draft.add(sizeof fact + death.text.size());
  if (death.attempt != nullptr) draft.add(sizeof *death.attempt + death.text.size());
  const auto notice = notice_of(mailbox, entry, death, draft);
  FactPlace place;
  {
    std::optional<Ledger::Group> group;
    if (draft.facts() > 1 && to_.ledger.has_room(Urgency::settling, draft)) group.emplace(to_.ledger, draft);
    if (death.attempt != nullptr) {
      const auto noted = to_.ledger.note(FactKind::message_returned,
                                         {folkmoot::bytes_of(*death.attempt), as_bytes(death.text)}, Life::live);
      to_.attempts.note(entry.key, noted, deliveries);
    }
    place = to_.ledger.note(FactKind::message_dead, {folkmoot::bytes_of(fact), as_bytes(death.text)}, Life::live);
    if (notice) to_.graveyard.post(*notice, Durable(place));
  }
  leave_group(mailbox, entry);
  const DeadLetter letter{message, death.reason, now, place};
  to_.graveyard.enter(mailbox.number, letter);
  to_.graveyard.tell(mailbox.number, letter, death.text);
  to_.graveyard.bound(mailbox.number);
  return Durable(place);
}

// -- time

void Shelves::start() {
  for (const auto key : groups.not_joined()) {
    if (const auto found = scheduled_.find(key); found != scheduled_.end() && found->second.due <= to_.run.now())
      come_due(key);
  }
  groups.begin([this](NameId mailbox, const QueuedMessage& head) { enter_head(mailboxes[mailbox], head); });
}

bool Shelves::is_live(const Timer& timer) const {
  if (timer.kind == TimerKind::due) {
    const auto found = scheduled_.find(MessageKey{timer.id});
    return found != scheduled_.end() && found->second.due == timer.at;
  }
  const auto found = expiries_.find(MessageKey{timer.id});
  return found != expiries_.end() && found->second.at == timer.at;
}

void Shelves::come_due(MessageKey key) {
  const auto found = scheduled_.find(key);
  const auto scheduled = found->second;
  scheduled_.erase(found);
  auto& mailbox = mailboxes[scheduled.mailbox];
  --mailbox.scheduled;
  --to_.counters.scheduled;
  const auto& entry = scheduled.message.entry;
  const auto new_to_group = entry.has(Entry::kGrouped) && !groups.holds(entry.key);
  enter_ready(mailbox, scheduled.message, new_to_group ? std::string(group_of(entry)) : std::string{});
}

void Shelves::expire(NameId number, MessageKey key) {
  auto& mailbox = mailboxes[number];
  auto sender = expiries_.at(key).sender;
  const auto* const entry = find(mailbox, key, sender);
  // Leased: whoever holds it may still settle it; should it come back, it is seen that its time is over.
  if (entry == nullptr) return;
  const auto message = take(MessageRef(key, number, sender, entry->priority));
  FOLKMOOT_ASSERT(message.has_value());
  bury(mailbox, *message, {.reason = DeadReason::expired});
}

}  // namespace folkmoot
