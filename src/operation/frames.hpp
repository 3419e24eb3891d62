// What a connection itself asks, frame by frame (docs/protocol.md, section 2): sending, consuming, settling. Each is
// described like an operation of the list, but is no call: its frame has an opcode of its own, and its answer may be
// many frames. PUBLISH, PUBLISH_BATCH, REQUEST, ACK, COMPLETE and the frames of contents have bodies of fixed layout,
// which are read where they are carried out; here is what stands in them, under the names that JSON has for it.
#pragma once

#include <span>
#include <string_view>

#include "filter/limits.hpp"
#include "folkmoot/describe.hpp"
#include "folkmoot/operation/mailbox.hpp"
#include "folkmoot/operation/stats.hpp"
#include "message/frame.hpp"
#include "message/limits.hpp"

namespace folkmoot {

/// A frame's row.
struct FrameRow {
  Opcode opcode{};
  std::string_view name{};  // as the protocol page has it
  std::string_view word{};  // `op` on WebSockets
  std::string_view what{};
  Right right = Right::consume;
  std::string_view body{};         // a fixed layout; empty: a map of the fields by their keys
  std::string_view answered_by{};  // in words
};

struct FrameInfo : FrameRow {
  const StructInfo* fields = nullptr;

  bool is_map() const { return body.empty(); }
};

inline constexpr std::uint64_t kCreditAny = 0xffff'ffff;
inline constexpr std::string_view kMessages = "`u32 count`, then count times `u32 bytes, envelope, content`";

struct SayHello {
  std::uint64_t version = 1;
  std::string agent{}, token{}, client{};

  static constexpr FrameRow kFrame{.opcode = Opcode::hello,
                                   .name = "HELLO",
                                   .word = "hello",
                                   .what = "The first frame of a connection",
                                   .answered_by = "WELCOME or GOODBYE"};
  static constexpr auto fields() {
    return std::array{
        field<&SayHello::version>(0, "version", "Of the protocol", {.max = kCreditAny}),
        field<&SayHello::agent>(1, "agent", "Who it is: `from` of what it sends without one"),
        field<&SayHello::token>(2, "token", "The server's token", {.max = kTokenBytesMax}),
        field<&SayHello::client>(3, "client", "Its software, for the server's log"),
    };
  }
};

struct Publish {
  Message message{};
  bool quiet = false;

  static constexpr FrameRow kFrame{.opcode = Opcode::publish,
                                   .name = "PUBLISH",
                                   .word = "publish",
                                   .what = "Sends a message to a mailbox or a topic",
                                   .right = Right::publish,
                                   .body = "envelope, content",
                                   .answered_by = "CONFIRM or ERROR"};
  static constexpr auto fields() {
    return std::array{field<&Publish::message>(0, "message", "The message", {.required = true}),
                      field<&Publish::quiet>(1, "quiet", "Only a refusal is answered")};
  }
};

struct PublishBatch {
  std::vector<Message> messages{};
  bool quiet = false, atomic = false;

  static constexpr FrameRow kFrame{.opcode = Opcode::publish_batch,
                                   .name = "PUBLISH_BATCH",
                                   .word = "publish_batch",
                                   .what = "Several messages, each for itself or all or none",
                                   .right = Right::publish,
                                   .body = kMessages,
                                   .answered_by = "OK: count times a CONFIRM body or an error (6.)"};
  static constexpr auto fields() {
    return std::array{
        field<&PublishBatch::messages>(0, "messages", "The messages",
                                       {.required = true, .min = 1, .max = kBatchMessagesMax}),
        field<&PublishBatch::quiet>(1, "quiet", "Only refusals are answered"),
        field<&PublishBatch::atomic>(2, "atomic", "All or none"),
    };
  }
};

struct Subscribe {
  std::string pattern{};
  std::uint32_t credit = 0;
  bool echo = false;
  std::string filter{};

