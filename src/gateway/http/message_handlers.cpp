// The requests about messages. Each makes native frames of what came, and JSON of what is answered.
#include <fmt/format.h>

#include <chrono>

#include "base/utf8.hpp"
#include "gateway/http/answers.hpp"
#include "gateway/http/cloud_events.hpp"
#include "gateway/http/fault.hpp"
#include "gateway/http/received_page.hpp"
#include "gateway/http/routes.hpp"
#include "gateway/http/shapes.hpp"
#include "gateway/http/store/store.hpp"
#include "gateway/http/trace_context.hpp"
#include "gateway/json_answers.hpp"
#include "gateway/json_messages.hpp"
#include "message/json_fields.hpp"
#include "message/json_mapping.hpp"
#include "message/limits.hpp"
#include "message/operations.hpp"
#include "operation/json_codec.hpp"
#include "operation/operations.hpp"

namespace folkmoot {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kKeyField = "idempotency-key";

// -- POST /api/messages

// The header Idempotency-Key, which may stand in quotes, is the message's key. Errors: invalid_name, invalid_field.
Result<void> key_in_header(const RequestHead& head, Message& message) {
  if (head.count(kKeyField) == 0) return {};
  auto key = head.field(kKeyField);
  if (key.size() >= 2 && key.starts_with('"') && key.ends_with('"')) key = key.substr(1, key.size() - 2);
  if (head.count(kKeyField) > 1 || !is_name(key))
    return failure(ErrorCode::invalid_name, "Idempotency-Key is one text of 1 to 255 bytes without control characters");
  if (!message.key.empty() && message.key != key)
    return failure(ErrorCode::invalid_field, "Idempotency-Key says another key than the message does");
  message.key = key;
  return {};
}

asio::awaitable<Answer> publish_one(Exchange& exchange, JsonElement value) {
  auto message = read_message(value, exchange.request.agent);
  if (!message) co_return error_answer(message.error());
  if (value.is_object() && JsonFields(value).has("to_agent_id")) {
    auto agent = co_await agent_addressed(exchange, message->to);
    if (!agent) co_return error_answer(agent.error());
    message->to = std::move(*agent);
  }
  if (auto given = key_in_header(exchange.request.head, *message); !given) {
    exchange.is_body_read = false;  // the header is what is wrong
    co_return error_answer(given.error());
  }
  give_trace(exchange.request.head, {&*message, 1});
  co_return co_await publish_message(exchange, *message);
}

// A batch as a frame, none if all of it is refused here.
Result<std::string> batch_frame(Exchange& exchange, std::uint32_t request, JsonElement array, bool atomic,
                                RefusedHere& refused) {
  const auto& agent = exchange.request.agent;
  std::string frames;
  if (!atomic) {
    auto messages = read_each(array, agent);
    for (auto& message : messages) {
      if (message) give_trace(exchange.request.head, {&*message, 1});
    }
    if (auto done = append_publish_each(frames, request, messages); !done) return std::unexpected(done.error());
    refused = refused_here(messages);
    return frames;
  }
  auto messages = read_messages(array, "message", agent);
  if (!messages) return std::unexpected(messages.error());
  give_trace(exchange.request.head, *messages);
  if (auto done = append_publish_batch(frames, request, *messages, kFlagAtomic); !done)
    return std::unexpected(done.error());
  return frames;
}

// The results of a batch as an array.
asio::awaitable<Result<std::string>> publish_many(Exchange& exchange, JsonElement array, bool atomic) {
  const auto request = exchange.link.number();
  RefusedHere refused;
  auto frames = batch_frame(exchange, request, array, atomic, refused);
  if (!frames) co_return std::unexpected(frames.error());
  Frame frame;
  if (!frames->empty()) {
    auto answer = co_await ask(exchange, request, std::move(*frames));
    if (!answer) co_return std::unexpected(answer.error());
    frame = *answer;
  }
  std::string body;
  JsonWriter json(body);
  bool all_done = true;
  if (auto done = append_batch_results(json, frame.body, all_done, refused); !done)
    co_return std::unexpected(done.error());
  co_return body;
}

// -- GET /api/messages

// What a GET /api/messages asks for.
struct Wanted {
  std::string agent;
  std::uint32_t limit = 0;
  std::uint32_t wait_ms = 0;
  std::uint32_t lease_ms = 0;
  bool settle = false;               // once the client has them
  EventForm form = EventForm::none;  // as which CloudEvents they are told
};

Result<Wanted> wanted_messages(const Exchange& exchange) {
  const auto& target = exchange.request.target;
  const auto named = target.parameter("agent");
  Wanted wanted{.agent = std::string(named.empty() ? std::string_view(exchange.request.agent) : named)};
  if (!is_name(wanted.agent)) {
    return failure(ErrorCode::invalid_name,
                   "whose messages? Give ?agent=NAME, 1 to 255 bytes without control characters");
  }
  if (target.has("status") && target.parameter("status") != "pending") {
    return failure(ErrorCode::invalid_field, "`status` may be pending: what is taken waits in a mailbox",
                   "`to_agent_id` in the place of `agent` looks at messages that stand otherwise (docs/rest.md)");
  }
  if (target.has("after"))
    return failure(ErrorCode::invalid_field, "`after` is for looking at messages: say `to_agent_id`, and not `agent`");
  const auto wait_ms = duration_parameter(target, "wait", 0, kWaitMsMax);
  if (!wait_ms) return std::unexpected(wait_ms.error());
  const auto lease_ms = duration_parameter(target, "lease", kLeaseMsDefault, UINT32_MAX);
  if (!lease_ms) return std::unexpected(lease_ms.error());
  wanted.form = accepted_event_form(exchange.request.head.field("accept"));
  const bool is_one = wanted.form == EventForm::binary || wanted.form == EventForm::structured;
  const auto limit = target.has("limit") ? parse_lease(target.parameter("limit")) : is_one ? 1 : kReceiveDefault;
  if (is_one && limit != 1) {
    return failure(ErrorCode::out_of_range,
                   fmt::format("`limit` is `{}`; as one CloudEvent messages are taken one by one, and together as {}",
                               target.parameter("limit"), kEventBatchType));
  }
  if (!limit || *limit == 0 || *limit > kReceiveMax) {
    return failure(ErrorCode::out_of_range,
                   fmt::format("`limit` is `{}`; it may be 1 to {}", target.parameter("limit"), kReceiveMax));
  }
  wanted.limit = static_cast<std::uint32_t>(*limit);
  wanted.wait_ms = *wait_ms;
  wanted.settle = target.parameter("ack") == "true" || target.parameter("ack") == "1";
  wanted.lease_ms = *lease_ms;
  // What is settled when its answer has been written must still be held then.
  const auto written_ms = static_cast<std::uint32_t>(exchange.options.read_timeout.count());
  if (wanted.settle) wanted.lease_ms = std::max(*lease_ms, written_ms + kLeaseMsDefault);
  return wanted;
}

struct Received {
  ReceivedPage page;
  std::vector<std::uint64_t> leases{};
  std::vector<std::uint64_t> too_much{};  // of messages that did not fit
};

// What a RECEIVE brings, up to its end. On error `into` has what came before it.
asio::awaitable<Result<void>> collect(Exchange& exchange, std::uint32_t receive, const Wanted& wanted, Received& into) {
  const auto deadline = Clock::now() + std::chrono::milliseconds(wanted.wait_ms) + kAnswerTimeout;
  bool has_more = false;
  for (;;) {
    const auto frame = co_await exchange.link.answer(receive, deadline);
    if (!frame) co_return std::unexpected(frame.error());
    if (frame->header.opcode != Opcode::deliver) {
      has_more = frame->body.size() >= 8 && load<std::uint32_t>(frame->body.data() + 4) > 0;
      break;
    }
    auto delivered = read_delivery(*frame);
    const bool is_leased = frame->header.flags & kFlagLeased && frame->body.size() >= 8;
    const auto lease = is_leased ? load<std::uint64_t>(frame->body.data()) : 0;
    const auto content_error = delivered ? make_readable(delivered->message) : std::nullopt;
    const auto bytes = delivered ? std::max(frame->body.size(), delivered->message.content.size()) : 0;
    const bool fits = delivered && into.page.bytes() + bytes * 4 / 3 <= kAnswerBytesMax;
    if (lease) (fits ? into.leases : into.too_much).push_back(lease);
    if (fits) into.page.add(*delivered, content_error, wanted.settle);
  }
  // What did not fit goes back, and may be taken again at once.
  into.page.end(has_more || !into.too_much.empty());
  co_return Result<void>{};
}

// Nobody waits for a lease to run out. (Whether the server has heard it makes no difference to anybody here.)
asio::awaitable<void> give_back(Exchange& exchange, std::vector<std::uint64_t> leases, std::string why) {
  if (leases.empty()) co_return;
  std::string frames;
  append_nack(frames, exchange.link.number(), leases, 0, why);
  co_await exchange.link.send(std::move(frames));
}

// The client is gone, or will not be answered: ends the RECEIVE and gives back what it brought already.
asio::awaitable<void> give_up(Exchange& exchange, std::uint32_t receive, std::vector<std::uint64_t> leases) {
  const auto cancel = exchange.link.number();
  std::string frames;
  append_cancel(frames, cancel, receive);
  if (auto sent = co_await exchange.link.send(std::move(frames)); !sent) co_return;
  for (;;) {
    const auto frame = co_await exchange.link.next(receive, cancel, Clock::now() + 5s, true);
    if (!frame || frame->header.request == cancel) break;
    if (frame->header.opcode == Opcode::deliver && frame->header.flags & kFlagLeased && frame->body.size() >= 8) {
      leases.push_back(load<std::uint64_t>(frame->body.data()));
    }
  }
  co_await give_back(exchange, std::move(leases), "the HTTP client is gone");
}

// What the client has is settled, also while the server stops. If that fails, the messages come again: nothing is lost.
asio::awaitable<void> settle_all(Exchange& exchange, std::vector<std::uint64_t> leases) {
  if (leases.empty()) co_return;
  const auto request = exchange.link.number();
  std::string frames;
  append_ack(frames, request, leases);
  if (auto sent = co_await exchange.link.send(std::move(frames)); !sent) co_return;
  (void)co_await exchange.link.next(request, request, Clock::now() + kAnswerTimeout, true);
}

// -- PUT /api/messages/{id}/status

// What a status asks for, as a frame; errors name the field.
Result<std::string> settlement(JsonFields& fields, std::uint32_t request) {
  const auto status = fields.required_text("status");
  const auto lease = fields.lease("lease");
  // Left out: as the retry policy says.
  const auto delay_ms =
      fields.has("delay_ms") ? std::optional<std::uint64_t>(fields.duration_ms("delay_ms", 0)) : std::nullopt;
  const auto lease_ms = fields.duration_ms("lease_ms", kLeaseMsDefault);
  const auto reason = fields.text("reason", kReasonBytesMax);
  if (status == "delivered" && lease_ms == 0) {
    fields.refuse(
        ErrorCode::out_of_range,
        "`lease_ms` is 0; it may be 1 ms or more (the status `failed` with `delay_ms` 0 gives the message back)");
  }
  if (auto good = fields.result(); !good) return std::unexpected(good.error());
  std::string frames;
  const std::uint64_t leases[] = {lease};
  if (status == "processed" || status == "acknowledged") {
    append_ack(frames, request, leases);
  } else if (status == "failed" || status == "pending") {
    append_nack(frames, request, leases, delay_ms, reason);
  } else if (status == "rejected") {
    append_reject(frames, request, leases, reason);
  } else if (status == "delivered") {
    append_extend(frames, request, leases, lease_ms);
  } else {
    return failure(ErrorCode::invalid_field,
                   fmt::format("`status` is `{}`; it may be processed, failed, rejected or delivered", status));
  }
  return frames;
}

Result<Uuid> message_id(const Exchange& exchange) {
  const auto id = Uuid::parse(exchange.parameter);
  if (!id) return failure(ErrorCode::invalid_field, "the message id in the path is not a UUID of 36 characters");
  return *id;
}

// What a request about one message has: its id in the path, and a JSON object that lives in `document`.
struct IdAndObject {
  Uuid id;
  JsonElement object;
};
Result<IdAndObject> id_and_object(Exchange& exchange, JsonDocument& document) {
  const auto id = message_id(exchange);
  if (!id) return std::unexpected(id.error());
  const auto value = read_body(exchange, document);
  if (!value) return std::unexpected(value.error());
  if (!value->is_object()) return failure(ErrorCode::malformed, "the body is not a JSON object");
  return IdAndObject{*id, *value};
}

}  // namespace

