// Handing out: consumers take turns, pulls are served first, leases are made.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/engine.hpp"
#include "message/limits.hpp"
#include "message/topic.hpp"

namespace folkmoot {

void Engine::mark_dirty(Mailbox& mailbox) {
  if (mailbox.is_dirty) return;
  mailbox.is_dirty = true;
  dirty_.push_back(mailbox.number);
}

void Engine::dispatch() {
  if (!handing_out_) return;
  for (std::size_t i = 0; i < dirty_.size(); ++i) {
    auto& mailbox = parties_.mailbox(dirty_[i]);
    mailbox.is_dirty = false;
    dispatch_mailbox(mailbox);
  }
  dirty_.clear();
}

void Engine::dispatch_mailbox(Mailbox& mailbox) {
  while (mailbox.ready > 0 && !mailbox.waiters.empty()) {
    if (!serve_waiter(mailbox)) break;
  }
  while (mailbox.ready > 0 && !mailbox.consumers_ready.empty()) {
    const auto slot = mailbox.consumers_ready.take_turn(consumers_);
    auto& consumer = consumers_[slot];
    auto* const session = find_session(consumer.session);
    FOLKMOOT_ASSERT(session != nullptr);
    const auto handed = hand_out(mailbox, consumer.session, consumer.request, slot, 0, false);
    if (handed == Handed::stuck) return;
    consumer.turn = ++last_turn_;
    if (--consumer.credit == 0) update_ready(slot, *session);
    if (handed == Handed::enough) set_unwritable(*session);
  }
}

// The mailbox's next message could not go out for want of room: tried again in a while, as nothing else may ever ask
// for it.
void Engine::set_stuck(Mailbox& mailbox) {
  if (mailbox.is_stuck) return;
  mailbox.is_stuck = true;
  stuck_.push_back(mailbox.number);
  retry_later();
}

void Engine::retry_later() {
  if (retry_at_ != 0) return;
  retry_at_ = now_ + kRetryMs;
  add_timer({.at = retry_at_, .id = 0, .box = 0, .kind = TimerKind::retry});
}

void Engine::retry() {
  retry_at_ = 0;
  if (!noted_) note_run();
  for (const auto number : stuck_) {
    auto& mailbox = parties_.mailbox(number);
    mailbox.is_stuck = false;
    mark_dirty(mailbox);
  }
  stuck_.clear();
}

// Serves the first RECEIVE or WAIT that waits; false if none of them can take anything now.
bool Engine::serve_waiter(Mailbox& mailbox) {
  for (auto slot = mailbox.waiters.first(); slot != kNoSlot; slot = mailbox.waiters.after(waiters_, slot)) {
    const auto waiter = waiters_[slot];
    auto* const session = find_session(waiter.session);
    FOLKMOOT_ASSERT(session != nullptr);
    if (waiter.max == 0) {
      const std::uint32_t body[] = {mailbox.ready, static_cast<std::uint32_t>(__builtin_ctz(mailbox.lanes_in_use) + 1)};
      end_waiter(slot);
      effects_.done(waiter.session, waiter.request, bytes_of(body));
      return true;
    }
    if (!session->writable) continue;
    end_waiter(slot);
    mailbox.last_read = now_;
    std::uint32_t count = 0;
    auto handed = Handed::more;
    last_fact_ = 0;
    for (; mailbox.ready > 0 && count < waiter.max && handed == Handed::more; ++count) {
      handed = hand_out(mailbox, waiter.session, waiter.request, kNoSlot, waiter.lease_ms, true);
      if (handed == Handed::stuck) break;
    }
    if (handed == Handed::enough) set_unwritable(*session);
    // The answer comes behind its deliveries, and those of at_most_once messages wait for the disk.
    if (last_fact_ == 0) {
      effects_.done(waiter.session, waiter.request, bytes_of(count));
    } else {
      pending_.push({.lsn = last_fact_,
                     .session = waiter.session,
                     .request = waiter.request,
                     .kind = Pending::Kind::received,
                     .batch = count});
    }
    return true;
  }
  return false;
}

void Engine::update_ready(std::uint32_t slot, const Session& session) {
  const auto& consumer = consumers_[slot];
  const bool is_ready = consumer.credit > 0 && session.writable;
  if (is_ready == consumer.links.in_ring()) return;
  auto& mailbox = parties_.mailbox(consumer.mailbox);
  if (!is_ready) return mailbox.consumers_ready.remove(consumers_, slot);
  mailbox.consumers_ready.push_back(consumers_, slot);
  if (mailbox.ready > 0) mark_dirty(mailbox);
}

MessageParts Engine::bytes_of_message(const Entry& entry, AcceptedFact* fact) {
  if (entry.has(Entry::kTransient)) return {transient_.get(static_cast<std::uint32_t>(entry.place().lsn)), {}};
  const auto body = log_.read(entry.place());
  // The log could not give back what it confirmed. Going on would hand out nothing, or something else: stop, and say
  // why.
  if (!body) effects_.unreadable(body.error());
  FOLKMOOT_ASSERT(body->size() >= sizeof(AcceptedFact));
  if (fact != nullptr) *fact = load<AcceptedFact>(body->data());
  return {body->subspan(sizeof(AcceptedFact)), {}};
}

// Remembers who gets a request that waits in memory, to be told when it is wanted no more.
void Engine::note_holder(const Entry& entry, SessionId session) {
  const auto slot = transient_.asked_by(static_cast<std::uint32_t>(entry.place().lsn));
  if (slot != kNoSlot && requests_.holds(slot) && requests_[slot].message == entry.key)
    requests_[slot].holder = session;
}

// Hands the mailbox's next message out: `enough` when the session wants no more for now, `stuck` when it could not go
// out and is back in its place. Requires: mailbox.ready > 0.
Engine::Handed Engine::hand_out(Mailbox& mailbox, SessionId session, std::uint32_t request, std::uint32_t consumer,
                                std::int64_t lease_ms, bool retrieved) {
  const auto message = mailbox.pop();
  --counters_.ready;
  const auto& entry = message.entry;
  if (entry.has(Entry::kOnce)) {
    if (entry.has(Entry::kTransient)) {
      note_holder(entry, session);
      ++counters_.delivered;
      const bool more = effects_.deliver(session, {.request = request,
                                                   .delivery = 1,
                                                   .lease = 0,
                                                   .redelivered = false,
                                                   .of_mailbox = true,
                                                   .message = bytes_of_message(entry)});
      leave(mailbox, entry, std::nullopt, 1);
      return more ? Handed::more : Handed::enough;
    }
    const MessageRef ref(entry.key, mailbox.number, message.sender, entry.priority);
    if (!log_.has_room(FactLog::Urgency::settling, sizeof ref) || !transient_.has_room(entry.place().bytes)) {
      // It may not go out before the log knows, and waits for that in memory.
      ++counters_.ready;
      mailbox.push(message.sender, entry);
      set_stuck(mailbox);
      return Handed::stuck;
    }
    AcceptedFact fact;
    const auto bytes = bytes_of_message(entry, &fact);
    const auto slot = transient_.put(bytes.head, bytes.rest);
    append_fact(FactKind::message_settled, {bytes_of(ref)});
    // The next of its group follows when it has gone out, not while it waits for the log.
    auto settled = entry;
    settled.flags &= static_cast<std::uint16_t>(~Entry::kGrouped);
    leave(mailbox, settled, std::nullopt, 1);
    pending_.push({.lsn = last_fact_,
                   .session = session,
                   .request = request,
                   .kind = Pending::Kind::handed_out,
                   .place = {slot, entry.place().bytes},
                   .fact = fact});
    return Handed::more;
  }
  auto* const holder = find_session(session);
  const bool bound = lease_ms == 0;
  const auto slot = leases_.add({.entry = entry,
                                 .session = bound ? session : 0,
                                 .deadline = bound ? 0 : now_ + lease_ms,
                                 .mailbox = mailbox.number,
                                 .sender = message.sender,
                                 .holder = holder->party,
                                 .consumer = consumer,
                                 .consumer_serial = consumer == kNoSlot ? 0 : consumers_[consumer].serial,
                                 .retrieved = retrieved},
                                holder->lease_head, mailbox.lease_head);
  ++mailbox.leased;
  ++counters_.leased;
  const auto token = leases_[slot].token;
  if (!bound) {
    add_timer({.at = now_ + lease_ms, .id = token, .box = mailbox.number, .kind = TimerKind::lease});
  }
  ++counters_.delivered;
  // What a crash may have cut off from its lease cannot be told from what was never handed out.
  const bool redelivered = entry.has(Entry::kRedelivered) || entry.key <= suspect_until_;
  counters_.redelivered += redelivered;
  AcceptedFact fact;
  const auto bytes = bytes_of_message(entry, &fact);
  leases_[slot].hops = fact.hops;
  leases_[slot].silent = (fact.flags & AcceptedFact::kSilent) != 0;
  const bool more = effects_.deliver(session, {.request = request,
                                               .delivery = entry.deliveries + 1u,
                                               .lease = token,
                                               .redelivered = redelivered,
                                               .of_mailbox = true,
                                               .message = bytes});
  return more ? Handed::more : Handed::enough;
}

void Engine::subscribe(SessionId id, std::uint32_t request, std::string_view pattern, std::uint32_t credit, bool echo,
                       std::string_view filter) {
  auto* const session = find_session(id);
  if (session == nullptr) return;
  if (!is_pattern(pattern)) {
    return refuse(id, request, {ErrorCode::invalid_topic, fmt::format("`{}` is not a topic or pattern", pattern)});
  }
  const bool has_enough = session->open.size() >= options_.session_subscriptions_max && !session->of_shard;
  if (topics_.size() >= options_.subscriptions_max || has_enough) {
    return refuse(id, request,
                  {ErrorCode::limit_reached, "no more subscriptions: a limit of the server or connection"});
  }
  std::optional<Filter> condition;
  if (!filter.empty()) {
    auto compiled = Filter::compile(filter);
    if (!compiled) return refuse(id, request, std::move(compiled.error()));
    condition = std::move(*compiled);
  }
  auto subscription = std::make_unique<TopicSubscription>();
  *subscription = {.session = id,
                   .request = request,
                   .credit = credit,
                   .skipped = 0,
                   .limited = credit != 0,
                   .echo = echo,
                   .of_shard = session->of_shard,
                   .pattern = std::string(pattern),
                   .filter = std::move(condition)};
  auto* const kept = subscription.get();
  const auto slot = subscriptions_.insert(std::move(subscription));
  if (!open_number(*session, request, {OpenKind::subscription, slot})) return subscriptions_.erase(slot);
  ++session->subscriptions;
  shards_subscriptions_ += session->of_shard;
  topics_.add(kept);
  effects_.done(id, request, {});
}

void Engine::consume(SessionId id, std::uint32_t request, std::string_view name, std::uint32_t credit) {
  auto* const session = find_session(id);
  if (session == nullptr) return;
  if (credit > kCreditMax) {
    return refuse(id, request,
                  {ErrorCode::out_of_range, fmt::format("`credit` is {}; 0 to {} is possible", credit, kCreditMax)});
  }
  const auto mailbox = mailbox_named(name);
  if (!mailbox) return refuse(id, request, mailbox.error());
  if (session->open.size() >= options_.session_subscriptions_max && !session->of_shard) {
    return refuse(id, request, {ErrorCode::limit_reached, "no more consumers on this connection"});
  }
  const auto slot = consumers_.insert(
      {.session = id, .request = request, .mailbox = (*mailbox)->number, .credit = credit, .serial = ++last_consumer_});
  if (!open_number(*session, request, {OpenKind::consumer, slot})) return consumers_.erase(slot);
  ++(*mailbox)->consumers;
  (*mailbox)->is_stray = session->of_shard;
  shards_consumers_ += session->of_shard;
  effects_.done(id, request, bytes_of((*mailbox)->ready));
  update_ready(slot, *session);
}

void Engine::credit(SessionId id, std::uint32_t target, std::uint32_t amount) {
  auto* const session = find_session(id);
  if (session == nullptr) return;
  const auto found = session->open.find(target);
  if (found == session->open.end()) return;
  if (found->second.kind == OpenKind::consumer) {
    auto& consumer = consumers_[found->second.slot];
    consumer.credit = std::min<std::uint64_t>(std::uint64_t{consumer.credit} + amount, kCreditMax);
    update_ready(found->second.slot, *session);
  } else if (found->second.kind == OpenKind::subscription) {
    auto& subscription = *subscriptions_[found->second.slot];
    if (!subscription.limited) return;
    subscription.credit = std::min<std::uint64_t>(std::uint64_t{subscription.credit} + amount, ~0u);
    if (subscription.skipped != 0) effects_.lagged(id, target, std::exchange(subscription.skipped, 0));
  }
}

void Engine::receive(SessionId id, std::uint32_t request, const ReceiveCommand& command) {
  auto* const session = find_session(id);
  if (session == nullptr) return;
  if (command.max == 0 || command.max > kReceiveMax) {
    return refuse(id, request,
                  {ErrorCode::out_of_range, fmt::format("`max` is {}; 1 to {} is possible", command.max, kReceiveMax)});
  }
  const auto mailbox = mailbox_named(command.mailbox);
  if (!mailbox) return refuse(id, request, mailbox.error());
  add_waiter(*session, **mailbox,
             {.session = id,
              .request = request,
              .mailbox = (*mailbox)->number,
              .max = command.max,
              .lease_ms = command.lease_ms,
              .deadline = now_ + command.wait_ms,
              .serial = next_serial_++});
}

void Engine::wait(SessionId id, std::uint32_t request, std::string_view name, std::int64_t timeout_ms) {
  auto* const session = find_session(id);
  if (session == nullptr) return;
  const auto mailbox = mailbox_named(name);
  if (!mailbox) return refuse(id, request, mailbox.error());
  add_waiter(*session, **mailbox,
             {.session = id,
              .request = request,
              .mailbox = (*mailbox)->number,
              .max = 0,
              .lease_ms = 0,
              .deadline = now_ + timeout_ms,
              .serial = next_serial_++});
}

void Engine::add_waiter(Session& session, Mailbox& mailbox, const Waiter& waiter) {
  if (session.open.size() >= options_.session_requests_max) {
    return refuse(session.id, waiter.request,
                  {ErrorCode::limit_reached, "too many requests of this connection wait already"});
  }
  if (waiter.max != 0) mailbox.last_read = now_;
  const auto slot = waiters_.insert(waiter);
  if (!open_number(session, waiter.request, {OpenKind::waiter, slot})) return waiters_.erase(slot);
  mailbox.waiters.push_back(waiters_, slot);
  // Given-back messages of this very turn count as there: what is ready is handed out before a wait of no time ends.
  if (handing_out_) dispatch_mailbox(mailbox);
  if (!waiters_.holds(slot) || waiters_[slot].serial != waiter.serial) return;
  const Timer timer{.at = waiter.deadline, .id = waiter.serial, .box = slot, .kind = TimerKind::waiter};
  if (waiter.deadline <= now_ && session.writable) return on_timer(timer);
  add_timer(timer);
}

}  // namespace folkmoot
