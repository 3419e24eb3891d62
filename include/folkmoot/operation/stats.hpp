// The server's statistics: what it counts, and what stands where.
#pragma once

#include "folkmoot/describe.hpp"

namespace folkmoot {

namespace detail {
/// A counter or gauge that is added up over shards.
template <auto Member>
constexpr FieldInfo sum(std::uint8_t key, std::string_view name, std::string_view what) {
  return field<Member>(key, name, what, {.merge = Merge::sum});
}
}  // namespace detail

struct ConnectionCounts {
  std::uint64_t native = 0, http = 0, websocket = 0;

  static constexpr auto fields() {
    return std::array{detail::sum<&ConnectionCounts::native>(0, "native", "Over the native protocol"),
                      detail::sum<&ConnectionCounts::http>(1, "http", "Over HTTP"),
                      detail::sum<&ConnectionCounts::websocket>(2, "websocket", "WebSockets")};
  }
};

/// Connections that have not said HELLO.
struct NewcomerCounts {
  std::uint64_t now = 0, displaced = 0;

  static constexpr auto fields() {
    return std::array{detail::sum<&NewcomerCounts::now>(0, "now", "Open now"),
                      detail::sum<&NewcomerCounts::displaced>(1, "displaced", "Closed for newer ones")};
  }
};

/// Native frames that have come in part.
struct PartialFrameCounts {
  std::uint64_t room_bytes = 0, kept_bytes = 0, waiting = 0, late = 0;

  static constexpr auto fields() {
    using detail::sum;
    using P = PartialFrameCounts;
    return std::array{
        sum<&P::room_bytes>(0, "room_bytes", "Room that they have"),
        sum<&P::kept_bytes>(1, "kept_bytes", "What is kept of those without room"),
        sum<&P::waiting>(2, "waiting", "Connections not read from until there is room"),
        sum<&P::late>(3, "late", "Connections ended as one was not whole in its time"),
    };
  }
};

struct MessageCounts {
  std::uint64_t published = 0, confirmed = 0, delivered = 0, acknowledged = 0, redelivered = 0, returned = 0,
                expired = 0, dead = 0, duplicates = 0, completed = 0, cancelled = 0, bounced = 0, resubmitted = 0,
                guarded = 0, schedules_fired = 0, refused = 0, requests = 0, responses = 0, events_published = 0,
                events_delivered = 0, events_dropped = 0;

  static constexpr auto fields() {
    using detail::sum;
    using M = MessageCounts;
    return std::array{
        sum<&M::published>(0, "published", "Accepted"),
        sum<&M::confirmed>(1, "confirmed", "On disk, and told so"),
        sum<&M::delivered>(2, "delivered", "Handed out"),
        sum<&M::acknowledged>(3, "acknowledged", "Settled for good"),
        sum<&M::redelivered>(4, "redelivered", "Handed out again"),
        sum<&M::returned>(5, "returned", "Given back"),
        sum<&M::expired>(6, "expired", "Not taken within their lives"),
        sum<&M::dead>(7, "dead", "Become dead letters"),
        sum<&M::duplicates>(8, "duplicates", "Copies by their keys"),
        sum<&M::completed>(9, "completed", "Settled with their outputs"),
        sum<&M::cancelled>(10, "cancelled", "Taken back"),
        sum<&M::bounced>(11, "bounced", "Senders told of a death"),
        sum<&M::resubmitted>(12, "resubmitted", "Dead letters sent again"),
        sum<&M::guarded>(13, "guarded", "Stopped by a limit on loops"),
        sum<&M::schedules_fired>(14, "schedules_fired", "Sent by schedules"),
        sum<&M::refused>(15, "refused", "What was refused"),
        sum<&M::requests>(16, "requests", "Requests"),
        sum<&M::responses>(17, "responses", "Responses"),
        sum<&M::events_published>(18, "events_published", "Events"),
        sum<&M::events_delivered>(19, "events_delivered", "Events handed out"),
        sum<&M::events_dropped>(20, "events_dropped", "Events that subscribers missed"),
    };
  }
};

struct DeathCounts {
  std::uint64_t expired = 0, overflow = 0, max_deliveries = 0, rejected = 0, guard = 0, no_route = 0;

