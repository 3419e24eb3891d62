// Many dead letters sent again, a few at a time when a rate is asked for. What is to go is fixed when it begins: a
// message that dies again meanwhile is not sent round and round.
#include "engine/dead/dead_letters.hpp"

namespace folkmoot {

void DeadLetters::redrive(Session& session, RequestNumber request, const RedriveCommand& command) {
  const Asker caller{session.id, request};
  if (session.open.size() >= options_.session_requests_max) {
    return to_.replies.refuse(caller, {ErrorCode::limit_reached, "too many requests of this connection wait already"});
  }
  auto job = std::make_unique<Redrive>();
  job->caller = caller;
  job->number = to_.serials.next();
  job->changes = as_text(command.how.changes);
  if (command.how.content) job->content = as_text(*command.how.content);
  job->edit = command.how.edit;
  job->per_second = command.per_second;
  walk(command.query, 0, 0, [&](NameId mailbox, auto dead) {
    job->ids.push_back(id_of(mailbox, dead->first));
    return (command.limit == 0 || job->ids.size() < command.limit) && job->ids.size() < kRedriveMax;
  });
  const auto slot = redrives_.insert(std::move(job));
  if (!Sessions::open(session, request, {OpenKind::redrive, slot})) {
    redrives_.erase(slot);
    return to_.replies.refuse(caller, in_use(request));
  }
  redrive_some(slot);
}

void DeadLetters::go_on(const waiting::SentSome& item) {
  const bool is_it = redrives_.holds(item.slot) && redrives_[item.slot]->number == item.number;
  if (is_it && !ends_redrives_) redrive_some(item.slot);
}

void DeadLetters::redrive_some(Slot slot) {
  auto& job = *redrives_[slot];
  std::size_t due = job.ids.size();
  if (job.per_second != 0) {
    if (job.began == 0) job.began = to_.run.now();
    due = std::min<std::size_t>(due,
                                static_cast<std::uint64_t>((to_.run.now() - job.began).ms) * job.per_second / 1000 + 1);
  }
  const auto stop = std::min(due, job.next + options_.redrive_at_once);
  for (; job.next < stop; ++job.next) {
    const Resubmission how{.changes = as_bytes(job.changes),
                           .content = job.content ? std::optional(as_bytes(*job.content)) : std::nullopt,
                           .edit = job.edit};
    resend(job.ids[job.next], how, {.quiet = true}) ? ++job.sent : ++job.refused;
  }
  const auto wake_at = [&](Instant at) {
    to_.agenda.add({.at = at, .id = job.number, .place = slot.value, .kind = TimerKind::redrive});
  };
  if (job.next < due) {
    if (to_.ledger.is_durable()) return wake_at(to_.run.now() + Duration{1});
    return to_.ledger.when_or_now({}, waiting::SentSome{slot, job.number});
  }
  if (job.next < job.ids.size()) {
    return wake_at(job.began + Duration{static_cast<std::int64_t>(job.next * 1000 / job.per_second) + 1});
  }
  finish(slot);
}

void DeadLetters::finish(Slot slot) {
  const auto& job = *redrives_[slot];
  const auto caller = job.caller;
  const Resent reply{.sent = job.sent, .refused = job.refused};
  if (auto* const session = to_.sessions.find(caller.session)) to_.sessions.close(*session, caller.request);
  to_.ledger.when_or_now({}, waiting::Answer{.to = caller, .reply = reply});
}

}  // namespace folkmoot
