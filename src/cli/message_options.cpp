#include "cli/message_options.hpp"

#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "base/duration.hpp"
#include "base/utf8.hpp"
#include "message/compression.hpp"
#include "message/envelope.hpp"
#include "message/limits.hpp"

namespace folkmoot::cli {
namespace {

// As for all that is wrong with the arguments.
[[noreturn]] void wrong(std::string_view option, const std::string& text) { throw_invalid(std::string(option), text); }

template <class Number>
Number number_of(std::string_view key, std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size())
    wrong("--retry", fmt::format("`{}` of {} is not a number", text, key));
  return number;
}

void set_retry(RetryPolicy& policy, std::string_view key, std::string_view text) {
  if (key == "attempts") {
    policy.attempts = number_of<std::uint16_t>(key, text);
  } else if (key == "backoff") {
    const auto backoff = parse_backoff(text);
    if (!backoff)
      wrong("--retry",
            fmt::format("`{}` is no backoff; it may be fixed, linear, exponential or exponential_jitter", text));
    policy.backoff = *backoff;
  } else if (key == "initial") {
    policy.initial_ms = value(parse_duration_ms(text));
  } else if (key == "max") {
    policy.max_ms = value(parse_duration_ms(text));
  } else if (key == "multiplier") {
    const auto factor = number_of<double>(key, text);
    if (!(factor >= 1 && factor <= 1000)) wrong("--retry", fmt::format("a multiplier of {}; 1 to 1000 may be", text));
    policy.multiplier_permille = static_cast<std::uint32_t>(std::lround(factor * 1000));
  } else {
    wrong("--retry", fmt::format("`{}={}`; it may have attempts, backoff, initial, max and multiplier", key, text));
  }
}

}  // namespace

RetryPolicy parse_retry(std::string_view text) {
  RetryPolicy policy;
  while (!text.empty()) {
    const auto pair = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos) wrong("--retry", fmt::format("`{}` is not KEY=VALUE", pair));
    set_retry(policy, pair.substr(0, equals), pair.substr(equals + 1));
  }
  value(check_retry(policy));
  return policy;
}

Metadata parse_pairs(const std::vector<std::string>& pairs) {
  Metadata out;
  for (const auto& pair : pairs) {
    const auto equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) wrong("KEY=VALUE", fmt::format("`{}` is not KEY=VALUE", pair));
    const auto text = pair.substr(equals + 1);
    boost::system::error_code not_json;
    auto value = boost::json::parse(text, not_json);
    out[pair.substr(0, equals)] = not_json ? boost::json::value(text) : std::move(value);
  }
  return out;
}

