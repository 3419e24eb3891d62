#include "gateway/http/metrics.hpp"

#include <fmt/format.h>

#include <iterator>

#include "message/json_document.hpp"

namespace folkmoot {
namespace {

namespace dom = simdjson::dom;

struct Metric {
  std::string_view path;  // in the statistics, as a JSON pointer
  std::string_view name;
  std::string_view type;
  std::string_view help;
};

constexpr Metric kMetrics[] = {
    {"/uptime_ms", "folkmoot_uptime_milliseconds", "gauge", "Time since the server started."},
    {"/newcomers/now", "folkmoot_newcomers", "gauge", "Connections that have not said HELLO or sent a request."},
    {"/newcomers/displaced", "folkmoot_newcomers_displaced_total", "counter",
     "Connections closed for newer ones before they had."},
    {"/partial_frames/room_bytes", "folkmoot_partial_frames_bytes", "gauge", "Room that frames in part have."},
    {"/partial_frames/waiting", "folkmoot_partial_frames_waiting", "gauge",
     "Connections not read from until there is room for their frame."},
    {"/access/logins_failed", "folkmoot_logins_failed_total", "counter", "Connections that were not let in."},
    {"/access/logins_slowed", "folkmoot_logins_slowed_total", "counter",
     "Of those not let in, what was not even looked at, as too much was wrong before."},
    {"/access/refused", "folkmoot_access_refused_total", "counter", "What accounts were refused that they may not do."},
    {"/partial_frames/late", "folkmoot_partial_frames_late_total", "counter",
     "Connections ended as a frame was not whole in its time."},
    {"/messages/published", "folkmoot_messages_published_total", "counter", "Messages accepted for mailboxes."},
    {"/messages/confirmed", "folkmoot_messages_confirmed_total", "counter", "Publishes confirmed to their senders."},
    {"/messages/delivered", "folkmoot_messages_delivered_total", "counter", "Deliveries of messages to consumers."},
    {"/messages/acknowledged", "folkmoot_messages_acknowledged_total", "counter", "Messages settled for good."},
    {"/messages/redelivered", "folkmoot_messages_redelivered_total", "counter", "Deliveries beyond a message's first."},
    {"/messages/returned", "folkmoot_messages_returned_total", "counter", "Deliveries given back."},
    {"/messages/expired", "folkmoot_messages_expired_total", "counter", "Messages whose time to live ran out."},
    {"/messages/dead", "folkmoot_messages_dead_total", "counter", "Messages moved to dead letters."},
    {"/messages/duplicates", "folkmoot_messages_duplicate_total", "counter",
     "Publishes whose idempotency key was known already."},
    {"/messages/completed", "folkmoot_messages_completed_total", "counter",
     "Messages settled together with their outputs."},
    {"/messages/cancelled", "folkmoot_messages_cancelled_total", "counter", "Messages taken back by their senders."},
    {"/messages/bounced", "folkmoot_messages_bounced_total", "counter", "Senders told of a message's death."},
    {"/messages/resubmitted", "folkmoot_messages_resubmitted_total", "counter", "Dead letters sent again."},
    {"/messages/guarded", "folkmoot_messages_guarded_total", "counter", "Messages stopped by a limit on loops."},
    {"/messages/schedules_fired", "folkmoot_schedules_fired_total", "counter", "Times that a schedule was due."},
    {"/messages/refused", "folkmoot_messages_refused_total", "counter", "Publishes refused."},
    {"/messages/requests", "folkmoot_requests_total", "counter", "Requests made."},
    {"/messages/responses", "folkmoot_responses_total", "counter", "Responses that reached their requester."},
    {"/messages/events_published", "folkmoot_events_published_total", "counter", "Events published to topics."},
    {"/messages/events_delivered", "folkmoot_events_delivered_total", "counter", "Events delivered to subscriptions."},
    {"/messages/events_dropped", "folkmoot_events_dropped_total", "counter", "Events skipped for want of credit."},
    {"/waiting", "folkmoot_messages_waiting", "gauge", "Messages in mailboxes, ready to be delivered."},
    {"/leased", "folkmoot_messages_leased", "gauge", "Messages delivered and not yet settled."},
    {"/scheduled", "folkmoot_messages_scheduled", "gauge", "Messages that wait for their time."},
    {"/blocked", "folkmoot_messages_blocked", "gauge", "Messages that wait for one of their group to be settled."},
    {"/dead", "folkmoot_dead_letters", "gauge", "Messages in dead letters."},
    {"/subscriptions", "folkmoot_subscriptions", "gauge", "Subscriptions to topics."},
    {"/consumers", "folkmoot_consumers", "gauge", "Consumers of mailboxes."},
    {"/accepts_durable", "folkmoot_accepts_durable", "gauge", "1 while durable messages are accepted."},
    {"/journal/segments", "folkmoot_journal_segments", "gauge", "Segment files of the journal."},
    {"/journal/bytes", "folkmoot_journal_bytes", "gauge", "Bytes that the journal takes on disk."},
    {"/journal/live_bytes", "folkmoot_journal_live_bytes", "gauge", "Bytes of the journal that still matter."},
    {"/journal/appended_bytes", "folkmoot_journal_appended_bytes_total", "counter", "Bytes appended to the journal."},
    {"/journal/syncs", "folkmoot_journal_syncs_total", "counter", "Syncs of the journal to disk."},
    {"/journal/last_sync_us", "folkmoot_journal_last_sync_microseconds", "gauge", "How long the last sync took."},
    {"/journal/disk_full", "folkmoot_journal_disk_full", "gauge", "1 while the disk is full."},
    {"/history/behind_bytes", "folkmoot_history_behind_bytes", "gauge",
     "Bytes of the journal that the history has not got yet."},
    {"/history/missed_bytes", "folkmoot_history_missed_bytes_total", "counter",
     "Bytes of the journal that went on without the history."},
    {"/contents/stored", "folkmoot_contents_stored", "gauge", "Contents stored by reference."},
    {"/contents/bytes", "folkmoot_contents_bytes", "gauge", "Bytes of these."},
    {"/contents/missing", "folkmoot_contents_missing", "gauge",
     "Contents that messages refer to and that are not there."},
    {"/contents/uploads_open", "folkmoot_content_uploads_open", "gauge", "Uploads of contents that are going on."},
    {"/contents/uploaded", "folkmoot_contents_uploaded_total", "counter", "Contents stored since the start."},
    {"/contents/uploaded_bytes", "folkmoot_content_uploaded_bytes_total", "counter", "Bytes of contents written."},
    {"/contents/read_bytes", "folkmoot_content_read_bytes_total", "counter", "Bytes of contents read."},
    {"/contents/uploads_failed", "folkmoot_content_uploads_failed_total", "counter",
     "Uploads refused for their bytes or by the disk."},
    {"/contents/uploads_expired", "folkmoot_content_uploads_expired_total", "counter",
     "Uploads given up as nothing came."},
    {"/contents/removed", "folkmoot_contents_removed_total", "counter",
     "Contents removed as nothing referred to them."},
    {"/webhooks/under_way", "folkmoot_webhook_requests_under_way", "gauge",
     "Requests under way that are to deliver a message."},
    {"/memory_bytes", "folkmoot_memory_bytes", "gauge", "Memory of the server process."},
};

constexpr Metric kMailboxMetrics[] = {
    {"/ready", "folkmoot_mailbox_ready", "gauge", "Messages ready in a mailbox."},
    {"/scheduled", "folkmoot_mailbox_scheduled", "gauge", "Scheduled messages of a mailbox."},
    {"/leased", "folkmoot_mailbox_leased", "gauge", "Leased messages of a mailbox."},
    {"/dead", "folkmoot_mailbox_dead", "gauge", "Dead letters of a mailbox."},
    {"/consumers", "folkmoot_mailbox_consumers", "gauge", "Consumers of a mailbox."},
    {"/last_read_age_ms", "folkmoot_mailbox_last_read_age_milliseconds", "gauge",
     "Time since a mailbox was last read."},
};

constexpr Metric kMailboxNeverRead = {"/last_read_age_ms", "folkmoot_mailbox_never_read", "gauge",
                                      "1 while nobody has ever read a mailbox, over all runs of the server."};

constexpr Metric kDeadByReason = {"/dead_by_reason", "folkmoot_messages_dead_by_reason_total", "counter",
                                  "Messages moved to dead letters, by reason."};
constexpr Metric kWebhooks = {"/webhooks/states", "folkmoot_webhooks", "gauge",
                              "Webhooks that deliver messages, by the state of their circuit breaker."};
constexpr Metric kWebhookRequests = {"/webhooks/ends", "folkmoot_webhook_requests_total", "counter",
                                     "Requests that were to deliver a message, by how they ended."};
constexpr Metric kConnections = {"/connections", "folkmoot_connections", "gauge", "Connections by door."};

void append_head(std::string& out, const Metric& metric) {
  fmt::format_to(std::back_inserter(out), "# HELP {0} {1}\n# TYPE {0} {2}\n", metric.name, metric.help, metric.type);
}

std::string escape_label(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out.push_back('\\');
    if (c == '\n') {
      out.append("\\n");
    } else {
      out.push_back(c);
    }
  }
  return out;
}

// One sample; nothing if the value is not a number or a flag (null: never read).
void append_sample(std::string& out, std::string_view name, std::string_view labels, const JsonElement& value) {
  const auto line = std::back_inserter(out);
  std::uint64_t number = 0;
  double real = 0;
  bool flag = false;
  if (!value.get(number)) {
    fmt::format_to(line, "{}{} {}\n", name, labels, number);
  } else if (!value.get(real)) {
    fmt::format_to(line, "{}{} {}\n", name, labels, real);
  } else if (!value.get(flag)) {
    fmt::format_to(line, "{}{} {}\n", name, labels, flag ? 1 : 0);
  }
}

// One sample for each field of an object; its name is the label's value.
void append_labelled(std::string& out, const Metric& metric, std::string_view label, const JsonElement& stats) {
  dom::object values;
  if (stats.at_pointer(metric.path).get(values)) return;
  append_head(out, metric);
  for (const auto [name, count] : values) {
    append_sample(out, metric.name, fmt::format("{{{}=\"{}\"}}", label, escape_label(name)), count);
  }
}

void append_mailboxes(std::string& out, const JsonElement& stats) {
  dom::array mailboxes;
  if (stats.at_key("mailboxes").get(mailboxes) || mailboxes.size() == 0) return;
  for (const auto& metric : kMailboxMetrics) {
    append_head(out, metric);
    for (const auto mailbox : mailboxes) {
      std::string_view name;
      JsonElement value;
      if (mailbox.at_key("name").get(name) || mailbox.at_pointer(metric.path).get(value)) continue;
      append_sample(out, metric.name, fmt::format("{{mailbox=\"{}\"}}", escape_label(name)), value);
    }
  }
  append_head(out, kMailboxNeverRead);
  for (const auto mailbox : mailboxes) {
    std::string_view name;
    JsonElement age;
    if (mailbox.at_key("name").get(name) || mailbox.at_pointer(kMailboxNeverRead.path).get(age)) continue;
    fmt::format_to(std::back_inserter(out), "{}{{mailbox=\"{}\"}} {}\n", kMailboxNeverRead.name, escape_label(name),
                   age.is_null() ? 1 : 0);
  }
}

}  // namespace

Result<std::string> prometheus_text(std::string_view stats) {
  JsonDocument document;
  const auto root = document.parse(stats);
  if (!root) return std::unexpected(root.error());
  if (!root->is_object()) return failure(ErrorCode::malformed, "the statistics are not a JSON object");
  std::string out;
  std::string_view version;
  if (!root->at_key("version").get(version)) {
    append_head(out, {"", "folkmoot_info", "gauge", "The server's version."});
    fmt::format_to(std::back_inserter(out), "folkmoot_info{{version=\"{}\"}} 1\n", escape_label(version));
  }
  for (const auto& metric : kMetrics) {
    JsonElement value;
    if (root->at_pointer(metric.path).get(value)) continue;
    append_head(out, metric);
    append_sample(out, metric.name, "", value);
  }
  append_labelled(out, kDeadByReason, "reason", *root);
  append_labelled(out, kConnections, "door", *root);
  append_labelled(out, kWebhooks, "state", *root);
  append_labelled(out, kWebhookRequests, "end", *root);
  append_mailboxes(out, *root);
  return out;
}

}  // namespace folkmoot