  static constexpr FrameRow kFrame{.opcode = Opcode::subscribe,
                                   .name = "SUBSCRIBE",
                                   .word = "subscribe",
                                   .what = "The events of a topic pattern",
                                   .answered_by = "OK, then DELIVER and LAGGED until cancelled"};
  static constexpr auto fields() {
    return std::array{
        field<&Subscribe::pattern>(0, "pattern", "Words joined by dots; `*` is one, a last `>` the rest",
                                   {.required = true}),
        field<&Subscribe::credit>(1, "credit", "So many ahead; 0: as they come", {.max = kCreditAny, .unit = "events"}),
        field<&Subscribe::echo>(2, "echo", "Also those that this connection publishes"),
        field<&Subscribe::filter>(3, "filter", "Only events that this holds for (docs/filters.md)",
                                  {.max = kFilterBytesMax}),
    };
  }
};

struct SetFilter {
  std::uint32_t target = 0;
  std::string filter{};

  static constexpr FrameRow kFrame{.opcode = Opcode::filter,
                                   .name = "FILTER",
                                   .word = "filter",
                                   .what = "Changes the filter of a subscription while it runs",
                                   .body = "`u32 target request`, the filter",
                                   .answered_by = "OK: what was delivered before fits the old one, all else the new"};
  static constexpr auto fields() {
    return std::array{
        field<&SetFilter::target>(0, "target", "The request number of the subscription"),
        field<&SetFilter::filter>(1, "filter", "From now on only events that this holds for; left out: every one",
                                  {.max = kFilterBytesMax}),
    };
  }
};

struct Consume {
  std::string mailbox{};
  std::uint32_t credit = 1;

  static constexpr FrameRow kFrame{.opcode = Opcode::consume,
                                   .name = "CONSUME",
                                   .word = "consume",
                                   .what = "The messages of a mailbox, as they come",
                                   .answered_by = "OK: `u32 ready`; then DELIVER until cancelled"};
  static constexpr auto fields() {
    return std::array{
        field<&Consume::mailbox>(0, "mailbox", "Whose", {.required = true}),
        field<&Consume::credit>(1, "credit", "So many ahead; 0: none before CREDIT",
                                {.max = kCreditMax, .unit = "messages"}),
    };
  }
};

struct AddCredit {
  std::uint32_t target = 0, amount = 1;

  static constexpr FrameRow kFrame{.opcode = Opcode::credit,
                                   .name = "CREDIT",
                                   .word = "credit",
                                   .what = "Lets a subscription or consumer have so many more",
                                   .body = "`u32 target request, u32 amount`",
                                   .answered_by = "nothing"};
  static constexpr auto fields() {
    return std::array{
        field<&AddCredit::target>(0, "target", "The request number of the subscription or consumer"),
        field<&AddCredit::amount>(1, "amount", "So many more", {.min = 1, .max = kCreditMax}),
    };
  }
};

struct Cancel {
  std::uint32_t target = 0;

  static constexpr FrameRow kFrame{.opcode = Opcode::cancel,
                                   .name = "CANCEL",
                                   .word = "cancel",
                                   .what = "Ends what a request number stands for",
                                   .body = "`u32 target request`",
                                   .answered_by = "OK, also when there is nothing (any more) to cancel"};
  static constexpr auto fields() { return std::array{field<&Cancel::target>(0, "target", "The request number")}; }
};

struct Receive {
  std::string mailbox{};
  std::uint32_t max = 1;
  std::chrono::milliseconds wait{0}, lease{0};

  static constexpr FrameRow kFrame{
      .opcode = Opcode::receive,
      .name = "RECEIVE",
      .word = "receive",
      .what = "Takes messages out of a mailbox",
      .answered_by = "DELIVER each, then OK: `u32 count, u32 ready`, those that still wait"};
  static constexpr auto fields() {
    return std::array{
        field<&Receive::mailbox>(0, "mailbox", "Whose", {.required = true}),
        field<&Receive::max>(1, "max", "So many at most", {.min = 1, .max = kReceiveMax, .unit = "messages"}),
        field<&Receive::wait>(2, "wait_ms", "How long to wait for the first"),
        field<&Receive::lease>(3, "lease_ms", "How long they may be held; 0: as long as the connection lives"),
    };
  }
};

struct Acknowledge {
  std::vector<std::uint64_t> leases{};
  bool quiet = false;

