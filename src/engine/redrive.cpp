// Many dead letters sent again, a few at a time when a rate is asked for. What is to go is fixed when it begins: a
// message that dies again meanwhile is not sent round and round.
#include <fmt/format.h>

#include "engine/engine.hpp"

namespace folkmoot {

void Engine::redrive(SessionId id, std::uint32_t request, const RedriveCommand& command) {
  auto* const session = find_session(id);
  if (session == nullptr) return;
  if (session->open.size() >= options_.session_requests_max) {
    return refuse(id, request, {ErrorCode::limit_reached, "too many requests of this connection wait already"});
  }
  auto job = std::make_unique<Redrive>();
  job->session = id;
  job->request = request;
  job->number = next_serial_++;
  job->changes = as_text(command.how.changes);
  if (command.how.content) job->content = as_text(*command.how.content);
  job->per_second = command.per_second;
  walk_dead(command.query, 0, 0, [&](Mailbox& mailbox, auto dead) {
    job->ids.push_back(make_uuid({.key = dead->first, .mailbox = mailbox.number, .node = node_}));
    return (command.limit == 0 || job->ids.size() < command.limit) && job->ids.size() < kRedriveMax;
  });
  const auto slot = redrives_.insert(std::move(job));
  if (!open_number(*session, request, {OpenKind::redrive, slot})) return redrives_.erase(slot);
  redrive_some(slot);
}

// Sends what is due by now, but only so many before those are on the disk; a timer brings what is due later.
void Engine::redrive_some(std::uint32_t slot) {
  auto& job = *redrives_[slot];
  std::size_t due = job.ids.size();
  if (job.per_second != 0) {
    if (job.began == 0) job.began = now_;
    due = std::min<std::size_t>(due, static_cast<std::uint64_t>(now_ - job.began) * job.per_second / 1000 + 1);
  }
  last_fact_ = 0;
  const auto stop = std::min(due, job.next + kRedriveAtOnce);
  for (; job.next < stop; ++job.next) {
    const Resubmission how{.changes = as_bytes(job.changes),
                           .content = job.content ? std::optional(as_bytes(*job.content)) : std::nullopt};
    resend_dead(job.ids[job.next], how, {.quiet = true}) ? ++job.sent : ++job.refused;
  }
  if (job.next < due) {
    if (pending_.empty()) return add_timer({.at = now_ + 1, .id = job.number, .box = slot, .kind = TimerKind::redrive});
    pending_.push(
        {.lsn = pending_.back().lsn, .kind = Pending::Kind::redrive, .batch = slot, .fact = {.key = job.number}});
    return;
  }
  if (job.next < job.ids.size()) {
    return add_timer({.at = job.began + static_cast<std::int64_t>(job.next * 1000 / job.per_second) + 1,
                      .id = job.number,
                      .box = slot,
                      .kind = TimerKind::redrive});
  }
  const std::uint32_t body[] = {job.sent, job.refused};
  const auto batch =
      batches_.insert({.session = job.session, .request = job.request, .body = std::string(as_text(bytes_of(body)))});
  Pending answer{.session = job.session, .request = job.request, .kind = Pending::Kind::batch, .batch = batch};
  if (auto* const session = find_session(job.session)) close_open(*session, job.request, {OpenKind::redrive, slot});
  push_pending(std::move(answer));
}

}  // namespace folkmoot
