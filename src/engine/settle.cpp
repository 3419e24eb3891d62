// Settling: ack, nack, reject, extend; leases that end by themselves.
#include <fmt/format.h>

#include "base/utf8.hpp"
#include "engine/engine.hpp"
#include "message/limits.hpp"
#include "message/retry.hpp"

namespace folkmoot {
namespace {

// Calls `each(slot)` for every lease that is current, and returns the tokens of the others.
template <class Each>
std::vector<LeaseToken> for_current(const LeaseTable& leases, std::span<const LeaseToken> tokens, Each each) {
  std::vector<LeaseToken> refused;
  for (const auto token : tokens) {
    if (const auto slot = leases.find(token); slot != kNoSlot) {
      each(slot);
    } else {
      refused.push_back(token);
    }
  }
  return refused;
}

// The message of a lease that ended unsettled: one delivery older.
QueuedMessage failed(const Lease& lease) {
  QueuedMessage message{lease.entry, lease.sender};
  if (message.entry.deliveries < 0xffff) ++message.entry.deliveries;
  message.entry.flags |= Entry::kRedelivered;
  return message;
}

}  // namespace

Result<void> Engine::check_leases(std::span<const LeaseToken> tokens, const Uuid& id) {
  const auto address = message_address(id);
  const auto is_of_it = [&](const Lease& lease) {
    return address && is_ours(*address) && address->key == lease.entry.key && address->mailbox == lease.mailbox;
  };
  for (const auto token : tokens) {
    const auto slot = leases_.find(token);
    if (slot != kNoSlot && is_of_it(leases_[slot])) continue;
    ++counters_.refused;
    return failure(ErrorCode::lease_lost,
                   fmt::format("{} is not a lease of message {}, or not any more", token, id.text()));
  }
  return {};
}

Lease Engine::end_lease(std::uint32_t slot) {
  const auto& lease = leases_[slot];
  auto& mailbox = parties_.mailbox(lease.mailbox);
  auto* const session = lease.session != 0 ? find_session(lease.session) : nullptr;
  const auto ended = leases_.remove(slot, session != nullptr ? &session->lease_head : nullptr, mailbox.lease_head);
  --mailbox.leased;
  --counters_.leased;
  if (consumers_.holds(ended.consumer) && consumers_[ended.consumer].serial == ended.consumer_serial) {
    auto& consumer = consumers_[ended.consumer];
    if (consumer.credit++ == 0) {
      const auto* const holder = find_session(consumer.session);
      FOLKMOOT_ASSERT(holder != nullptr);
      update_ready(ended.consumer, *holder);
    }
  }
  return ended;
}

void Engine::ack(SessionId id, std::uint32_t request, bool quiet, std::span<const LeaseToken> tokens) {
  refs_.clear();
  if (!log_.has_room(FactLog::Urgency::settling, tokens.size() * sizeof(MessageRef))) {
    return refuse(id, request, {ErrorCode::disk_full, "no room even for acks: the leases stay as they are"});
  }
  auto refused = for_current(leases_, tokens, [&](std::uint32_t slot) {
    const auto lease = end_lease(slot);
    auto& mailbox = parties_.mailbox(lease.mailbox);
    mailbox.last_read = now_;
    refs_.emplace_back(lease.entry.key, lease.mailbox, lease.sender, lease.entry.priority);
    leave(mailbox, lease.entry, ReceiptState::acknowledged, lease.entry.deliveries + 1u, &lease);
  });
  const auto settled = static_cast<std::uint32_t>(refs_.size());
  counters_.acknowledged += settled;
  if (settled == 0) return answer_settled(id, request, quiet, 0, 0, std::move(refused));
  const Bytes body{reinterpret_cast<const std::uint8_t*>(refs_.data()), refs_.size() * sizeof(MessageRef)};
  const auto place = log_.append(FactKind::message_settled, {&body, 1}, FactLog::Life::dead);
  answer_settled(id, request, quiet, place.lsn, settled, std::move(refused));
}

// Once the facts up to `lsn` are durable; at once if there are none.
void Engine::answer_settled(SessionId id, std::uint32_t request, bool quiet, Lsn lsn, std::uint32_t settled,
                            std::vector<LeaseToken> refused) {
  counters_.refused += refused.size();
  if (quiet && refused.empty()) return;
  if (lsn == 0) return effects_.settled(id, request, settled, refused);
  pending_.push({.lsn = lsn,
                 .session = id,
                 .request = request,
                 .kind = Pending::Kind::settled,
                 .quiet = quiet,
                 .batch = settled,
                 .refused = std::move(refused)});
}

void Engine::nack(SessionId id, std::uint32_t request, bool quiet, std::span<const LeaseToken> tokens,
                  std::int64_t delay_ms, std::string_view reason) {
  std::uint32_t settled = 0;
  last_fact_ = 0;
  auto refused = for_current(leases_, tokens, [&](std::uint32_t slot) {
    ++settled;
    parties_.mailbox(leases_[slot].mailbox).last_read = now_;
    give_back(slot, delay_ms, AttemptEnd::nacked, reason);
  });
  answer_settled(id, request, quiet, last_fact_, settled, std::move(refused));
}

void Engine::reject(SessionId id, std::uint32_t request, bool quiet, std::span<const LeaseToken> tokens,
                    std::string_view reason) {
  std::uint32_t settled = 0;
  last_fact_ = 0;
  auto refused = for_current(leases_, tokens, [&](std::uint32_t slot) {
    ++settled;
    parties_.mailbox(leases_[slot].mailbox).last_read = now_;
    give_back(slot, 0, AttemptEnd::rejected, reason);
  });
  answer_settled(id, request, quiet, last_fact_, settled, std::move(refused));
}

// The lease ends unsettled: the message waits again, one delivery older, or is dead, rejected or after too many. A nack
// waits as the retry policy says, if it names no delay; what a lost holder had goes back at once.
void Engine::give_back(std::uint32_t slot, std::int64_t delay_ms, AttemptEnd end, std::string_view reason) {
  const auto lease = end_lease(slot);
  auto& mailbox = parties_.mailbox(lease.mailbox);
  const auto message = failed(lease);
  counters_.returned += end != AttemptEnd::rejected;
  const auto policy = policy_of(mailbox, message.entry);
  const auto deliveries = static_cast<std::uint32_t>(message.entry.deliveries);
  if (delay_ms < 0) delay_ms = end == AttemptEnd::nacked ? retry_delay_ms(policy, deliveries, chance()) : 0;
  const auto holder = lease.holder != 0 && journal_party_if_room(lease.holder) ? lease.holder : 0;
  const ReturnedFact fact{MessageRef(message.entry.key, mailbox.number, message.sender, message.entry.priority),
                          delay_ms > 0 ? now_ + delay_ms : 0,
                          now_,
                          holder,
                          static_cast<std::uint16_t>(message.entry.deliveries),
                          end,
                          0};
  if (reason.size() > kReasonBytesMax) reason = reason.substr(0, utf8_prefix(reason.substr(0, kReasonBytesMax)));
  auto death = DeadReason::none;
  if (policy.attempts != 0 && deliveries >= policy.attempts) death = DeadReason::max_deliveries;
  if (message.entry.has(Entry::kExpires)) {
    const auto expiry = expiries_.find(message.entry.key);
    if (expiry != expiries_.end() && expiry->second.at <= now_) death = DeadReason::expired;
  }
  if (end == AttemptEnd::rejected) death = DeadReason::rejected;
  if (death != DeadReason::none) return bury(mailbox, message, {.reason = death, .text = reason, .attempt = &fact});
  note_attempt(message.entry.key,
               append_fact(FactKind::message_returned, {bytes_of(fact), as_bytes(reason)}, FactLog::Life::live),
               fact.deliveries);
  enter_returned(mailbox, message, fact.not_before);
}

void Engine::enter_returned(Mailbox& mailbox, const QueuedMessage& message, std::int64_t not_before) {
  if (not_before > now_) return enter_scheduled(mailbox, message, not_before);
  enter_ready(mailbox, message, {});
}

void Engine::extend(SessionId id, std::uint32_t request, bool quiet, std::span<const LeaseToken> tokens,
                    std::int64_t lease_ms) {
  auto* const session = find_session(id);
  if (session == nullptr) return;
  std::uint32_t extended = 0;
  auto refused = for_current(leases_, tokens, [&](std::uint32_t slot) {
    ++extended;
    auto& lease = leases_[slot];
    lease.retrieved = true;
    parties_.mailbox(lease.mailbox).last_read = now_;
    auto* const old = lease.session != 0 ? find_session(lease.session) : nullptr;
    if (lease_ms == 0) {
      lease.deadline = 0;
      leases_.rebind(slot, id, old != nullptr ? &old->lease_head : nullptr, &session->lease_head);
    } else if (lease.deadline != now_ + lease_ms) {
      lease.deadline = now_ + lease_ms;
      add_timer({.at = lease.deadline, .id = lease.token, .box = lease.mailbox, .kind = TimerKind::lease});
    }
  });
  answer_settled(id, request, quiet, 0, extended, std::move(refused));
}

}  // namespace folkmoot
