// Life, sessions and time.
#include "engine/engine.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.hpp"
#include "message/topic.hpp"

namespace folkmoot {

Engine::Engine(const EngineOptions& options, FactLog& log, Effects& effects)
    : options_(options),
      log_(log),
      effects_(effects),
      parties_(options.shards > 1),
      transient_(options.transient_bytes_max),
      settled_(options.receipts_max) {}

Engine::~Engine() = default;

void Engine::start(std::int64_t now, std::uint64_t seed, bool clean) {
  FOLKMOOT_ASSERT(!started_);
  started_ = true;
  now_ = std::max<std::int64_t>(now, 1);
  if (keys_end_ != 0) last_key_ = std::max(last_key_, keys_end_ - 1);
  if (!clean) suspect_until_ = last_key_;
  last_key_ = std::max(last_key_, make_key(static_cast<std::uint64_t>(now_), 0));
  chance_ = seed ^ static_cast<std::uint64_t>(now_);
  if (secret_ == SipKey{}) secret_ = {chance(), chance() ^ seed};
  if (node_ == 0) node_ = static_cast<std::uint32_t>((seed ^ seed >> 22 ^ seed >> 44) & kNodeMask) | kShardsMax;
  if (options_.shards > 1) node_ = (node_ & ~kShardMask) | options_.shard;
  ++run_;
  leases_.begin_run(options_.shard, run_);
  next_serial_ = std::uint64_t{options_.shard} << kShardShift | 1;
  if (const auto number = parties_.nameless()) {
    effects_.unreadable(
        {ErrorCode::damaged, fmt::format("messages name party {}, and no fact of the log says who that is", number)});
  }
  keys_.sort();
  // What became due while no server ran is one of its group before that goes on: what came after it must not pass it.
  for (const auto key : groups_.not_joined()) {
    if (const auto found = scheduled_.find(key); found != scheduled_.end() && found->second.due <= now_) come_due(key);
  }
  groups_.begin(
      [this](std::uint32_t mailbox, const QueuedMessage& head) { enter_head(parties_.mailbox(mailbox), head); });
  for (std::uint32_t number = 1; number < parties_.end(); ++number) {
    if (parties_[number].mailbox) watch_dead(*parties_[number].mailbox);
  }
  for (const auto& [number, schedule] : schedules_.all()) watch(schedule);
  contents_.begin(now_);
  watch_contents();
  note_run();
  advance(now_);
}

// Nothing is handed out before this is durable: the next run would give out the same lease numbers and reply addresses
// again.
void Engine::note_run() {
  const auto ahead = std::max(now_, key_ms(last_key_)) + kKeysAheadMs;
  const StartedFact fact{
      run_, node_, now_, make_key(static_cast<std::uint64_t>(ahead), 0), suspect_until_, {secret_[0], secret_[1]}};
  if (!log_.has_room(FactLog::Urgency::settling, sizeof fact)) {
    if (!noted_) retry_later();
    return;
  }
  const Bytes body = bytes_of(fact);
  const auto place = log_.append(FactKind::started, {&body, 1}, FactLog::Life::live);
  if (started_place_.lsn != 0) log_.release(started_place_);
  started_place_ = place;
  keys_end_ = fact.keys_end;
  if (!noted_) pending_.push({.lsn = place.lsn, .kind = Pending::Kind::started});
  noted_ = true;
}

void Engine::stop() {
  stopped_clean_ = noted_ && !lost_fact_;
  const auto say = [&](FactKind kind, Bytes fact) { stopped_clean_ &= append_fact(kind, {fact}).lsn != 0; };
  for (std::uint32_t number = 1; number < parties_.end(); ++number) {
    if (!parties_[number].mailbox) continue;
    for (auto at = parties_[number].mailbox->lease_head; at != kNoSlot; at = leases_[at].mailbox_next) {
      const auto& lease = leases_[at];
      const ReturnedFact fact{MessageRef(lease.entry.key, number, lease.sender, lease.entry.priority),
                              0,
                              now_,
                              0,
                              static_cast<std::uint16_t>(lease.entry.deliveries),
                              AttemptEnd::none,
                              0};
      say(FactKind::message_returned, bytes_of(fact));
    }
  }
  // What was reserved and not used is given back, so that the next run's ids do not run ahead of its clock.
  const StartedFact fact{run_, node_, now_, last_key_ + 1, suspect_until_, {secret_[0], secret_[1]}};
  say(FactKind::started, bytes_of(fact));
}

void Engine::advance(std::int64_t now) {
  now_ = std::max(now_, now);
  Timer timer;
  while (timers_.pop_due(now_, timer)) on_timer(timer);
}

void Engine::add_timer(const Timer& timer) {
  timers_.add(timer);
  if (timers_.size() < timers_rebuilt_at_) return;
  timers_.drop_stale([this](const Timer& each) { return is_live(each); });
  timers_rebuilt_at_ = std::max(kTimersLeast, 2 * timers_.size());
}

bool Engine::is_live(const Timer& timer) const {
  switch (timer.kind) {
    case TimerKind::expiry: {
      const auto found = expiries_.find(timer.id);
      return found != expiries_.end() && found->second.at == timer.at;
    }
    case TimerKind::due: {
      const auto found = scheduled_.find(timer.id);
      return found != scheduled_.end() && found->second.due == timer.at;
    }
    case TimerKind::lease: {
      const auto slot = leases_.find(timer.id);
      return slot != kNoSlot && leases_[slot].deadline == timer.at;
    }
    case TimerKind::waiter:
      return waiters_.holds(timer.box) && waiters_[timer.box].serial == timer.id;
    case TimerKind::request:
      return request_slots_.contains(timer.id);
    case TimerKind::retry:
      return timer.at == retry_at_;
    case TimerKind::dead:
      return parties_.holds(timer.box) && parties_[timer.box].mailbox->dead_timer == timer.at;
    case TimerKind::schedule: {
      const auto* const schedule = schedules_.find(timer.id);
      return schedule != nullptr && schedule->next == timer.at;
    }
    case TimerKind::content:
      return timer.at == content_timer_;
    case TimerKind::redrive:
      return redrives_.holds(timer.box) && redrives_[timer.box]->number == timer.id;
  }
  return false;
}

// Requires: it is scheduled.
void Engine::come_due(MessageKey key) {
  const auto found = scheduled_.find(key);
  const auto scheduled = found->second;
  scheduled_.erase(found);
  auto& mailbox = parties_.mailbox(scheduled.mailbox);
  --mailbox.scheduled;
  --counters_.scheduled;
  const auto& entry = scheduled.message.entry;
  const auto new_to_group = entry.has(Entry::kGrouped) && !groups_.holds(entry.key);
  enter_ready(mailbox, scheduled.message, new_to_group ? std::string(group_of(entry)) : std::string{});
}

void Engine::on_timer(const Timer& timer) {
  if (!is_live(timer)) return;
  switch (timer.kind) {
    case TimerKind::expiry:
      return on_expiry(timer.box, timer.id);
    case TimerKind::due:
      return come_due(timer.id);
    case TimerKind::lease:
      return give_back(leases_.find(timer.id), -1, AttemptEnd::lease_expired, {});
    case TimerKind::waiter: {
      const auto waiter = waiters_[timer.box];
      end_waiter(timer.box);
      if (waiter.max == 0) {
        return refuse(waiter.session, waiter.request,
                      {ErrorCode::timed_out, fmt::format("no mail for {} in time", parties_[waiter.mailbox].name)});
      }
      const std::uint32_t none = 0;
      return effects_.done(waiter.session, waiter.request, bytes_of(none));
    }
    case TimerKind::request: {
      const auto slot = request_slots_.find(timer.id)->second;
      const auto request = requests_[slot];
      if (request.in_memory) tell_holder(request);  // nobody has it: it expires in this instant
      end_request(slot);
      return refuse(request.session, request.request, {ErrorCode::timed_out, "no response in time"});
    }
    case TimerKind::retry:
      return retry();
    case TimerKind::dead:
      return drop_old_dead(parties_.mailbox(timer.box));
    case TimerKind::schedule:
      return fire(timer.id);
    case TimerKind::content:
      return on_content_timer();
    case TimerKind::redrive:
      return redrive_some(timer.box);
  }
}

// -- sessions

void Engine::open_session(SessionId id, std::string_view agent, bool of_shard) {
  const auto slot = session_slot(id);
  if (slot >= sessions_.size()) sessions_.resize(slot + 1);
  FOLKMOOT_ASSERT(!sessions_[slot]);
  sessions_[slot] = std::make_unique<Session>();
  sessions_[slot]->id = id;
  sessions_[slot]->of_shard = of_shard;
  if (const auto party = agent.empty() ? Result<std::uint32_t>(0) : party_number(agent))
    sessions_[slot]->party = *party;
}

void Engine::close_session(SessionId id) {
  auto* const session = find_session(id);
  if (session == nullptr) return;
  while (!session->open.empty()) {
    const auto [request, what] = *session->open.begin();
    // What waits in memory lives as long as who asked it; a durable request is work for its own sake.
    if (what.kind == OpenKind::request && requests_[what.slot].in_memory && requests_[what.slot].holder != id)
      withdraw(requests_[what.slot]);
    close_open(*session, request, what);
  }
  // The list holds the newest first; given back in the order they were handed out.
  std::vector<std::uint32_t> held;
  for (auto at = session->lease_head; at != kNoSlot; at = leases_[at].session_next) held.push_back(at);
  for (auto at = held.rbegin(); at != held.rend(); ++at) {
    if (leases_[*at].deadline == 0) {
      give_back(*at, -1, AttemptEnd::connection_lost, {});
    } else {
      leases_.rebind(*at, 0, &session->lease_head, nullptr);
    }
  }
  sessions_[session_slot(id)].reset();
}

void Engine::session_writable(SessionId id) {
  auto* const session = find_session(id);
  if (session == nullptr || session->writable) return;
  session->writable = true;
  std::vector<std::uint32_t> consumers;
  for (const auto& [request, open] : session->open) {
    if (open.kind == OpenKind::consumer) consumers.push_back(open.slot);
    if (open.kind == OpenKind::waiter) mark_dirty(parties_.mailbox(waiters_[open.slot].mailbox));
  }
  // Who has had nothing for longest comes first: the connection may be full again before the others' turn.
  std::ranges::stable_sort(consumers, {}, [&](std::uint32_t slot) { return consumers_[slot].turn; });
  for (const auto slot : consumers) update_ready(slot, *session);
}

void Engine::set_unwritable(Session& session) {
  session.writable = false;
  for (const auto& [request, open] : session.open) {
    if (open.kind == OpenKind::consumer) update_ready(open.slot, session);
  }
}

bool Engine::open_number(Session& session, std::uint32_t request, Open open) {
  if (session.open.emplace(request, open).second) return true;
  refuse(session.id, request, {ErrorCode::already_exists, fmt::format("request number {} is in use", request)});
  return false;
}

// Ends what a request number stands for, without an answer.
void Engine::close_open(Session& session, std::uint32_t request, const Open& open) {
  switch (open.kind) {
    case OpenKind::subscription:
      --session.subscriptions;
      shards_subscriptions_ -= session.of_shard;
      topics_.remove(subscriptions_[open.slot].get());
      subscriptions_.erase(open.slot);
      break;
    case OpenKind::consumer: {
      auto& consumer = consumers_[open.slot];
      auto& mailbox = parties_.mailbox(consumer.mailbox);
      consumer.credit = 0;
      update_ready(open.slot, session);
      --mailbox.consumers;
      consumers_.erase(open.slot);
      shards_consumers_ -= session.of_shard;
      break;
    }
    case OpenKind::waiter: {
      auto& mailbox = parties_.mailbox(waiters_[open.slot].mailbox);
      mailbox.waiters.remove(waiters_, open.slot);
      waiters_.erase(open.slot);
      break;
    }
    case OpenKind::redrive:
      redrives_.erase(open.slot);
      break;
    case OpenKind::request:
      request_slots_.erase(requests_[open.slot].number);
      requests_.erase(open.slot);
      break;
  }
  session.open.erase(request);
}

void Engine::end_waiter(std::uint32_t slot) {
  const auto waiter = waiters_[slot];
  if (auto* session = find_session(waiter.session)) close_open(*session, waiter.request, {OpenKind::waiter, slot});
}

void Engine::end_request(std::uint32_t slot) {
  const auto request = requests_[slot];
  if (auto* session = find_session(request.session)) close_open(*session, request.request, {OpenKind::request, slot});
}

void Engine::cancel(SessionId id, std::uint32_t request, std::uint32_t target) {
  auto* const session = find_session(id);
  if (session == nullptr) return;
  if (const auto found = session->open.find(target); found != session->open.end()) {
    const auto open = found->second;
    if (open.kind == OpenKind::request) withdraw(requests_[open.slot]);
    if (open.kind == OpenKind::waiter || open.kind == OpenKind::request) {
      refuse(id, target, {ErrorCode::cancelled, "cancelled by its own connection"});
    }
    close_open(*session, target, open);
  }
  effects_.done(id, request, {});
}

// What was asked is wanted no more: taken back if nobody has it yet, else its holder is told.
void Engine::withdraw(const PendingRequest& asked) {
  if (asked.message == 0 || tell_holder(asked)) return;
  take_back(parties_.mailbox(asked.mailbox), asked.message);
}

// Whoever has what was asked learns that it is wanted no more. False if nobody has it.
bool Engine::tell_holder(const PendingRequest& asked) {
  const auto id =
      make_uuid({.key = asked.message, .mailbox = asked.mailbox, .node = asked.in_memory ? memory_node() : node_});
  if (const auto slot = leases_.find_key(asked.message); slot != kNoSlot) {
    if (leases_[slot].session != 0) effects_.withdrawn(leases_[slot].session, leases_[slot].token, id);
    return true;
  }
  if (asked.holder == 0) return false;
  if (find_session(asked.holder) != nullptr) effects_.withdrawn(asked.holder, 0, id);
  return true;
}

// Takes a message that is ready, scheduled or blocked out for good; false if it is none of that.
bool Engine::take_back(Mailbox& mailbox, MessageKey key) {
  std::uint32_t sender = 0;
  const auto* const entry = find_entry(mailbox, key, sender);
  if (entry == nullptr) return false;
  const MessageRef ref(key, mailbox.number, sender, entry->priority);
  auto message = take_waiting(ref);
  FOLKMOOT_ASSERT(message.has_value());
  if (!message->entry.has(Entry::kTransient) && append_fact(FactKind::message_cancelled, {bytes_of(ref)}).lsn == 0) {
    message->entry.flags &=
        static_cast<std::uint16_t>(~Entry::kRefers);  // it may be back after a crash, and must find its content then
  }
  leave(mailbox, message->entry, ReceiptState::cancelled, message->entry.deliveries);
  ++counters_.cancelled;
  return true;
}

void Engine::cancel_message(SessionId session, std::uint32_t request, const Uuid& id) {
  const auto address = message_address(id);
  Mailbox* mailbox = nullptr;
  if (address && is_ours(*address) && parties_.holds(address->mailbox))
    mailbox = parties_[address->mailbox].mailbox.get();
  if (mailbox != nullptr && leases_.find_key(address->key) != kNoSlot) {
    return refuse(session, request,
                  {ErrorCode::lease_lost, fmt::format("{} has the message already", parties_[mailbox->number].name)});
  }
  if (!log_.has_room(FactLog::Urgency::settling, sizeof(MessageRef))) {
    return refuse(session, request, {ErrorCode::disk_full, "no room to note that the message is taken back"});
  }
  last_fact_ = 0;
  if (mailbox == nullptr || !take_back(*mailbox, address->key)) {
    return refuse(session, request, {ErrorCode::not_found, fmt::format("no message {} is waiting", id.text())});
  }
  push_pending({.lsn = last_fact_, .session = session, .request = request, .kind = Pending::Kind::done});
}

void Engine::refuse(SessionId session, std::uint32_t request, Error error) {
  ++counters_.refused;
  effects_.refuse(session, request, error);
}

// -- names

Result<std::uint32_t> Engine::party_number(std::string_view name) {
  if (const auto number = parties_.find(name)) return number;
  if (parties_.size() >= options_.parties_max) {
    return failure(ErrorCode::limit_reached, fmt::format("`{}` would be one name more than the {} this server keeps",
                                                         name, options_.parties_max));
  }
  return parties_.add(name);
}

void Engine::journal_party(std::uint32_t number) {
  auto& party = parties_[number];
  if (party.place.lsn != 0) return;
  const PartyNamedFact fact{number};
  const Bytes parts[] = {bytes_of(fact), as_bytes(party.name)};
  party.place = log_.append(FactKind::party_named, parts, FactLog::Life::live);
}

bool Engine::journal_party_if_room(std::uint32_t number) {
  const auto& party = parties_[number];
  if (party.place.lsn == 0 && !log_.has_room(FactLog::Urgency::settling, sizeof(PartyNamedFact) + party.name.size()))
    return false;
  journal_party(number);
  return true;
}

Result<Mailbox*> Engine::mailbox_named(std::string_view name) {
  if (!is_name(name) || name.front() == '@' || name.front() == '$') {
    return failure(ErrorCode::invalid_name,
                   fmt::format("`{}` is not a mailbox name", is_name(name) ? name : "(unprintable)"));
  }
  const auto number = party_number(name);
  if (!number) return std::unexpected(number.error());
  return &parties_.mailbox(*number);
}

const MailboxLimits& Engine::limits(const Mailbox& mailbox) const {
  return mailbox.own_limits ? mailbox.own_limits->limits : options_.mailbox;
}

void Engine::configure_mailbox(SessionId id, std::uint32_t request, const MailboxCommand& command) {
  const auto mailbox = mailbox_named(command.name);
  if (!mailbox) return refuse(id, request, mailbox.error());
  auto& box = **mailbox;
  if (!log_.has_room(FactLog::Urgency::durable, sizeof(MailboxConfiguredFact) + 2 * 512)) {
    return refuse(id, request, {ErrorCode::disk_full, fmt::format("no room to keep the settings of {}", command.name)});
  }
  journal_party(box.number);
  const auto& retry = command.limits.retry;
  const MailboxConfiguredFact fact{.max_messages = command.limits.max_messages,
                                   .default_ttl_ms = command.limits.default_ttl_ms,
                                   .mailbox = box.number,
                                   .overflow = command.limits.overflow,
                                   .backoff = retry.backoff,
                                   .attempts = retry.attempts,
                                   .initial_ms = retry.initial_ms,
                                   .max_ms = retry.max_ms,
                                   .multiplier_permille = retry.multiplier_permille};
  const Bytes body = bytes_of(fact);
  const auto place = log_.append(FactKind::mailbox_configured, {&body, 1}, FactLog::Life::live);
  set_limits(box, command.limits, place);
  pending_.push({.lsn = place.lsn, .session = id, .request = request, .kind = Pending::Kind::done});
}

void Engine::set_limits(Mailbox& mailbox, const MailboxLimits& limits, FactPlace place) {
  if (mailbox.own_limits && mailbox.own_limits->place.lsn != 0) log_.release(mailbox.own_limits->place);
  mailbox.own_limits = std::make_unique<OwnLimits>(limits, place);
}

}  // namespace folkmoot
