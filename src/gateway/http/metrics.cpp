#include "gateway/http/metrics.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <span>
#include <vector>

#include "message/json_document.hpp"

namespace folkmoot {
namespace {

namespace dom = simdjson::dom;
using enum MetricType;

// What a number of the statistics is in seconds.
constexpr double kMs = 1e3, kUs = 1e6;

struct Metric {
  std::string_view path;  // in the statistics, as a JSON pointer
  std::string_view name;  // without the suffix of its type
  MetricType type;
  std::string_view help;
  double divisor = 1;
};

constexpr Metric kMetrics[] = {
    {"/uptime_ms", "folkmoot_uptime_seconds", gauge, "Time since the server started.", kMs},
    {"/newcomers/now", "folkmoot_newcomers", gauge, "Connections that have not said HELLO or sent a request."},
    {"/newcomers/displaced", "folkmoot_newcomers_displaced", counter,
     "Connections closed for newer ones before they had."},
    {"/partial_frames/room_bytes", "folkmoot_partial_frames_bytes", gauge, "Room that frames in part have."},
    {"/partial_frames/waiting", "folkmoot_partial_frames_waiting", gauge,
     "Connections not read from until there is room for their frame."},
    {"/access/logins_failed", "folkmoot_logins_failed", counter, "Connections that were not let in."},
    {"/access/logins_slowed", "folkmoot_logins_slowed", counter,
     "Of those not let in, what was not even looked at, as too much was wrong before."},
    {"/access/refused", "folkmoot_access_refused", counter, "What accounts were refused that they may not do."},
    {"/partial_frames/late", "folkmoot_partial_frames_late", counter,
     "Connections ended as a frame was not whole in its time."},
    {"/messages/published", "folkmoot_messages_published", counter, "Messages accepted for mailboxes."},
    {"/messages/confirmed", "folkmoot_messages_confirmed", counter, "Publishes confirmed to their senders."},
    {"/messages/delivered", "folkmoot_messages_delivered", counter, "Deliveries of messages to consumers."},
    {"/messages/acknowledged", "folkmoot_messages_acknowledged", counter, "Messages settled for good."},
    {"/messages/redelivered", "folkmoot_messages_redelivered", counter, "Deliveries beyond a message's first."},
    {"/messages/returned", "folkmoot_messages_returned", counter, "Deliveries given back."},
    {"/messages/expired", "folkmoot_messages_expired", counter, "Messages whose time to live ran out."},
    {"/messages/dead", "folkmoot_messages_dead", counter, "Messages moved to dead letters."},
    {"/messages/duplicates", "folkmoot_messages_duplicate", counter,
     "Publishes whose idempotency key was known already."},
    {"/messages/completed", "folkmoot_messages_completed", counter, "Messages settled together with their outputs."},
    {"/messages/cancelled", "folkmoot_messages_cancelled", counter, "Messages taken back by their senders."},
    {"/messages/bounced", "folkmoot_messages_bounced", counter, "Senders told of a message's death."},
    {"/messages/resubmitted", "folkmoot_messages_resubmitted", counter, "Dead letters sent again."},
    {"/messages/guarded", "folkmoot_messages_guarded", counter, "Messages stopped by a limit on loops."},
    {"/messages/schedules_fired", "folkmoot_schedules_fired", counter, "Times that a schedule was due."},
    {"/messages/refused", "folkmoot_messages_refused", counter, "Publishes refused."},
    {"/messages/requests", "folkmoot_requests", counter, "Requests made."},
    {"/messages/responses", "folkmoot_responses", counter, "Responses that reached their requester."},
    {"/messages/events_published", "folkmoot_events_published", counter, "Events published to topics."},
    {"/messages/events_delivered", "folkmoot_events_delivered", counter, "Events delivered to subscriptions."},
    {"/messages/events_dropped", "folkmoot_events_dropped", counter, "Events skipped for want of credit."},
    {"/waiting", "folkmoot_messages_waiting", gauge, "Messages in mailboxes, ready to be delivered."},
    {"/leased", "folkmoot_messages_leased", gauge, "Messages delivered and not yet settled."},
    {"/scheduled", "folkmoot_messages_scheduled", gauge, "Messages that wait for their time."},
    {"/blocked", "folkmoot_messages_blocked", gauge, "Messages that wait for one of their group to be settled."},
    {"/dead", "folkmoot_dead_letters", gauge, "Messages in dead letters."},
    {"/subscriptions", "folkmoot_subscriptions", gauge, "Subscriptions to topics."},
    {"/consumers", "folkmoot_consumers", gauge, "Consumers of mailboxes."},
    {"/accepts_durable", "folkmoot_accepts_durable", gauge, "1 while durable messages are accepted."},
    {"/journal/segments", "folkmoot_journal_segments", gauge, "Segment files of the journal."},
    {"/journal/bytes", "folkmoot_journal_bytes", gauge, "Bytes that the journal takes on disk."},
    {"/journal/live_bytes", "folkmoot_journal_live_bytes", gauge, "Bytes of the journal that still matter."},
    {"/journal/appended_bytes", "folkmoot_journal_appended_bytes", counter, "Bytes appended to the journal."},
    {"/journal/syncs", "folkmoot_journal_syncs", counter, "Syncs of the journal to disk."},
    {"/journal/last_sync_us", "folkmoot_journal_last_sync_seconds", gauge, "How long the last sync took.", kUs},
    {"/journal/disk_full", "folkmoot_journal_disk_full", gauge, "1 while the disk is full."},
    {"/history/behind_bytes", "folkmoot_history_behind_bytes", gauge,
     "Bytes of the journal that the history has not got yet."},
    {"/history/missed_bytes", "folkmoot_history_missed_bytes", counter,
     "Bytes of the journal that went on without the history."},
    {"/history/reachable", "folkmoot_history_reachable", gauge,
     "1 while the history's database takes what comes, or no history is kept."},
    {"/disk/free_bytes", "folkmoot_disk_free_bytes", gauge, "Of the data folder's file system."},
    {"/disk/total_bytes", "folkmoot_disk_size_bytes", gauge, "Of the data folder's file system."},
    {"/agents/routable", "folkmoot_agents_routable", gauge, "Agents that may be chosen by what they can do."},
    {"/agents/lost", "folkmoot_agents_lost", counter, "How often a registered agent was not heard of any more."},
    {"/traces/exported", "folkmoot_spans_exported", counter, "Spans of traces that the collector has."},
    {"/contents/stored", "folkmoot_contents_stored", gauge, "Contents stored by reference."},
    {"/contents/bytes", "folkmoot_contents_bytes", gauge, "Bytes of these."},
    {"/contents/missing", "folkmoot_contents_missing", gauge,
     "Contents that messages refer to and that are not there."},
    {"/contents/uploads_open", "folkmoot_content_uploads_open", gauge, "Uploads of contents that are going on."},
    {"/contents/uploaded", "folkmoot_contents_uploaded", counter, "Contents stored since the start."},
    {"/contents/uploaded_bytes", "folkmoot_content_uploaded_bytes", counter, "Bytes of contents written."},
    {"/contents/read_bytes", "folkmoot_content_read_bytes", counter, "Bytes of contents read."},
    {"/contents/uploads_failed", "folkmoot_content_uploads_failed", counter,
     "Uploads refused for their bytes or by the disk."},
    {"/contents/uploads_expired", "folkmoot_content_uploads_expired", counter, "Uploads given up as nothing came."},
    {"/contents/removed", "folkmoot_contents_removed", counter, "Contents removed as nothing referred to them."},
    {"/webhooks/under_way", "folkmoot_webhook_requests_under_way", gauge,
     "Requests under way that are to deliver a message."},
    {"/memory_bytes", "folkmoot_memory_bytes", gauge, "Memory of the server process."},
};

constexpr Metric kMailboxMetrics[] = {
    {"/ready", "folkmoot_mailbox_ready", gauge, "Messages ready in a mailbox."},
    {"/scheduled", "folkmoot_mailbox_scheduled", gauge, "Scheduled messages of a mailbox."},
    {"/leased", "folkmoot_mailbox_leased", gauge, "Leased messages of a mailbox."},
    {"/dead", "folkmoot_mailbox_dead", gauge, "Dead letters of a mailbox."},
    {"/consumers", "folkmoot_mailbox_consumers", gauge, "Consumers of a mailbox."},
    {"/last_read_age_ms", "folkmoot_mailbox_last_read_age_seconds", gauge, "Time since a mailbox was last read.", kMs},
};

constexpr Metric kMailboxNeverRead = {"/last_read_age_ms", "folkmoot_mailbox_never_read", gauge,
                                      "1 while nobody has ever read a mailbox, over all runs of the server."};

// Of an object whose fields are counted alike: the field's name is the label's value.
struct Labelled {
  Metric metric;
  std::string_view label;
};
constexpr Labelled kLabelled[] = {
    {{"/dead_by_reason", "folkmoot_messages_dead_by_reason", counter, "Messages moved to dead letters, by reason."},
     "reason"},
    {{"/failed_by_end", "folkmoot_deliveries_failed", counter, "Deliveries that settled nothing, by how they ended."},
     "reason"},
    {{"/connections", "folkmoot_connections", gauge, "Connections by door."}, "door"},
    {{"/webhooks/states", "folkmoot_webhooks", gauge,
      "Webhooks that deliver messages, by the state of their circuit breaker."},
     "state"},
    {{"/webhooks/ends", "folkmoot_webhook_requests", counter,
      "Requests that were to deliver a message, by how they ended."},
     "end"},
};

// Fields of an object, each with the value of its label.
struct Reason {
  std::string_view path, label;
};
constexpr Reason kSpansDropped[] = {{"/traces/no_room", "no_room"}, {"/traces/not_exported", "not_exported"}};

constexpr std::string_view kHealths[] = {"up", "grace", "stale"};
constexpr Metric kAgents = {"/agents", "folkmoot_agents", gauge, "Agents that are known, by their health."};

// Rows {"name":"door/reason","count":...}.
struct Faults {
  Metric metric;
  std::string_view label;                   // of what stands behind the door
  std::span<const std::string_view> usual;  // 0 where there is no row
};
// By which connections end as a rule. They are there from the first scrape on, as 0: what only appears with its first
// fault has no rise that a rate or an alarm could see.
constexpr std::string_view kUsualEnds[] = {
    "native/malformed",       "native/frame_too_large",    "native/not_connected",    "native/unauthorized",
    "native/limit_reached",   "native/slow_consumer",      "native/timed_out",        "websocket/malformed",
    "websocket/unauthorized", "websocket/frame_too_large", "websocket/slow_consumer", "websocket/timed_out",
    "http/unreadable",        "tls/handshake_failed"};
constexpr Faults kFaults[] = {
    {{"/errors", "folkmoot_errors", counter, "Errors that clients were told, by door and code."}, "code", {}},
    {{"/transport_errors", "transport_errors", counter, "Connections that ended by a fault, by door and reason."},
     "reason",
     kUsualEnds},
};

constexpr Metric kSpreads[] = {
    {"/queue_time", "folkmoot_queue_time_seconds", histogram, "From when a message might go out until it first did."},
    {"/queue_time", "message_latency_seconds", histogram, "The same as folkmoot_queue_time_seconds."},
    {"/delivery_time", "folkmoot_delivery_time_seconds", histogram,
     "From when a message might go out until it was settled."},
};
constexpr unsigned kBoundsMs = 27;  // bounds of a histogram: 2^0 to 2^26 ms, which is 18 h

// What is the sum of several counters.
struct Sum {
  Metric metric;
  std::array<std::string_view, 3> paths;
};
constexpr Sum kSums[] = {
    {{"", "messages_sent", counter, "Messages, requests and events taken from agents."},
     {"/messages/published", "/messages/requests", "/messages/events_published"}},
    {{"", "messages_received", counter, "Messages, responses and events handed to agents."},
     {"/messages/delivered", "/messages/responses", "/messages/events_delivered"}},
};

std::uint64_t natural(const JsonElement& object, std::string_view path) {
  std::uint64_t number = 0;
  if (object.at_pointer(path).get(number)) return 0;
  return number;
}

// One sample; nothing if the value is not a number or a flag (null: never read).
void append_sample(MetricsText& out, const Metric& metric, MetricLabels labels, const JsonElement& value) {
  std::uint64_t number = 0;
  double real = 0;
  bool flag = false;
  if (!value.get(number)) {
    metric.divisor == 1 ? out.sample(number, labels) : out.sample(static_cast<double>(number) / metric.divisor, labels);
  } else if (!value.get(real)) {
    out.sample(real / metric.divisor, labels);
  } else if (!value.get(flag)) {
    out.sample(std::uint64_t{flag}, labels);
  }
}

void begin(MetricsText& out, const Metric& metric) { out.begin(metric.name, metric.type, metric.help); }

void append_labelled(MetricsText& out, const Labelled& labelled, const JsonElement& stats) {
  dom::object values;
  if (stats.at_pointer(labelled.metric.path).get(values)) return;
  begin(out, labelled.metric);
  for (const auto [name, count] : values) {
    const std::pair<std::string_view, std::string_view> label[] = {{labelled.label, name}};
    append_sample(out, labelled.metric, label, count);
  }
}

void append_agents(MetricsText& out, const JsonElement& stats) {
  JsonElement agents;
  if (stats.at_pointer(kAgents.path).get(agents)) return;
  begin(out, kAgents);
  for (const auto health : kHealths) {
    JsonElement count;
    if (agents.at_key(health).get(count)) continue;
    const std::pair<std::string_view, std::string_view> label[] = {{"health", health}};
    append_sample(out, kAgents, label, count);
  }
}

void append_faults(MetricsText& out, const Faults& faults, const JsonElement& stats) {
  dom::array rows;
  if (stats.at_pointer(faults.metric.path).get(rows)) return;
  begin(out, faults.metric);
  std::map<std::string_view, std::uint64_t> counts;
  for (const auto name : faults.usual) counts[name] = 0;
  for (const auto row : rows) {
    std::string_view name;
    if (!row.at_key("name").get(name)) counts[name] = natural(row, "/count");
  }
  for (const auto& [name, count] : counts) {
    const auto slash = name.find('/');
    if (slash == std::string_view::npos) continue;
    const std::pair<std::string_view, std::string_view> labels[] = {{"door", name.substr(0, slash)},
                                                                    {faults.label, name.substr(slash + 1)}};
    out.sample(count, labels);
  }
}

void append_spread(MetricsText& out, const Metric& metric, const JsonElement& stats) {
  JsonElement spread;
  dom::array rows;
  if (stats.at_pointer(metric.path).get(spread) || spread.at_key("rows").get(rows)) return;
  std::array<std::uint64_t, kBoundsMs + 1> counts{};
  std::array<Exemplar, kBoundsMs + 1> exemplars{};
  for (const auto row : rows) {
    const auto below = natural(row, "/below_ms");
    if (below == 0) continue;
    const auto place = std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(below)) - 1, kBoundsMs);
    counts[place] += natural(row, "/count");
    auto& exemplar = exemplars[place];
    if (row.at_key("trace").get(exemplar.trace_id)) continue;
    exemplar.value = static_cast<double>(natural(row, "/trace_ms")) / kMs;
    exemplar.at = static_cast<double>(natural(row, "/trace_at")) / kMs;
  }
  begin(out, metric);
  std::uint64_t count = 0;
  for (unsigned place = 0; place < kBoundsMs; ++place) {
    count += counts[place];
    out.bucket(static_cast<double>(std::uint64_t{1} << place) / kMs, count, exemplars[place]);
  }
  count += counts[kBoundsMs];
  out.last_bucket(count, exemplars[kBoundsMs]);
  out.sums(static_cast<double>(natural(spread, "/sum_ms")) / kMs, count);
}

