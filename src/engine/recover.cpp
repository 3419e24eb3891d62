// Recovery: the facts of the log, entered in order, rebuild what ran. And copy-forward: facts that still matter, again.
#include <fmt/format.h>

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
    case FactKind::message_accepted: return recover_accepted(place, body);
    case FactKind::message_settled:
      if (body.size() % sizeof(MessageRef) != 0) return cannot_be(kind, "has a broken list");
      for (std::size_t at = 0; at < body.size(); at += sizeof(MessageRef)) {
        const auto ref = load<MessageRef>(body.data() + at);
        // Unknown ones were settled in a part of the log that is gone, their messages with it.
        if (!parties_.knows(ref.mailbox)) continue;
        if (const auto message = take_waiting(ref)) leave(message->entry, true, message->entry.deliveries + 1u);
      }
      return {};
    case FactKind::message_returned: {
      ReturnedFact fact;
      if (!read_fact(body, fact)) return cannot_be(kind, "is too short");
      if (!parties_.knows(fact.message.mailbox)) return {};
      if (auto message = take_waiting(fact.message)) {
        message->entry.deliveries = fact.deliveries;
        message->entry.flags |= Entry::kRedelivered;
        enter_returned(parties_.mailbox(fact.message.mailbox), *message, fact.not_before);
      }
      return {};
    }
    case FactKind::message_dead: {
      DeadFact fact;
      if (!read_fact(body, fact)) return cannot_be(kind, "is too short");
      if (!parties_.knows(fact.message.mailbox)) return {};
      if (auto message = take_waiting(fact.message)) {
        message->entry.deliveries = fact.deliveries;
        expiries_.erase(message->entry.key);
        enter_dead(parties_.mailbox(fact.message.mailbox), *message, fact.reason, fact.at);
      }
      return {};
    }
    case FactKind::dead_purged: {
      MessageRef ref;
      if (!read_fact(body, ref)) return cannot_be(kind, "is too short");
      if (!parties_.knows(ref.mailbox)) return {};
      auto& mailbox = parties_.mailbox(ref.mailbox);
      if (!mailbox.dead) return {};
      if (const auto found = mailbox.dead->find(ref.key); found != mailbox.dead->end()) {
        log_.release(found->second.message.entry.place());
        mailbox.dead->erase(found);
        --counters_.dead_now;
      }
      return {};
    }
    case FactKind::mailbox_configured: return recover_configured(place, body);
  }
  return failure(ErrorCode::damaged, fmt::format("a fact of kind {}, which this version does not know: it was written by a newer one",
                                                 static_cast<int>(kind)));
}

// Copying forward moves the fact that names a party behind those that use its number. start() checks that all names came.
bool Engine::await_party(std::uint32_t number) {
  if (number == 0 || number > kPartyNumberMax || number > parties_.end() + options_.parties_max) return false;
  parties_.await(number);
  return true;
}

Result<void> Engine::recover_accepted(FactPlace place, Bytes body) {
  AcceptedFact fact;
  if (!read_fact(body, fact)) return cannot_be(FactKind::message_accepted, "is too short");
  if (!await_party(fact.mailbox) || !await_party(fact.sender) || fact.priority < kPriorityMin || fact.priority > kPriorityMax) {
    return cannot_be(FactKind::message_accepted, fmt::format("names parties {} and {}, or a priority, that cannot be",
                                                             fact.mailbox, fact.sender));
  }
  log_.retain(place);
  last_key_ = std::max(last_key_, fact.key);
  // A copy takes the place of what it was copied from, wherever that stands by now.
  const MessageRef ref(fact.key, fact.mailbox, fact.sender, fact.priority);
  auto& mailbox = parties_.mailbox(fact.mailbox);
  if (recover_copy(mailbox, ref, fact, place)) return {};
  enter_accepted(fact, place);
  return {};
}

