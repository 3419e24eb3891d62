#include "gateway/http/store/shapes.hpp"

#include <fmt/format.h>

#include "base/duration.hpp"
#include "gateway/json_messages.hpp"
#include "message/json_mapping.hpp"

namespace folkmoot {
namespace {

std::string time_text(std::int64_t ms) { return ms == 0 ? std::string() : format_time_ms(ms); }

StoredFields fields_of_message(Message message) {
  make_readable(message);
  StoredFields out;
  out.from_agent_id = message.from;
  out.to_agent_id = message.to;
  out.conversation_id = message.conversation;
  out.message_type = message.type.empty() ? "task" : message.type;
  out.priority = message.priority;
  out.content.text = content_as_json(message);
  out.metadata = json_text(message.metadata);
  out.created_at = time_text(message.timestamp);
  out.correlation_id = message.correlation;
  return out;
}

}  // namespace

StoredFields stored_fields(PeekedMessage peeked) {
  auto out = fields_of_message(std::move(peeked.message));
  const bool is_held = peeked.state == "leased";
  out.retry_count = peeked.deliveries - (is_held && peeked.deliveries > 0 ? 1 : 0);
  out.expires_at = time_text(peeked.expires_at_ms);
  out.delivered_at = time_text(peeked.held_since_ms);
  return out;
}

StoredFields stored_fields(DeadMessage dead) {
  auto out = fields_of_message(std::move(dead.message));
  out.to_agent_id = std::move(dead.mailbox);
  out.retry_count = dead.deliveries;
  out.processed_at = time_text(dead.at_ms);
  out.error = dead.text.empty() ? std::move(dead.reason) : fmt::format("{}: {}", dead.reason, dead.text);
  return out;
}

StoredFields stored_fields(HistoryMessage past) {
  return {.from_agent_id = std::move(past.from),
          .to_agent_id = std::move(past.to),
          .conversation_id = std::move(past.conversation),
          .message_type = std::move(past.type),
          .priority = past.priority,
          .content = std::move(past.content),
          .metadata = {},
          .retry_count = past.attempts,
          .expires_at = time_text(past.expires_at),
          .created_at = time_text(past.accepted_at),
          .delivered_at = time_text(past.delivered_at),
          .processed_at = time_text(past.ended_at),
          .correlation_id = std::move(past.correlation),
          .error = std::move(past.reason),
          .result = {}};
}

}  // namespace folkmoot
