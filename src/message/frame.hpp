// Native frames (docs/protocol.md, section 2): their header, opcodes and the bodies with fixed layouts.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "base/uuid.hpp"

namespace folkmoot {

struct Routing;

constexpr std::uint32_t kProtocolVersion = 1;

enum class Opcode : std::uint8_t {
  hello = 0x01,
  publish = 0x02,
  publish_batch = 0x03,
  subscribe = 0x04,
  consume = 0x05,
  credit = 0x06,
  cancel = 0x07,
  receive = 0x08,
  ack = 0x09,
  nack = 0x0a,
  extend = 0x0b,
  request = 0x0c,
  receipt = 0x0d,
  wait = 0x0e,
  stats = 0x0f,
  ping = 0x10,
  mailbox = 0x11,
  complete = 0x12,
  reject = 0x13,
  call = 0x14,
  filter = 0x15,
  content_open = 0x20,
  content_write = 0x21,
  content_finish = 0x22,
  content_stat = 0x23,
  content_read = 0x24,

  welcome = 0x81,
  confirm = 0x82,
  ok = 0x83,
  error = 0x84,
  deliver = 0x85,
  settled = 0x86,
  goodbye = 0x87,
  lagged = 0x88,
  withdrawn = 0x89,
};

constexpr std::uint8_t kFlagQuiet = 1;   // client frames
constexpr std::uint8_t kFlagAtomic = 2;  // PUBLISH_BATCH: all or none
constexpr std::uint8_t kFlagStream = 2;  // REQUEST: status messages may come before the response
constexpr std::uint8_t kFlagOfMessage =
    4;  // ACK, NACK, REJECT, EXTEND, COMPLETE: the id of the message it must be comes first
constexpr std::uint8_t kFlagCauses =
    0x80;  // PUBLISH and REQUEST between shards: cause, hops and chain are as they stand
constexpr std::uint8_t kFlagAnswerer =
    0x40;                                // PUBLISH between shards: the connection that answers comes first; 0: it may
constexpr std::uint8_t kFlagLeased = 1;  // DELIVER
constexpr std::uint8_t kFlagRedelivered = 2;  // DELIVER

struct FrameHeader {
  std::uint32_t length = 0;  // of what follows the length: 8 + the body
  Opcode opcode{};
  std::uint8_t flags = 0;
  std::uint16_t retry_after_s = 0;  // ERROR and GOODBYE: as of Error; else reserved, sent as 0 and ignored
  std::uint32_t request = 0;

  std::size_t body_bytes() const { return length - 8; }
};
static_assert(sizeof(FrameHeader) == 12);
constexpr std::size_t kFrameHeaderBytes = sizeof(FrameHeader);
constexpr std::size_t kLeaseBlockBytes = 12;  // u64 lease, u32 delivery

/// Field by field: the compiler would put the whole of it together on the stack first.
inline void store(std::uint8_t* to, const FrameHeader& header) {
  store(to, header.length);
  to[4] = static_cast<std::uint8_t>(header.opcode);
  to[5] = header.flags;
  store(to + 6, header.retry_after_s);
  store(to + 8, header.request);
}

struct Frame {
  FrameHeader header;
  Bytes body;
  /// What read_routing() made of the one message in it, its recipient optional, if that was asked already.
  const Routing* routing = nullptr;
};

/// Whether it settles or extends leases of one message alone, whose id should be the first 16 bytes of its body.
inline bool names_its_message(const Frame& frame) {
  if ((frame.header.flags & kFlagOfMessage) == 0) [[likely]]
    return false;
  const auto opcode = frame.header.opcode;
  return opcode == Opcode::ack || opcode == Opcode::nack || opcode == Opcode::reject || opcode == Opcode::extend ||
         opcode == Opcode::complete;
}

/// Cuts the first frame off `bytes`. Returns nothing while it is not whole. Errors: malformed (length below 8),
/// frame_too_large; after an error the stream cannot be read on.
inline Result<std::optional<Frame>> cut_frame(Bytes& bytes, std::size_t frame_bytes_max);
/// What is wrong with a frame that gives its length so.
Error bad_frame_length(std::uint32_t length, std::size_t frame_bytes_max);

/// Appends a header for a body of `body_bytes`.
void append_header(std::string& out, Opcode opcode, std::uint8_t flags, std::uint32_t request, std::size_t body_bytes);
void append_frame(std::string& out, Opcode opcode, std::uint8_t flags, std::uint32_t request, std::string_view body);
/// ERROR and GOODBYE: u16 code, text; the header says when to try again.
void append_error(std::string& out, Opcode opcode, std::uint32_t request, const Error& error);
/// Reads ERROR or GOODBYE. Errors: malformed.
Result<Error> read_error(const Frame& frame);
/// Likewise, but not when to try again. Errors: malformed.
Result<Error> read_error(Bytes body);

/// `duplicate`: not published, as its key was used before; id and state are those of the first. `dead`: put with the
/// dead letters. `kept`: an event that is on disk; `count` is in how many places.
enum class PublishOutcome : std::uint8_t {
  queued = 0,
  offered = 1,
  scheduled = 2,
  sent = 3,
  duplicate = 4,
  dead = 5,
  kept = 6
};

/// Receipt states as on the wire (section 8).
enum class ReceiptState : std::uint8_t {
  unknown,
  queued,
  offered,
  retrieved,
  acknowledged,
  dead,
  scheduled,
  cancelled
};
constexpr std::uint64_t kNeverRead = ~std::uint64_t{0};

/// The body of CONFIRM.
struct Confirm {
  Uuid id;
  std::uint32_t count = 0;
  PublishOutcome outcome{};
  ReceiptState state = ReceiptState::unknown;  // of a duplicate: where the first one is
  std::uint8_t zero[2] = {};
  std::uint64_t age_ms = 0;
};
static_assert(sizeof(Confirm) == 32);

inline Result<std::optional<Frame>> cut_frame(Bytes& bytes, std::size_t frame_bytes_max) {
  if (bytes.size() < 4) return std::nullopt;
  const auto length = load<std::uint32_t>(bytes.data());
  if (length < 8 || length > frame_bytes_max - 4) [[unlikely]]
    return std::unexpected(bad_frame_length(length, frame_bytes_max));
  const std::size_t whole = 4 + std::size_t{length};
  if (bytes.size() < whole) return std::nullopt;
  const Frame frame{load<FrameHeader>(bytes.data()), bytes.subspan(kFrameHeaderBytes, whole - kFrameHeaderBytes)};
  bytes = bytes.subspan(whole);
  return frame;
}

std::string_view name(ReceiptState state);
std::string_view name(PublishOutcome outcome);

}  // namespace folkmoot