// Those with the most messages, by their names.
std::vector<JsonElement> fullest(const dom::array& mailboxes, std::size_t most) {
  struct Load {
    std::uint64_t messages = 0;
    std::string_view name{};
    JsonElement mailbox{};
  };
  std::vector<Load> loads;
  for (const auto mailbox : mailboxes) {
    Load load{.mailbox = mailbox};
    if (mailbox.at_key("name").get(load.name)) continue;
    load.messages = natural(mailbox, "/ready") + natural(mailbox, "/scheduled") + natural(mailbox, "/leased");
    loads.push_back(load);
  }
  std::ranges::sort(loads, [](const Load& one, const Load& other) {
    return one.messages != other.messages ? one.messages > other.messages : one.name < other.name;
  });
  if (loads.size() > most) loads.resize(most);
  std::vector<JsonElement> out;
  for (const auto& load : loads) out.push_back(load.mailbox);
  return out;
}

void append_mailboxes(MetricsText& out, const JsonElement& stats, std::size_t most) {
  dom::array all;
  if (stats.at_key("mailboxes").get(all)) return;
  const auto mailboxes = fullest(all, most);
  if (mailboxes.empty()) return;
  const auto name_of = [](const JsonElement& mailbox) {
    std::string_view name;
    if (mailbox.at_key("name").get(name)) name = {};
    return name;
  };
  for (const auto& metric : kMailboxMetrics) {
    begin(out, metric);
    for (const auto& mailbox : mailboxes) {
      JsonElement value;
      if (mailbox.at_pointer(metric.path).get(value)) continue;
      const std::pair<std::string_view, std::string_view> label[] = {{"mailbox", name_of(mailbox)}};
      append_sample(out, metric, label, value);
    }
  }
  begin(out, kMailboxNeverRead);
  for (const auto& mailbox : mailboxes) {
    JsonElement age;
    if (mailbox.at_pointer(kMailboxNeverRead.path).get(age)) continue;
    const std::pair<std::string_view, std::string_view> label[] = {{"mailbox", name_of(mailbox)}};
    out.sample(std::uint64_t{age.is_null()}, label);
  }
}

