// Recovery: the facts of the log, entered in order, rebuild what ran. And copy-forward: facts that still matter, again.
#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.hpp"
#include "engine/engine.hpp"

namespace folkmoot {
namespace {

std::unexpected<Error> cannot_be(FactKind kind, std::string_view why) {
  return failure(ErrorCode::damaged, fmt::format("a {} fact {}", name(kind), why));
}

template <class Fact>
bool read_fact(Bytes body, Fact& fact) {
  if (body.size() < sizeof fact) return false;
  fact = load<Fact>(body.data());
  return true;
}

}  // namespace

Result<void> Engine::recover(FactKind kind, FactPlace place, Bytes body) {
  FOLKMOOT_ASSERT(!started_);
  switch (kind) {
    case FactKind::started: {
      StartedFact fact;
      if (!read_fact(body, fact)) return cannot_be(kind, "is too short");
      run_ = std::max(run_, fact.run);
      node_ = fact.node;
      keys_end_ = fact.keys_end;
      suspect_until_ = std::max(suspect_until_, fact.suspect_until);
      secret_ = {fact.secret[0], fact.secret[1]};
      log_.retain(place);
      if (started_place_.lsn != 0) log_.release(started_place_);
      started_place_ = place;
      return {};
    }
    case FactKind::party_named: {
      PartyNamedFact fact;
      if (!read_fact(body, fact)) return cannot_be(kind, "is too short");
      const auto text = as_text(body.subspan(sizeof fact));
      if (!is_name(text) || fact.number == 0 || fact.number > kPartyNumberMax || !parties_.restore(fact.number, text)) {
        return cannot_be(kind, fmt::format("gives number {} to a name that has another, or is none", fact.number));
      }
      auto& party = parties_[fact.number];
      log_.retain(place);
      if (party.place.lsn != 0) log_.release(party.place);
      party.place = place;
      return {};
    }
    case FactKind::message_accepted:
      return recover_accepted(place, body);
    case FactKind::message_settled:
    case FactKind::message_cancelled:
      if (body.size() % sizeof(MessageRef) != 0) return cannot_be(kind, "has a broken list");
      for (std::size_t at = 0; at < body.size(); at += sizeof(MessageRef)) {
        const auto ref = load<MessageRef>(body.data() + at);
        // Unknown ones were settled in a part of the log that is gone, their messages with it.
        if (!parties_.knows(ref.mailbox)) continue;
        const bool cancelled = kind == FactKind::message_cancelled;
        if (const auto message = take_waiting(ref)) {
          leave(parties_.mailbox(ref.mailbox), message->entry,
                cancelled ? ReceiptState::cancelled : ReceiptState::acknowledged,
                message->entry.deliveries + (cancelled ? 0u : 1u));
        }
      }
      return {};
    case FactKind::message_returned:
    case FactKind::attempt_noted:
    case FactKind::message_dead:
    case FactKind::dead_purged:
      return recover_moved(kind, place, body);
    case FactKind::key_used: {
      KeyUsedFact fact;
      if (!read_fact(body, fact)) return cannot_be(kind, "is too short");
      log_.retain(place);
      const UsedKey key({fact.hash[0], fact.hash[1]}, fact.message, place.lsn, fact.mailbox);
      if (auto* const known = keys_.find(key.hash)) {
        log_.release({known->place, sizeof fact});
        *known = key;
      } else {
        keys_.add(key);
      }
      return {};
    }
    case FactKind::schedule_set:
      return recover_schedule(place, body);
    case FactKind::schedule_fired: {
      ScheduleFiredFact fact;
      if (!read_fact(body, fact)) return cannot_be(kind, "is too short");
      if (auto* const schedule = schedules_.find(fact.number)) apply_fired(*schedule, fact);
      if (fact.next == 0) forget_schedule(fact.number);  // for the last time: that it was removed may have been cut off
      return {};
    }
    case FactKind::schedule_removed: {
      std::uint64_t number = 0;
      if (!read_fact(body, number)) return cannot_be(kind, "is too short");
      forget_schedule(number);
      return {};
    }
    case FactKind::conversation_summed: {
      ConversationFact fact;
      if (!read_fact(body, fact) || !is_name(as_text(body.subspan(sizeof fact))))
        return cannot_be(kind, "names no conversation");
      log_.retain(place);
      restore_conversation(as_text(body.subspan(sizeof fact)), fact, place);
      return {};
    }
    case FactKind::route_set:
      return recover_route(place, body);
    case FactKind::route_removed:
      forget_route(as_text(body));
      return {};
    case FactKind::mailbox_configured:
      return recover_configured(place, body);
  }
  return failure(ErrorCode::damaged,
                 fmt::format("a fact of kind {}, which this version does not know: it was written by a newer one",
                             static_cast<int>(kind)));
}

// What is said of a message that is known. Facts about others were overtaken: their messages are gone, or come as
// copies that say where they stand.
Result<void> Engine::recover_moved(FactKind kind, FactPlace place, Bytes body) {
  ReturnedFact returned;
  DeadFact dead;
  MessageRef ref;
  const bool is_return = kind == FactKind::message_returned || kind == FactKind::attempt_noted;
  if (!(is_return                        ? read_fact(body, returned)
        : kind == FactKind::message_dead ? read_fact(body, dead)
                                         : read_fact(body, ref))) {
    return cannot_be(kind, "is too short");
  }
  if (kind != FactKind::dead_purged) ref = is_return ? returned.message : dead.message;
  if (!parties_.knows(ref.mailbox)) return {};
  auto& mailbox = parties_.mailbox(ref.mailbox);
  const auto letter = mailbox.dead ? mailbox.dead->find(ref.key) : std::map<MessageKey, DeadLetter>::iterator{};
  const bool is_dead = mailbox.dead && letter != mailbox.dead->end();
  if (kind == FactKind::dead_purged) {
    if (is_dead) {
      drop_dead(mailbox, letter);
    } else if (const auto message = take_waiting(ref)) {
      // There was no room to note its death; that it is gone was noted.
      leave(mailbox, message->entry, std::nullopt, 0);
    }
    return {};
  }
  if (kind == FactKind::attempt_noted) {
    auto sender = ref.sender();
    if (!is_dead && find_entry(mailbox, ref.key, sender) == nullptr) return {};
    log_.retain(place);
    note_attempt(ref.key, place, returned.deliveries);
    return {};
  }
  if (kind == FactKind::message_dead && is_dead) {  // the words that go with it
    log_.retain(place);
    if (letter->second.place.lsn != 0) log_.release(letter->second.place);
    letter->second.place = place;
    letter->second.at = dead.at;
    return {};
  }
  auto message = take_waiting(ref);
  if (!message) return {};
  log_.retain(place);
  if (is_return) {
    message->entry.deliveries = returned.deliveries;
    message->entry.flags |= Entry::kRedelivered;
    if (returned.end == AttemptEnd::none) {
      log_.release(place);
    } else {
      note_attempt(ref.key, place, returned.deliveries);
    }
    recover_returned(mailbox, *message, returned.not_before);
  } else {
    message->entry.deliveries = dead.deliveries;
    expiries_.erase(message->entry.key);
    leave_group(mailbox, message->entry);
    enter_dead(mailbox, *message, dead.reason, dead.at, place);
  }
  return {};
}

// One that was to be delivered at a later time is not one of its group before that; having been handed out, it is.
void Engine::recover_returned(Mailbox& mailbox, const QueuedMessage& message, std::int64_t not_before) {
  const auto& entry = message.entry;
  if (!entry.has(Entry::kGrouped) || groups_.holds(entry.key)) return enter_returned(mailbox, message, not_before);
  const auto group = groups_.noted(entry.key);
  if (not_before == 0) return enter_ready(mailbox, message, group);
  groups_.enter_away(mailbox.number, group, entry.key);
  enter_scheduled(mailbox, message, not_before);
}

// Copying forward moves the fact that names a party behind those that use its number. start() checks that all names
// came.
bool Engine::await_party(std::uint32_t number) {
  if (number == 0 || number > kPartyNumberMax || number > parties_.end() + options_.parties_max) return false;
  parties_.await(number);
  return true;
}

Result<void> Engine::recover_accepted(FactPlace place, Bytes body) {
  AcceptedFact fact;
  if (!read_fact(body, fact)) return cannot_be(FactKind::message_accepted, "is too short");
  if (!await_party(fact.mailbox) || !await_party(fact.sender) || fact.priority < kPriorityMin ||
      fact.priority > kPriorityMax) {
    return cannot_be(FactKind::message_accepted,
                     fmt::format("names parties {} and {}, or a priority, that cannot be", fact.mailbox, fact.sender));
  }
  log_.retain(place);
  last_key_ = std::max(last_key_, fact.key);
  // A copy takes the place of what it was copied from, wherever that stands by now.
  const MessageRef ref(fact.key, fact.mailbox, fact.sender, fact.priority);
  auto& mailbox = parties_.mailbox(fact.mailbox);
  if (recover_copy(mailbox, ref, fact, place)) return {};
  std::string_view group;
  if (fact.flags & (Entry::kGrouped | Entry::kRefers)) {
    const auto message = body.subspan(sizeof fact);
    const auto routing = read_routing(message);
    const bool is_grouped = fact.flags & Entry::kGrouped, refers = fact.flags & Entry::kRefers;
    if (!routing || routing->group.empty() == is_grouped || routing->content_ref.empty() == refers) {
      return cannot_be(FactKind::message_accepted,
                       "does not say which group it belongs to, or what content it refers to, as its flags do");
    }
    group = routing->group;
    if (refers) contents_.refer(fact.key, read_content_ref(message, *routing));
  }
  enter_accepted(fact, place, group);
  return {};
}

// True if the message is known already: its record is now the copy at `place`.
bool Engine::recover_copy(Mailbox& mailbox, const MessageRef& ref, const AcceptedFact& fact, FactPlace place) {
  const auto take = [&](Entry& entry) {
    log_.release(entry.place());
    entry.move_to(place);
    entry.deliveries = fact.deliveries;
    entry.flags |= fact.flags & Entry::kRedelivered;
  };
  if (mailbox.dead) {
    if (const auto found = mailbox.dead->find(ref.key); found != mailbox.dead->end()) {
      take(found->second.message.entry);
      return true;
    }
  }
  // Messages come in the order of their keys but for copies, so nearly all are known to be new by a glance.
  if (ref.key > newest_recovered_) {
    newest_recovered_ = ref.key;
    return false;
  }
  auto sender = ref.sender();
  auto* const entry = find_entry(mailbox, ref.key, sender);
  if (entry == nullptr) return false;
  // What had no room for a fact of its own the copy alone may say: that it died, or failed and waits for its next
  // attempt.
  const auto waiting = scheduled_.find(ref.key);
  const auto due = waiting != scheduled_.end() ? waiting->second.due : 0;
  const bool moved = fact.dead != DeadReason::none || fact.deliveries != entry->deliveries ||
                     (fact.not_before != 0 && fact.not_before != due);
  take(*entry);
  if (!moved) return true;
  const auto message = take_waiting(ref);
  FOLKMOOT_ASSERT(message.has_value());
  if (fact.dead == DeadReason::none) {
    recover_returned(mailbox, *message, fact.not_before);
  } else {
    expiries_.erase(ref.key);
    leave_group(mailbox, message->entry);
    enter_dead(mailbox, *message, fact.dead, key_ms(ref.key), {});
  }
  return true;
}

Result<void> Engine::recover_configured(FactPlace place, Bytes body) {
  MailboxConfiguredFact fact;
  if (!read_fact(body, fact)) return cannot_be(FactKind::mailbox_configured, "is too short");
  if (!await_party(fact.mailbox)) return cannot_be(FactKind::mailbox_configured, "names a mailbox that cannot be");
  auto& mailbox = parties_.mailbox(fact.mailbox);
  log_.retain(place);
  set_limits(mailbox,
             {.max_messages = fact.max_messages,
              .default_ttl_ms = fact.default_ttl_ms,
              .overflow = fact.overflow,
              .retry = {.attempts = fact.attempts,
                        .backoff = fact.backoff,
                        .initial_ms = fact.initial_ms,
                        .max_ms = fact.max_ms,
                        .multiplier_permille = fact.multiplier_permille}},
             place);
  return {};
}

bool Engine::keep(FactKind kind, FactPlace place, Bytes body) {
  const auto copy = [&](FactPlace& mine, std::initializer_list<Bytes> parts) {
    if (mine != place) return true;
    const auto moved = log_.append(kind, {parts.begin(), parts.size()}, FactLog::Life::live);
    log_.release(place);
    mine = moved;
    return true;
  };
  switch (kind) {
    case FactKind::started:
      return copy(started_place_, {body});
    case FactKind::party_named: {
      PartyNamedFact fact;
      return !read_fact(body, fact) || !parties_.holds(fact.number) || copy(parties_[fact.number].place, {body});
    }
    case FactKind::mailbox_configured: {
      MailboxConfiguredFact fact;
      if (!read_fact(body, fact) || !parties_.holds(fact.mailbox)) return true;
      const auto& own = parties_.mailbox(fact.mailbox).own_limits;
      return !own || copy(own->place, {body});
    }
    case FactKind::message_accepted: {
      AcceptedFact fact;
      return !read_fact(body, fact) || keep_message(fact, place, body);
    }
    case FactKind::message_returned:
    case FactKind::attempt_noted: {
      ReturnedFact fact;
      if (!read_fact(body, fact)) return true;
      const auto noted = attempts_.find(fact.message.key);
      if (noted == attempts_.end()) return true;
      const auto mine = std::ranges::find(noted->second, place, &Attempt::place);
      if (mine == noted->second.end()) return true;
      const auto moved = log_.append(FactKind::attempt_noted, {&body, 1}, FactLog::Life::live);
      log_.release(place);
      mine->place = moved;
      return true;
    }
    case FactKind::message_dead: {
      DeadFact fact;
      if (!read_fact(body, fact) || !parties_.holds(fact.message.mailbox)) return true;
      auto& mailbox = parties_.mailbox(fact.message.mailbox);
      if (!mailbox.dead) return true;
      const auto found = mailbox.dead->find(fact.message.key);
      return found == mailbox.dead->end() || copy(found->second.place, {body});
    }
    case FactKind::key_used: {
      KeyUsedFact fact;
      if (!read_fact(body, fact)) return true;
      auto* const key = keys_.find({fact.hash[0], fact.hash[1]});
      if (key == nullptr || key->place != place.lsn) return true;
      FactPlace mine = place;
      copy(mine, {body});
      key->place = mine.lsn;
      return true;
    }
    case FactKind::schedule_set: {
      ScheduleSetFact fact;
      if (!read_fact(body, fact)) return true;
      auto* const schedule = schedules_.find(fact.number);
      if (schedule == nullptr) return true;
      fact.next = schedule->next;
      fact.left = schedule->left;
      fact.fired = schedule->fired;
      return copy(schedule->place, {bytes_of(fact), body.subspan(sizeof fact)});
    }
    case FactKind::route_set: {
      const auto mine = std::ranges::find(routes_, place, &Route::place);
      return mine == routes_.end() || copy(mine->place, {body});
    }
    case FactKind::conversation_summed: {
      if (body.size() < sizeof(ConversationFact)) return true;
      const auto known = conversations_.find(as_text(body.subspan(sizeof(ConversationFact))));
      return known == conversations_.end() || copy(known->second.place, {body});
    }
    default:
      return true;  // what else is said of messages goes with them: their copies hold where they stand
  }
}

// Appends a message's record again, as it stands now, if `place` is still its record. False: there is no room for all
// that goes with it.
bool Engine::keep_message(AcceptedFact fact, FactPlace place, Bytes body) {
  auto& mailbox = parties_.mailbox(fact.mailbox);
  auto sender = fact.sender;
  Entry* entry = find_entry(mailbox, fact.key, sender);
  DeadLetter* letter = nullptr;
  fact.not_before = 0;
  fact.dead = DeadReason::none;
  if (entry != nullptr) {
    if (const auto found = scheduled_.find(fact.key); found != scheduled_.end()) fact.not_before = found->second.due;
  } else if (mailbox.dead) {
    if (const auto found = mailbox.dead->find(fact.key); found != mailbox.dead->end()) {
      letter = &found->second;
      entry = &letter->message.entry;
      fact.dead = letter->reason;
    }
  }
  if (entry == nullptr) {
    if (const auto slot = leases_.find_key(fact.key); slot != kNoSlot) entry = &leases_[slot].entry;
  }
  Pending* pending = nullptr;
  for (std::size_t i = 0; entry == nullptr && pending == nullptr && i < pending_.size(); ++i) {
    auto& item = pending_.at(i);
    if (item.lsn > place.lsn) break;
    if (item.kind == Pending::Kind::accepted && item.fact.key == fact.key) pending = &item;
  }
  if (pending != nullptr) {
    fact.not_before = load<AcceptedFact>(body.data()).not_before;
    fact.dead = load<AcceptedFact>(body.data()).dead;
  }
  if (entry == nullptr && pending == nullptr) return true;
  if ((entry != nullptr ? entry->place() : pending->place) != place) return true;
  if (entry != nullptr) {
    fact.deliveries = static_cast<std::uint16_t>(entry->deliveries);
    if (entry->has(Entry::kRedelivered)) fact.flags |= Entry::kRedelivered;
  }
  // In one group with what was said of it. Else a crash could leave the copy alone behind the words that it makes
  // stale, and once the original is gone they speak of a message that recovery does not know yet.
  GroupBound bound{.facts = 1, .body_bytes = body.size()};
  const auto add = [&](const FactPlace& said) {
    ++bound.facts;
    bound.body_bytes += said.bytes;
  };
  if (const auto noted = attempts_.find(fact.key); noted != attempts_.end()) {
    for (const auto& attempt : noted->second) add(attempt.place);
  }
  // That it died may have had no room; without a fact of it the next run would not know when.
  const bool unsaid = letter != nullptr && letter->place.lsn == 0;
  if (letter != nullptr) add(unsaid ? FactPlace{.lsn = 0, .bytes = sizeof(DeadFact)} : letter->place);
  if (pending != nullptr && pending->dead_place.lsn != 0) add(pending->dead_place);
  std::optional<FactGroup> group;
  if (bound.facts > 1 && bound.bytes() <= log_.group_bytes_max()) {
    if (!log_.has_room(FactLog::Urgency::settling, bound)) return false;
    group.emplace(log_, bound);
  }
  const Bytes parts[] = {bytes_of(fact), body.subspan(sizeof fact)};
  const auto moved = log_.append(FactKind::message_accepted, parts, FactLog::Life::live);
  log_.release(place);
  if (entry != nullptr) {
    entry->move_to(moved);
  } else {
    pending->place = moved;
  }
  if (unsaid) {
    const DeadFact dead{MessageRef(fact.key, mailbox.number, letter->message.sender, entry->priority),
                        letter->at,
                        fact.deliveries,
                        fact.dead,
                        {}};
    letter->place = append_fact(FactKind::message_dead, {bytes_of(dead)}, FactLog::Life::live);
  }
  copy_history(fact.key, unsaid ? nullptr : letter, pending != nullptr ? &pending->dead_place : nullptr);
  return true;
}

}  // namespace folkmoot