  static constexpr auto fields() {
    using detail::sum;
    using D = DeathCounts;
    return std::array{
        sum<&D::expired>(0, "expired", "Not taken within their lives"),
        sum<&D::overflow>(1, "overflow", "Made room for newer ones"),
        sum<&D::max_deliveries>(2, "max_deliveries", "Failed too often"),
        sum<&D::rejected>(3, "rejected", "Refused by who had them"),
        sum<&D::guard>(4, "guard", "Stopped by a limit on loops"),
        sum<&D::no_route>(5, "no_route", "Fitted no route"),
    };
  }
};

/// Attempts that settled nothing, by how they ended.
struct FailureCounts {
  std::uint64_t nacked = 0, connection_lost = 0, lease_expired = 0, rejected = 0, server_stopped = 0;

  static constexpr auto fields() {
    using detail::sum;
    using F = FailureCounts;
    return std::array{
        sum<&F::nacked>(0, "nacked", "Given back by who had them"),
        sum<&F::connection_lost>(1, "connection_lost", "Whose connection went"),
        sum<&F::lease_expired>(2, "lease_expired", "Whose time was up"),
        sum<&F::rejected>(3, "rejected", "Refused by who had them"),
        sum<&F::server_stopped>(4, "server_stopped", "Ended with the server"),
    };
  }
};

/// How many took less than so long, and not less than half of it.
struct TimeRow {
  std::uint64_t below_ms = 0, count = 0;
  std::string trace{};
  std::uint64_t trace_ms = 0;
  std::int64_t trace_at = 0;

  static constexpr auto fields() {
    return std::array{
        field<&TimeRow::below_ms>(0, "below_ms", "A power of two", {.unit = "milliseconds"}),
        detail::sum<&TimeRow::count>(1, "count", "So many"),
        field<&TimeRow::trace>(2, "trace", "The trace of the last that belonged to one", {.sparse = true}),
        field<&TimeRow::trace_ms>(3, "trace_ms", "How long that took", {.unit = "milliseconds", .sparse = true}),
        field<&TimeRow::trace_at>(4, "trace_at", "When that was", {.sparse = true})};
  }
};

/// How long something took, since the server was started.
struct TimeSpread {
  std::uint64_t count = 0, sum_ms = 0;
  std::vector<TimeRow> rows{};

  static constexpr auto fields() {
    using T = TimeSpread;
    return std::array{
        detail::sum<&T::count>(0, "count", "So many"),
        detail::sum<&T::sum_ms>(1, "sum_ms", "All together"),
        field<&T::rows>(2, "rows", "Those that are not 0", {.max = 64, .merge = Merge::by_name}),
    };
  }
};

/// Errors at one door with one code.
struct FaultRow {
  std::string name{};
  std::uint64_t count = 0;

  static constexpr auto fields() {
    return std::array{field<&FaultRow::name>(0, "name", "The door and the code, as native/timed_out"),
                      detail::sum<&FaultRow::count>(1, "count", "So many")};
  }
};

/// Of the registry, which is in the first shard.
struct AgentCounts {
  std::uint64_t up = 0, grace = 0, stale = 0, routable = 0, lost = 0;

  static constexpr auto fields() {
    using detail::sum;
    using A = AgentCounts;
    return std::array{
        sum<&A::up>(0, "up", "Connected, or with a heartbeat that is good"),
        sum<&A::grace>(1, "grace", "Whose last connection went a moment ago"),
        sum<&A::stale>(2, "stale", "Registered, and not heard of any more"),
        sum<&A::routable>(3, "routable", "That may be chosen by what they can do"),
        sum<&A::lost>(4, "lost", "Since it was started: how often a registered one became stale"),
    };
  }
};

/// Spans of traces, since the server was started.
struct TraceCounts {
  std::uint64_t exported = 0, no_room = 0, not_exported = 0;
  bool failing = false;

  static constexpr auto fields() {
    using detail::sum;
    using T = TraceCounts;
    return std::array{
        sum<&T::exported>(0, "exported", "That the collector has"),
        sum<&T::no_room>(1, "no_room", "Dropped, as too many waited"),
        sum<&T::not_exported>(2, "not_exported", "Dropped, as the collector did not take them"),
        field<&T::failing>(3, "failing", "The collector did not take the last ones", {.merge = Merge::any}),
    };
  }
};

/// An alarm that is raised.
struct AlertRow {
  std::string name{}, subject{}, severity{};
  std::uint64_t value = 0, threshold = 0;
  std::int64_t since = 0;

