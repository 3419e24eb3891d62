// Requests and commands, to one agent or to many: what their answers are waited for, or told event by event.
#include <fmt/format.h>

#include <algorithm>

#include "gateway/asking.hpp"
#include "gateway/http/answers.hpp"
#include "gateway/http/event_stream.hpp"
#include "gateway/http/fault.hpp"
#include "gateway/http/routes.hpp"
#include "gateway/http/trace_context.hpp"
#include "gateway/json_answers.hpp"
#include "message/json_mapping.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kStatusesMax = 1'000;  // that an answer in one piece holds

// The requests of one asking under way.
class AskingHttp {
 public:
  AskingHttp(Exchange& exchange, Asking asking)
      : exchange_(exchange), asking_(std::move(asking)), asked_(asking_), first_(exchange.link.number()) {
    last_ = first_;
    while (last_ - first_ + 1 < asking_.size()) last_ = exchange.link.number();
    if (const auto format = EventStream::wanted(exchange)) stream_.emplace(exchange, *format);
    if (stream_) asking_.with_status = true;
  }

  asio::awaitable<Answer> run() {
    if (stream_ && !co_await stream_->begin()) co_return Answer{};
    const auto deadline = Clock::now() + std::chrono::milliseconds(asking_.timeout_ms) + kAnswerTimeout;
    bool here = co_await send_all();
    while (here && !asked_.is_over()) {
      const auto until = stream_ ? std::min(deadline, Clock::now() + kStillThere) : deadline;
      const auto frame = co_await exchange_.link.next(first_, last_, until);
      if (frame) {
        here = co_await hear(*frame);
      } else if (frame.error().code == ErrorCode::timed_out && until < deadline) {
        here = co_await stream_->say_still_there();
      } else {
        lost_ = frame.error();
        here = false;
      }
    }
    co_await end();
    if (!stream_) co_return asking_.is_many ? many() : one();
    std::string done;
    JsonWriter json(done);
    json.begin_object();
    asked_.append_end_fields(json);
    json.end_object();
    co_await stream_->send("done", done);
    co_return Answer{};
  }

 private:
  asio::awaitable<bool> send_all() {
    for (std::size_t i = 0; i < asking_.size() && !asked_.is_over(); ++i) {
      std::string frame;
      if (auto done = append_asked(frame, first_ + static_cast<std::uint32_t>(i), asking_, i); !done) {
        if (!co_await fail(i, done.error())) co_return false;
        continue;
      }
      if (auto sent = co_await exchange_.link.send(std::move(frame)); !sent) {
        lost_ = sent.error();
        co_return false;
      }
    }
    co_return true;
  }

  asio::awaitable<bool> hear(const Frame& frame) {
    const auto index = std::size_t{frame.header.request - first_};
    if (!asked_.is_open(index)) co_return true;
    if (frame.header.opcode == Opcode::error) {
      const auto error = read_error(frame);
      co_return co_await fail(index, error ? *error : error.error());
    }
    if (frame.header.opcode != Opcode::deliver) co_return true;
    auto delivered = read_delivery(frame);
    if (!delivered) co_return co_await fail(index, delivered.error());
    const bool is_status = asking_.with_status && delivered->message.type == "status";
    auto text = told(index, *delivered);
    if (!stream_ && collected_ + text.size() > kAnswerBytesMax) {
      if (is_status) co_return true;
      const Error full{
          ErrorCode::content_too_large,
          fmt::format("the answers have more than {} bytes; ask for them event by event", kAnswerBytesMax)};
      co_return co_await fail(index, full);
    }
    if (!is_status) asked_.answered(index, delivered->message);
    if (stream_) co_return co_await stream_->send(is_status ? "status" : "answer", text);
    if (is_status && statuses_.size() == kStatusesMax) co_return true;
    collected_ += text.size();
    (is_status ? statuses_ : answers_).push_back(std::move(text));
    co_return true;
  }

  asio::awaitable<bool> fail(std::size_t index, Error why) {
    std::string text;
    JsonWriter json(text);
    json.begin_object().field("index", index).field("recipient", asked_.recipient(index));
    append_error_fields(json, why);
    json.end_object();
    asked_.failed(index, std::move(why));
    if (!stream_) co_return true;
    co_return co_await stream_->send("missing", text);
  }

