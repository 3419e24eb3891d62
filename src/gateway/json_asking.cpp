// A request to many on the JSON side of a WebSocket: a row for each that is asked, and one for the whole.
#include <fmt/format.h>

#include "base/assert.hpp"
#include "gateway/json_frames.hpp"
#include "message/json_mapping.hpp"

namespace folkmoot {

Result<void> TextSession::translate_asking(const Asking& asking, Row& row, std::string& frames) {
  std::string out;
  if (!asking.is_many) {
    row.stream = asking.with_status;
    if (auto done = append_asked(out, next_, asking, 0); !done) return done;
    frames = std::move(out);
    return {};
  }
  if (rows_.size() + asking.size() >= kTextInFlightMax) {
    return failure(ErrorCode::limit_reached,
                   fmt::format("{} operations are in flight on this connection, and these would be {} more",
                               rows_.size(), asking.size()),
                   "wait for some of their answers first");
  }
  // Checked with a number that is nobody's: only then are there rows for them.
  for (std::size_t i = 0; i < asking.size(); ++i) {
    if (auto done = append_asked(out, kTextRequestMin, asking, i); !done) {
      return failure(done.error().code, fmt::format("request {}: {}", i, done.error().text));
    }
    out.clear();
  }
  row.stream = asking.with_status;
  row.many = std::make_shared<Many>(asking);
  for (std::size_t i = 0; i < asking.size(); ++i) {
    const auto request = take_number();
    row.many->requests.push_back(request);
    row.index = i;
    rows_[request] = row;
    const auto done = append_asked(out, request, asking, i);
    FOLKMOOT_ASSERT(done.has_value());
  }
  frames = std::move(out);
  return {};
}

// Each of the requests has exactly one last answer, which ends its row; what was cancelled here is over already, and
// says no more.
TextSession::Told TextSession::tell_of_many(const Row& row, const Frame& frame) {
  Told told{.is_mine = true};
  auto& many = *row.many;
  const auto request = frame.header.request;
  if (request == many.row) return told;
  const bool is_open = many.asked.is_open(row.index) && !many.asked.is_over();
  if (frame.header.opcode == Opcode::deliver) {
    auto delivered = read_delivery(frame);
    const bool is_status = delivered && row.stream && delivered->message.type == "status";
    if (!is_status) forget(request);
    if (!is_open) return told;
    if (delivered) {
      const auto content_error = make_readable(delivered->message);
      JsonWriter json(told.text);
      json.begin_object().field("op", "deliver").field("request", row.number).field("index", row.index);
      json.field("recipient", many.asked.recipient(row.index));
      append_delivery_fields(json, *delivered);
      append_message(json.key("message"), delivered->message, content_error);
      json.end_object();
      if (!is_status) many.asked.answered(row.index, delivered->message);
    } else {
      many.asked.failed(row.index, delivered.error());
    }
  } else if (frame.header.opcode == Opcode::error) {
    forget(request);
    if (!is_open) return told;
    auto error = read_error(frame);
    many.asked.failed(row.index, error ? std::move(*error) : std::move(error.error()));
  }
  if (is_open && many.asked.is_over()) end_many(many, row.number, told);
  return told;
}

// There are answers enough, or all have answered: the rest is not needed.
void TextSession::end_many(Many& many, std::uint32_t number, Told& told) {
  for (const auto index : many.asked.end({ErrorCode::cancelled, "there were enough answers without it"})) {
    append_cancel(told.frames, kTextRequestMin, many.requests[index]);
  }
  JsonWriter json(told.more);
  json.begin_object().field("op", "gathered").field("request", number);
  many.asked.append_end_fields(json);
  json.end_object();
  forget(many.row);
}

void TextSession::cancel_many(const Many& many, std::string& frames) const {
  for (std::size_t i = 0; i < many.requests.size(); ++i) {
    if (many.asked.is_open(i)) append_cancel(frames, kTextRequestMin, many.requests[i]);
  }
}

}  // namespace folkmoot