  static constexpr auto fields() {
    using A = AlertRow;
    return std::array{
        field<&A::name>(0, "name", "What it is about, as queue_depth"),
        field<&A::subject>(1, "subject", "Whom, if it is not the server", {.sparse = true}),
        field<&A::severity>(2, "severity", "warning or critical"),
        field<&A::value>(3, "value", "As it was at the last look"),
        field<&A::threshold>(4, "threshold", "What it may be"),
        field<&A::since>(5, "since", "When it was raised"),
    };
  }
};

/// The file system of the data folder; 0: not known.
struct DiskCounts {
  std::uint64_t free_bytes = 0, total_bytes = 0;

  static constexpr auto fields() {
    return std::array{field<&DiskCounts::free_bytes>(0, "free_bytes", "That the server may still take"),
                      field<&DiskCounts::total_bytes>(1, "total_bytes", "Its size")};
  }
};

struct JournalCounts {
  std::uint64_t segments = 0, bytes = 0, live_bytes = 0, appended_bytes = 0, syncs = 0, last_sync_us = 0;
  bool disk_full = false;
  std::string refusal{};

  static constexpr auto fields() {
    using detail::sum;
    using J = JournalCounts;
    return std::array{
        sum<&J::segments>(0, "segments", "Files"),
        sum<&J::bytes>(1, "bytes", "Of the files"),
        sum<&J::live_bytes>(2, "live_bytes", "Of what still matters"),
        sum<&J::appended_bytes>(3, "appended_bytes", "Ever"),
        sum<&J::syncs>(4, "syncs", "Ever"),
        field<&J::last_sync_us>(5, "last_sync_us", "How long the last one took",
                                {.unit = "microseconds", .merge = Merge::largest}),
        field<&J::disk_full>(6, "disk_full", "The disk has no room", {.merge = Merge::any}),
        field<&J::refusal>(7, "refusal", "While durable messages are refused: what is lacking", {.sparse = true}),
    };
  }
};

/// Of contents by reference. The first shard stores them, and knows of all.
struct ContentCounts {
  std::uint64_t stored = 0, bytes = 0, missing = 0, uploads_open = 0, uploaded = 0, uploaded_bytes = 0, read_bytes = 0,
                uploads_failed = 0, uploads_expired = 0, removed = 0;

  static constexpr auto fields() {
    using C = ContentCounts;
    return std::array{
        field<&C::stored>(0, "stored", "How many"),
        field<&C::bytes>(1, "bytes", "Of all"),
        field<&C::missing>(2, "missing", "Referred to, and not there"),
        field<&C::uploads_open>(3, "uploads_open", "Uploads under way"),
        field<&C::uploaded>(4, "uploaded", "Uploads that ended well"),
        field<&C::uploaded_bytes>(5, "uploaded_bytes", "Of those"),
        field<&C::read_bytes>(6, "read_bytes", "Read"),
        field<&C::uploads_failed>(7, "uploads_failed", "Uploads that failed"),
        field<&C::uploads_expired>(8, "uploads_expired", "Uploads that stood still too long"),
        field<&C::removed>(9, "removed", "Removed, as nothing referred to them"),
    };
  }
};

struct MailboxRow {
  std::string name{};
  std::uint64_t ready = 0, scheduled = 0, leased = 0, dead = 0, consumers = 0;
  std::optional<std::chrono::milliseconds> last_read_age{};

  static constexpr auto fields() {
    using detail::sum;
    using M = MailboxRow;
    return std::array{
        field<&M::name>(0, "name", "Whose"),
        sum<&M::ready>(1, "ready", "Messages that may be taken"),
        sum<&M::scheduled>(2, "scheduled", "Messages that wait for their time"),
        sum<&M::leased>(3, "leased", "Messages in somebody's hands"),
        sum<&M::dead>(4, "dead", "Dead letters"),
        sum<&M::consumers>(5, "consumers", "Connections that take as they come"),
        field<&M::last_read_age>(6, "last_read_age_ms", "Since its agent last retrieved anything; null: never",
                                 {.merge = Merge::least}),
    };
  }
};

struct AccessCounts {
  std::uint64_t logins_failed = 0, refused = 0, logins_slowed = 0;

