#include "engine/wakes/wakes.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.hpp"
#include "engine/wakes/wake_rule.hpp"
#include "message/limits.hpp"

namespace folkmoot {
namespace {

// Quiet hours that leave room for a wake after midnight, and a budget that is used up, take turns at most so often.
constexpr int kDaysTried = 8;

bool fits(const TakeWakesCommand& command, const Wake& wake) {
  return command.fits(wake.rule.agent) && command.how(wake.rule.how);
}

Error no_wake(std::string_view agent) {
  return {ErrorCode::not_found, fmt::format("no wake is set for {}", printable(agent)),
          "`folkmoot wake list` names those that are"};
}

}  // namespace

// -- set and removed

void Wakes::set(Asker caller, const WakeRule& rule) {
  if (auto good = check_wake(rule); !good) return to_.replies.refuse(caller, good.error());
  const auto known = wakes_.find(rule.agent);
  if (known == wakes_.end() && wakes_.size() >= options_.wakes_max) {
    return to_.replies.refuse(caller,
                              {ErrorCode::limit_reached, fmt::format("there are {} wakes already", wakes_.size())});
  }
  const auto number = to_.names.number(rule.agent);
  if (!number) return to_.replies.refuse(caller, number.error());
  auto count = known != wakes_.end() ? known->second.count : WakeCount{};
  count.tries = 0;
  count.first_try = 0;
  const auto body = pack_wake(rule, count);
  if (!to_.ledger.has_room(Urgency::durable, body.size())) {
    return to_.replies.refuse(caller,
                              {ErrorCode::disk_full, fmt::format("no room to keep the wake of {}", rule.agent)});
  }
  const auto place = to_.ledger.write(FactKind::wake_set, {as_bytes(body)}, Life::live);
  auto& wake = put(rule, count, place);
  wake.not_before = 0;
  to_.ledger.when(Durable(place), waiting::Answer{.to = caller});
  look(wake);
}

Wake& Wakes::put(WakeRule rule, const WakeCount& count, FactPlace place) {
  auto& wake = wakes_[rule.agent];
  to_.ledger.release(wake.place);
  wake.place = place;
  wake.zone = PosixTz::parse(rule.tz).value_or(PosixTz());
  wake.rule = std::move(rule);
  wake.count = count;
  if (wake.serial == 0) wake.serial = to_.serials.next();
  if (to_.run.is_started() && wake.mailbox == 0) {
    wake.mailbox = to_.names.find(wake.rule.agent);
    by_mailbox_[wake.mailbox] = &wake;
    to_.mail.watch(wake.mailbox, true);
  }
  return wake;
}

void Wakes::remove(Asker caller, std::string_view agent) {
  const auto known = wakes_.find(agent);
  if (known == wakes_.end()) return to_.replies.refuse(caller, no_wake(agent));
  if (!to_.ledger.has_room(Urgency::settling, agent.size()))
    return to_.replies.refuse(caller, {ErrorCode::disk_full, "no room to note that the wake is gone"});
  const auto place = to_.ledger.note(FactKind::wake_removed, {as_bytes(agent)});
  forget(known->second);
  to_.ledger.when_or_now(Durable(place), waiting::Answer{.to = caller});
}

void Wakes::forget(Wake& wake) {
  to_.ledger.release(wake.place);
  release(wake);
  set_due(wake, false);
  if (wake.mailbox != 0) {
    to_.mail.watch(wake.mailbox, false);
    by_mailbox_.erase(wake.mailbox);
  }
  wakes_.erase(wakes_.find(wake.rule.agent));
}

// -- when one is due

std::uint32_t Wakes::woken_today(const Wake& wake) const {
  return wake.zone.local(to_.run.now()).day > wake.count.day ? 0 : wake.count.woken;
}

bool Wakes::is_quiet(const Wake& wake, Instant at) const {
  const auto from = wake.rule.quiet_from * 60, to = wake.rule.quiet_to * 60;
  const auto second = wake.zone.local(at).second;
  if (from <= to) return second >= from && second < to;
  return second >= from || second < to;
}

Instant Wakes::allowed(const Wake& wake, Instant at) const {
  for (int i = 0; i < kDaysTried; ++i) {
    // A day that has not come yet has its whole budget; one that comes twice, as clocks are set, has it once.
    const bool is_spent =
        wake.rule.budget != 0 && wake.count.woken >= wake.rule.budget && wake.zone.local(at).day <= wake.count.day;
    if (is_spent) {
      at = wake.zone.next(0, at);
    } else if (is_quiet(wake, at)) {
      at = wake.zone.next(wake.rule.quiet_to * 60, at);
    } else {
      break;
    }
  }
  return at;
}

Duration Wakes::back_off(const Wake& wake) const {
  const auto& rule = wake.rule;
  // A process is the agent itself; hooks and webhooks tell somebody, who takes a while to come.
  const bool was_told = rule.how != WakeHow::process && wake.end == WakeEnd::done;
  auto wait = rule.retry_ms != 0 ? rule.retry_ms : was_told ? kWakeComeMs : kWakeRetryMs;
  for (auto tries = wake.count.tries; tries > 1 && wait < rule.retry_max_ms; --tries) wait = wait * 2;
  return std::min(wait, rule.retry_max_ms);
}

void Wakes::judge(Wake& wake) {
  if (wake.is_taken()) return;
  const auto now = to_.run.now();
  const auto mail = waiting(wake);
  const bool came = mail.last_read > wake.count.woken_at && wake.end != WakeEnd::failed && wake.end != WakeEnd::lost;
  if (wake.count.tries > 0 && came) {  // the last one did bring somebody, who took a while
    wake.count.tries = 0;
    wake.count.first_try = 0;
    wake.not_before = wake.first_at = 0;
  }
  if (mail.ready == 0 || mail.is_attended) {
    wake.first_at = 0;
    set_due(wake, false);
    return set_next(wake, 0);
  }
  if (wake.first_at == 0) wake.first_at = now;
  auto at = wake.first_at;
  if (mail.ready < wake.rule.batch) at = at + wake.rule.batch_wait;
  at = allowed(wake, std::max({at, wake.not_before, now}));
  set_due(wake, at <= now);
  set_next(wake, at <= now ? Instant{} : at);
}

void Wakes::look(Wake& wake) {
  judge(wake);
  if (wake.due_at == 0) return;
  for (const auto slot : waiting_) {
    const auto& one = takers_[slot];
    if (!fits(one.command, wake)) continue;
    auto* const session = to_.sessions.find(one.session);
    FOLKMOOT_ASSERT(session != nullptr);
    const auto request = one.request;
    const auto command = one.command;
    if (!hand_out(*session, request, command, {&wake})) return;
    to_.sessions.close(*session, request);
    return;
  }
}

void Wakes::set_due(Wake& wake, bool is_due) {
  if (is_due == (wake.due_at != 0)) return;
  if (is_due) {
    wake.due_at = to_.run.now();
    wake.turn = ++last_turn_;
    due_[wake.turn] = &wake;
  } else {
    due_.erase(wake.turn);
    wake.due_at = 0;
  }
}

void Wakes::set_next(Wake& wake, Instant at) {
  if (wake.next_at == at) return;
  wake.next_at = at;
  if (at != 0) to_.agenda.add({.at = at, .id = wake.serial, .place = wake.mailbox.value, .kind = TimerKind::wake});
}

void Wakes::has_mail(NameId mailbox) {
  if (const auto found = by_mailbox_.find(mailbox); found != by_mailbox_.end()) look(*found->second);
}

// -- taken

void Wakes::take(Asker caller, TakeWakesCommand command) {
  auto* const known = to_.sessions.find(caller.session);
  if (known == nullptr) return;
  auto& session = *known;
  const auto request = caller.request;
  if (session.open.size() >= options_.session_requests_max) {
    return to_.replies.refuse(caller, {ErrorCode::limit_reached, "too many requests of this connection wait already"});
  }
  std::vector<Wake*> ready, due;
  for (const auto& [turn, wake] : due_) {
    if (fits(command, *wake)) due.push_back(wake);
  }
  for (auto* const wake : due) {
    judge(*wake);  // quiet hours may have begun, or somebody consumes
    if (wake->due_at != 0 && ready.size() < command.limit) ready.push_back(wake);
  }
  if (!ready.empty() && hand_out(session, request, command, ready)) return;
  if (const auto* const wake = find(command.agent); wake != nullptr && wake->is_taken() && command.wait_ms == 0) {
    return to_.replies.refuse(caller,
                              {ErrorCode::already_exists,
                               fmt::format("{} is awake already, woken by {}: it is not started twice", command.agent,
                                           wake->watcher.empty() ? "somebody not named" : wake->watcher)});
  }
  const auto deadline = to_.run.now() + command.wait_ms;
  if (command.wait_ms == 0) return to_.effects.woken(session.id, request, {});
  const auto slot = takers_.insert({session.id, request, std::move(command), to_.serials.next()});
  if (!Sessions::open(session, request, {OpenKind::wakes, slot})) {
    takers_.erase(slot);
    return to_.replies.refuse(caller, in_use(request));
  }
  waiting_.push_back(slot);
  to_.agenda.add({.at = deadline, .id = takers_[slot].serial, .place = slot.value, .kind = TimerKind::wake_taker});
}

bool Wakes::hand_out(Session& session, RequestNumber request, const TakeWakesCommand& command,
                     const std::vector<Wake*>& wakes) {
  std::vector<Given> given;
  Durable noted;
  for (auto* const wake : wakes) {
    if (begin(*wake, session, command, noted)) given.push_back({wake->mailbox, wake->token});
  }
  if (given.empty()) return false;
  to_.ledger.when_or_now(noted,
                         waiting::WakesTaken{.to = {session.id, request}, .given = given_.insert(std::move(given))});
  return true;
}

// The count is in the log before anybody is woken: no crash makes a budget larger. Without room for it one that has a
// budget waits; the others go on, as those who are woken make room.
bool Wakes::begin(Wake& wake, Session& session, const TakeWakesCommand& command, Durable& noted) {
  const auto now = to_.run.now();
  const auto token = to_.run.next_key();
  auto count = wake.count;
  const auto today = wake.zone.local(now).day;
  if (today > count.day) count.day = today, count.woken = 0;
  ++count.woken;
  count.woken_at = now;
  if (count.first_try == 0) count.first_try = token;
  const auto body = pack_wake(wake.rule, count);
  if (wake.rule.budget != 0 && !to_.ledger.has_room(Urgency::settling, body.size())) {
    wake.not_before = now + kRetryMs;
    set_due(wake, false);
    set_next(wake, wake.not_before);
    return false;
  }
  const auto place = to_.ledger.note(FactKind::wake_set, {as_bytes(body)}, Life::live);
  if (place.lsn != 0) {
    to_.ledger.release(wake.place);
    wake.place = place;
    noted.add(Durable(place));
  }
  wake.count = count;
  set_due(wake, false);
  wake.token = token;
  wake.owner = command.lease_ms == 0 ? session.id : SessionId{};
  session.wakes += command.lease_ms == 0;
  wake.taken_at = now;
  wake.lease_until = command.lease_ms == 0 ? Instant{} : now + command.lease_ms;
  wake.watcher = command.watcher;
  wake.read_before = waiting(wake).last_read;
  set_next(wake, wake.lease_until);
  return true;
}

void Wakes::on_durable(const waiting::WakesTaken& item) {
  const auto given = std::move(given_[item.given]);
  given_.erase(item.given);
  if (to_.sessions.find(item.to.session) == nullptr) {
    // Under a lease that does not end with the connection: nobody has heard of them.
    for (const auto& each : given) {
      const auto found = by_mailbox_.find(each.mailbox);
      if (found != by_mailbox_.end() && found->second->token == each.token)
        end(*found->second, WakeEnd::lost, "its connection ended");
    }
    return;
  }
  std::vector<WokenView> wakes;
  for (const auto& each : given) {
    const auto found = by_mailbox_.find(each.mailbox);
    if (found == by_mailbox_.end() || found->second->token != each.token) continue;
    const auto& wake = *found->second;
    wakes.push_back({.wake = &wake,
                     .mail = waiting(wake),
                     .id = make_uuid({.key = wake.count.first_try, .mailbox = wake.mailbox, .node = to_.run.node()}),
                     .at = to_.run.now()});
  }
  to_.effects.woken(item.to.session, item.to.request, wakes);
}

void Wakes::done(Asker caller, std::string_view agent, MessageKey token, WakeEnd how, std::string_view reason) {
  const auto known = wakes_.find(agent);
  if (known == wakes_.end()) return to_.replies.refuse(caller, no_wake(agent));
  auto& wake = known->second;
  if (!wake.is_taken() || wake.token != token) {
    return to_.replies.refuse(
        caller, {ErrorCode::lease_lost,
                 fmt::format("this wake of {} is over: its lease has ended, or it was done with", agent)});
  }
  to_.replies.answer(caller);
  end(wake, how, reason);
}

void Wakes::release(Wake& wake) {
  if (auto* const session = wake.owner != 0 ? to_.sessions.find(wake.owner) : nullptr) --session->wakes;
  wake.token = 0;
  wake.owner = 0;
  wake.lease_until = 0;
  wake.watcher.clear();
}

void Wakes::end(Wake& wake, WakeEnd how, std::string_view reason) {
  const auto now = to_.run.now();
  release(wake);
  wake.was_read = waiting(wake).last_read != wake.read_before;
  wake.end = how;
  wake.ended_at = now;
  wake.reason = reason.substr(0, kWakeReasonMax);
  if (how == WakeEnd::done && wake.was_read) {
    wake.count.tries = 0;
    wake.count.first_try = 0;
    wake.not_before = wake.first_at = 0;
  } else {
    ++wake.count.tries;
    wake.not_before = now + back_off(wake);
  }
  set_next(wake, 0);
  look(wake);
}

void Wakes::give_back_all(Session& session) {
  if (session.wakes == 0) [[likely]]
    return;
  std::vector<Wake*> mine;
  for (auto& [agent, wake] : wakes_) {
    if (wake.owner == session.id) mine.push_back(&wake);
  }
  for (auto* const wake : mine) end(*wake, WakeEnd::lost, "its connection ended");
}

void Wakes::answer_nothing(Slot slot) {
  const auto session = takers_[slot].session;
  const auto request = takers_[slot].request;
  to_.effects.woken(session, request, {});
}

void Wakes::close(Session&, Slot slot) {
  std::erase(waiting_, slot);
  takers_.erase(slot);
}

// -- asked about

void Wakes::each(const std::function<void(const Wake&, const WaitingMail&)>& each) const {
  for (const auto& [agent, wake] : wakes_) each(wake, waiting(wake));
}

const Wake* Wakes::find(std::string_view agent) const {
  const auto known = wakes_.find(agent);
  return known == wakes_.end() ? nullptr : &known->second;
}

bool Wakes::is_watched(const Wake& wake) const {
  return std::ranges::any_of(waiting_, [&](Slot slot) { return fits(takers_[slot].command, wake); });
}

// -- time

bool Wakes::is_live(const Timer& timer) const {
  if (timer.kind == TimerKind::wake_taker)
    return takers_.holds(timer.slot()) && takers_[timer.slot()].serial == timer.id;
  const auto found = by_mailbox_.find(timer.mailbox());
  return found != by_mailbox_.end() && found->second->serial == timer.id && found->second->next_at == timer.at;
}

void Wakes::due(const Timer& timer) {
  if (timer.kind == TimerKind::wake_taker) {
    const auto session = takers_[timer.slot()].session;
    const auto request = takers_[timer.slot()].request;
    answer_nothing(timer.slot());
    if (auto* const open = to_.sessions.find(session)) to_.sessions.close(*open, request);
    return;
  }
  auto& wake = *by_mailbox_.find(timer.mailbox())->second;
  wake.next_at = 0;
  if (wake.is_taken()) return end(wake, WakeEnd::lost, "its lease is over");
  look(wake);
}

// -- life

void Wakes::start() {
  for (auto& [agent, wake] : wakes_) {
    const auto number = to_.names.number(agent);
    if (!number) continue;  // there are too many names: no mailbox of this one, and no mail
    wake.mailbox = *number;
    by_mailbox_[wake.mailbox] = &wake;
    to_.mail.watch(wake.mailbox, true);
    // As long as it has waited already, it waits no more.
    if (waiting(wake).ready > 0) wake.first_at = to_.mail.oldest(wake.mailbox, wake.rule.priority);
    judge(wake);
  }
}

Result<void> Wakes::enter(const Fact& fact) {
  if (fact.kind == FactKind::wake_removed) {
    if (const auto known = wakes_.find(as_text(fact.body)); known != wakes_.end()) forget(known->second);
    return {};
  }
  WakeRule rule;
  WakeCount count;
  if (auto read = unpack_wake(fact.body, rule, count); !read) return read;
  to_.ledger.retain(fact.place);
  put(std::move(rule), count, fact.place);
  return {};
}

bool Wakes::keep(const Fact& fact) {
  WakeRule rule;
  WakeCount count;
  if (fact.kind != FactKind::wake_set || !unpack_wake(fact.body, rule, count)) return true;
  const auto known = wakes_.find(rule.agent);
  if (known != wakes_.end() && known->second.place == fact.place)
    to_.ledger.copy(fact.kind, known->second.place, {fact.body});
  return true;
}

}  // namespace folkmoot
