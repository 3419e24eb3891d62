#include "gateway/json_frames.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/base64.hpp"
#include "base/nearest.hpp"
#include "message/json_fields.hpp"
#include "message/json_mapping.hpp"
#include "message/json_text.hpp"
#include "message/limits.hpp"
#include "message/operations.hpp"
#include "operation/frames.hpp"
#include "operation/json_codec.hpp"
#include "operation/pack_codec.hpp"

namespace folkmoot {
namespace {

// The operation that was probably meant by a word that is none.
std::string meant_by(std::string_view word) {
  std::vector<std::string_view> known;
  for (const auto& frame : frames()) known.push_back(frame.word);
  for (const auto& asking : asking_words()) known.push_back(asking.word);
  for (const auto& operation : operations()) known.push_back(operation.name);
  return did_you_mean(word, known);
}

// The arguments of an operation that stand beside its word.
std::string arguments_beside(const JsonElement& object) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  for (const auto [name, value] : simdjson::dom::object(object)) {
    if (name != "op" && name != "request") json.key(name).raw(json_of(value));
  }
  json.end_object();
  return out;
}

// Subscriptions and consumers keep their number until they are cancelled, uploads until they are finished or cancelled.
bool is_lasting(Opcode opcode) {
  return opcode == Opcode::subscribe || opcode == Opcode::consume || opcode == Opcode::content_open;
}

ContentHash required_hash(JsonFields& fields) {
  const auto text = fields.required_text("sha256");
  const auto hash = ContentHash::parse(text);
  if (!hash) fields.refuse(ErrorCode::invalid_field, "`sha256` is not 64 hexadecimal digits");
  return hash.value_or(ContentHash{});
}

Result<Message> message_of(const JsonFields& fields) {
  const auto value = fields.find("message");
  if (!value) return failure(ErrorCode::invalid_field, "`message` is missing");
  return read_message(*value);
}

Result<JsonElement> array_of(const JsonFields& fields, std::string_view name) {
  const auto value = fields.find(name);
  if (value && value->is_array()) return *value;
  return failure(ErrorCode::invalid_field, fmt::format("`{}` must be an array of messages", name));
}

Result<std::vector<Message>> messages_of(const JsonFields& fields, std::string_view name) {
  const auto array = array_of(fields, name);
  if (!array) return std::unexpected(array.error());
  return read_messages(*array, fmt::format("`{}`, message", name));
}

std::string error_text(std::uint32_t request, const Error& error, std::string_view op = "error") {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("op", op).field("request", request);
  append_error_fields(json, error);
  json.end_object();
  return out;
}

// The body of OK, by the operation that it answers.
Result<void> append_ok(JsonWriter& json, Opcode op, Bytes body, bool& all_done, const RefusedHere& refused) {
  switch (op) {
    case Opcode::publish_batch:
    case Opcode::complete:
      return append_batch_results(json.key("results"), body, all_done, refused);
    case Opcode::consume: {
      const auto ready = read_u32(body);
      if (!ready) return std::unexpected(ready.error());
      json.field("ready", *ready);
      return {};
    }
    case Opcode::receive: {
      const auto count = read_u32(body), ready = read_u32(body, 4);
      if (!count) return std::unexpected(count.error());
      json.field("count", *count);
      if (ready && *ready > 0) json.field("more", true);
      return {};
    }
    case Opcode::wait: {
      const auto ready = read_u32(body), priority = read_u32(body, 4);
      if (!ready || !priority) return failure(ErrorCode::malformed, "the answer to WAIT breaks off");
      json.field("ready", *ready).field("first_priority", *priority);
      return {};
    }
    case Opcode::receipt: {
      const auto receipts = read_receipts(body);
      if (!receipts) return std::unexpected(receipts.error());
      json.key("receipts").begin_array();
      for (const auto& receipt : *receipts) {
        json.begin_object();
        append_receipt_fields(json, receipt);
        json.end_object();
      }
      json.end_array();
      return {};
    }
    case Opcode::content_open: {
      const auto is_stored = read_content_opened(body);
      if (!is_stored) return std::unexpected(is_stored.error());
      json.field("stored", *is_stored);
      return {};
    }
    case Opcode::content_finish: {
      const auto finished = read_content_finished(body);
      if (!finished) return std::unexpected(finished.error());
      json.field("size", finished->size).field("known", finished->was_known);
      return {};
    }
    case Opcode::content_stat: {
      const auto size = read_content_size(body);
      if (!size) return std::unexpected(size.error());
      json.field("size", *size);
      return {};
    }
    case Opcode::content_read:
      json.field("data", encode_base64(as_text(body)));
      return {};
    case Opcode::stats:
      json.key("stats").raw(body.empty() ? "{}" : as_text(body));
      return {};
    default:
      return {};
  }
}

// The answer to a batch of which nothing was left to be sent.
std::string refused_text(std::uint32_t request, const RefusedHere& refused) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("op", "ok").field("request", request);
  bool all_done = false;
  if (auto done = append_ok(json, Opcode::publish_batch, {}, all_done, refused); !done)
    return error_text(request, done.error());
  json.end_object();
  return out;
}

