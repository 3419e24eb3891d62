#include "webhook/post_body.hpp"

#include <fmt/format.h>

#include "base/base64.hpp"
#include "base/duration.hpp"
#include "base/hmac.hpp"
#include "message/json_document.hpp"
#include "message/json_mapping.hpp"
#include "message/json_writer.hpp"
#include "message/limits.hpp"

namespace folkmoot {
namespace {

std::int64_t seconds(Instant now) { return now.ms / 1'000; }

// The trace that the message belongs to (W3C Trace Context), if its metadata has it in a form that a header can have.
std::string_view traceparent_of(const Message& message) {
  constexpr std::size_t kTraceParentBytes = 55;
  const auto* const value = message.metadata.if_contains("traceparent");
  if (value == nullptr || !value->is_string() || value->get_string().size() != kTraceParentBytes) return {};
  const std::string_view text = value->get_string();
  const bool is_plain = text.find_first_not_of("0123456789abcdef-") == text.npos;
  return is_plain ? text : std::string_view();
}

// It goes to whoever the message says, and says what it answers.
Result<Message> reply_from(const JsonElement& value, const Message& asked) {
  if (!asked.expects_reply)
    return failure(ErrorCode::no_reply_wanted, "`reply`: the sender of the message expects none");
  Message reply;
  if (const auto text = content_text(value); text || value.is_string()) {
    std::string_view plain;
    reply.content = text ? *text : value.get(plain) == simdjson::SUCCESS ? plain : std::string_view();
    reply.content_type = "text/plain";
  } else {
    auto read = message_from_json(value);
    if (!read) return read;
    reply = std::move(*read);
  }
  reply.to = asked.reply_to.empty() ? asked.from : asked.reply_to;
  reply.topic.clear();
  if (reply.type.empty()) reply.type = "response";
  if (reply.conversation.empty()) reply.conversation = asked.conversation;
  if (reply.correlation.empty()) reply.correlation = asked.id.text();
  reply.cause = asked.id;
  reply.hops = asked.hops;
  reply.chain = asked.chain;
  return reply;
}

}  // namespace

std::string post_body(const PostedMessage& posted, const Message& message) {
  std::string out;
  JsonWriter writer(out);
  writer.begin_object()
      .field("type", "folkmoot.message")
      .field("timestamp", format_time_ms(posted.now.ms))
      .field("agent", posted.agent)
      .field("attempt", posted.attempt)
      .field("redelivered", posted.redelivered)
      .key("message");
  append_json(writer, message);
  writer.end_object();
  return out;
}

std::string sign_post(std::span<const WebhookKey> keys, std::string_view id, Instant now, std::string_view body) {
  const auto text = fmt::format("{}.{}.{}", id, seconds(now), body);
  std::string out;
  for (const auto& key : keys) {
    if (key.until != 0 && key.until <= now) continue;
    const auto bytes = decode_base64(std::string_view(key.secret).substr(kEndpointSecretPrefix.size())).value_or("");
    if (!out.empty()) out.push_back(' ');
    out.append("v1,").append(encode_base64(hmac_sha256(bytes, text)));
  }
  return out;
}

std::vector<std::string> post_headers(std::span<const WebhookKey> keys, const Message& message, Instant now,
                                      std::string_view body, std::string_view software) {
  const auto id = message.id.text();
  std::vector<std::string> lines{"Content-Type: application/json",
                                 "Accept: application/json, */*;q=0.1",
                                 fmt::format("User-Agent: {}", software),
                                 fmt::format("webhook-id: {}", id),
                                 fmt::format("webhook-timestamp: {}", seconds(now)),
                                 fmt::format("webhook-signature: {}", sign_post(keys, id, now, body)),
                                 "Expect:"};
  if (const auto trace = traceparent_of(message); !trace.empty())
    lines.push_back(fmt::format("traceparent: {}", trace));
  return lines;
}

Result<std::vector<Message>> read_post_answer(std::string_view body, std::string_view content_type,
                                              const Message& message) {
  std::vector<Message> outputs;
  if (!is_json_type(content_type) || body.find_first_not_of(" \t\r\n") == body.npos) return outputs;
  JsonDocument document;
  const auto value = document.parse(body);
  if (!value) return std::unexpected(value.error());
  simdjson::dom::object object;
  if (value->get(object) != simdjson::SUCCESS) return outputs;
  JsonElement said;
  if (object["reply"].get(said) == simdjson::SUCCESS && !said.is_null()) {
    auto reply = reply_from(said, message);
    if (!reply) return std::unexpected(std::move(reply.error()));
    outputs.push_back(std::move(*reply));
  }
  if (object["complete"].get(said) != simdjson::SUCCESS || said.is_null()) return outputs;
  simdjson::dom::array list;
  if (said.get(list) != simdjson::SUCCESS)
    return failure(ErrorCode::invalid_field, "`complete` is no list of messages");
  for (const auto each : list) {
    if (outputs.size() >= kOutputsMax)
      return failure(ErrorCode::out_of_range, fmt::format("`complete` has more than {} messages", kOutputsMax));
    auto output = message_from_json(each);
    if (!output) return std::unexpected(std::move(output.error()));
    output->cause = message.id;
    output->hops = message.hops;
    output->chain = message.chain;
    outputs.push_back(std::move(*output));
  }
  return outputs;
}

}  // namespace folkmoot
