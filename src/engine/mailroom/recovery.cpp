#include "engine/mailroom/recovery.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/strong_format.hpp"

namespace folkmoot {

Result<void> Recovery::enter(const Fact& fact) {
  switch (fact.kind) {
    case FactKind::message_accepted:
      return enter_accepted(fact);
    case FactKind::message_settled:
    case FactKind::message_cancelled:
      return enter_settled(fact);
    case FactKind::message_returned:
      return enter_returned(fact);
    case FactKind::attempt_noted:
      return enter_attempt(fact);
    case FactKind::message_dead:
      return enter_dead(fact);
    case FactKind::dead_purged:
      return enter_purged(fact);
    case FactKind::key_used:
      return enter_key(fact);
    case FactKind::mailbox_configured:
      return enter_configured(fact);
    case FactKind::mailbox_deleted:
      return enter_deleted(fact);
    case FactKind::mailbox_read:
      return enter_read(fact);
    case FactKind::result_noted:
      return {};
    default:
      return cannot_be(fact.kind, "is none of a mailbox");
  }
}

Result<void> Recovery::enter_accepted(const Fact& record) {
  AcceptedFact fact;
  if (!read_fact(record.body, fact)) return cannot_be(record.kind, "is too short");
  // Copying forward moves the fact that gives a name its id behind those that use its number.
  if (!to_.names.await(fact.mailbox) || !to_.names.await(fact.sender) || fact.priority < kPriorityMin ||
      fact.priority > kPriorityMax) {
    return cannot_be(record.kind, fmt::format("has the name ids {} and {}, or a priority, that cannot be", fact.mailbox,
                                              fact.sender));
  }
  to_.ledger.retain(record.place);
  to_.run.saw_key(fact.key);
  // A copy takes the place of what it was copied from, wherever that stands by now.
  const MessageRef ref(fact.key, fact.mailbox, fact.sender, fact.priority);
  if (enter_copy(shelves_.mailboxes[fact.mailbox], ref, fact, record.place)) return {};
  std::string_view group;
  if (fact.hops > 0) {
    if (const auto routing = read_routing(record.body.subspan(sizeof fact)); routing && !routing->cause.is_nil())
      to_.trail.enter_caused(routing->cause, routing->id);
  }
  if (fact.flags & (Entry::kGrouped | Entry::kRefers)) {
    const auto message = record.body.subspan(sizeof fact);
    const auto routing = read_routing(message);
    const bool is_grouped = fact.flags & Entry::kGrouped, refers = fact.flags & Entry::kRefers;
    if (!routing || routing->group.empty() == is_grouped || routing->content_ref.empty() == refers) {
      return cannot_be(record.kind,
                       "does not say which group it belongs to, or what content it refers to, as its flags do");
    }
    group = routing->group;
    if (refers) to_.references.refer(fact.key, read_content_ref(message, *routing));
  }
  shelves_.enter_accepted(fact, record.place, group);
  return {};
}

bool Recovery::enter_copy(Mailbox& mailbox, const MessageRef& ref, const AcceptedFact& fact, FactPlace place) {
  const auto take = [&](Entry& entry) {
    to_.ledger.release(entry.place());
    entry.move_to(place);
    entry.deliveries = fact.deliveries;
    entry.flags |= fact.flags & Entry::kRedelivered;
  };
  // Messages come in the order of their keys but for copies, so nearly all are known to be new by a glance.
  if (ref.key > newest_) {
    newest_ = ref.key;
    return false;
  }
  if (auto* const letter = to_.graveyard.find(mailbox.number, ref.key)) {
    take(letter->message.entry);
    return true;
  }
  auto sender = ref.sender();
  auto* const entry = shelves_.find(mailbox, ref.key, sender);
  if (entry == nullptr) return false;
  // What had no room for a fact of its own the copy alone may say: that it died, or failed and waits for its next
  // attempt.
  const auto* const waits = shelves_.find_scheduled(ref.key);
  const auto due = waits != nullptr ? waits->due : 0;
  const bool moved = fact.dead != DeadReason::none || fact.deliveries != entry->deliveries ||
                     (fact.not_before != 0 && fact.not_before != due);
  take(*entry);
  if (!moved) return true;
  const auto message = shelves_.take(ref);
  FOLKMOOT_ASSERT(message.has_value());
  if (fact.dead == DeadReason::none) {
    come_back(mailbox, *message, fact.not_before);
  } else {
    die(mailbox, *message, fact.dead, key_time(ref.key), {});
  }
  return true;
}

void Recovery::come_back(Mailbox& mailbox, const QueuedMessage& message, Instant not_before) {
  const auto& entry = message.entry;
  auto& groups = shelves_.groups;
  if (!entry.has(Entry::kGrouped) || groups.holds(entry.key))
    return shelves_.enter_returned(mailbox, message, not_before);
  const auto group = groups.noted(entry.key);
  if (not_before == 0) return shelves_.enter_ready(mailbox, message, group);
  groups.enter_away(mailbox.number, group, entry.key);
  shelves_.enter_scheduled(mailbox, message, not_before);
}

void Recovery::die(Mailbox& mailbox, const QueuedMessage& message, DeadReason reason, Instant at, FactPlace place) {
  shelves_.forget_expiry(message.entry.key);
  shelves_.leave_group(mailbox, message.entry);
  to_.graveyard.enter(mailbox.number, {message, reason, at, place});
}

Result<void> Recovery::enter_settled(const Fact& fact) {
  if (fact.body.size() % sizeof(MessageRef) != 0) return cannot_be(fact.kind, "has a broken list");
  const bool cancelled = fact.kind == FactKind::message_cancelled;
  for (std::size_t at = 0; at < fact.body.size(); at += sizeof(MessageRef)) {
    const auto ref = load<MessageRef>(fact.body.data() + at);
    // Unknown ones were settled in a part of the log that is gone, their messages with it.
    if (!to_.names.knows(ref.mailbox)) continue;
    const auto message = shelves_.take(ref);
    if (!message) continue;
    const auto deliveries = static_cast<std::uint32_t>(message->entry.deliveries);
    const auto receipt = cancelled ? shelves_.receipt(ReceiptState::cancelled, deliveries)
                                   : shelves_.receipt(ReceiptState::acknowledged, deliveries + 1);
    shelves_.leave(shelves_.mailboxes[ref.mailbox], message->entry, &receipt);
  }
  return {};
}

Result<void> Recovery::enter_returned(const Fact& fact) {
  ReturnedFact said;
  if (!read_fact(fact.body, said)) return cannot_be(fact.kind, "is too short");
  const auto& ref = said.message;
  if (!to_.names.knows(ref.mailbox)) return {};
  auto message = shelves_.take(ref);
  if (!message) return {};
  message->entry.deliveries = said.deliveries;
  message->entry.flags |= Entry::kRedelivered;
  if (said.end != AttemptEnd::none) {
    to_.ledger.retain(fact.place);
    to_.attempts.note(ref.key, fact.place, said.deliveries);
  }
  come_back(shelves_.mailboxes[ref.mailbox], *message, said.not_before);
  return {};
}

Result<void> Recovery::enter_attempt(const Fact& fact) {
  ReturnedFact said;
  if (!read_fact(fact.body, said)) return cannot_be(fact.kind, "is too short");
  const auto& ref = said.message;
  if (!to_.names.knows(ref.mailbox)) return {};
  auto sender = ref.sender();
  const bool is_known = to_.graveyard.find(ref.mailbox, ref.key) != nullptr ||
                        shelves_.find(shelves_.mailboxes[ref.mailbox], ref.key, sender) != nullptr;
  if (!is_known) return {};
  to_.ledger.retain(fact.place);
  to_.attempts.note(ref.key, fact.place, said.deliveries);
  return {};
}

Result<void> Recovery::enter_dead(const Fact& fact) {
  DeadFact said;
  if (!read_fact(fact.body, said)) return cannot_be(fact.kind, "is too short");
  const auto& ref = said.message;
  if (!to_.names.knows(ref.mailbox)) return {};
  if (auto* const letter = to_.graveyard.find(ref.mailbox, ref.key)) {  // the words that go with it
    to_.ledger.retain(fact.place);
    to_.ledger.release(letter->place);
    letter->place = fact.place;
    letter->at = said.at;
    return {};
  }
  auto message = shelves_.take(ref);
  if (!message) return {};
  to_.ledger.retain(fact.place);
  message->entry.deliveries = said.deliveries;
  die(shelves_.mailboxes[ref.mailbox], *message, said.reason, said.at, fact.place);
  return {};
}

Result<void> Recovery::enter_purged(const Fact& fact) {
  MessageRef ref;
  if (!read_fact(fact.body, ref)) return cannot_be(fact.kind, "is too short");
  if (!to_.names.knows(ref.mailbox)) return {};
  if (to_.graveyard.find(ref.mailbox, ref.key) != nullptr) {
    to_.graveyard.drop(ref.mailbox, ref.key);
  } else if (const auto message = shelves_.take(ref)) {
    // There was no room to note its death; that it is gone was noted.
    shelves_.leave(shelves_.mailboxes[ref.mailbox], message->entry, nullptr);
  }
  return {};
}

Result<void> Recovery::enter_key(const Fact& fact) {
  KeyUsedFact said;
  if (!read_fact(fact.body, said)) return cannot_be(fact.kind, "is too short");
  to_.ledger.retain(fact.place);
  const UsedKey key({said.hash[0], said.hash[1]}, said.message, fact.place.lsn, said.mailbox);
  auto& keys = publishing_.keys;
  if (auto* const known = keys.find(key.hash)) {
    to_.ledger.release({known->place, sizeof said});
    *known = key;
  } else {
    keys.add(key);
  }
  return {};
}

Result<void> Recovery::enter_configured(const Fact& fact) {
  MailboxConfiguredFact said;
  if (!read_fact(fact.body, said)) return cannot_be(fact.kind, "is too short");
  if (!to_.names.await(said.mailbox)) return cannot_be(fact.kind, "names a mailbox that cannot be");
  to_.ledger.retain(fact.place);
  shelves_.set_limits(shelves_.mailboxes[said.mailbox],
                      {.max_messages = said.max_messages,
                       .default_ttl_ms = said.default_ttl_ms,
                       .overflow = said.overflow,
                       .retry = {.attempts = said.attempts,
                                 .backoff = said.backoff,
                                 .initial_ms = said.initial_ms.ms,
                                 .max_ms = said.max_ms.ms,
                                 .multiplier_permille = said.multiplier_permille}},
                      said.own & MailboxConfiguredFact::kSaysOwn ? said.own & kOwnAll : kOwnAll, fact.place);
  return {};
}

Result<void> Recovery::enter_deleted(const Fact& fact) {
  MailboxDeletedFact said;
  if (!read_fact(fact.body, said)) return cannot_be(fact.kind, "is too short");
  auto* const mailbox = shelves_.mailboxes.find(said.mailbox);
  if (mailbox == nullptr) return {};
  // What still stands there is a copy of what was settled later, or ends by a bound that is looked at later: the
  // settings are gone all the same.
  shelves_.forget_settings(*mailbox);
  if (mailbox->load() + to_.graveyard.count(said.mailbox) == 0) shelves_.remove(*mailbox);
  return {};
}

Result<void> Recovery::enter_read(const Fact& fact) {
  MailboxReadFact said;
  if (!read_fact(fact.body, said)) return cannot_be(fact.kind, "is too short");
  if (!to_.names.await(said.mailbox)) return cannot_be(fact.kind, "names a mailbox that cannot be");
  shelves_.enter_read(shelves_.mailboxes[said.mailbox], said.at, fact.place);
  return {};
}

// -- compaction

bool Recovery::keep(const Fact& fact) {
  switch (fact.kind) {
    case FactKind::message_accepted:
      return keep_message(fact);
    case FactKind::message_returned:
    case FactKind::attempt_noted:
      return keep_attempt(fact);
    case FactKind::message_dead:
      return keep_death(fact);
    case FactKind::key_used:
      return keep_key(fact);
    case FactKind::mailbox_configured:
      return keep_limits(fact);
    case FactKind::mailbox_read:
      return keep_read(fact);
    default:
      return true;  // what else is said of messages goes with them: their copies hold where they stand
  }
}

bool Recovery::keep_message(const Fact& record) {
  AcceptedFact fact;
  if (!read_fact(record.body, fact)) return true;
  const auto standing = find(fact, record);
  if (!standing.is_at(record.place)) return true;
  if (const auto* const entry = standing.entry) {
    fact.deliveries = static_cast<std::uint16_t>(entry->deliveries);
    if (entry->has(Entry::kRedelivered)) fact.flags |= Entry::kRedelivered;
  }
  // In one group with what was said of it. Else a crash could leave the copy alone behind the words that it makes
  // stale, and once the original is gone they speak of a message that recovery does not know yet.
  const auto draft = measure_copy(standing, record, fact.key);
  std::optional<Ledger::Group> group;
  if (draft.facts() > 1 && draft.bytes() <= to_.ledger.group_bytes_max()) {
    if (!to_.ledger.has_room(Urgency::settling, draft)) return false;
    group.emplace(to_.ledger, draft);
  }
  auto moved = record.place;
  to_.ledger.copy(record.kind, moved, {bytes_of(fact), record.body.subspan(sizeof fact)});
  if (standing.entry != nullptr) {
    standing.entry->move_to(moved);
  } else {
    standing.pending->place = moved;
  }
  copy_history(standing, fact);
  return true;
}

// Where the message stands; `fact` says so, too, as its copy will.
Recovery::Standing Recovery::find(AcceptedFact& fact, const Fact& record) {
  Standing standing;
  auto sender = fact.sender;
  const auto accepted = fact;
  fact.not_before = 0;
  fact.dead = DeadReason::none;
  standing.entry = shelves_.find(shelves_.mailboxes[fact.mailbox], fact.key, sender);
  if (standing.entry != nullptr) {
    if (const auto* const waits = shelves_.find_scheduled(fact.key)) fact.not_before = waits->due;
    return standing;
  }
  standing.letter = to_.graveyard.find(fact.mailbox, fact.key);
  if (standing.letter != nullptr) {
    standing.entry = &standing.letter->message.entry;
    fact.dead = standing.letter->reason;
    return standing;
  }
  if (const auto slot = dispatch_.leases.find_key(fact.key); slot != kNoSlot) {
    standing.entry = &dispatch_.leases[slot].entry;
    return standing;
  }
  standing.pending = to_.ledger.find_accepted(fact.key, record.place);
  if (standing.pending != nullptr) fact = accepted;
  return standing;
}

Draft Recovery::measure_copy(const Standing& standing, const Fact& record, MessageKey key) {
  Draft draft;
  draft.add(record.body.size());
  for (const auto& attempt : to_.attempts.of(key)) draft.add(attempt.place.bytes);
  if (standing.letter != nullptr) draft.add(standing.is_unsaid() ? sizeof(DeadFact) : standing.letter->place.bytes);
  if (standing.pending != nullptr && standing.pending->dead_place.lsn != 0)
    draft.add(standing.pending->dead_place.bytes);
  return draft;
}

// A message's record was copied forward: what recovery would meet before it goes behind it, as it says nothing of
// unknown messages.
void Recovery::copy_history(const Standing& standing, const AcceptedFact& fact) {
  auto* const letter = standing.letter;
  const bool unsaid = standing.is_unsaid();
  if (unsaid) {
    const DeadFact dead{MessageRef(fact.key, fact.mailbox, letter->message.sender, letter->message.entry.priority),
                        letter->at,
                        fact.deliveries,
                        fact.dead,
                        {}};
    letter->place = to_.ledger.note(FactKind::message_dead, {bytes_of(dead)}, Life::live);
  }
  for (auto& attempt : to_.attempts.of(fact.key)) copy(FactKind::attempt_noted, attempt.place);
  if (standing.pending != nullptr) copy(FactKind::message_dead, standing.pending->dead_place);
  if (letter != nullptr && !unsaid) copy(FactKind::message_dead, letter->place);
}

// If there is room, and if there is a record of it.
void Recovery::copy(FactKind kind, FactPlace& place) {
  if (place.lsn == 0) return;
  const auto body = to_.ledger.read(place);
  if (!to_.ledger.has_room(Urgency::settling, body.size())) return;
  const std::string bytes(as_text(body));
  to_.ledger.copy(kind, place, {as_bytes(bytes)});
}

bool Recovery::keep_attempt(const Fact& fact) {
  ReturnedFact said;
  if (!read_fact(fact.body, said)) return true;
  const auto noted = to_.attempts.of(said.message.key);
  const auto mine = std::ranges::find(noted, fact.place, &NotedAttempt::place);
  if (mine != noted.end()) to_.ledger.copy(FactKind::attempt_noted, mine->place, {fact.body});
  return true;
}

bool Recovery::keep_death(const Fact& fact) {
  DeadFact said;
  if (!read_fact(fact.body, said)) return true;
  auto* const letter = to_.graveyard.find(said.message.mailbox, said.message.key);
  if (letter != nullptr && letter->place == fact.place) to_.ledger.copy(fact.kind, letter->place, {fact.body});
  return true;
}

bool Recovery::keep_key(const Fact& fact) {
  KeyUsedFact said;
  if (!read_fact(fact.body, said)) return true;
  auto* const key = publishing_.keys.find({said.hash[0], said.hash[1]});
  if (key == nullptr || key->place != fact.place.lsn) return true;
  auto moved = fact.place;
  to_.ledger.copy(fact.kind, moved, {fact.body});
  key->place = moved.lsn;
  return true;
}

bool Recovery::keep_limits(const Fact& fact) {
  MailboxConfiguredFact said;
  if (!read_fact(fact.body, said)) return true;
  const auto* const mailbox = shelves_.mailboxes.find(said.mailbox);
  if (mailbox == nullptr || !mailbox->own_limits) return true;
  auto& mine = mailbox->own_limits->place;
  if (mine == fact.place) to_.ledger.copy(fact.kind, mine, {fact.body});
  return true;
}

bool Recovery::keep_read(const Fact& fact) {
  MailboxReadFact said;
  if (!read_fact(fact.body, said)) return true;
  auto* const mailbox = shelves_.mailboxes.find(said.mailbox);
  if (mailbox == nullptr || mailbox->read_lsn != fact.place.lsn) return true;
  auto moved = fact.place;
  to_.ledger.copy(fact.kind, moved, {fact.body});
  mailbox->read_lsn = moved.lsn;
  return true;
}

}  // namespace folkmoot