  // An answer or a status as JSON: the message alone where one agent was asked, and is answered in one piece.
  std::string told(std::size_t index, Delivered& delivered) const {
    const auto error = make_readable(delivered.message);
    std::string text;
    JsonWriter json(text);
    if (stream_ || asking_.is_many) {
      json.begin_object().field("index", index).field("recipient", asked_.recipient(index));
      json.key("message");
    }
    append_message(json, delivered.message, error);
    if (stream_ || asking_.is_many) json.end_object();
    return text;
  }

  // Whoever has not answered yet is told that it is not wanted any more.
  asio::awaitable<void> end() {
    const auto rest = asked_.end(lost_.value_or(Error{ErrorCode::cancelled, "there were enough answers without it"}));
    std::string frames;
    for (const auto index : rest)
      append_cancel(frames, exchange_.link.number(), first_ + static_cast<std::uint32_t>(index));
    if (frames.empty()) co_return;
    co_await exchange_.link.send(std::move(frames));
    exchange_.link.drop_link();  // late answers would wait in it
  }

  static void append_all(JsonWriter& json, std::string_view name, const std::vector<std::string>& all) {
    json.key(name).begin_array();
    for (const auto& one : all) json.raw(one);
    json.end_array();
  }

  Answer one() const {
    if (answers_.empty()) return error_answer(asked_.why(0));
    std::string body;
    JsonWriter json(body);
    json.begin_object().field("status", "delivered").key("response").raw(answers_.front());
    if (!statuses_.empty()) append_all(json, "statuses", statuses_);
    json.end_object();
    return json_answer(200, std::move(body));
  }

  Answer many() const {
    std::string body;
    JsonWriter json(body);
    json.begin_object();
    append_all(json, "responses", answers_);
    if (!statuses_.empty()) append_all(json, "statuses", statuses_);
    asked_.append_end_fields(json);
    json.end_object();
    return json_answer(200, std::move(body));
  }

  Exchange& exchange_;
  Asking asking_;
  Responses asked_;
  const std::uint32_t first_;
  std::uint32_t last_;
  std::optional<EventStream> stream_;
  std::vector<std::string> answers_, statuses_;
  std::size_t collected_ = 0;  // bytes of both
  std::optional<Error> lost_;  // why no more answers come: the client is gone, or the server
};

asio::awaitable<Answer> ask_as(Exchange& exchange, const StructInfo& body,
                               Result<Asking> (*read)(JsonFields&, std::string_view)) {
  JsonDocument document;
  const auto value = read_body(exchange, document);
  if (!value) co_return error_answer(value.error());
  if (!value->is_object()) co_return error_answer({ErrorCode::malformed, "the body is not a JSON object"});
  if (auto known = check_names(body, *value, {}); !known) co_return error_answer(known.error());
  JsonFields fields(*value);
  auto asking = read(fields, exchange.request.agent);
  if (!asking) co_return error_answer(asking.error());
  give_trace(exchange.request.head, asking->messages);
  AskingHttp under_way(exchange, std::move(*asking));
  co_return co_await under_way.run();
}

}  // namespace

asio::awaitable<Answer> ask_agents(Exchange& exchange) {
  co_return co_await ask_as(exchange, describe<AskBody>(), read_request);
}

asio::awaitable<Answer> command_agents(Exchange& exchange) {
  co_return co_await ask_as(exchange, describe<CommandBody>(), read_command);
}

asio::awaitable<Answer> request_agent(Exchange& exchange) {
  const auto wait_ms = duration_parameter(exchange.request.target, "wait", 0, kWaitMsMax);
  if (!wait_ms) co_return error_answer(wait_ms.error());
  JsonDocument document;
  const auto value = read_body(exchange, document);
  if (!value) co_return error_answer(value.error());
  auto message = read_message(*value, exchange.request.agent);
  if (!message) co_return error_answer(message.error());
  give_trace(exchange.request.head, {&*message, 1});
  if (!message->mode) message->mode = DeliveryMode::at_most_once;
  if (*wait_ms > 0) {
    Asking asking{.messages = {}, .recipients = {message->to}, .timeout_ms = *wait_ms};
    asking.messages.push_back(std::move(*message));
    AskingHttp under_way(exchange, std::move(asking));
    co_return co_await under_way.run();
  }
  // Nobody waits for an answer: whether a consumer can take it now is all.
  const auto request = exchange.link.number();
  std::string frames;
  if (auto done = append_request(frames, request, *message, 0); !done) co_return error_answer(done.error());
  const auto frame = co_await ask(exchange, request, std::move(frames));
  if (!frame) co_return error_answer(frame.error());
  co_return json_answer(200, R"({"status":"delivered"})");
}

}  // namespace folkmoot
