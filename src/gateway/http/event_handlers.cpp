// GET /api/events: a subscription for as long as the client stays.
#include <algorithm>

#include "filter/limits.hpp"
#include "gateway/http/answers.hpp"
#include "gateway/http/event_stream.hpp"
#include "gateway/http/routes.hpp"
#include "gateway/json_answers.hpp"
#include "gateway/json_events.hpp"
#include "gateway/json_messages.hpp"
#include "message/json_fields.hpp"
#include "message/json_mapping.hpp"

namespace folkmoot {
namespace {

// Events that the server sends ahead; more than these are skipped while the client does not read, and it is told how
// many.
constexpr std::uint32_t kEventCredit = 256;

std::string counted(std::string_view name, std::uint64_t count) {
  std::string out;
  JsonWriter(out).begin_object().field(name, count).end_object();
  return out;
}

std::string event_text(const Frame& frame) {
  auto delivered = read_delivery(frame);
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  if (delivered) {
    const auto error = make_readable(delivered->message);
    json.key("message");
    append_message(json, delivered->message, error);
  } else {
    append_error_fields(json, delivered.error());
  }
  json.end_object();
  return out;
}

std::string cloud_event_text(const Frame& frame) {
  auto delivered = read_delivery(frame);
  std::string out;
  JsonWriter json(out);
  if (delivered) {
    append_readable_event(json, delivered->message);
  } else {
    json.begin_object();
    append_error_fields(json, delivered.error());
    json.end_object();
  }
  return out;
}

}  // namespace

asio::awaitable<Answer> subscribe_events(Exchange& exchange) {
  const auto& target = exchange.request.target;
  if (!exchange.takes_any_length)
    co_return error_answer({ErrorCode::invalid_field, "events are told over HTTP/1.1 only"});
  const auto count = target.has("count") ? parse_lease(target.parameter("count")) : 0;
  if (!count || (target.has("count") && *count == 0))
    co_return error_answer({ErrorCode::out_of_range, "`count` is a number from 1"});
  const bool as_cloud_events = accepted_event_form(exchange.request.head.field("accept")) != EventForm::none;
  EventStream stream(exchange, EventStream::wanted(exchange).value_or(EventStream::Format::server_sent));
  if (exchange.request.is_head()) {
    co_await stream.begin();
    co_return Answer{};
  }
  const auto request = exchange.link.number();
  std::string frames;
  append_subscribe(
      frames, request,
      {.pattern = target.parameter("pattern"), .credit = kEventCredit, .filter = target.parameter("filter")});
  const auto subscribed = co_await ask(exchange, request, std::move(frames));
  if (!subscribed) co_return error_answer(subscribed.error());

  bool here = co_await stream.begin();
  std::uint32_t used = 0;
  for (std::uint64_t told = 0; here && (*count == 0 || told < *count);) {
    const auto frame = co_await exchange.link.next(request, request, Clock::now() + kStillThere);
    if (!frame && frame.error().code == ErrorCode::timed_out) {
      here = co_await stream.say_still_there();
    } else if (!frame) {
      std::string why;
      JsonWriter json(why);
      json.begin_object();
      append_error_fields(json, frame.error());
      json.end_object();
      co_await stream.send("error", why);
      here = false;
    } else if (frame->header.opcode == Opcode::lagged) {
      const auto missed = read_u32(frame->body);
      here = co_await stream.send("missed", counted("count", missed.value_or(0)));
    } else if (frame->header.opcode == Opcode::deliver) {
      ++told;
      if (as_cloud_events) {
        here = co_await stream.send_cloud_event(cloud_event_text(*frame));
      } else {
        here = co_await stream.send("event", event_text(*frame));
      }
      if (++used < kEventCredit / 2) continue;
      std::string credit;
      append_credit(credit, exchange.link.number(), request, std::exchange(used, 0));
      co_await exchange.link.send(std::move(credit));
    }
  }
  exchange.link.drop_link();  // events that are on their way would wait in it, and their publishers for them
  co_return Answer{};
}

}  // namespace folkmoot
