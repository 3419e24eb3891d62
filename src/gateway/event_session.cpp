#include "gateway/event_session.hpp"

#include <fmt/format.h>

#include <utility>

#include "gateway/json_answers.hpp"
#include "message/operations.hpp"

namespace folkmoot {
namespace {

constexpr std::uint32_t kSubscription = kTextRequestMin;  // the request that subscribes
constexpr std::string_view kOwnSource = "/websocket";

std::string id_of(const Message& event) {
  const auto* const attributes = event.metadata.if_contains("ce");
  const auto* const id = attributes == nullptr ? nullptr : attributes->get_object().if_contains("id");
  return id == nullptr ? std::string() : std::string(id->get_string());
}

}  // namespace

EventSession::EventSession(EventChannel channel, std::string name)
    : channel_(std::move(channel)), name_(std::move(name)) {}

std::string EventSession::begin() {
  std::string frames;
  if (!channel_.pattern.empty())
    append_subscribe(frames, kSubscription,
                     {.pattern = channel_.pattern, .echo = channel_.echo, .filter = channel_.filter});
  return frames;
}

// The numbers go round.
std::uint32_t EventSession::take_number() {
  const auto taken = next_;
  do {
    next_ = next_ == UINT32_MAX ? kTextRequestMin + 1 : next_ + 1;
  } while (published_.contains(next_));
  return taken;
}

template <class AppendFields>
std::string EventSession::own_event(std::string_view type, std::string_view subject, AppendFields append_fields) const {
  std::string out;
  JsonWriter json(out);
  if (channel_.is_batched) json.begin_array();
  json.begin_object().field("specversion", "1.0").field("id", fmt::format("{}-{}", name_, ++told_));
  json.field("source", kOwnSource).field("type", type).optional_field("subject", subject);
  json.field("datacontenttype", "application/json").key("data").begin_object();
  append_fields(json);
  json.end_object().end_object();
  if (channel_.is_batched) json.end_array();
  return out;
}

std::string EventSession::refused(std::string_view subject, const Error& error) const {
  return own_event("folkmoot.refused", subject, [&](JsonWriter& json) { append_error_fields(json, error); });
}

Result<void> EventSession::publish(std::string_view text, std::string& frames) {
  const auto messages = read_events(text, channel_.is_batched, target());
  if (!messages) return std::unexpected(messages.error());
  if (published_.size() + messages->size() > kTextInFlightMax) {
    return failure(ErrorCode::limit_reached,
                   fmt::format("{} events are not answered yet on this connection", published_.size()),
                   "wait for some of their answers first");
  }
  std::string out;
  std::unordered_map<std::uint32_t, std::string> published;
  for (const auto& message : *messages) {
    const auto request = take_number();
    if (auto done = append_publish(out, request, message); !done) return done;
    published.emplace(request, id_of(message));
  }
  frames = std::move(out);
  published_.merge(published);
  return {};
}

TextSide::Asked EventSession::ask(std::string_view text) {
  Asked asked;
  if (auto done = publish(text, asked.frames); !done) asked.answer = refused({}, done.error());
  return asked;
}

std::string EventSession::told_event(const Frame& frame) const {
  auto delivered = read_delivery(frame);
  if (!delivered) return refused({}, delivered.error());
  std::string out;
  JsonWriter json(out);
  if (channel_.is_batched) json.begin_array();
  append_readable_event(json, delivered->message);
  if (channel_.is_batched) json.end_array();
  return out;
}

TextSide::Told EventSession::tell(const Frame& frame) {
  Told told{.is_mine = true};
  const auto opcode = frame.header.opcode;
  const auto found = published_.find(frame.header.request);
  const auto id = found == published_.end() ? std::string() : found->second;
  if (opcode == Opcode::deliver) told.text = told_event(frame);
  if (opcode == Opcode::confirm && channel_.confirm) {
    const auto confirm = read_confirm(frame.body);
    told.text =
        confirm ? own_event("folkmoot.confirmed", id, [&](JsonWriter& json) { append_confirm_fields(json, *confirm); })
                : refused(id, confirm.error());
  }
  if (opcode == Opcode::error) {
    const auto read = read_error(frame);
    const auto& error = read ? *read : read.error();
    told.text = refused(id, error);
    if (frame.header.request == kSubscription) told.end = error;  // nothing would ever be heard
  }
  if (found != published_.end() && (opcode == Opcode::confirm || opcode == Opcode::error)) published_.erase(found);
  return told;
}

std::string EventSession::goodbye(const Frame& frame) const {
  const auto read = read_error(frame);
  return own_event("folkmoot.goodbye", {},
                   [&](JsonWriter& json) { append_error_fields(json, read ? *read : read.error()); });
}

}  // namespace folkmoot
