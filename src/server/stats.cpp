// Statistics as server.stats and STATS answer them (docs/protocol.md, section 9).
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "folkmoot/operation/stats.hpp"
#include "server/disk_room.hpp"
#include "server/reactor.hpp"
#include "server/shard_router.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kListedMailboxesMax = 1'000;

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t pages = 0, resident = 0;
  file >> pages >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

DeathCounts deaths(const EngineCounters& counters) {
  const auto of = [&](DeadReason reason) { return counters.dead_by_reason[static_cast<std::size_t>(reason)]; };
  return {.expired = of(DeadReason::expired),
          .overflow = of(DeadReason::overflow),
          .max_deliveries = of(DeadReason::max_deliveries),
          .rejected = of(DeadReason::rejected),
          .guard = of(DeadReason::guard),
          .no_route = of(DeadReason::no_route)};
}

MessageCounts messages(const EngineCounters& counters) {
  return {.published = counters.published,
          .confirmed = counters.confirmed,
          .delivered = counters.delivered,
          .acknowledged = counters.acknowledged,
          .redelivered = counters.redelivered,
          .returned = counters.returned,
          .expired = counters.expired,
          .dead = counters.dead,
          .duplicates = counters.duplicates,
          .completed = counters.completed,
          .cancelled = counters.cancelled,
          .bounced = counters.bounced,
          .resubmitted = counters.resubmitted,
          .guarded = counters.guarded,
          .schedules_fired = counters.schedules_fired,
          .refused = counters.refused,
          .requests = counters.requests,
          .responses = counters.responses,
          .events_published = counters.events_published,
          .events_delivered = counters.events_delivered,
          .events_dropped = counters.events_dropped};
}

FailureCounts failures(const EngineCounters& counters) {
  const auto of = [&](AttemptEnd end) { return counters.failed_by_end[static_cast<std::size_t>(end)]; };
  return {.nacked = of(AttemptEnd::nacked),
          .connection_lost = of(AttemptEnd::connection_lost),
          .lease_expired = of(AttemptEnd::lease_expired),
          .rejected = of(AttemptEnd::rejected),
          .server_stopped = of(AttemptEnd::server_stopped)};
}

TimeSpread spread(const TimeCounts& times, const Tracing::Examples& examples) {
  TimeSpread out{.sum_ms = times.sum_ms};
  for (std::size_t place = 0; place < TimeCounts::kPlaces; ++place) {
    if (times.counts[place] == 0) continue;
    out.count += times.counts[place];
    const auto& example = examples[place];
    out.rows.push_back({.below_ms = std::uint64_t{1} << place,
                        .count = times.counts[place],
                        .trace = example.trace_id,
                        .trace_ms = TimeCounts::ms_of(example.took),
                        .trace_at = example.at.ms});
  }
  return out;
}

TraceCounts spans(const SpanSink* sink) {
  if (sink == nullptr) return {};
  const auto counts = sink->counts();
  return {.exported = counts.exported,
          .no_room = counts.no_room,
          .not_exported = counts.not_exported,
          .failing = sink->is_failing()};
}

MailboxRow row_of(const MailboxStats& mailbox, std::int64_t now) {
  MailboxRow row{.name = std::string(mailbox.name),
                 .ready = mailbox.ready,
                 .scheduled = mailbox.scheduled,
                 .leased = mailbox.leased,
                 .dead = mailbox.dead,
                 .consumers = mailbox.consumers};
  if (mailbox.last_read >= 0)
    row.last_read_age = std::chrono::milliseconds(std::max<std::int64_t>(0, now - mailbox.last_read.ms));
  return row;
}

}  // namespace

DiskCounts disk_of(const std::string& folder) {
  struct statvfs found{};
  if (::statvfs(folder.c_str(), &found) != 0) return {};
  return {.free_bytes = std::uint64_t{found.f_bavail} * found.f_frsize,
          .total_bytes = std::uint64_t{found.f_blocks} * found.f_frsize};
}

