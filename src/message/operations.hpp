// The bodies of operations and answers beyond the fixed layouts of frame.hpp (docs/protocol.md, sections 2 to 8), built
// and read by whoever speaks native frames as a client: the client library, and the HTTP and WebSocket doors.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "folkmoot/message.hpp"
#include "message/frame.hpp"

namespace folkmoot {

// -- requests: each appends one frame to `out`; a `quiet` one is answered only where something is refused

struct HelloRequest {
  std::string_view agent, token, software;  // empty: left out
  std::uint64_t version = kProtocolVersion;
};
void append_hello(std::string& out, std::uint32_t request, const HelloRequest& hello);
/// Errors: those of encode_envelope; on error `out` is as it was.
Result<void> append_publish(std::string& out, std::uint32_t request, const Message& message, bool quiet = false);
/// `flags`: kFlagQuiet, kFlagAtomic. Errors: out_of_range for none or more than kBatchMessagesMax messages, and those
/// of append_publish, which name the message by its place.
Result<void> append_publish_batch(std::string& out, std::uint32_t request, std::span<const Message> messages,
                                  std::uint8_t flags = 0);
/// The same of messages that stand for themselves: errors among them are passed over, and what cannot be encoded
/// becomes one. Without any that is left nothing is appended. Errors: out_of_range.
Result<void> append_publish_each(std::string& out, std::uint32_t request, std::span<Result<Message>> messages);
/// `flags`: kFlagStream.
Result<void> append_request(std::string& out, std::uint32_t request, const Message& message, std::uint32_t timeout_ms,
                            std::uint8_t flags = 0);
/// Answered like a batch. Errors: out_of_range for more than kOutputsMax outputs (none is fine), and those of
/// append_publish.
Result<void> append_complete(std::string& out, std::uint32_t request, std::uint64_t lease,
                             std::span<const Message> outputs);

struct SubscribeRequest {
  std::string_view pattern;
  std::uint32_t credit = 0;
  bool echo = false;
  std::string_view filter{};  // empty: every event
};
void append_subscribe(std::string& out, std::uint32_t request, const SubscribeRequest& subscribe);
void append_consume(std::string& out, std::uint32_t request, std::string_view mailbox, std::uint32_t credit);
void append_credit(std::string& out, std::uint32_t request, std::uint32_t target, std::uint32_t amount);
void append_filter(std::string& out, std::uint32_t request, std::uint32_t target, std::string_view filter);
void append_cancel(std::string& out, std::uint32_t request, std::uint32_t target);

struct ReceiveRequest {
  std::string_view mailbox;
  std::uint32_t max = 1;
  std::uint64_t wait_ms = 0;
  std::uint64_t lease_ms = 0;  // 0: as long as the connection lives
};
void append_receive(std::string& out, std::uint32_t request, const ReceiveRequest& receive);
void append_ack(std::string& out, std::uint32_t request, std::span<const std::uint64_t> leases, bool quiet = false);
/// Without `delay_ms` the messages wait as their retry policy says; 0: not at all.
void append_nack(std::string& out, std::uint32_t request, std::span<const std::uint64_t> leases,
                 std::optional<std::uint64_t> delay_ms, std::string_view reason, bool quiet = false);
void append_reject(std::string& out, std::uint32_t request, std::span<const std::uint64_t> leases,
                   std::string_view reason, bool quiet = false);
void append_extend(std::string& out, std::uint32_t request, std::span<const std::uint64_t> leases,
                   std::uint64_t lease_ms, bool quiet = false);
/// Makes `frame`, which settles or extends (ACK, NACK, REJECT, EXTEND or COMPLETE), hold for a lease of this message
/// alone.
void limit_to_message(std::string& frame, const Uuid& id);
void append_receipt(std::string& out, std::uint32_t request, std::span<const Uuid> ids);
void append_wait(std::string& out, std::uint32_t request, std::string_view mailbox, std::uint64_t timeout_ms);
void append_stats(std::string& out, std::uint32_t request, std::string_view mailbox);
void append_ping(std::string& out, std::uint32_t request);

struct MailboxRequest {
  std::string_view name;
  std::optional<std::uint64_t> max_messages;
  std::optional<bool> drop_oldest;
  std::optional<std::uint64_t> default_ttl_ms;
  std::optional<std::uint64_t> max_deliveries;
  std::optional<RetryPolicy> retry{};  // `max_deliveries` goes before its attempts
};
void append_mailbox(std::string& out, std::uint32_t request, const MailboxRequest& mailbox);
/// `arguments`: a JSON object as text; empty: none.
/// `packed`: the answer as bytes, if the operation has such.
void append_call(std::string& out, std::uint32_t request, std::string_view name, std::string_view arguments = {},
                 bool packed = false);

// Content by reference. An upload is named by the number of the request that opened it.
/// `hash`: of the whole, if it is known; answered by whether it is stored already.
void append_content_open(std::string& out, std::uint32_t request, std::uint64_t size,
                         const std::optional<ContentHash>& hash = {});
void append_content_write(std::string& out, std::uint32_t request, std::uint32_t upload, std::uint64_t offset,
                          std::string_view bytes);
void append_content_finish(std::string& out, std::uint32_t request, std::uint32_t upload, const ContentHash& hash);
void append_content_stat(std::string& out, std::uint32_t request, const ContentHash& hash);
void append_content_read(std::string& out, std::uint32_t request, const ContentHash& hash, std::uint64_t offset,
                         std::uint32_t bytes);

// -- answers: each reads one frame's body. Errors: malformed, and for messages those of decode_message.

struct Welcome {
  std::uint64_t version = 0, session = 0, max_frame_bytes = 0, max_content_bytes = 0, node = 0;
  std::uint64_t max_stored_bytes = 0;  // of one content by reference; 0: the server stores none
  std::string software;
};
Result<Welcome> read_welcome(Bytes body);

struct DeliveryHead {
  std::uint64_t lease = 0;  // 0: none, nothing to settle
  std::uint32_t delivery = 0;
  bool redelivered = false;
};
struct Delivered : DeliveryHead {
  Message message;
};
/// What stands before the message, and the message's bytes.
Result<std::pair<DeliveryHead, Bytes>> read_delivery_head(const Frame& frame);
Result<Delivered> read_delivery(const Frame& frame);

Result<Confirm> read_confirm(Bytes body);

struct Settled {
  std::uint32_t settled = 0;
  std::vector<std::uint64_t> refused;
};
Result<Settled> read_settled(Bytes body);

/// What became of each message of a batch, or of the outputs of a COMPLETE, in order.
Result<std::vector<Result<Confirm>>> read_batch_results(Bytes body);

/// Where one recipient's copy of a message is. (The client's public Receipt is made of it.)
struct CopyReceipt {
  Uuid id;
  std::string recipient;
  ReceiptState state = ReceiptState::unknown;
  std::uint64_t deliveries = 0;
  std::int64_t at = 0;  // Unix milliseconds; 0: unknown
  std::string reason;
  std::string holder;           // who has it
  std::int64_t held_since = 0;  // Unix milliseconds; 0: nobody has it
};
Result<std::vector<CopyReceipt>> read_receipts(Bytes body);

/// Whether the content is stored already; else its upload is open.
Result<bool> read_content_opened(Bytes body);
struct ContentFinished {
  std::uint64_t size = 0;
  bool was_known = false;  // it was stored before
};
Result<ContentFinished> read_content_finished(Bytes body);
/// The answer to CONTENT_STAT: its size.
Result<std::uint64_t> read_content_size(Bytes body);

/// WITHDRAWN: whoever asked by this message wants it no more.
struct Withdrawn {
  std::uint64_t lease = 0;  // 0: it was delivered without one
  Uuid id;
};
Result<Withdrawn> read_withdrawn(Bytes body);

/// A u32 at the start of a body, as OK has it for CONSUME, RECEIVE and WAIT, and LAGGED.
Result<std::uint32_t> read_u32(Bytes body, std::size_t at = 0);

}  // namespace folkmoot