  static constexpr FrameRow kFrame{.opcode = Opcode::ack,
                                   .name = "ACK",
                                   .word = "ack",
                                   .what = "Settles messages for good",
                                   .body = "one or more `u64 lease`",
                                   .answered_by = "SETTLED"};
  static constexpr auto fields() {
    return std::array{
        lease_field<&Acknowledge::leases>(0, "leases", "Of the deliveries",
                                          {.required = true, .min = 1, .max = kSettleLeasesMax}),
        field<&Acknowledge::quiet>(1, "quiet", "Only refusals are answered"),
    };
  }
};

struct GiveBack {
  std::vector<std::uint64_t> leases{};
  std::optional<std::chrono::milliseconds> delay{};
  std::string reason{};

  static constexpr FrameRow kFrame{.opcode = Opcode::nack,
                                   .name = "NACK",
                                   .word = "nack",
                                   .what = "Gives messages back: they are tried again",
                                   .answered_by = "SETTLED"};
  static constexpr auto fields() {
    return std::array{
        lease_field<&GiveBack::leases>(0, "leases", "Of the deliveries",
                                       {.required = true, .min = 1, .max = kSettleLeasesMax}),
        field<&GiveBack::delay>(1, "delay_ms", "Not before then; left out: as the retry policy says"),
        field<&GiveBack::reason>(2, "reason", "Why, for who looks at its attempts", {.max = kReasonBytesMax}),
    };
  }
};

struct Reject {
  std::vector<std::uint64_t> leases{};
  std::string reason{};

  static constexpr FrameRow kFrame{.opcode = Opcode::reject,
                                   .name = "REJECT",
                                   .word = "reject",
                                   .what = "Makes messages dead letters at once",
                                   .answered_by = "SETTLED"};
  static constexpr auto fields() {
    return std::array{
        lease_field<&Reject::leases>(0, "leases", "Of the deliveries",
                                     {.required = true, .min = 1, .max = kSettleLeasesMax}),
        field<&Reject::reason>(2, "reason", "Why", {.max = kReasonBytesMax}),
    };
  }
};

struct Extend {
  std::vector<std::uint64_t> leases{};
  std::chrono::milliseconds lease{0};

  static constexpr FrameRow kFrame{.opcode = Opcode::extend,
                                   .name = "EXTEND",
                                   .word = "extend",
                                   .what = "Prolongs leases",
                                   .answered_by = "SETTLED"};
  static constexpr auto fields() {
    return std::array{
        lease_field<&Extend::leases>(0, "leases", "Of the deliveries",
                                     {.required = true, .min = 1, .max = kSettleLeasesMax}),
        field<&Extend::lease>(1, "lease_ms", "From now on; 0: as long as this connection lives"),
    };
  }
};

struct Request {
  Message message{};
  std::chrono::milliseconds timeout{30'000};
  bool stream = false;

  static constexpr FrameRow kFrame{.opcode = Opcode::request,
                                   .name = "REQUEST",
                                   .word = "request",
                                   .what = "Sends a message and waits for its response",
                                   .right = Right::publish,
                                   .body = "`u32 timeout_ms`, envelope, content",
                                   .answered_by = "DELIVER (with STREAM: status messages, then the response) or ERROR"};
  static constexpr auto fields() {
    return std::array{
        field<&Request::message>(0, "message", "What is asked", {.required = true}),
        field<&Request::timeout>(1, "timeout_ms", "How long to wait", {.max = kCreditAny}),
        field<&Request::stream>(2, "stream", "Messages of type status are wanted too"),
    };
  }
};

struct AskReceipts {
  std::vector<Uuid> ids{};