void append_spans(MetricsText& out, const JsonElement& stats) {
  if (stats.at_key("traces").error()) return;
  out.begin("folkmoot_spans_dropped", counter, "Spans of traces that the collector does not have, by reason.");
  for (const auto& [path, label] : kSpansDropped) {
    const std::pair<std::string_view, std::string_view> labels[] = {{"reason", label}};
    out.sample(natural(stats, path), labels);
  }
}

// How many of each kind are raised.
void append_alerts(MetricsText& out, const JsonElement& stats) {
  dom::array rows;
  if (stats.at_pointer("/alerts").get(rows)) return;
  std::map<std::string_view, std::uint64_t> raised;
  for (const auto row : rows) {
    std::string_view name;
    if (!row.at_key("name").get(name)) ++raised[name];
  }
  out.begin("folkmoot_alerts_raised", gauge, "Alarms of the server's own that are raised, by kind.");
  for (const auto& [name, count] : raised) {
    const std::pair<std::string_view, std::string_view> label[] = {{"alert", name}};
    out.sample(count, label);
  }
}

void append_breakers(MetricsText& out, const JsonElement& stats) {
  bool is_kept = false, is_reachable = true;
  if (stats.at_pointer("/history/kept").get(is_kept) || stats.at_pointer("/history/reachable").get(is_reachable))
    return;
  out.begin("circuit_breaker_open", gauge, "1 while the server does without something, as that has failed.");
  const std::pair<std::string_view, std::string_view> label[] = {{"breaker", "history"}};
  out.sample(std::uint64_t{is_kept && !is_reachable}, label);
  const auto left_alone = natural(stats, "/webhooks/states/open") + natural(stats, "/webhooks/states/half_open");
  const std::pair<std::string_view, std::string_view> webhooks[] = {{"breaker", "webhooks"}};
  out.sample(std::uint64_t{left_alone > 0}, webhooks);
  bool is_failing = false;
  if (stats.at_pointer("/traces/failing").get(is_failing)) return;
  const std::pair<std::string_view, std::string_view> traces[] = {{"breaker", "traces"}};
  out.sample(std::uint64_t{is_failing}, traces);
}

}  // namespace