asio::awaitable<Answer> publish_messages(Exchange& exchange) {
  if (posted_event_form(exchange.request.head)) co_return co_await publish_events(exchange);
  if (const auto& query = exchange.request.target.query; !query.empty()) {
    co_return error_answer(
        {ErrorCode::invalid_field,
         fmt::format("`{}` in the query is for CloudEvents; a message says it in its body", query.front().first)});
  }
  JsonDocument document;
  const auto value = read_body(exchange, document);
  if (!value) co_return error_answer(value.error());
  if (!value->is_array()) co_return co_await publish_one(exchange, *value);
  if (exchange.request.head.count(kKeyField) > 0) {
    exchange.is_body_read = false;
    co_return error_answer({ErrorCode::invalid_field, "Idempotency-Key is for one message, and the body is a list",
                            "give each message of a list its own `key`"});
  }
  auto results = co_await publish_many(exchange, *value, false);
  co_return results ? json_answer(200, std::move(*results)) : error_answer(results.error());
}

asio::awaitable<Answer> publish_batch(Exchange& exchange) {
  JsonDocument document;
  auto value = read_body(exchange, document);
  if (!value) co_return error_answer(value.error());
  auto messages = *value;
  bool atomic = false;
  if (value->is_object()) {
    if (auto known = check_names(describe<BatchBody>(), *value, {}); !known) co_return error_answer(known.error());
    JsonFields fields(*value);
    atomic = fields.flag("atomic");
    if (auto good = fields.result(); !good) co_return error_answer(good.error());
    messages = fields.find("messages").value_or(*value);
  }
  if (!messages.is_array())
    co_return error_answer({ErrorCode::invalid_field, "`messages` must be an array of messages"});
  const auto results = co_await publish_many(exchange, messages, atomic);
  if (!results) co_return error_answer(results.error());
  std::string body;
  JsonWriter(body).begin_object().key("results").raw(*results).end_object();
  co_return json_answer(200, std::move(body));
}

