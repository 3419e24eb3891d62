#include "message/frame.hpp"

#include <fmt/format.h>

namespace folkmoot {

Result<std::optional<Frame>> cut_frame(Bytes& bytes, std::size_t frame_bytes_max) {
  if (bytes.size() < 4) return std::nullopt;
  const auto length = load<std::uint32_t>(bytes.data());
  if (length < 8) return failure(ErrorCode::malformed, fmt::format("a frame gives its length as {}; 8 is the least", length));
  if (length > frame_bytes_max - 4) {
    return failure(ErrorCode::frame_too_large, fmt::format("a frame of {} bytes; {} is the most", length + 4ull, frame_bytes_max));
  }
  const std::size_t whole = 4 + std::size_t{length};
  if (bytes.size() < whole) return std::nullopt;
  Frame frame{load<FrameHeader>(bytes.data()), bytes.subspan(kFrameHeaderBytes, whole - kFrameHeaderBytes)};
  bytes = bytes.subspan(whole);
  return frame;
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
  append_header(out, opcode, 0, request, 2 + error.text.size());
  const auto code = static_cast<std::uint16_t>(error.code);
  out.append(as_text(bytes_of(code))).append(error.text);
}

Result<Error> read_error(Bytes body) {
  if (body.size() < 2) return failure(ErrorCode::malformed, "an error without its code");
  return Error{static_cast<ErrorCode>(load<std::uint16_t>(body.data())), std::string(as_text(body.subspan(2)))};
}

std::string_view name(ReceiptState state) {
  constexpr std::string_view kNames[] = {"unknown", "queued", "offered", "retrieved", "acknowledged", "dead", "scheduled", "cancelled"};
  const auto index = static_cast<std::size_t>(state);
  return index < std::size(kNames) ? kNames[index] : "unknown";
}

std::string_view name(PublishOutcome outcome) {
  constexpr std::string_view kNames[] = {"queued", "offered", "scheduled", "sent", "duplicate", "dead"};
  const auto index = static_cast<std::size_t>(outcome);
  return index < std::size(kNames) ? kNames[index] : "queued";
}

}  // namespace folkmoot