std::string withdrawn_text(const Frame& frame) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("op", "withdrawn");
  if (const auto withdrawn = read_withdrawn(frame.body)) {
    json.field("id", withdrawn->id.text());
    if (withdrawn->lease) json.field("lease", std::to_string(withdrawn->lease));
  }
  json.end_object();
  return out;
}

void append_settled(JsonWriter& json, const Settled& settled) {
  json.field("settled", settled.settled).key("refused").begin_array();
  for (const auto lease : settled.refused) json.value(std::to_string(lease));
  json.end_array();
}

Result<void> append_welcome(JsonWriter& json, Bytes body) {
  const auto welcome = read_welcome(body);
  if (!welcome) return std::unexpected(welcome.error());
  json.field("version", welcome->version).field("server", welcome->software).field("session", welcome->session);
  json.field("max_frame_bytes", welcome->max_frame_bytes).field("max_content_bytes", welcome->max_content_bytes);
  json.field("node", welcome->node).field("max_stored_bytes", welcome->max_stored_bytes);
  return {};
}

}  // namespace

TextSession::Asked TextSession::ask(std::string_view text) {
  Asked asked;
  Row row;
  const auto object = document_.parse(text);
  if (!object) {
    // Whoever asked waits under its number.
    const auto number = number_in_broken_json(text, "request");
    return asked.answer = error_text(number <= UINT32_MAX ? static_cast<std::uint32_t>(number) : 0, object.error()),
           asked;
  }
  if (!object->is_object()) {
    asked.answer =
        error_text(0, {ErrorCode::malformed, fmt::format("an operation is a JSON object, not {}", shown(*object))});
    return asked;
  }
  if (auto done = translate(*object, row, asked.frames); !done) {
    asked.frames.clear();
    asked.answer = error_text(row.number, done.error());
    return asked;
  }
  asked.is_hello = row.op == Opcode::hello;
  if (row.op == Opcode::credit) return asked;  // has no answer
  if (row.op == Opcode::publish_batch && asked.frames.empty())
    return asked.answer = refused_text(row.number, row.refused), asked;
  const auto request = take_number();
  rows_[request] = row;
  // A subscription's number stays its own, also while another operation uses the same.
  const auto own = own_number(row.number);
  if (!own || !is_lasting(rows_.at(own).op) || is_lasting(row.op)) own_[row.number] = request;
  if (row.many) row.many->row = request;
  return asked;
}

// The numbers go round; one that is still in use (a subscription's) is passed over.
std::uint32_t TextSession::take_number() {
  const auto taken = next_;
  do {
    next_ = next_ == UINT32_MAX ? kTextRequestMin + 1 : next_ + 1;
  } while (rows_.contains(next_));
  return taken;
}