Result<std::string> metrics_text(std::string_view stats, MetricsFormat format, std::size_t mailboxes_max) {
  JsonDocument document;
  const auto root = document.parse(stats);
  if (!root) return std::unexpected(root.error());
  if (!root->is_object()) return failure(ErrorCode::malformed, "the statistics are not a JSON object");
  MetricsText out(format);
  std::string_view version;
  if (!root->at_key("version").get(version)) {
    const std::pair<std::string_view, std::string_view> label[] = {{"version", version}};
    out.begin("folkmoot", info, "The server's version.");
    out.sample(std::uint64_t{1}, label);
  }
  for (const auto& metric : kMetrics) {
    JsonElement value;
    if (root->at_pointer(metric.path).get(value)) continue;
    begin(out, metric);
    append_sample(out, metric, {}, value);
  }
  for (const auto& sum : kSums) {
    if (root->at_key("messages").error()) continue;
    begin(out, sum.metric);
    std::uint64_t total = 0;
    for (const auto path : sum.paths) total += natural(*root, path);
    out.sample(total);
  }
  for (const auto& labelled : kLabelled) append_labelled(out, labelled, *root);
  append_agents(out, *root);
  for (const auto& faults : kFaults) append_faults(out, faults, *root);
  for (const auto& metric : kSpreads) append_spread(out, metric, *root);
  append_spans(out, *root);
  append_alerts(out, *root);
  append_breakers(out, *root);
  append_mailboxes(out, *root, mailboxes_max);
  return std::move(out).end();
}

}  // namespace folkmoot