  static constexpr auto fields() {
    using detail::sum;
    using A = AccessCounts;
    return std::array{
        sum<&A::logins_failed>(0, "logins_failed", "Connections that were not let in"),
        sum<&A::refused>(1, "refused", "What accounts were refused that they may not do"),
        sum<&A::logins_slowed>(2, "logins_slowed", "Of those not let in, what was not even looked at"),
    };
  }
};

/// Of the history, if one is kept: how far it is behind the journal.
struct HistoryCounts {
  std::uint64_t behind_bytes = 0, missed_bytes = 0;
  bool kept = false, reachable = true;

  static constexpr auto fields() {
    using detail::sum;
    using H = HistoryCounts;
    return std::array{
        sum<&H::behind_bytes>(0, "behind_bytes", "Of the journal, that it has not got yet"),
        sum<&H::missed_bytes>(1, "missed_bytes", "Of the journal, that went on without it"),
        field<&H::kept>(2, "kept", "Whether there is one", {.merge = Merge::any}),
        field<&H::reachable>(3, "reachable", "Whether it goes on: its database takes what comes",
                             {.merge = Merge::all}),
    };
  }
};

/// Webhooks that are set, by how it goes with them.
struct WebhookStates {
  std::uint64_t closed = 0, open = 0, half_open = 0, disabled = 0;

  static constexpr auto fields() {
    using W = WebhookStates;
    return std::array{field<&W::closed>(0, "closed", "Posted to"), field<&W::open>(1, "open", "Left alone for a while"),
                      field<&W::half_open>(2, "half_open", "Tried again"),
                      field<&W::disabled>(3, "disabled", "Until somebody enables them")};
  }
};

/// How requests of webhooks ended, since the server was started.
struct WebhookEnds {
  std::uint64_t delivered = 0, refused = 0, later = 0, gone = 0, redirected = 0, client_error = 0, server_error = 0,
                timed_out = 0, unreachable = 0, forbidden = 0, broken = 0, unusable = 0;

  static constexpr auto fields() {
    using W = WebhookEnds;
    return std::array{
        field<&W::delivered>(0, "delivered", "2xx"),
        field<&W::refused>(1, "refused", "400, 413, 415 and 422: the message is a dead letter"),
        field<&W::later>(2, "later", "408, 409, 425 and 429"),
        field<&W::gone>(3, "gone", "410: the webhook is disabled"),
        field<&W::redirected>(4, "redirected", "3xx, which is not followed"),
        field<&W::client_error>(5, "client_error", "Another 4xx"),
        field<&W::server_error>(6, "server_error", "5xx"),
        field<&W::timed_out>(7, "timed_out", "No whole answer in its time"),
        field<&W::unreachable>(8, "unreachable", "Not found, not connected, or not trusted"),
        field<&W::forbidden>(9, "forbidden", "Its address is one where webhooks may not go"),
        field<&W::broken>(10, "broken", "Half an answer, or none that HTTP knows"),
        field<&W::unusable>(11, "unusable", "2xx, with an answer that cannot be carried out"),
    };
  }
};

/// Of webhooks of all shards.
struct WebhookCounts {
  std::uint64_t under_way = 0;
  WebhookStates states{};
  WebhookEnds ends{};

  static constexpr auto fields() {
    using W = WebhookCounts;
    return std::array{field<&W::under_way>(0, "under_way", "Requests under way"),
                      field<&W::states>(1, "states", "Webhooks, by how it goes with them"),
                      field<&W::ends>(2, "ends", "Requests since the server was started, by how they ended")};
  }
};

struct ServerStats {
  std::string server{}, version{};
  std::chrono::milliseconds uptime{0};
  ConnectionCounts connections{};
  NewcomerCounts newcomers{};
  PartialFrameCounts partial_frames{};
  AccessCounts access{};
  HistoryCounts history{};
  MessageCounts messages{};
  DeathCounts dead_by_reason{};
  std::uint64_t waiting = 0, leased = 0, scheduled = 0, blocked = 0, dead = 0, subscriptions = 0, consumers = 0;
  bool accepts_durable = true;
  JournalCounts journal{};
  ContentCounts contents{};
  WebhookCounts webhooks{};
  std::uint64_t memory_bytes = 0;
  std::vector<MailboxRow> mailboxes{};
  FailureCounts failed_by_end{};
  TimeSpread queue_time{}, delivery_time{};
  std::vector<FaultRow> errors{}, transport_errors{};
  AgentCounts agents{};
  DiskCounts disk{};
  TraceCounts traces{};
  std::vector<AlertRow> alerts{};