asio::awaitable<Answer> complete_message(Exchange& exchange) {
  JsonDocument document;
  const auto asked = id_and_object(exchange, document);
  if (!asked) co_return error_answer(asked.error());
  if (auto known = check_names(describe<CompleteBody>(), asked->object, {}); !known)
    co_return error_answer(known.error());
  const auto id = asked->id;
  JsonFields fields(asked->object);
  const auto lease = fields.lease("lease");
  const auto given = fields.find("outputs");
  if (given && !given->is_array()) fields.refuse(ErrorCode::invalid_field, "`outputs` must be an array of messages");
  if (auto good = fields.result(); !good) co_return error_answer(good.error());
  auto outputs = given ? read_messages(*given, "output", exchange.request.agent) : std::vector<Message>{};
  if (!outputs) co_return error_answer(outputs.error());
  give_trace(exchange.request.head, *outputs);
  const auto request = exchange.link.number();
  std::string frames;
  if (auto done = append_complete(frames, request, lease, *outputs); !done) co_return error_answer(done.error());
  limit_to_message(frames, id);
  const auto frame = co_await ask(exchange, request, std::move(frames));
  if (!frame) co_return error_answer(frame.error());
  std::string body;
  JsonWriter json(body);
  bool all_done = true;
  json.begin_object().field("id", id.text()).field("status", "processed").key("results");
  if (auto done = append_batch_results(json, frame->body, all_done); !done) co_return error_answer(done.error());
  json.end_object();
  co_return json_answer(200, std::move(body));
}

