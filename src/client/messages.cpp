// Messages made of what a program has in hand: replies, forwards, commands; and what a delivery knows of itself.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "client/withdrawals.hpp"
#include "folkmoot/client.hpp"
#include "message/gather.hpp"
#include "message/limits.hpp"

namespace folkmoot {
namespace {

// What `message` was made of: the server counts on from here.
void set_cause(Message& message, const Message& cause) {
  message.cause = cause.id;
  message.hops = cause.hops;
  message.chain = cause.chain;
}

}  // namespace

bool Delivery::withdrawn() const { return withdrawals && withdrawals->contains(message.id); }

Message make_message(std::string to, std::string content) {
  Message message;
  message.to = std::move(to);
  message.content = std::move(content);
  return message;
}

Message make_event(std::string topic, std::string content) {
  Message message;
  message.topic = std::move(topic);
  message.content = std::move(content);
  return message;
}

Message make_reply(const Delivery& delivery, std::string content) {
  const auto& asked = delivery.message;
  Message reply;
  reply.to = asked.reply_to.empty() ? asked.from : asked.reply_to;
  reply.type = "response";
  reply.content = std::move(content);
  reply.conversation = asked.conversation;
  reply.correlation = asked.id.is_nil() ? asked.correlation : asked.id.text();
  set_cause(reply, asked);
  return reply;
}

Message make_forward(const Delivery& delivery, std::string to) {
  const auto& given = delivery.message;
  Message message;
  message.to = std::move(to);
  message.type = given.type;
  message.content = given.content;
  message.content_ref = given.content_ref;
  message.content_type = given.content_type;
  message.encoding = given.encoding;
  message.priority = given.priority;
  message.conversation = given.conversation;
  message.correlation = given.correlation;
  message.reply_to = given.reply_to;
  message.metadata = given.metadata;
  message.expects_reply = given.expects_reply;
  set_cause(message, given);
  return message;
}

std::vector<Message> to_each(const Message& message, const std::vector<std::string>& recipients) {
  std::vector<Message> all(recipients.size(), message);
  for (std::size_t i = 0; i < all.size(); ++i) all[i].to = recipients[i];
  return all;
}

Message make_command(std::string agent, const Command& command) {
  Message message;
  message.to = std::move(agent);
  message.type = "command";
  message.content_type = "application/json";
  message.content = command_content(command.name, boost::json::serialize(command.parameters));
  return message;
}

Result<Command> read_command(const Message& message) {
  boost::system::error_code wrong;
  boost::json::parse_options bounds;
  bounds.max_depth = kMetadataDepthMax;
  const auto content = boost::json::parse(message.content, wrong, {}, bounds);
  if (wrong) return failure(ErrorCode::malformed, "the command is not JSON: " + wrong.message());
  const auto* object = content.if_object();
  const auto* called = object ? object->if_contains("command") : nullptr;
  if (!called || !called->is_string())
    return failure(ErrorCode::invalid_field, "the command has no `command` that is its name");
  Command command{std::string(called->get_string()), {}};
  const auto* parameters = object->if_contains("parameters");
  if (parameters && !parameters->is_object() && !parameters->is_null()) {
    return failure(ErrorCode::invalid_field, "`parameters` of a command is an object");
  }
  if (parameters && parameters->is_object()) command.parameters = parameters->get_object();
  return command;
}

Message Client::make_status(std::string content) {
  Message status;
  status.type = "status";
  status.content = std::move(content);
  return status;
}

Result<Message> Client::addressed_reply(const Delivery& delivery, Message response) {
  const auto& asked = delivery.message;
  auto frame = make_reply(delivery, {});
  if (response.to.empty() && response.topic.empty()) {
    if (!asked.expects_reply) {
      return failure(ErrorCode::no_reply_wanted, asked.from + " expects no reply to " + asked.id.text());
    }
    response.to = std::move(frame.to);
  }
  if (response.type.empty()) response.type = std::move(frame.type);
  if (response.conversation.empty()) response.conversation = std::move(frame.conversation);
  if (response.correlation.empty()) response.correlation = std::move(frame.correlation);
  if (response.cause.is_nil()) set_cause(response, asked);
  return response;
}

}  // namespace folkmoot