ServerStats Reactor::stats(std::string_view mailbox) {
  const auto& counters = engine_.counters();
  const auto journal = journal_.stats();
  const auto& uploads = contents_.counters();
  ServerStats out{.server = "folkmoot",
                  .version = options_.version,
                  .uptime = std::chrono::milliseconds(now_ - started_at_),
                  .connections = {open_by_door_[0], open_by_door_[1], open_by_door_[2]},
                  .newcomers = {newcomers_.size(), displaced_},
                  .partial_frames = {partial_frames_.counters().room_bytes, partial_frames_.counters().kept_bytes,
                                     partial_frames_.counters().waiting, late_frames_},
                  .access = entrance_.counts(),
                  .history = history_part_.counts(),
                  .messages = messages(counters),
                  .dead_by_reason = deaths(counters),
                  .waiting = counters.ready + counters.pending,
                  .leased = counters.leased,
                  .scheduled = counters.scheduled,
                  .blocked = counters.blocked,
                  .dead = counters.dead_now,
                  .subscriptions = engine_.subscriptions(),
                  .consumers = engine_.consumers(),
                  .accepts_durable = takes_durable(),
                  .failed_by_end = failures(counters),
                  .queue_time = spread(counters.queue_time, engine_.tracing().queue_examples()),
                  .delivery_time = spread(counters.delivery_time, engine_.tracing().delivery_examples()),
                  .errors = effects_.errors().rows(),
                  .transport_errors = goodbyes_.rows(),
                  .agents = engine_.registry().counts(),
                  .disk = disk_of(options_.data)};
  if (options_.engine.shard == 0) out.traces = spans(effects_.spans());
  out.alerts = alerts_.rows();
  const auto add_faults = [&](const Door* door, const char* name) {
    if (const auto faults = door == nullptr ? 0 : door->faults(); faults > 0)
      out.transport_errors.push_back({.name = name, .count = faults});
  };
  add_faults(doors_.http, "http/unreadable");
  add_faults(doors_.tls, "tls/handshake_failed");
  out.journal = {.segments = journal.segments,
                 .bytes = journal.bytes,
                 .live_bytes = journal.live_bytes,
                 .appended_bytes = journal_.appended_end().value,
                 .syncs = journal.syncs,
                 .last_sync_us = static_cast<std::uint64_t>(journal.last_sync_us),
                 .disk_full = journal.disk_full,
                 .refusal = out.accepts_durable ? std::string() : std::string(journal_.refusal())};
  out.contents = {.stored = engine_.contents().totals().stored,
                  .bytes = engine_.contents().totals().stored_bytes,
                  .missing = engine_.contents().totals().missing,
                  .uploads_open = uploads.uploads_open,
                  .uploaded = uploads.stored,
                  .uploaded_bytes = uploads.uploaded_bytes,
                  .read_bytes = uploads.read_bytes,
                  .uploads_failed = uploads.failed,
                  .uploads_expired = uploads.expired,
                  .removed = counters.contents_removed};
  if (const auto* const board = webhook_part_.board(); board != nullptr) out.webhooks = board->counts();
  out.memory_bytes = resident_bytes();
  const auto add = [&](const MailboxStats& each) { out.mailboxes.push_back(row_of(each, now_)); };
  if (mailbox.empty()) {
    engine_.mailboxes().each_fullest(kListedMailboxesMax, add);
  } else if (MailboxStats one; engine_.mailboxes().stats(mailbox, one)) {
    add(one);
  }
  return out;
}

Reactor::Holdings Reactor::holdings() const {
  const auto& frames = partial_frames_.counters();
  Holdings out{.connections = connections_.size(),
               .newcomers = newcomers_.size(),
               .paused = paused_.size(),
               .congested = outbox_.congested(),
               .frame_bytes = frames.room_bytes + frames.kept_bytes,
               .frames_waiting = frames.waiting,
               .patterns = router_ ? router_->shard_links().patterns() : 0,
               .subscriptions = engine_.subscriptions(),
               .consumers = engine_.consumers(),
               .leased = engine_.counters().leased};
  connections_.each([&](const Connection& connection) { out.unsent_bytes += connection.unsent(); });
  return out;
}

}  // namespace folkmoot
