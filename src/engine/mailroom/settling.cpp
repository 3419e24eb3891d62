#include "engine/mailroom/settling.hpp"

#include <fmt/format.h>

#include "base/utf8.hpp"
#include "message/limits.hpp"
#include "message/retry.hpp"

namespace folkmoot {
namespace {

// The message of a lease that ended unsettled: one delivery older.
QueuedMessage failed(const Lease& lease) {
  QueuedMessage message{lease.entry, lease.sender};
  if (message.entry.deliveries < 0xffff) ++message.entry.deliveries;
  message.entry.flags |= Entry::kRedelivered;
  return message;
}

}  // namespace

template <class Each>
std::vector<LeaseToken> Settling::for_current(SessionId asker, std::span<const LeaseToken> tokens, Each each) {
  std::vector<LeaseToken> refused;
  for (const auto token : tokens) {
    const auto slot = dispatch_.leases.find(token);
    if (slot != kNoSlot && to_.sessions.may_act_for(asker, dispatch_.leases[slot].holder)) {
      each(slot);
    } else {
      refused.push_back(token);
    }
  }
  return refused;
}

Result<void> Settling::check(std::span<const LeaseToken> tokens, const Uuid& id) {
  const auto address = message_address(id);
  const auto is_of_it = [&](const Lease& lease) {
    return address && to_.run.is_ours(*address) && address->key == lease.entry.key && address->mailbox == lease.mailbox;
  };
  for (const auto token : tokens) {
    const auto slot = dispatch_.leases.find(token);
    if (slot != kNoSlot && is_of_it(dispatch_.leases[slot])) continue;
    ++to_.counters.refused;
    return failure(ErrorCode::lease_lost,
                   fmt::format("{} is not a lease of message {}, or not any more", token.value, id.text()));
  }
  return {};
}

void Settling::ack(Asker caller, bool quiet, std::span<const LeaseToken> tokens) {
  refs_.clear();
  if (!to_.ledger.has_room(Urgency::settling, tokens.size() * sizeof(MessageRef))) {
    return to_.replies.refuse(caller, {ErrorCode::disk_full, "no room even for acks: the leases stay as they are"});
  }
  auto refused = for_current(caller.session, tokens, [&](Slot slot) {
    const auto lease = dispatch_.end_lease(slot);
    auto& mailbox = shelves_.mailboxes[lease.mailbox];
    shelves_.note_read(mailbox);
    refs_.emplace_back(lease.entry.key, lease.mailbox, lease.sender, lease.entry.priority);
    leave(mailbox, lease);
  });
  const auto settled = static_cast<std::uint32_t>(refs_.size());
  to_.counters.acknowledged += settled;
  if (settled == 0) return answer(caller, quiet, {}, 0, std::move(refused));
  const Bytes body{reinterpret_cast<const std::uint8_t*>(refs_.data()), refs_.size() * sizeof(MessageRef)};
  const auto place = to_.ledger.write(FactKind::message_settled, {body}, Life::dead);
  answer(caller, quiet, Durable(place), settled, std::move(refused));
}

Result<Slot> Settling::hold(Session& session, const SettleCommand& command) {
  const LeaseToken given[] = {command.lease};
  if (command.lease != 0) {
    if (auto current = check(given, command.id); !current) return std::unexpected(current.error());
    const auto slot = dispatch_.leases.find(command.lease);
    if (to_.sessions.may_act_for(session.id, dispatch_.leases[slot].holder)) return slot;
    return failure(ErrorCode::not_permitted, "the lease is another agent's", "only who has a message settles it");
  }
  const auto address = message_address(command.id);
  auto* const mailbox = address && to_.run.is_ours(*address) ? shelves_.mailboxes.find(address->mailbox) : nullptr;
  if (mailbox != nullptr && dispatch_.leases.find_key(address->key) != kNoSlot) {
    return failure(ErrorCode::lease_lost, fmt::format("message {} is in somebody's hands already", command.id.text()),
                   "who took it settles it with the lease that came with it; or wait until it comes back");
  }
  NameId sender = 0;
  const auto* const entry = mailbox != nullptr ? shelves_.find(*mailbox, address->key, sender) : nullptr;
  if (entry == nullptr || entry->has(Entry::kTransient)) {
    return failure(ErrorCode::not_found, fmt::format("no message {} is waiting", command.id.text()),
                   "look at the id, and at its receipt: it may be settled already");
  }
  if (!to_.sessions.may_act_for(session.id, mailbox->number)) {
    return failure(ErrorCode::not_permitted, "the message is in another agent's mailbox",
                   "only whom a message is for settles it without having taken it");
  }
  const auto message = shelves_.take(MessageRef(address->key, mailbox->number, sender, entry->priority));
  FOLKMOOT_ASSERT(message.has_value());
  return dispatch_.hold(*mailbox, *message, session);
}

void Settling::settle(Asker caller, const SettleCommand& command) {
  auto* const found = to_.sessions.find(caller.session);
  if (found == nullptr) return;
  auto& session = *found;
  Draft draft;
  draft.add(sizeof(MessageRef));
  const bool has_result = !command.failed && !command.text.empty();
  if (has_result) {
    draft.add(sizeof(ResultFact) + command.text.size());
    if (session.name_id != 0) to_.names.measure(session.name_id, draft);
  }
  if (!to_.ledger.has_room(Urgency::settling, draft)) {
    return to_.replies.refuse(caller, {ErrorCode::disk_full, "no room to settle the message: it stays as it is"});
  }
  const SettledMessage answer{.id = command.id, .result_kept = has_result && command.is_kept};
  const auto slot = hold(session, command);
  if (!slot) {
    ++to_.counters.refused;
    return to_.replies.refuse(caller, slot.error());
  }
  shelves_.note_read(shelves_.mailboxes[dispatch_.leases[*slot].mailbox]);
  if (command.failed) {
    const auto noted = give_back(*slot, 0, AttemptEnd::rejected, command.text);
    return to_.ledger.when_or_now(noted, waiting::Answer{.to = caller, .reply = answer});
  }
  const auto lease = dispatch_.end_lease(*slot);
  const MessageRef ref(lease.entry.key, lease.mailbox, lease.sender, lease.entry.priority);
  Durable settled;
  {
    std::optional<Ledger::Group> group;
    if (has_result) {
      group.emplace(to_.ledger, draft);
      if (session.name_id != 0) to_.names.note(session.name_id);
      const ResultFact fact{ref, to_.run.now(), session.name_id,
                            static_cast<std::uint16_t>(lease.entry.deliveries + 1u), 0};
      to_.ledger.note(FactKind::result_noted, {bytes_of(fact), as_bytes(command.text)});
    }
    settled = Durable(to_.ledger.note(FactKind::message_settled, {bytes_of(ref)}));
  }
  ++to_.counters.acknowledged;
  leave(shelves_.mailboxes[lease.mailbox], lease);
  to_.ledger.when_or_now(settled, waiting::Answer{.to = caller, .reply = answer});
}

void Settling::note_answer(Asker caller, const AnswerCommand& command) {
  const LeaseToken given[] = {command.lease};
  if (auto current = check(given, command.id); !current) return to_.replies.refuse(caller, current.error());
  const auto& lease = dispatch_.leases[dispatch_.leases.find(command.lease)];
  const MessageRef ref(lease.entry.key, lease.mailbox, lease.sender, lease.entry.priority);
  const auto holder = lease.holder != 0 && to_.names.note_if_room(lease.holder) ? lease.holder : 0;
  const ResultFact fact{ref, to_.run.now(), holder, static_cast<std::uint16_t>(lease.entry.deliveries + 1u),
                        command.code};
  to_.ledger.note(FactKind::result_noted, {bytes_of(fact), as_bytes(command.text)});
  to_.replies.answer(caller);
}

void Settling::leave(Mailbox& mailbox, const Lease& lease) {
  if (shelves_.is_tapped()) [[unlikely]] {
    shelves_.tap({.what = TapWhat::settled, .holder = lease.holder, .deliveries = lease.entry.deliveries + 1u}, mailbox,
                 lease.entry, lease.sender);
  }
  if (!mailbox.is_misplaced) to_.counters.delivery_time.add(to_.run.now() - lease.came);
  if (lease.entry.has(Entry::kTraced)) [[unlikely]]
    trace(mailbox, lease, {});
  auto receipt = shelves_.receipt(ReceiptState::acknowledged, lease.entry.deliveries + 1u);
  receipt.hops = lease.hops;
  if (lease.silent) receipt.silent_for = lease.sender;
  to_.responder.on_settled(lease.entry.key, holder_of(lease));
  shelves_.leave(mailbox, lease.entry, &receipt);
}

void Settling::trace(const Mailbox& mailbox, const Lease& lease, const std::string& error) {
  if (mailbox.is_misplaced) return;
  const auto holder = lease.holder != 0 ? std::string_view(to_.names[lease.holder]) : std::string_view();
  to_.tracing.processed(shelves_.traced(mailbox, lease.entry), holder, lease.came, lease.since,
                        lease.entry.deliveries + 1u, error);
}

void Settling::answer(Asker caller, bool quiet, Durable noted, std::uint32_t settled, std::vector<LeaseToken> refused) {
  to_.counters.refused += refused.size();
  if (quiet && refused.empty()) return;
  if (!noted) return to_.replies.settled(caller, settled, refused);
  to_.ledger.when(noted, waiting::Settled{caller, settled, to_.replies.keep(std::move(refused))});
}

void Settling::nack(Asker caller, bool quiet, std::span<const LeaseToken> tokens, Duration delay_ms,
                    std::string_view reason) {
  std::uint32_t settled = 0;
  Durable noted;
  auto refused = for_current(caller.session, tokens, [&](Slot slot) {
    ++settled;
    shelves_.note_read(shelves_.mailboxes[dispatch_.leases[slot].mailbox]);
    noted.add(give_back(slot, delay_ms, AttemptEnd::nacked, reason));
  });
  answer(caller, quiet, noted, settled, std::move(refused));
}

void Settling::reject(Asker caller, bool quiet, std::span<const LeaseToken> tokens, std::string_view reason) {
  std::uint32_t settled = 0;
  Durable noted;
  auto refused = for_current(caller.session, tokens, [&](Slot slot) {
    ++settled;
    shelves_.note_read(shelves_.mailboxes[dispatch_.leases[slot].mailbox]);
    noted.add(give_back(slot, 0, AttemptEnd::rejected, reason));
  });
  answer(caller, quiet, noted, settled, std::move(refused));
}

Durable Settling::give_back(Slot slot, Duration delay_ms, AttemptEnd end, std::string_view reason) {
  const auto lease = dispatch_.end_lease(slot);
  auto& mailbox = shelves_.mailboxes[lease.mailbox];
  const auto message = failed(lease);
  const auto now = to_.run.now();
  to_.counters.returned += end != AttemptEnd::rejected;
  ++to_.counters.failed_by_end[static_cast<std::size_t>(end)];
  if (lease.entry.has(Entry::kTraced)) [[unlikely]]
    trace(mailbox, lease, reason.empty() ? std::string(name(end)) : fmt::format("{}: {}", name(end), reason));
  const auto policy = shelves_.policy_of(mailbox, message.entry);
  const auto deliveries = static_cast<std::uint32_t>(message.entry.deliveries);
  if (delay_ms < 0)
    delay_ms = Duration{end == AttemptEnd::nacked ? retry_delay_ms(policy, deliveries, to_.run.chance()) : 0};
  const auto holder = lease.holder != 0 && to_.names.note_if_room(lease.holder) ? lease.holder : 0;
  const ReturnedFact fact{MessageRef(message.entry.key, mailbox.number, message.sender, message.entry.priority),
                          delay_ms > 0 ? now + delay_ms : Instant{},
                          now,
                          holder,
                          static_cast<std::uint16_t>(message.entry.deliveries),
                          end,
                          0};
  if (reason.size() > kReasonBytesMax) reason = reason.substr(0, utf8_prefix(reason.substr(0, kReasonBytesMax)));
  auto death = DeadReason::none;
  if (policy.attempts != 0 && deliveries >= policy.attempts) death = DeadReason::max_deliveries;
  if (shelves_.has_expired(message.entry)) death = DeadReason::expired;
  if (end == AttemptEnd::rejected) death = DeadReason::rejected;
  if (death != DeadReason::none) {
    return shelves_.bury(mailbox, message, {.reason = death, .text = reason, .attempt = &fact});
  }
  if (shelves_.is_tapped()) [[unlikely]] {
    const auto why = reason.empty() ? std::string(name(end)) : fmt::format("{}: {}", name(end), reason);
    shelves_.tap({.what = TapWhat::returned, .holder = lease.holder, .deliveries = deliveries, .reason = why}, mailbox,
                 message.entry, message.sender);
  }
  const auto noted = to_.ledger.note(FactKind::message_returned, {bytes_of(fact), as_bytes(reason)}, Life::live);
  to_.attempts.note(message.entry.key, noted, fact.deliveries);
  shelves_.enter_returned(mailbox, message, fact.not_before);
  return Durable(noted);
}

void Settling::give_back_all(Session& session) {
  // The list holds the newest first.
  std::vector<Slot> held;
  for (auto at = session.lease_head; at != kNoSlot; at = dispatch_.leases[at].session_next) held.push_back(at);
  for (auto at = held.rbegin(); at != held.rend(); ++at) {
    if (dispatch_.leases[*at].deadline == 0) {
      give_back(*at, kByPolicy, AttemptEnd::connection_lost, {});
    } else {
      dispatch_.untie(*at, session);
    }
  }
}

void Settling::give_back_all() {
  for (NameId number{1}; number < shelves_.mailboxes.end(); ++number) {
    const auto* const mailbox = shelves_.mailboxes.find(number);
    if (mailbox == nullptr) continue;
    std::vector<Slot> held;  // the list has the newest first here, too
    for (auto at = mailbox->lease_head; at != kNoSlot; at = dispatch_.leases[at].mailbox_next) held.push_back(at);
    for (auto at = held.rbegin(); at != held.rend(); ++at) give_back(*at, kByPolicy, AttemptEnd::server_stopped, {});
  }
}

void Settling::extend(Session& session, RequestNumber request, bool quiet, std::span<const LeaseToken> tokens,
                      Duration lease_ms) {
  std::uint32_t extended = 0;
  auto refused = for_current(session.id, tokens, [&](Slot slot) {
    ++extended;
    dispatch_.extend(slot, session, lease_ms);
  });
  answer({session.id, request}, quiet, {}, extended, std::move(refused));
}

std::optional<Durable> Settling::take_back(Mailbox& mailbox, MessageKey key) {
  NameId sender = 0;
  const auto* const entry = shelves_.find(mailbox, key, sender);
  if (entry == nullptr) return std::nullopt;
  const MessageRef ref(key, mailbox.number, sender, entry->priority);
  auto message = shelves_.take(ref);
  FOLKMOOT_ASSERT(message.has_value());
  if (shelves_.is_tapped()) [[unlikely]]
    shelves_.tap({.what = TapWhat::cancelled}, mailbox, message->entry, sender);
  Durable noted;
  if (!message->entry.has(Entry::kTransient)) {
    noted = Durable(to_.ledger.note(FactKind::message_cancelled, {bytes_of(ref)}));
    // It may be back after a crash, and must find its content then.
    if (!noted) message->entry.flags &= static_cast<std::uint16_t>(~Entry::kRefers);
  }
  const auto receipt = shelves_.receipt(ReceiptState::cancelled, message->entry.deliveries);
  shelves_.leave(mailbox, message->entry, &receipt);
  ++to_.counters.cancelled;
  return noted;
}

void Settling::cancel(Asker caller, const Uuid& id) {
  const auto address = message_address(id);
  auto* const mailbox = address && to_.run.is_ours(*address) ? shelves_.mailboxes.find(address->mailbox) : nullptr;
  if (mailbox != nullptr && dispatch_.leases.find_key(address->key) != kNoSlot) {
    return to_.replies.refuse(
        caller, {ErrorCode::lease_lost, fmt::format("{} has the message already", to_.names[mailbox->number])});
  }
  NameId sender = 0;
  if (mailbox != nullptr && shelves_.find(*mailbox, address->key, sender) != nullptr &&
      !to_.sessions.may_act_for(caller.session, sender)) {
    return to_.replies.refuse(
        caller, {ErrorCode::not_permitted, "the message is another sender's", "only who sent a message takes it back"});
  }
  if (!to_.ledger.has_room(Urgency::settling, sizeof(MessageRef))) {
    return to_.replies.refuse(caller, {ErrorCode::disk_full, "no room to note that the message is taken back"});
  }
  const auto noted = mailbox != nullptr ? take_back(*mailbox, address->key) : std::nullopt;
  if (!noted) {
    return to_.replies.refuse(caller, {ErrorCode::not_found, fmt::format("no message {} is waiting", id.text())});
  }
  to_.ledger.when_or_now(*noted, waiting::Answer{.to = caller});
}

}  // namespace folkmoot