Result<void> TextSession::translate(const JsonElement& object, Row& row, std::string& frames) {
  JsonFields fields(object);
  row.number = static_cast<std::uint32_t>(fields.number("request", 0, 0, UINT32_MAX));
  const auto word = fields.required_text("op");
  if (auto good = fields.result(); !good) return good;
  const auto* const frame = find_frame(word);
  const auto asking_word = std::ranges::find(asking_words(), word, &AskingWord::word);
  const bool is_asking = asking_word != asking_words().end();
  row.call = frame == nullptr && !is_asking ? find_operation(word) : nullptr;
  if (frame == nullptr && !is_asking && row.call == nullptr)
    return failure(ErrorCode::unknown_opcode, fmt::format("there is no operation `{}`{}", word, meant_by(word)),
                   "GET /asyncapi.json and `folkmoot describe` list them");
  row.op = frame != nullptr ? frame->opcode : is_asking ? Opcode::request : Opcode::call;
  row.quiet = fields.flag("quiet");
  if (rows_.size() >= kTextInFlightMax) {
    return failure(ErrorCode::limit_reached,
                   fmt::format("{} operations are in flight on this connection", rows_.size()),
                   "wait for some of their answers first");
  }
  if (const auto own = own_number(row.number);
      own && is_lasting(row.op) && row.number && is_lasting(rows_.at(own).op)) {
    return failure(ErrorCode::already_exists,
                   fmt::format("request {} is a subscription, consumer or upload already", row.number),
                   "give it another number");
  }

  const auto target = [&] { return own_number(static_cast<std::uint32_t>(fields.number("target", 0, 0, UINT32_MAX))); };
  const auto upload = [&] { return own_number(static_cast<std::uint32_t>(fields.number("upload", 0, 0, UINT32_MAX))); };
  const auto credit = [&](std::string_view name, std::uint64_t otherwise, std::uint64_t min) {
    return static_cast<std::uint32_t>(fields.number(name, otherwise, min, kCreditMax));
  };
  if (row.call != nullptr) {
    append_call(frames, next_, row.call->name, arguments_beside(object));
    return {};
  }
  if (is_asking) {
    if (auto good = check_names(*asking_word->fields, object, kCommonTextFields); !good) return good;
    const auto asking = asking_word->read(fields, {});
    return asking ? translate_asking(*asking, row, frames) : Result<void>(std::unexpected(asking.error()));
  }
  if (auto good = check_names(*frame->fields, object, kCommonTextFields); !good) return good;
  if (row.op == Opcode::hello) return translate_hello(object, frames);
  if (frame->is_map() && row.op != Opcode::call) return translate_map(*frame, object, frames);
  std::string out;
  switch (row.op) {
    case Opcode::publish: {
      const auto message = message_of(fields);
      if (!message) return std::unexpected(message.error());
      if (auto done = append_publish(out, next_, *message); !done) return done;
      break;
    }
    case Opcode::publish_batch:
      if (auto done = translate_batch(fields, row, out); !done) return done;
      break;
    case Opcode::complete: {
      const auto outputs = fields.has("outputs") ? messages_of(fields, "outputs") : std::vector<Message>{};
      if (!outputs) return std::unexpected(outputs.error());
      if (auto done = append_complete(out, next_, fields.lease("lease"), *outputs); !done) return done;
      break;
    }
    case Opcode::credit:
      if (const auto own = target()) append_credit(out, kTextRequestMin, own, credit("amount", 1, 1));
      break;
    case Opcode::filter:
      if (auto done = translate_filter(fields, out); !done) return done;
      break;
    case Opcode::cancel:
      row.target = target();
      if (const auto asked = rows_.find(row.target); asked != rows_.end() && asked->second.many)
        cancel_many(*asked->second.many, out);
      append_cancel(out, next_, row.target);
      break;
    case Opcode::ack:
      append_ack(out, next_, fields.leases("leases"));
      break;
    case Opcode::request: {
      const auto message = message_of(fields);
      if (!message) return std::unexpected(message.error());
      row.stream = fields.flag("stream");
      const auto timeout_ms = fields.duration_ms("timeout_ms", 30'000);
      if (auto done = append_request(out, next_, *message, timeout_ms, row.stream ? kFlagStream : 0); !done)
        return done;
      break;
    }
    case Opcode::receipt:
      append_receipt(out, next_, fields.ids("ids"));
      break;
    case Opcode::ping:
      append_frame(out, Opcode::ping, 0, next_, {});
      break;
    case Opcode::call: {
      const auto name = fields.required_text("name");
      if (fields.flag("packed"))
        return failure(ErrorCode::invalid_field, "`packed` is for binary messages; in JSON the answer is JSON");
      std::string_view arguments;
      if (const auto given = fields.find("arguments")) {
        arguments = content_text(*given).value_or(std::string_view());
        if (!arguments.starts_with('{')) return failure(ErrorCode::invalid_field, "`arguments` must be an object");
      }
      row.call = find_operation(name);
      append_call(out, next_, name, arguments);
      break;
    }
    case Opcode::content_write: {
      const auto bytes = decode_base64(fields.text("data", kContentPartBytesMax / 3 * 4 + 8));
      if (!bytes) fields.refuse(ErrorCode::invalid_field, "`data` is not base64");
      const auto offset = fields.number("offset", 0, 0, kStoredBytesMax);
      append_content_write(out, next_, upload(), offset, bytes.value_or(std::string{}));
      break;
    }
    case Opcode::content_finish:
      row.target = upload();
      append_content_finish(out, next_, row.target, required_hash(fields));
      break;
    case Opcode::content_stat:
      append_content_stat(out, next_, required_hash(fields));
      break;
    case Opcode::content_read:
      append_content_read(
          out, next_, required_hash(fields), fields.number("offset", 0, 0, kStoredBytesMax),
          static_cast<std::uint32_t>(fields.number("size", kContentPartBytesMax, 1, kContentPartBytesMax)));
      break;
    default:
      break;
  }
  if (auto good = fields.result(); !good) return good;
  frames = std::move(out);
  return {};
}

Result<void> TextSession::translate_filter(JsonFields& fields, std::string& frames) const {
  const auto target = static_cast<std::uint32_t>(fields.number("target", 0, 0, UINT32_MAX));
  const auto filter = fields.text("filter", kFilterBytesMax);
  if (auto good = fields.result(); !good) return good;
  const auto own = own_number(target);
  if (own == 0 || rows_.at(own).op != Opcode::subscribe)
    return failure(ErrorCode::not_found, fmt::format("request {} is none of a subscription", target));
  append_filter(frames, next_, own, filter);
  return {};
}

Result<void> TextSession::translate_hello(const JsonElement& object, std::string& frames) const {
  SayHello hello;
  auto done = read_json(describe<SayHello>(), &hello, object, Unknown::refuse, kCommonTextFields);
  if (!done) return done;
  append_hello(frames, next_,
               {.agent = hello.agent.empty() ? agent_ : hello.agent,
                .token = hello.token.empty() ? token_ : hello.token,
                .software = hello.client,
                .version = hello.version});
  return {};
}

Result<void> TextSession::translate_map(const FrameInfo& frame, const JsonElement& object, std::string& frames) const {
  const auto fields = frame.fields->make();
  auto done = read_json(*frame.fields, fields.get(), object, Unknown::refuse, kCommonTextFields);
  if (!done) return done;
  std::string body;
  if (done = write_pack(body, *frame.fields, fields.get()); !done) return done;
  append_frame(frames, frame.opcode, 0, next_, body);
  return {};
}

Result<void> TextSession::translate_batch(JsonFields& fields, Row& row, std::string& frames) {
  if (fields.flag("atomic")) {
    const auto messages = messages_of(fields, "messages");
    if (!messages) return std::unexpected(messages.error());
    return append_publish_batch(frames, next_, *messages, kFlagAtomic);
  }
  const auto array = array_of(fields, "messages");
  if (!array) return std::unexpected(array.error());
  auto messages = read_each(*array);
  if (auto done = append_publish_each(frames, next_, messages); !done) return done;
  row.refused = refused_here(messages);
  return {};
}

TextSession::Told TextSession::tell(const Frame& frame) {
  if (frame.header.opcode == Opcode::withdrawn && took_messages_)
    return {.is_mine = true, .text = withdrawn_text(frame)};
  if (frame.header.request < kTextRequestMin) return {};
  Told told{.is_mine = true, .text = {}};
  const auto found = rows_.find(frame.header.request);
  if (found == rows_.end()) {
    if (frame.header.opcode == Opcode::error) {
      if (const auto error = read_error(frame)) told.text = error_text(0, *error);
    }
    return told;
  }
  const Row row = found->second;
  if (row.many) return tell_of_many(row, frame);
  JsonWriter json(told.text);
  const auto begin = [&](std::string_view op) { json.begin_object().field("op", op).field("request", row.number); };
  Result<void> result;
  bool is_last = true;
  bool all_done = true;
  const auto fail = [&](const Error& error) { result = std::unexpected(error); };

  switch (frame.header.opcode) {
    case Opcode::welcome:
      begin("welcome");
      result = append_welcome(json, frame.body);
      break;
    case Opcode::confirm:
      begin("confirm");
      if (const auto confirm = read_confirm(frame.body)) {
        append_confirm_fields(json, *confirm);
      } else {
        fail(confirm.error());
      }
      break;
    case Opcode::ok:
      begin("ok");
      if (row.call != nullptr) {
        const auto answer = call_result(*row.call, frame.body);
        if (answer) {
          json.key("result").raw(*answer);
        } else {
          fail(answer.error());
        }
      } else {
        result = append_ok(json, row.op, frame.body, all_done, row.refused);
      }
      is_last =
          !is_lasting(row.op) || (row.op == Opcode::content_open && read_content_opened(frame.body).value_or(true));
      break;
    case Opcode::settled:
      begin("settled");
      if (const auto settled = read_settled(frame.body)) {
        append_settled(json, *settled);
        all_done = settled->refused.empty();
      } else {
        fail(settled.error());
      }
      break;
    case Opcode::deliver: {
      is_last = row.op == Opcode::request;
      begin("deliver");
      auto delivered = read_delivery(frame);
      took_messages_ = took_messages_ || row.op == Opcode::consume || row.op == Opcode::receive;
      if (row.stream && delivered && delivered->message.type == "status") is_last = false;
      if (delivered) {
        const auto content_error = make_readable(delivered->message);
        append_delivery_fields(json, *delivered);
        append_message(json.key("message"), delivered->message, content_error);
      } else {
        // The holder must still learn the lease, or it could not give the message back.
        if (frame.header.flags & kFlagLeased && frame.body.size() >= kLeaseBlockBytes) {
          json.field("lease", std::to_string(load<std::uint64_t>(frame.body.data())));
        }
        append_error_fields(json, delivered.error());
      }
      all_done = false;
      break;
    }
    case Opcode::lagged:
      is_last = false;
      begin("lagged");
      if (const auto count = read_u32(frame.body)) {
        json.field("count", *count);
      } else {
        fail(count.error());
      }
      all_done = false;
      break;
    case Opcode::error: {
      const auto error = read_error(frame);
      fail(error ? *error : error.error());
      all_done = false;
      break;
    }
    default:
      return told;
  }
  if (result) {
    json.end_object();
  } else {
    told.text = error_text(row.number, result.error());
  }
  if (row.quiet && result && all_done) told.text.clear();
  if (is_last) {
    if ((row.op == Opcode::cancel || row.op == Opcode::content_finish) && row.target) forget(row.target);
    forget(frame.header.request);
  }
  return told;
}

std::string TextSession::goodbye(const Frame& frame) const {
  const auto error = read_error(frame);
  return error_text(0, error ? *error : error.error(), "goodbye");
}

bool is_answered_soon(Opcode opcode, bool is_quiet) {
  switch (opcode) {
    case Opcode::hello:
    case Opcode::credit:
    case Opcode::receive:
    case Opcode::wait:
    case Opcode::request:
      return false;
    default:
      return !is_quiet;
  }
}

bool TextSession::owes_answers() const {
  return std::ranges::any_of(rows_, [](const auto& numbered) {
    const Row& row = numbered.second;
    return !is_lasting(row.op) && !row.many && is_answered_soon(row.op, row.quiet);
  });
}

std::uint32_t TextSession::own_number(std::uint32_t client_number) const {
  const auto found = own_.find(client_number);
  return found == own_.end() ? 0 : found->second;
}

void TextSession::forget(std::uint32_t request) {
  const auto found = rows_.find(request);
  if (found == rows_.end()) return;
  const auto named = own_.find(found->second.number);
  if (named != own_.end() && named->second == request) own_.erase(named);
  rows_.erase(found);
}

}  // namespace folkmoot