// True if the message is known already: its record is now the copy at `place`.
bool Engine::recover_copy(Mailbox& mailbox, const MessageRef& ref, const AcceptedFact& fact, FactPlace place) {
  const auto take = [&](Entry& entry) {
    log_.release(entry.place());
    entry.move_to(place);
    entry.deliveries = fact.deliveries;
    if (fact.redelivered) entry.flags |= Entry::kRedelivered;
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
  std::uint32_t sender = 0;
  if (auto* const entry = find_entry(mailbox, ref.key, sender)) {
    take(*entry);
    return true;
  }
  return false;
}

Result<void> Engine::recover_configured(FactPlace place, Bytes body) {
  MailboxConfiguredFact fact;
  if (!read_fact(body, fact)) return cannot_be(FactKind::mailbox_configured, "is too short");
  if (!await_party(fact.mailbox)) return cannot_be(FactKind::mailbox_configured, "names a mailbox that cannot be");
  auto& mailbox = parties_.mailbox(fact.mailbox);
  log_.retain(place);
  if (mailbox.limits_place.lsn != 0) log_.release(mailbox.limits_place);
  mailbox.limits_place = place;
  mailbox.own_limits = std::make_unique<MailboxLimits>(
      MailboxLimits{fact.max_messages, fact.default_ttl_ms, fact.max_deliveries, fact.overflow});
  return {};
}

void Engine::keep(FactKind kind, FactPlace place, Bytes body) {
  const auto copy = [&](FactPlace& mine, std::initializer_list<Bytes> parts) {
    if (mine != place) return;
    const auto moved = log_.append(kind, {parts.begin(), parts.size()}, FactLog::Life::live);
    log_.release(place);
    mine = moved;
  };
  switch (kind) {
    case FactKind::started: return copy(started_place_, {body});
    case FactKind::party_named: {
      PartyNamedFact fact;
      if (read_fact(body, fact) && parties_.holds(fact.number)) copy(parties_[fact.number].place, {body});
      return;
    }
    case FactKind::mailbox_configured: {
      MailboxConfiguredFact fact;
      if (read_fact(body, fact) && parties_.holds(fact.mailbox)) copy(parties_.mailbox(fact.mailbox).limits_place, {body});
      return;
    }
    case FactKind::message_accepted: {
      AcceptedFact fact;
      if (read_fact(body, fact)) keep_message(fact, place, body);
      return;
    }
    default: return;  // what is said of messages goes with them: their copies hold where they stand
  }
}

// Appends a message's record again, as it stands now, if `place` is still its record.
void Engine::keep_message(AcceptedFact fact, FactPlace place, Bytes body) {
  auto& mailbox = parties_.mailbox(fact.mailbox);
  std::uint32_t sender = 0;
  Entry* entry = find_entry(mailbox, fact.key, sender);
  fact.not_before = 0;
  fact.dead = DeadReason::none;
  if (entry != nullptr) {
    if (const auto found = scheduled_.find(fact.key); found != scheduled_.end()) fact.not_before = found->second.due;
  } else if (mailbox.dead) {
    if (const auto found = mailbox.dead->find(fact.key); found != mailbox.dead->end()) {
      entry = &found->second.message.entry;
      fact.dead = found->second.reason;
    }
  }
  if (entry == nullptr) {
    if (const auto slot = leases_.find_key(fact.key); slot != kNoSlot) entry = &leases_[slot].entry;
  }
  FactPlace* pending = nullptr;
  for (std::size_t i = 0; entry == nullptr && pending == nullptr && i < pending_.size(); ++i) {
    auto& item = pending_.at(i);
    if (item.lsn > place.lsn) break;
    if (item.kind == Pending::Kind::accepted && item.fact.key == fact.key) pending = &item.place;
  }
  if (pending != nullptr) fact.not_before = load<AcceptedFact>(body.data()).not_before;
  if (entry == nullptr && pending == nullptr) return;
  if ((entry != nullptr ? entry->place() : *pending) != place) return;
  if (entry != nullptr) {
    fact.deliveries = static_cast<std::uint16_t>(entry->deliveries);
    fact.redelivered = entry->has(Entry::kRedelivered);
  }
  const Bytes parts[] = {bytes_of(fact), body.subspan(sizeof fact)};
  const auto moved = log_.append(FactKind::message_accepted, parts, FactLog::Life::live);
  log_.release(place);
  if (entry != nullptr) {
    entry->move_to(moved);
  } else {
    *pending = moved;
  }
}

}  // namespace folkmoot
