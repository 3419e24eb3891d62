#include "engine/bulletins.hpp"

#include "message/json_writer.hpp"

namespace folkmoot::bulletins {
namespace {

void write(JsonWriter& out, const Chain& chain) {
  out.field("hops", chain.hops).key("chain").begin_array();
  for (std::size_t i = 0; i < chain.ids.size(); i += 16) out.value(load<Uuid>(chain.ids.data() + i).text());
  out.end_array();
}

}  // namespace

std::string event_of(const Death& death) {
  std::string json;
  JsonWriter out(json);
  out.begin_object().field("id", death.id.text()).field("mailbox", death.mailbox).field("from", death.from);
  out.field("reason", name(death.reason)).optional_field("text", death.text).field("at", death.at.ms);
  out.field("deliveries", death.deliveries);
  if (death.chain) write(out, *death.chain);
  out.end_object();
  return json;
}

std::string message_of(const Death& death) {
  std::string json;
  JsonWriter out(json);
  out.begin_object().field("error", "dead").field("id", death.id.text()).field("mailbox", death.mailbox);
  out.field("reason", name(death.reason)).optional_field("text", death.text);
  out.field("deliveries", death.deliveries).end_object();
  return json;
}

std::string event_of(const Stopped& stopped) {
  std::string json;
  JsonWriter out(json);
  out.begin_object().optional_field("mailbox", stopped.mailbox).optional_field("topic", stopped.topic);
  out.field("from", stopped.from).field("reason", name(DeadReason::guard)).field("text", stopped.text);
  out.field("at", stopped.at.ms);
  write(out, stopped.chain);
  out.end_object();
  return json;
}

std::string event_of_failed_schedule(std::string_view schedule, const Error& error, Instant at) {
  std::string json;
  JsonWriter out(json);
  out.begin_object().field("schedule", schedule).field("error", error.describe()).field("at", at.ms).end_object();
  return json;
}

std::string event_of_skipped(std::string_view stream, std::string_view consumer, std::uint64_t sequence,
                             std::uint32_t deliveries, Instant at) {
  std::string json;
  JsonWriter out(json);
  out.begin_object().field("stream", stream).field("consumer", consumer).field("sequence", sequence);
  out.field("deliveries", deliveries).field("at", at.ms).end_object();
  return json;
}

std::string event_of(const AgentNews& news) {
  std::string json;
  JsonWriter out(json);
  out.begin_object().field("agent", news.agent).optional_field("id", news.id).field("revision", news.revision);
  out.field("health", news.health).field("status", news.status).optional_field("type", news.type);
  out.key("capabilities").begin_array();
  for (const auto capability : news.capabilities) out.value(capability);
  out.end_array().field("at", news.at.ms).end_object();
  return json;
}

}  // namespace folkmoot::bulletins