asio::awaitable<Answer> receive_messages(Exchange& exchange) {
  if (looks_at_store(exchange.request.target)) co_return co_await list_stored(exchange);
  const auto wanted = wanted_messages(exchange);
  if (!wanted) co_return error_answer(wanted.error());
  if (exchange.request.is_head()) co_return Answer{};  // which takes nothing
  const auto request = exchange.link.number();
  std::string frames;
  append_receive(frames, request, {wanted->agent, wanted->limit, wanted->wait_ms, wanted->lease_ms});
  if (auto sent = co_await exchange.link.send(std::move(frames)); !sent) co_return error_answer(sent.error());
  Received received{.page = ReceivedPage(wanted->form)};
  if (auto done = co_await collect(exchange, request, *wanted, received); !done) {
    received.leases.insert(received.leases.end(), received.too_much.begin(), received.too_much.end());
    co_await give_up(exchange, request, std::move(received.leases));
    co_return error_answer(done.error());
  }
  co_await give_back(exchange, std::move(received.too_much), "the HTTP answer was full");
  // Taken from here on are only messages that the client has.
  if (!co_await exchange.answer_stream.give(received.page.take_answer())) {
    co_await give_back(exchange, std::move(received.leases), "the HTTP client did not take the answer");
  } else if (wanted->settle) {
    co_await settle_all(exchange, std::move(received.leases));
  }
  co_return Answer{};
}

