// Statistics as the STATS operation answers them (docs/protocol.md, section 9).
#include <unistd.h>

#include <boost/json.hpp>
#include <fstream>

#include "server/reactor.hpp"

namespace folkmoot {
namespace {

namespace json = boost::json;

constexpr std::size_t kListedMailboxesMax = 1'000;

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t pages = 0, resident = 0;
  file >> pages >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

json::object deaths(const EngineCounters& counters) {
  json::object out;
  for (std::size_t reason = 1; reason < kDeadReasons; ++reason) {
    out[name(static_cast<DeadReason>(reason))] = counters.dead_by_reason[reason];
  }
  return out;
}

json::object json_of(const MailboxStats& mailbox, std::int64_t now) {
  json::object out{{"name", mailbox.name},     {"ready", mailbox.ready}, {"scheduled", mailbox.scheduled},
                   {"leased", mailbox.leased}, {"dead", mailbox.dead},   {"consumers", mailbox.consumers}};
  out["last_read_age_ms"] = mailbox.last_read < 0 ? json::value(nullptr) : json::value(now - mailbox.last_read);
  return out;
}

}  // namespace

std::string Reactor::stats_text(std::string_view mailbox) {
  const auto& counters = engine_.counters();
  const auto journal = journal_.stats();
  json::array mailboxes;
  if (mailbox.empty()) {
    engine_.each_mailbox(kListedMailboxesMax,
                         [&](const MailboxStats& each) { mailboxes.push_back(json_of(each, now_)); });
  } else if (MailboxStats one; engine_.mailbox_stats(mailbox, one)) {
    mailboxes.push_back(json_of(one, now_));
  }
  json::object out{
      {"server", "folkmoot"},
      {"version", options_.version},
      {"uptime_ms", now_ - started_at_},
      {"connections", {{"native", open_by_door_[0]}, {"http", open_by_door_[1]}, {"websocket", open_by_door_[2]}}},
      {"messages",
       {{"published", counters.published},
        {"confirmed", counters.confirmed},
        {"delivered", counters.delivered},
        {"acknowledged", counters.acknowledged},
        {"redelivered", counters.redelivered},
        {"returned", counters.returned},
        {"expired", counters.expired},
        {"dead", counters.dead},
        {"duplicates", counters.duplicates},
        {"completed", counters.completed},
        {"cancelled", counters.cancelled},
        {"bounced", counters.bounced},
        {"resubmitted", counters.resubmitted},
        {"guarded", counters.guarded},
        {"schedules_fired", counters.schedules_fired},
        {"refused", counters.refused},
        {"requests", counters.requests},
        {"responses", counters.responses},
        {"events_published", counters.events_published},
        {"events_delivered", counters.events_delivered},
        {"events_dropped", counters.events_dropped}}},
      {"dead_by_reason", deaths(counters)},
      {"waiting", counters.ready + counters.pending},
      {"leased", counters.leased},
      {"scheduled", counters.scheduled},
      {"blocked", counters.blocked},
      {"dead", counters.dead_now},
      {"subscriptions", engine_.subscriptions()},
      {"consumers", engine_.consumers()},
      {"accepts_durable", journal_.has_room(FactLog::Urgency::durable, options_.content_bytes_max)},
      {"journal",
       {{"segments", journal.segments},
        {"bytes", journal.bytes},
        {"live_bytes", journal.live_bytes},
        {"appended_bytes", journal_.appended_end()},
        {"syncs", journal.syncs},
        {"last_sync_us", journal.last_sync_us},
        {"disk_full", journal.disk_full}}},
      {"contents",
       {{"stored", engine_.contents().stored},
        {"bytes", engine_.contents().stored_bytes},
        {"missing", engine_.contents().missing},
        {"uploads_open", contents_.counters().uploads_open},
        {"uploaded", contents_.counters().stored},
        {"uploaded_bytes", contents_.counters().uploaded_bytes},
        {"read_bytes", contents_.counters().read_bytes},
        {"uploads_failed", contents_.counters().failed},
        {"uploads_expired", contents_.counters().expired},
        {"removed", counters.contents_removed}}},
      {"memory_bytes", resident_bytes()},
      {"mailboxes", std::move(mailboxes)},
  };
  if (!out["accepts_durable"].as_bool()) out["journal"].as_object()["refusal"] = journal_.refusal();
  return json::serialize(out);
}

}  // namespace folkmoot
