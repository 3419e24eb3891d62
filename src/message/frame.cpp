#include "message/frame.hpp"

#include <fmt/format.h>

namespace folkmoot {

Error bad_frame_length(std::uint32_t length, std::size_t frame_bytes_max) {
  if (length < 8) return {ErrorCode::malformed, fmt::format("a frame gives its length as {}; 8 is the least", length)};
  return {ErrorCode::frame_too_large,
          fmt::format("a frame of {} bytes; {} is the most", length + 4ull, frame_bytes_max)};
}

void append_header(std::string& out, Opcode opcode, std::uint8_t flags, std::uint32_t request, std::size_t body_bytes) {
  const FrameHeader header{static_cast<std::uint32_t>(8 + body_bytes), opcode, flags, 0, request};
  out.append(as_text(bytes_of(header)));
}

void append_frame(std::string& out, Opcode opcode, std::uint8_t flags, std::uint32_t request, std::string_view body) {
  append_header(out, opcode, flags, request, body.size());
  out.append(body);
}

void append_error(std::string& out, Opcode opcode, std::uint32_t request, const Error& error) {
  const auto text = joined_text(error);
  const FrameHeader header{static_cast<std::uint32_t>(8 + 2 + text.size()), opcode, 0, error.retry_after_s, request};
  const auto code = static_cast<std::uint16_t>(error.code);
  out.append(as_text(bytes_of(header)));
  out.append(as_text(bytes_of(code))).append(text);
}

Result<Error> read_error(const Frame& frame) {
  auto error = read_error(frame.body);
  if (error) error->retry_after_s = frame.header.retry_after_s;
  return error;
}

Result<Error> read_error(Bytes body) {
  if (body.size() < 2) return failure(ErrorCode::malformed, "an error without its code");
  return split_text(static_cast<ErrorCode>(load<std::uint16_t>(body.data())), as_text(body.subspan(2)));
}

std::string_view name(ReceiptState state) {
  constexpr std::string_view kNames[] = {"unknown",      "queued", "offered",   "retrieved",
                                         "acknowledged", "dead",   "scheduled", "cancelled"};
  const auto index = static_cast<std::size_t>(state);
  return index < std::size(kNames) ? kNames[index] : "unknown";
}

std::string_view name(PublishOutcome outcome) {
  constexpr std::string_view kNames[] = {"queued", "offered", "scheduled", "sent", "duplicate", "dead", "kept"};
  const auto index = static_cast<std::size_t>(outcome);
  return index < std::size(kNames) ? kNames[index] : "queued";
}

}  // namespace folkmoot