// One that only the history remembers, as a receipt would have it.
static ReceiptAndAttempts past_receipt(StoredMessage past) {
  ReceiptAndAttempts out;
  const bool is_settled = past.status == "processed" || past.status == "delivered";
  out.receipt = {.id = past.id,
                 .recipient = past.said.to_agent_id,
                 .status = past.status,
                 .reason = past.said.error,
                 .holder = {},
                 .state = is_settled                 ? CopyState::acknowledged
                          : past.status == "pending" ? CopyState::queued
                                                     : CopyState::dead,
                 .deliveries = past.said.retry_count + is_settled};
  out.said = std::move(past.said);
  return out;
}

// The attempts made at a message, as an array of JSON; none if it was settled between the two questions.
static asio::awaitable<Result<std::string>> attempts_of(Exchange& exchange, Uuid id) {
  const auto request = exchange.link.number();
  std::string frames;
  append_call(frames, request, ShowAttempts::kOperation.name, to_json_text(ShowAttempts{id}, Sparse::everything));
  const auto frame = co_await ask(exchange, request, std::move(frames));
  const bool is_hidden =
      !frame && (frame.error().code == ErrorCode::not_found || frame.error().code == ErrorCode::not_permitted);
  if (is_hidden) co_return "[]";
  if (!frame) co_return std::unexpected(frame.error());
  JsonDocument document;
  const auto answer = document.parse(as_text(frame->body));
  if (!answer) co_return std::unexpected(answer.error());
  co_return std::string(simdjson::minify(answer->at_key("attempts")));
}

asio::awaitable<Answer> show_receipt(Exchange& exchange) {
  const auto id = message_id(exchange);
  if (!id) co_return error_answer(id.error());
  const auto request = exchange.link.number();
  std::string frames;
  append_receipt(frames, request, {&*id, 1});
  const auto frame = co_await ask(exchange, request, std::move(frames));
  if (!frame) co_return error_answer(frame.error());
  const auto receipts = read_receipts(frame->body);
  if (!receipts) co_return error_answer(receipts.error());
  if (receipts->empty() || receipts->front().state == ReceiptState::unknown) {
    auto past = co_await find_past(exchange, *id);
    if (!past) co_return error_answer(past.error());
    const bool may_be_again = !*past || (*past)->status == "failed" || (*past)->status == "expired";
    const auto again = may_be_again ? co_await sent_again_as(exchange, *id) : Result<Uuid>{};
    if (!again) co_return error_answer(again.error());
    if (*past) {
      (*past)->said.resent_as = *again;
      co_return json_answer(200, to_json_text(past_receipt(std::move(**past)), Sparse::as_described));
    }
    if (!again->is_nil())
      co_return error_answer(
          {ErrorCode::not_found,
           fmt::format("message {} was a dead letter, and was sent again as {}", id->text(), again->text()),
           "ask for that one; `folkmoot trace` tells of both"});
    co_return error_answer({ErrorCode::not_found,
                            fmt::format("message {} is not known here, or was settled too long ago", id->text()),
                            "look at the id, and whether this is the server that it was sent to"});
  }
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  append_receipt_fields(json, receipts->front());
  const auto attempts = co_await attempts_of(exchange, *id);
  if (!attempts) co_return error_answer(attempts.error());
  json.key("attempts").raw(*attempts);
  const auto said = co_await find_stored(exchange, *id, receipts->front().state);
  if (!said) co_return error_answer(said.error());
  if (*said) append_fields(json, describe<StoredFields>(), &**said);
  json.end_object();
  co_return json_answer(200, std::move(body));
}

asio::awaitable<Answer> settle_message(Exchange& exchange) {
  JsonDocument document;
  const auto asked = id_and_object(exchange, document);
  if (!asked) co_return error_answer(asked.error());
  if (auto known = check_names(describe<SettleBody>(), asked->object, {}); !known)
    co_return error_answer(known.error());
  const auto id = asked->id;
  JsonFields fields(asked->object);
  if (!fields.has("lease") || fields.has("result")) co_return co_await settle_stored(exchange, id, asked->object);
  const auto request = exchange.link.number();
  auto frames = settlement(fields, request);
  if (!frames) co_return error_answer(frames.error());
  limit_to_message(*frames, id);
  const auto frame = co_await ask(exchange, request, std::move(*frames));
  if (!frame) co_return error_answer(frame.error());
  std::string body;
  JsonWriter(body).begin_object().field("id", id.text()).field("status", fields.text("status")).end_object();
  co_return json_answer(200, std::move(body));
}

}  // namespace folkmoot
