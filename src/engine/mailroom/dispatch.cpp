#include "engine/mailroom/dispatch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "message/limits.hpp"

namespace folkmoot {
namespace {

// When a message might go out: as it came, or at the time that it was to wait for.
Instant came(MessageKey key, const AcceptedFact& fact) { return std::max(key_time(key), fact.not_before); }

}  // namespace

void Dispatch::run() {
  if (!to_.run.is_noted()) return;
  shelves_.each_dirty([this](Mailbox& mailbox) {
    dispatch(mailbox);
    if (mailbox.is_watched) [[unlikely]]
      to_.mail_watcher.has_mail(mailbox.number);
  });
  if (shelves_.has_reads()) [[unlikely]]
    shelves_.write_reads();
}

void Dispatch::dispatch(Mailbox& mailbox) {
  if (mailbox.is_held && mailbox.ready > 0) [[unlikely]] {
    if (to_.names[mailbox.number] == kStreamsMailbox) return to_.strays.on_mail(mailbox.number);
    to_.placer.on_held(mailbox.number);
  }
  while (mailbox.ready > 0 && !mailbox.waiters.empty()) {
    if (!serve_waiter(mailbox)) break;
  }
  while (mailbox.ready > 0 && !mailbox.consumers_ready.empty()) {
    const auto slot = mailbox.consumers_ready.take_turn(consumers_);
    auto& consumer = consumers_[slot];
    auto* const session = to_.sessions.find(consumer.session);
    FOLKMOOT_ASSERT(session != nullptr);
    Durable settled;
    const To to{.session = consumer.session, .request = consumer.request, .consumer = slot};
    const auto handed = hand_out(mailbox, to, settled);
    if (handed == Handed::stuck) return;
    consumer.turn = ++last_turn_;
    if (--consumer.credit == 0) update_ready(slot, *session);
    if (handed == Handed::enough) set_unwritable(*session);
  }
}

bool Dispatch::serve_waiter(Mailbox& mailbox) {
  for (auto slot = mailbox.waiters.first(); slot != kNoSlot; slot = mailbox.waiters.after(waiters_, slot)) {
    const auto waiter = waiters_[slot];
    auto* const session = to_.sessions.find(waiter.session);
    FOLKMOOT_ASSERT(session != nullptr);
    if (waiter.max == 0) {
      const auto first = static_cast<std::uint32_t>(__builtin_ctz(mailbox.lanes_in_use) + 1);
      end_waiter(slot);
      to_.replies.answer({waiter.session, waiter.request}, Ready{.messages = mailbox.ready, .priority = first});
      return true;
    }
    if (!session->writable) continue;
    end_waiter(slot);
    serve(*session, mailbox, waiter);
    return true;
  }
  return false;
}

void Dispatch::serve(Session& session, Mailbox& mailbox, const Waiter& waiter) {
  shelves_.note_read(mailbox);
  std::uint32_t count = 0;
  auto handed = Handed::more;
  Durable settled;
  const To to{.session = waiter.session, .request = waiter.request, .lease_ms = waiter.lease_ms, .retrieved = true};
  for (; mailbox.ready > 0 && count < waiter.max && handed == Handed::more; ++count) {
    handed = hand_out(mailbox, to, settled);
    if (handed == Handed::stuck) break;
  }
  if (handed == Handed::enough) set_unwritable(session);
  // The answer comes behind its deliveries, and those of at_most_once messages wait for the disk.
  const Asker caller{waiter.session, waiter.request};
  if (settled) return to_.ledger.when(settled, waiting::Answer{.to = caller, .reply = Received{count, mailbox.ready}});
  to_.replies.answer(caller, Received{count, mailbox.ready});
}

Dispatch::Handed Dispatch::hand_out(Mailbox& mailbox, const To& to, Durable& settled) {
  const auto message = mailbox.pop();
  --to_.counters.ready;
  if (shelves_.is_tapped() && (!message.entry.has(Entry::kOnce) || message.entry.has(Entry::kTransient))) [[unlikely]]
    tap_delivered(mailbox, message, to);
  if (!message.entry.has(Entry::kOnce)) return lease_out(mailbox, message, to);
  if (message.entry.has(Entry::kTransient)) return hand_out_transient(mailbox, message.entry, to);
  return settle_and_hand_out(mailbox, message, to, settled);
}

std::string_view Dispatch::agent_of(NameId number) const {
  return number != 0 ? std::string_view(to_.names[number]) : std::string_view();
}

void Dispatch::tap_delivered(const Mailbox& mailbox, const QueuedMessage& message, const To& to) {
  const auto* const holder = to_.sessions.find(to.session);
  shelves_.tap({.what = TapWhat::delivered, .holder = holder->name_id, .deliveries = message.entry.deliveries + 1u},
               mailbox, message.entry, message.sender);
}

Dispatch::Handed Dispatch::hand_out_transient(Mailbox& mailbox, const Entry& entry, const To& to) {
  const auto* const holder = to_.sessions.find(to.session);
  to_.responder.note_holder(entry, {.connection = holder->connection,
                                    .session = to.session,
                                    .agent = holder->name_id,
                                    .mailbox = mailbox.number,
                                    .bound = to.lease_ms == 0});
  ++to_.counters.delivered;
  to_.counters.queue_time.add(to_.run.now() - key_time(entry.key));
  if (entry.has(Entry::kTraced)) [[unlikely]] {
    const auto traced = shelves_.traced(mailbox, entry);
    to_.tracing.received(traced, agent_of(holder->name_id), key_time(entry.key), 1);
    // Nobody answers one that is answered by its hand-over.
    if (to_.transient.asked_by(entry.stored()) != kNoSlot)
      to_.tracing.hold(entry.key, traced, agent_of(holder->name_id));
  }
  const bool more = to_.effects.deliver(to.session, {.request = to.request,
                                                     .delivery = 1,
                                                     .lease = 0,
                                                     .redelivered = false,
                                                     .of_mailbox = true,
                                                     .message = {shelves_.bytes_of(entry), {}}});
  shelves_.leave(mailbox, entry, nullptr);
  return more ? Handed::more : Handed::enough;
}

Dispatch::Handed Dispatch::settle_and_hand_out(Mailbox& mailbox, const QueuedMessage& message, const To& to,
                                               Durable& settled) {
  const auto& entry = message.entry;
  const MessageRef ref(entry.key, mailbox.number, message.sender, entry.priority);
  if (!to_.ledger.has_room(Urgency::settling, sizeof ref) || !to_.transient.has_room(entry.place().bytes)) {
    // It may not go out before the log knows, and waits for that in memory.
    ++to_.counters.ready;
    mailbox.push(message.sender, entry);
    set_stuck(mailbox);
    return Handed::stuck;
  }
  if (shelves_.is_tapped()) [[unlikely]]
    tap_delivered(mailbox, message, to);
  AcceptedFact fact;
  const auto slot = to_.transient.put(shelves_.bytes_of(entry, &fact), {});
  const Durable noted(to_.ledger.note(FactKind::message_settled, {bytes_of(ref)}));
  settled.add(noted);
  // The next of its group follows when it has gone out, not while it waits for the log.
  auto gone = entry;
  gone.flags &= static_cast<std::uint16_t>(~Entry::kGrouped);
  shelves_.leave(mailbox, gone, nullptr);
  to_.ledger.when(noted, waiting::HandedOut{.fact = fact, .stored = slot, .to = {to.session, to.request}});
  return Handed::more;
}

void Dispatch::on_durable(const waiting::HandedOut& item) {
  if (auto* session = to_.sessions.find(item.to.session)) {
    ++to_.counters.delivered;
    const auto took = to_.run.now() - came(item.fact.key, item.fact);
    to_.counters.queue_time.add(took);
    to_.counters.delivery_time.add(took);
    if (item.fact.flags & AcceptedFact::kTraced) [[unlikely]] {
      const Tracing::Message traced{
          .id = make_uuid({.key = item.fact.key, .mailbox = item.fact.mailbox, .node = to_.run.node()}),
          .destination = to_.names[item.fact.mailbox],
          .message = to_.transient.get(item.stored)};
      to_.tracing.received(traced, agent_of(session->name_id), to_.run.now() - took, 1);
    }
    const bool more = to_.effects.deliver(item.to.session, {.request = item.to.request,
                                                            .delivery = 1,
                                                            .lease = 0,
                                                            .redelivered = false,
                                                            .of_mailbox = true,
                                                            .message = {to_.transient.get(item.stored), {}}});
    if (!more) set_unwritable(*session);
  }
  to_.transient.drop(item.stored);
  shelves_.receipts.add(item.fact.key, {.at = to_.run.now().ms,
                                        .silent_for = item.fact.flags & AcceptedFact::kSilent ? item.fact.sender : 0,
                                        .deliveries = 1,
                                        .hops = item.fact.hops});
  shelves_.leave_group(shelves_.mailboxes[item.fact.mailbox],
                       Entry(item.fact.key, {}, item.fact.priority, item.fact.flags));
}

Dispatch::Handed Dispatch::lease_out(Mailbox& mailbox, const QueuedMessage& message, const To& to) {
  const auto& entry = message.entry;
  auto* const holder = to_.sessions.find(to.session);
  const bool bound = to.lease_ms == 0;
  const auto deadline = to_.run.now() + to.lease_ms;
  const auto slot = leases.add({.entry = entry,
                                .session = bound ? to.session : 0,
                                .connection = holder->connection,
                                .deadline = bound ? 0 : deadline,
                                .since = to_.run.now(),
                                .mailbox = mailbox.number,
                                .sender = message.sender,
                                .holder = holder->name_id,
                                .consumer = to.consumer,
                                .consumer_serial = to.consumer == kNoSlot ? 0 : consumers_[to.consumer].serial,
                                .retrieved = to.retrieved},
                               holder->lease_head, mailbox.lease_head);
  ++mailbox.leased;
  ++to_.counters.leased;
  auto& lease = leases[slot];
  if (!bound)
    to_.agenda.add({.at = deadline, .id = lease.token.value, .place = mailbox.number.value, .kind = TimerKind::lease});
  ++to_.counters.delivered;
  // What a crash may have cut off from its lease cannot be told from what was never handed out.
  const bool redelivered = entry.has(Entry::kRedelivered) || to_.run.is_suspect(entry.key);
  to_.counters.redelivered += redelivered;
  AcceptedFact fact;
  const auto bytes = shelves_.bytes_of(entry, &fact);
  lease.hops = fact.hops;
  lease.silent = (fact.flags & AcceptedFact::kSilent) != 0;
  lease.came = came(entry.key, fact);
  if (entry.deliveries == 0 && !mailbox.is_misplaced) to_.counters.queue_time.add(to_.run.now() - lease.came);
  if (entry.has(Entry::kTraced) && !mailbox.is_misplaced) [[unlikely]]
    to_.tracing.received({.id = id_of(lease), .destination = to_.names[mailbox.number], .message = bytes},
                         agent_of(lease.holder), lease.came, entry.deliveries + 1u);
  const bool more = to_.effects.deliver(to.session, {.request = to.request,
                                                     .delivery = entry.deliveries + 1u,
                                                     .lease = lease.token,
                                                     .redelivered = redelivered,
                                                     .of_mailbox = true,
                                                     .message = {bytes, {}}});
  return more ? Handed::more : Handed::enough;
}

Slot Dispatch::hold(Mailbox& mailbox, const QueuedMessage& message, Session& session) {
  const auto slot = leases.add({.entry = message.entry,
                                .session = session.id,
                                .connection = session.connection,
                                .since = to_.run.now(),
                                .mailbox = mailbox.number,
                                .sender = message.sender,
                                .holder = session.name_id,
                                .retrieved = true},
                               session.lease_head, mailbox.lease_head);
  ++mailbox.leased;
  ++to_.counters.leased;
  AcceptedFact fact;
  shelves_.bytes_of(message.entry, &fact);
  leases[slot].hops = fact.hops;
  leases[slot].silent = (fact.flags & AcceptedFact::kSilent) != 0;
  leases[slot].came = came(message.entry.key, fact);
  return slot;
}

// -- what had no room

void Dispatch::set_stuck(Mailbox& mailbox) {
  if (mailbox.is_stuck) return;
  mailbox.is_stuck = true;
  stuck_.push_back(mailbox.number);
  retry_later();
}

void Dispatch::retry_later() {
  if (retry_at_ != 0) return;
  retry_at_ = to_.run.now() + kRetryMs;
  to_.agenda.add({.at = retry_at_, .id = 0, .place = 0, .kind = TimerKind::retry});
}

void Dispatch::retry() {
  retry_at_ = 0;
  for (const auto number : stuck_) {
    auto* const mailbox = shelves_.mailboxes.find(number);
    if (mailbox == nullptr) continue;  // deleted meanwhile
    mailbox->is_stuck = false;
    shelves_.mark_dirty(*mailbox);
  }
  stuck_.clear();
}

// -- who takes messages

void Dispatch::update_ready(Slot slot, const Session& session) {
  const auto& consumer = consumers_[slot];
  const bool is_ready = consumer.credit > 0 && session.writable;
  if (is_ready == consumer.links.in_ring()) return;
  auto& mailbox = shelves_.mailboxes[consumer.mailbox];
  if (!is_ready) return mailbox.consumers_ready.remove(consumers_, slot);
  mailbox.consumers_ready.push_back(consumers_, slot);
  if (mailbox.ready > 0) shelves_.mark_dirty(mailbox);
}

void Dispatch::set_unwritable(Session& session) {
  session.writable = false;
  for (const auto& [request, open] : session.open) {
    if (open.kind == OpenKind::consumer) update_ready(open.slot, session);
  }
}

void Dispatch::set_writable(Session& session) {
  if (session.writable) return;
  session.writable = true;
  std::vector<Slot> consumers;
  for (const auto& [request, open] : session.open) {
    if (open.kind == OpenKind::consumer) consumers.push_back(open.slot);
    if (open.kind == OpenKind::waiter) shelves_.mark_dirty(shelves_.mailboxes[waiters_[open.slot].mailbox]);
  }
  // Who has had nothing for longest comes first: the connection may be full again before the others' turn.
  std::ranges::stable_sort(consumers, {}, [&](Slot slot) { return consumers_[slot].turn; });
  for (const auto slot : consumers) update_ready(slot, session);
}

void Dispatch::consume(Session& session, RequestNumber request, Mailbox& mailbox, std::uint32_t credit) {
  const Asker caller{session.id, request};
  if (session.open.size() >= to_.options.session_subscriptions_max && !session.of_shard) {
    return to_.replies.refuse(caller, {ErrorCode::limit_reached, "no more consumers on this connection"});
  }
  const auto slot = consumers_.insert({.session = session.id,
                                       .request = request,
                                       .mailbox = mailbox.number,
                                       .credit = credit,
                                       .serial = ++last_consumer_});
  if (!Sessions::open(session, request, {OpenKind::consumer, slot})) {
    consumers_.erase(slot);
    return to_.replies.refuse(caller, in_use(request));
  }
  ++mailbox.consumers;
  mailbox.is_misplaced = session.of_shard;
  of_shards_ += session.of_shard;
  to_.replies.answer(caller, Consuming{mailbox.ready});
  update_ready(slot, session);
}

void Dispatch::credit(const Session& session, Slot slot, std::uint32_t amount) {
  auto& consumer = consumers_[slot];
  consumer.credit = std::min<std::uint64_t>(std::uint64_t{consumer.credit} + amount, kCreditMax);
  update_ready(slot, session);
}

void Dispatch::close_consumer(Session& session, Slot slot) {
  auto& consumer = consumers_[slot];
  consumer.credit = 0;
  update_ready(slot, session);
  auto& mailbox = shelves_.mailboxes[consumer.mailbox];
  --mailbox.consumers;
  if (mailbox.is_watched && mailbox.ready > 0) shelves_.mark_dirty(mailbox);  // its agent may sleep from here on
  consumers_.erase(slot);
  of_shards_ -= session.of_shard;
}

// -- RECEIVE and WAIT

void Dispatch::receive(Session& session, RequestNumber request, Mailbox& mailbox, const ReceiveCommand& command) {
  add_waiter(session, mailbox,
             {.session = session.id,
              .request = request,
              .mailbox = mailbox.number,
              .max = command.max,
              .lease_ms = command.lease_ms,
              .deadline = to_.run.now() + command.wait_ms,
              .serial = to_.serials.next()});
}

void Dispatch::wait(Session& session, RequestNumber request, Mailbox& mailbox, Duration timeout_ms) {
  add_waiter(session, mailbox,
             {.session = session.id,
              .request = request,
              .mailbox = mailbox.number,
              .max = 0,
              .lease_ms = 0,
              .deadline = to_.run.now() + timeout_ms,
              .serial = to_.serials.next()});
}

void Dispatch::add_waiter(Session& session, Mailbox& mailbox, const Waiter& waiter) {
  const Asker caller{session.id, waiter.request};
  if (session.open.size() >= to_.options.session_requests_max) {
    return to_.replies.refuse(caller, {ErrorCode::limit_reached, "too many requests of this connection wait already"});
  }
  if (waiter.max != 0) shelves_.note_read(mailbox);
  const auto slot = waiters_.insert(waiter);
  if (!Sessions::open(session, waiter.request, {OpenKind::waiter, slot})) {
    waiters_.erase(slot);
    return to_.replies.refuse(caller, in_use(waiter.request));
  }
  mailbox.waiters.push_back(waiters_, slot);
  // Given-back messages of this very turn count as there: what is ready is handed out before a wait of no time ends.
  if (to_.run.is_noted()) dispatch(mailbox);
  if (!waiters_.holds(slot) || waiters_[slot].serial != waiter.serial) return;
  if (waiter.deadline <= to_.run.now() && session.writable) return time_out(slot);
  to_.agenda.add({.at = waiter.deadline, .id = waiter.serial, .place = slot.value, .kind = TimerKind::waiter});
}

void Dispatch::end_waiter(Slot slot) {
  const auto waiter = waiters_[slot];
  if (auto* session = to_.sessions.find(waiter.session)) to_.sessions.close(*session, waiter.request);
}

void Dispatch::close_waiter(Slot slot) {
  shelves_.mailboxes[waiters_[slot].mailbox].waiters.remove(waiters_, slot);
  waiters_.erase(slot);
}

void Dispatch::time_out(Slot slot) {
  const auto waiter = waiters_[slot];
  const Asker caller{waiter.session, waiter.request};
  end_waiter(slot);
  if (waiter.max == 0) {
    return to_.replies.refuse(caller,
                              {ErrorCode::timed_out, fmt::format("no mail for {} in time", to_.names[waiter.mailbox])});
  }
  to_.replies.answer(caller, Received{});
}

bool Dispatch::is_waited_at(const Mailbox& mailbox) const {
  const auto takes_messages = [](const Waiter& waiter) { return waiter.max > 0; };
  return !mailbox.consumers_ready.empty() || mailbox.waiters.any_of(waiters_, takes_messages);
}

SessionView Dispatch::view_of(const Session& session) const {
  SessionView view{.agent = session.name_id != 0 ? std::string_view(to_.names[session.name_id]) : std::string_view(),
                   .subscriptions = session.subscriptions};
  for (const auto& [request, open] : session.open) view.consumers += open.kind == OpenKind::consumer;
  for (auto at = session.lease_head; at != kNoSlot; at = leases[at].session_next) {
    ++view.held;
    view.held_since = leases[at].since;  // the list holds the newest first
  }
  return view;
}

void Dispatch::each_holder(const std::function<void(const HolderView&)>& each) const {
  std::map<NameId, HolderView> holders;
  for (NameId number{1}; number < shelves_.mailboxes.end(); ++number) {
    const auto* const mailbox = shelves_.mailboxes.find(number);
    if (mailbox == nullptr || mailbox->is_misplaced) continue;
    for (auto at = mailbox->lease_head; at != kNoSlot; at = leases[at].mailbox_next) {
      auto& holder = holders[leases[at].holder];
      ++holder.held;
      holder.since = holder.since == 0 ? leases[at].since : std::min(holder.since, leases[at].since);
    }
  }
  for (auto& [name_id, holder] : holders) {
    if (name_id != 0) holder.agent = to_.names[name_id];
    each(holder);
  }
}

void Dispatch::each_consumer(const Mailbox& mailbox, std::size_t limit,
                             const std::function<void(const ConsumerView&)>& each) const {
  std::size_t left = mailbox.is_misplaced ? 0 : std::min<std::size_t>(limit, mailbox.consumers);
  for (Slot slot = 0; left > 0; ++slot) {
    if (!consumers_.holds(slot) || consumers_[slot].mailbox != mailbox.number) continue;
    --left;
    const auto& consumer = consumers_[slot];
    std::uint32_t held = 0;
    for (auto at = mailbox.lease_head; at != kNoSlot; at = leases[at].mailbox_next) {
      held += leases[at].consumer == slot && leases[at].consumer_serial == consumer.serial;
    }
    each({.session = consumer.session, .credit = consumer.credit, .held = held});
  }
  for (auto slot = mailbox.waiters.first(); slot != kNoSlot; slot = mailbox.waiters.after(waiters_, slot)) {
    if (waiters_[slot].max > 0 && limit-- > 0) each({.session = waiters_[slot].session, .waits = true});
  }
}

// -- leases

Lease Dispatch::end_lease(Slot slot) {
  const auto& lease = leases[slot];
  auto& mailbox = shelves_.mailboxes[lease.mailbox];
  auto* const session = lease.session != 0 ? to_.sessions.find(lease.session) : nullptr;
  const auto ended = leases.remove(slot, session != nullptr ? &session->lease_head : nullptr, mailbox.lease_head);
  --mailbox.leased;
  --to_.counters.leased;
  if (consumers_.holds(ended.consumer) && consumers_[ended.consumer].serial == ended.consumer_serial) {
    auto& consumer = consumers_[ended.consumer];
    if (consumer.credit++ == 0) {
      const auto* const holder = to_.sessions.find(consumer.session);
      FOLKMOOT_ASSERT(holder != nullptr);
      update_ready(ended.consumer, *holder);
    }
  }
  return ended;
}

void Dispatch::extend(Slot slot, Session& session, Duration lease_ms) {
  auto& lease = leases[slot];
  lease.retrieved = true;
  const auto now = to_.run.now();
  shelves_.note_read(shelves_.mailboxes[lease.mailbox]);
  auto* const old = lease.session != 0 ? to_.sessions.find(lease.session) : nullptr;
  if (lease_ms == 0) {
    lease.deadline = 0;
    lease.connection = session.connection;
    lease.holder = session.name_id;
    leases.rebind(slot, session.id, old != nullptr ? &old->lease_head : nullptr, &session.lease_head);
  } else if (lease.deadline != now + lease_ms) {
    lease.deadline = now + lease_ms;
    to_.agenda.add(
        {.at = lease.deadline, .id = lease.token.value, .place = lease.mailbox.value, .kind = TimerKind::lease});
  }
}

// -- time

bool Dispatch::is_live(const Timer& timer) const {
  if (timer.kind == TimerKind::retry) return timer.at == retry_at_;
  return waiters_.holds(timer.slot()) && waiters_[timer.slot()].serial == timer.id;
}

void Dispatch::due(const Timer& timer) { timer.kind == TimerKind::retry ? retry() : time_out(timer.slot()); }

}  // namespace folkmoot