  static constexpr FrameRow kFrame{.opcode = Opcode::receipt,
                                   .name = "RECEIPT",
                                   .word = "receipt",
                                   .what = "How far messages are",
                                   .right = Right::publish,
                                   .body = "one or more 16-byte message ids, 1000 at most",
                                   .answered_by = "OK: array of receipts (8.)"};
  static constexpr auto fields() {
    return std::array{
        field<&AskReceipts::ids>(0, "ids", "Of the messages", {.required = true, .min = 1, .max = kReceiptIdsMax})};
  }
};

struct Wait {
  std::string mailbox{};
  std::chrono::milliseconds timeout{30'000};

  static constexpr FrameRow kFrame{.opcode = Opcode::wait,
                                   .name = "WAIT",
                                   .word = "wait",
                                   .what = "Answers as soon as a mailbox has a message ready, without taking it",
                                   .answered_by = "OK: `u32 ready, u32 first priority`; or ERROR `timed_out`"};
  static constexpr auto fields() {
    return std::array{
        field<&Wait::mailbox>(0, "mailbox", "Whose", {.required = true}),
        field<&Wait::timeout>(1, "timeout_ms", "How long to wait"),
    };
  }
};

/// The operation server.stats as a frame.
struct AskStats : ShowStats {
  static constexpr FrameRow kFrame{.opcode = Opcode::stats,
                                   .name = "STATS",
                                   .word = "stats",
                                   .what = "The server's statistics",
                                   .right = Right::observe,
                                   .answered_by = "OK: JSON text (9.)"};
};

struct Ping {
  static constexpr FrameRow kFrame{.opcode = Opcode::ping,
                                   .name = "PING",
                                   .word = "ping",
                                   .what = "Is anybody there?",
                                   .body = "anything up to 64 bytes",
                                   .answered_by = "OK with the same body"};
  static constexpr std::array<FieldInfo, 0> fields() { return {}; }
};

/// The operation mailbox.configure as a frame.
struct ConfigureMailboxFrame : ConfigureMailbox {
  static constexpr FrameRow kFrame{.opcode = Opcode::mailbox,
                                   .name = "MAILBOX",
                                   .word = "mailbox",
                                   .what = "Makes a mailbox, or changes how it is bounded",
                                   .right = Right::administer,
                                   .answered_by = "OK, once durable"};
};

struct Complete {
  std::uint64_t lease = 0;
  std::vector<Message> outputs{};

  static constexpr FrameRow kFrame{
      .opcode = Opcode::complete,
      .name = "COMPLETE",
      .word = "complete",
      .what = "Settles a message and publishes what came of it, both or neither",
      .body = "`u64 lease`, `u32 count` (0 to 1000), then count times `u32 bytes, envelope, content`",
      .answered_by = "OK: as PUBLISH_BATCH; or ERROR (7.)"};
  static constexpr auto fields() {
    return std::array{
        lease_field<&Complete::lease>(0, "lease", "Of the delivery", {.required = true}),
        field<&Complete::outputs>(1, "outputs", "Messages that it causes", {.max = kOutputsMax}),
    };
  }
};

struct CallByName {
  std::string name{};
  JsonText arguments{};
  bool packed = false;

  static constexpr FrameRow kFrame{.opcode = Opcode::call,
                                   .name = "CALL",
                                   .word = "call",
                                   .what = "An operation of section 14",
                                   .right = Right::observe,
                                   .answered_by = "OK or CONFIRM, as the call says (14.)"};
  static constexpr auto fields() {
    return std::array{
        field<&CallByName::name>(0, "name", "Which", {.required = true}),
        field<&CallByName::arguments>(1, "arguments", "A JSON object", {.shape = "Arguments"}),
        field<&CallByName::packed>(2, "packed", "The answer as bytes instead of JSON, where the call says how",
                                   {.binary_only = true}),
    };
  }
};

struct OpenContent {
  std::uint64_t size = 0;
  std::optional<ContentHash> sha256{};