  static constexpr auto fields() {
    using detail::sum;
    using S = ServerStats;
    return std::array{
        field<&S::server>(0, "server", "folkmoot"),
        field<&S::version>(1, "version", "Its version"),
        field<&S::uptime>(2, "uptime_ms", "Since it was started", {.merge = Merge::largest}),
        field<&S::connections>(3, "connections", "Open now, by door", {.merge = Merge::fields}),
        field<&S::messages>(4, "messages", "Counted since it was started", {.merge = Merge::fields}),
        field<&S::dead_by_reason>(5, "dead_by_reason", "Dead letters since it was started", {.merge = Merge::fields}),
        sum<&S::waiting>(6, "waiting", "Messages that may be taken, or wait for the disk"),
        sum<&S::leased>(7, "leased", "Messages in somebody's hands"),
        sum<&S::scheduled>(8, "scheduled", "Messages that wait for their time"),
        sum<&S::blocked>(9, "blocked", "Messages that wait for one of their group"),
        sum<&S::dead>(10, "dead", "Dead letters"),
        sum<&S::subscriptions>(11, "subscriptions", "Open now"),
        sum<&S::consumers>(12, "consumers", "Open now"),
        field<&S::accepts_durable>(13, "accepts_durable", "Whether durable messages are taken", {.merge = Merge::all}),
        field<&S::journal>(14, "journal", "The log on disk", {.merge = Merge::fields}),
        field<&S::contents>(15, "contents", "Contents by reference"),
        field<&S::memory_bytes>(16, "memory_bytes", "Resident", {.merge = Merge::largest}),
        field<&S::mailboxes>(17, "mailboxes", "The 1000 of each shard with the most messages",
                             {.max = 1'000'000, .merge = Merge::by_name}),
        field<&S::newcomers>(18, "newcomers", "Connections that have not said HELLO", {.merge = Merge::fields}),
        field<&S::partial_frames>(19, "partial_frames", "Native frames that have come in part",
                                  {.merge = Merge::fields}),
        field<&S::access>(20, "access", "Who was turned away since it was started", {.merge = Merge::fields}),
        field<&S::history>(21, "history", "How far the history is behind", {.merge = Merge::fields}),
        field<&S::failed_by_end>(22, "failed_by_end", "Attempts that settled nothing, since it was started",
                                 {.merge = Merge::fields}),
        field<&S::queue_time>(23, "queue_time", "From when a message might go out until it first did",
                              {.merge = Merge::fields}),
        field<&S::delivery_time>(24, "delivery_time", "... until it was settled", {.merge = Merge::fields}),
        field<&S::errors>(25, "errors", "That clients were told", {.max = 1'000, .merge = Merge::by_name}),
        field<&S::transport_errors>(26, "transport_errors", "That ended connections",
                                    {.max = 1'000, .merge = Merge::by_name}),
        field<&S::agents>(27, "agents", "By their health", {.merge = Merge::fields}),
        field<&S::disk>(28, "disk", "Of the data folder"),
        field<&S::traces>(29, "traces", "Spans", {.merge = Merge::fields}),
        field<&S::alerts>(30, "alerts", "That are raised", {.max = 100'000, .merge = Merge::append}),
        field<&S::webhooks>(31, "webhooks", "Mail that is posted to endpoints"),
    };
  }
};

struct ShowStats {
  std::string mailbox{};

  using Answer = ServerStats;
  static constexpr OperationRow kOperation{.name = "server.stats",
                                           .what = "The server's statistics",
                                           .right = Right::observe,
                                           .where = Where::all,
                                           .http = "GET /api/stats",
                                           .again = true};
  static constexpr auto fields() {
    return std::array{field<&ShowStats::mailbox>(0, "mailbox", "Of this mailbox alone, which must be there")};
  }
};

}  // namespace folkmoot