Option* MessageOptions::add_to(App& app, bool topic, bool content_required) {
  topic_ = topic;
  auto* to = app.add_option(topic ? "TOPIC" : "TO", to_, topic ? "Words joined by dots" : "The recipient's mailbox");
  to->required();
  auto* content = app.add_option("CONTENT", content_, "The content; - reads stdin")->required(content_required);
  content->each([this](const std::string&) { has_content_ = true; });
  app.add_option("--type", type_,
                 topic ? "Default: event" : "task (default), query, response, command, status, ... or your own");
  app.add_option("--priority", priority_, "critical, high, normal, low, background, or 1 (first) to 10");
  auto* ttl = add_duration(app, "--ttl", ttl_,
                           "The message expires so long after it is due; 0: never, whatever the mailbox says");
  app.add_option("--conversation", conversation_, "The conversation it belongs to");
  app.add_option("--correlation", correlation_, "The message it answers");
  app.add_option("--reply-to", reply_to_, "The mailbox where answers should go");
  app.add_option("--content-type", content_type_, "MIME type (default: text/plain for text)");
  app.add_option("--meta", meta_, "Metadata; a value that is JSON is sent as such; may be given several times")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->take_all();
  app.add_option("--key", key_,
                 topic ? "Idempotency key, with --kept: durable subscriptions keep no second event with it"
                       : "Idempotency key: a second message with it is not published");
  app.add_option("--cause", cause_, "The message this one follows from")->type_name("ID");
  app.add_flag("--no-reply", no_reply_, "Replies to it are refused");
  const auto check_encoding = [](std::string& encoding) -> std::string {
    if (encoding == "true") encoding = kZstd;  // said without a value
    return encoding == kZstd || encoding == kGzip ? "" : fmt::format("`{}` must be zstd or gzip", encoding);
  };
  app.add_flag("--compress", compress_,
               "Send the content compressed, if that makes it smaller; --compress=gzip with gzip, not zstd")
      ->check(Check(check_encoding, ""));
  if (topic) return to;
  add_time(app, "--expires-at", expires_at_, "The message expires then")->excludes(ttl);
  auto* delay = add_duration(app, "--delay", delay_, "Not delivered before this has passed");
  add_time(app, "--deliver-at", deliver_at_, "Not delivered before then")->excludes(delay);
  app.add_option("--mode", mode_, "at_most_once, at_least_once or exactly_once");
  app.add_option("--retry", retry_,
                 "When it is tried again if it fails, such as attempts=5,backoff=exponential,initial=1s,max=5m")
      ->type_name("POLICY");
  app.add_option("--group", group_, "Messages of one group are delivered in order, one at a time");
  app.add_flag("--bounce", bounce_, "If it ends dead, tell the sender with a message of type error");
  return to;
}

void MessageOptions::add_topic_to(App& app) {
  app.add_flag("--topic", topic_, "TO is a topic: an event to everybody who is subscribed to it then");
}

void MessageOptions::add_file_to(App& app) {
  app.add_option(
         "--file", file_,
         "Instead of CONTENT: this file, by reference if it is large; its name goes along as metadata `filename`")
      ->type_name("FILE")
      ->check(existing_file());
}

ClientOptions MessageOptions::with_client_options() const {
  auto options = client_options();
  if (!compress_.empty()) options.compress_above = 1;
  if (compress_ == kGzip) options.compression = Compression::gzip;
  return options;
}

void MessageOptions::set_times(Message& message) const {
  if (ttl_.count() >= 0) message.ttl_ms = ttl_.count();
  message.expires_at = expires_at_;
  message.deliver_at = deliver_at_;
  message.delay_ms = delay_.count();
}

Message MessageOptions::build() const { return build_with(read_content(content_)); }

Message MessageOptions::build_with(std::string content, bool is_here) const {
  Message message;
  (topic_ ? message.topic : message.to) = to_;
  message.type = type_;
  message.conversation = conversation_;
  message.correlation = correlation_;
  message.reply_to = reply_to_;
  message.key = key_;
  message.group = group_;
  message.bounce = bounce_;
  message.expects_reply = !no_reply_;
  if (!cause_.empty()) message.cause = parse_id(cause_);
  if (!retry_.empty()) message.retry = parse_retry(retry_);
  set_times(message);
  if (!priority_.empty()) {
    const auto priority = parse_priority(priority_);
    if (!priority)
      wrong("--priority",
            fmt::format("`{}` is not a priority; it may be critical, high, normal, low, background or 1 to 10",
                        priority_));
    message.priority = *priority;
  }
  if (!mode_.empty()) {
    message.mode = parse_mode(mode_);
    if (!message.mode)
      wrong("--mode", fmt::format("`{}` is not a mode; it may be at_most_once, at_least_once or exactly_once", mode_));
  }
  message.metadata = parse_pairs(meta_);
  if (!file_.empty()) message.metadata["filename"] = std::filesystem::path(file_).filename().string();
  message.content = std::move(content);
  message.content_type = content_type_;
  if (content_type_.empty() && is_here && is_utf8(message.content)) message.content_type = "text/plain";
  return message;
}

}  // namespace folkmoot::cli
