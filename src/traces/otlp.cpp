#include "traces/otlp.hpp"

#include <fmt/format.h>

#include "message/json_writer.hpp"

namespace folkmoot {
namespace {

using What = SpanView::What;

constexpr int kProducer = 4, kConsumer = 5;  // SpanKind
constexpr int kError = 2;                    // StatusCode

struct Words {
  std::string_view name;  // messaging.operation.name
  std::string_view type;  // messaging.operation.type
  int kind;
};

Words words_of(What what) {
  switch (what) {
    case What::publish:
      return {"publish", "send", kProducer};
    case What::receive:
      return {"receive", "receive", kConsumer};
    case What::process:
      return {"process", "process", kConsumer};
    case What::expire:
      break;
  }
  return {"expire", "settle", kConsumer};
}

void text_attribute(JsonWriter& json, std::string_view key, std::string_view value) {
  if (value.empty()) return;
  json.begin_object().field("key", key).key("value").begin_object().field("stringValue", value);
  json.end_object().end_object();
}

void number_attribute(JsonWriter& json, std::string_view key, std::uint64_t value) {
  json.begin_object().field("key", key).key("value").begin_object().field("intValue", std::to_string(value));
  json.end_object().end_object();
}

// Milliseconds as nanoseconds.
std::string nanoseconds(Instant at) { return fmt::format("{}000000", at.ms); }

void write(JsonWriter& json, const KeptSpan& kept) {
  const auto& span = kept.span;
  const auto words = words_of(span.what);
  const bool is_answer = kept.destination.empty();
  json.begin_object();
  json.field("traceId", fmt::format("{:016x}{:016x}", span.trace_high, span.trace_low));
  json.field("spanId", fmt::format("{:016x}", span.span)).field("parentSpanId", fmt::format("{:016x}", span.parent));
  json.field("name", fmt::format("{} {}", words.name, is_answer ? "(answer)" : kept.destination));
  json.field("kind", words.kind);
  json.field("startTimeUnixNano", nanoseconds(span.began)).field("endTimeUnixNano", nanoseconds(span.ended));
  json.key("attributes").begin_array();
  text_attribute(json, "messaging.system", "folkmoot");
  text_attribute(json, "messaging.operation.name", words.name);
  text_attribute(json, "messaging.operation.type", words.type);
  text_attribute(json, "messaging.destination.name", is_answer ? "(answer)" : kept.destination);
  if (is_answer) {
    json.begin_object().field("key", "messaging.destination.temporary").key("value").begin_object();
    json.field("boolValue", true).end_object().end_object();
  }
  text_attribute(json, "messaging.message.id", span.id.text());
  text_attribute(json, "messaging.message.conversation_id", kept.conversation);
  text_attribute(json, "messaging.client.id", kept.agent);
  number_attribute(json, "messaging.message.body.size", span.content_bytes);
  if (span.delivery != 0) number_attribute(json, "folkmoot.delivery", span.delivery);
  // Why, in one word; all of it stands in the status.
  const auto error = std::string_view(kept.error).substr(0, kept.error.find(':'));
  text_attribute(json, "error.type", error);
  json.end_array();
  json.key("status").begin_object();
  if (!kept.error.empty()) json.field("code", kError).field("message", kept.error);
  json.end_object().end_object();
}

}  // namespace

std::string otlp_request(const TraceResource& resource, std::span<const KeptSpan> spans) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("resourceSpans").begin_array().begin_object();
  json.key("resource").begin_object().key("attributes").begin_array();
  text_attribute(json, "service.name", resource.service);
  text_attribute(json, "service.version", resource.version);
  text_attribute(json, "server.address", resource.host);
  if (resource.port != 0) number_attribute(json, "server.port", resource.port);
  json.end_array().end_object();
  json.key("scopeSpans").begin_array().begin_object();
  json.key("scope").begin_object().field("name", "folkmoot").field("version", resource.version).end_object();
  json.key("spans").begin_array();
  for (const auto& span : spans) write(json, span);
  json.end_array().end_object().end_array().end_object().end_array().end_object();
  return out;
}

}  // namespace folkmoot
