// What is posted for a message, how it is signed, and what the answer's body may say.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "engine/webhook.hpp"
#include "folkmoot/message.hpp"

namespace folkmoot {

struct PostedMessage {
  std::string_view agent;
  std::uint32_t attempt = 1;
  bool redelivered = false;
  Instant now = 0;
};

/// A JSON object with the message as the other doors show it.
std::string post_body(const PostedMessage& posted, const Message& message);

/// `webhook-signature` of Standard Webhooks 1.0: one for each secret that is in use at `now`, with a space between.
std::string sign_post(std::span<const WebhookKey> keys, std::string_view id, Instant now, std::string_view body);

/// All lines of its head, with the message's id, the same for each attempt, and its `traceparent` if it has one.
std::vector<std::string> post_headers(std::span<const WebhookKey> keys, const Message& message, Instant now,
                                      std::string_view body, std::string_view software);

/// What is to be published as the message is settled: its `reply`, then those of `complete`. Nothing if it is no JSON
/// object. Errors: those of message_from_json(), no_reply_wanted, out_of_range.
Result<std::vector<Message>> read_post_answer(std::string_view body, std::string_view content_type,
                                              const Message& message);

}  // namespace folkmoot
