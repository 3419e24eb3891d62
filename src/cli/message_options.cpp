#include "cli/message_options.hpp"

#include <fmt/format.h>

#include <chrono>

#include "base/utf8.hpp"

namespace folkmoot::cli {
namespace {

Failure wrong(std::string text) { return Failure({ErrorCode::invalid_field, std::move(text)}); }

}  // namespace

void MessageOptions::add_to(CLI::App& app, bool topic) {
  topic_ = topic;
  app.add_option(topic ? "TOPIC" : "TO", to_, topic ? "Words joined by dots" : "The recipient's mailbox")->required();
  app.add_option("CONTENT", content_, "The content; - reads stdin")->required();
  app.add_option("--type", type_, topic ? "Default: event" : "task (default), query, response, command, status, ... or your own");
  app.add_option("--priority", priority_, "critical, high, normal, low, background, or 1 (first) to 10");
  add_duration(app, "--ttl", ttl_, "The message expires after this");
  app.add_option("--conversation", conversation_, "The conversation it belongs to");
  app.add_option("--correlation", correlation_, "The message it answers");
  app.add_option("--reply-to", reply_to_, "The mailbox where answers should go");
  app.add_option("--content-type", content_type_, "MIME type (default: text/plain for text)");
  app.add_option("--meta", meta_, "Metadata; may be given several times")->type_name("KEY=VALUE")->expected(1)->take_all();
  app.add_option("--key", key_, "Idempotency key");
  if (topic) return;
  add_duration(app, "--delay", delay_, "Not delivered before this has passed");
  app.add_option("--mode", mode_, "at_most_once, at_least_once or exactly_once");
}

Message MessageOptions::build() const {
  Message message;
  (topic_ ? message.topic : message.to) = to_;
  message.type = type_;
  message.conversation = conversation_;
  message.correlation = correlation_;
  message.reply_to = reply_to_;
  message.key = key_;
  message.ttl_ms = ttl_.count();
  if (!priority_.empty()) {
    const auto priority = parse_priority(priority_);
    if (!priority) throw wrong(fmt::format("`{}` is not a priority; it may be critical, high, normal, low, background or 1 to 10", priority_));
    message.priority = *priority;
  }
  if (!mode_.empty()) {
    message.mode = parse_mode(mode_);
    if (!message.mode) throw wrong(fmt::format("`{}` is not a mode; it may be at_most_once, at_least_once or exactly_once", mode_));
  }
  if (delay_.count() > 0) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    message.deliver_at = std::chrono::duration_cast<Milliseconds>(now + delay_).count();
  }
  for (const auto& pair : meta_) {
    const auto equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) throw wrong(fmt::format("`{}` is not KEY=VALUE", pair));
    message.metadata[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  message.content = read_content(content_);
  message.content_type = content_type_;
  if (content_type_.empty() && is_utf8(message.content)) message.content_type = "text/plain";
  return message;
}

}  // namespace folkmoot::cli