  static constexpr FrameRow kFrame{.opcode = Opcode::content_open,
                                   .name = "CONTENT_OPEN",
                                   .word = "content_open",
                                   .what = "Begins an upload",
                                   .right = Right::publish,
                                   .answered_by = "OK: `u8`, 0 the upload is open, 1 it is stored already (15.)"};
  static constexpr auto fields() {
    return std::array{
        field<&OpenContent::size>(0, "size", "Of the whole", {.required = true, .unit = "bytes"}),
        field<&OpenContent::sha256>(1, "sha256", "Its hash, if it is known"),
    };
  }
};

struct WriteContent {
  std::uint32_t upload = 0;
  std::uint64_t offset = 0;
  std::string data{};

  static constexpr FrameRow kFrame{.opcode = Opcode::content_write,
                                   .name = "CONTENT_WRITE",
                                   .word = "content_write",
                                   .what = "The next bytes of an upload",
                                   .right = Right::publish,
                                   .body = "`u32 upload, u64 offset`, 1 byte to 1 MiB",
                                   .answered_by = "OK"};
  static constexpr auto fields() {
    return std::array{
        field<&WriteContent::upload>(0, "upload", "The request number of the CONTENT_OPEN"),
        field<&WriteContent::offset>(1, "offset", "Where the bytes before ended", {.max = kStoredBytesMax}),
        field<&WriteContent::data>(2, "data", "The bytes, in base64",
                                   {.required = true, .max = kContentPartBytesMax / 3 * 4 + 8}),
    };
  }
};

struct FinishContent {
  std::uint32_t upload = 0;
  ContentHash sha256{};

  static constexpr FrameRow kFrame{.opcode = Opcode::content_finish,
                                   .name = "CONTENT_FINISH",
                                   .word = "content_finish",
                                   .what = "Ends an upload",
                                   .right = Right::publish,
                                   .body = "`u32 upload`, SHA-256 (32 bytes)",
                                   .answered_by = "OK: `u64 size, u8` 1 if it was stored before"};
  static constexpr auto fields() {
    return std::array{
        field<&FinishContent::upload>(0, "upload", "The request number of the CONTENT_OPEN"),
        field<&FinishContent::sha256>(1, "sha256", "The hash of the whole", {.required = true}),
    };
  }
};

struct StatContent {
  ContentHash sha256{};

  static constexpr FrameRow kFrame{.opcode = Opcode::content_stat,
                                   .name = "CONTENT_STAT",
                                   .word = "content_stat",
                                   .what = "The size of a stored content",
                                   .right = Right::observe,
                                   .body = "SHA-256 (32 bytes)",
                                   .answered_by = "OK: `u64 size`"};
  static constexpr auto fields() {
    return std::array{field<&StatContent::sha256>(0, "sha256", "Its hash", {.required = true})};
  }
};

struct ReadContent {
  ContentHash sha256{};
  std::uint64_t offset = 0;
  std::uint32_t size = kContentPartBytesMax;

  static constexpr FrameRow kFrame{.opcode = Opcode::content_read,
                                   .name = "CONTENT_READ",
                                   .word = "content_read",
                                   .what = "Bytes of a stored content",
                                   .right = Right::consume,
                                   .body = "SHA-256 (32 bytes), `u64 offset, u32 bytes` (1 to 1 MiB)",
                                   .answered_by = "OK: the bytes, fewer only at the end"};
  static constexpr auto fields() {
    return std::array{
        field<&ReadContent::sha256>(0, "sha256", "Its hash", {.required = true}),
        field<&ReadContent::offset>(1, "offset", "From where on", {.max = kStoredBytesMax}),
        field<&ReadContent::size>(2, "size", "So many at most",
                                  {.min = 1, .max = kContentPartBytesMax, .unit = "bytes"}),
    };
  }
};

inline constexpr std::size_t kFrameCount = 26;

/// The rows of all frames that clients send, by opcode.
std::span<const FrameInfo> frames();
/// nullptr if there is none.
const FrameInfo* find_frame(Opcode opcode);
const FrameInfo* find_frame(std::string_view word);

}  // namespace folkmoot
