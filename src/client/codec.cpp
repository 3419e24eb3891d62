#include "client/codec.hpp"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <random>

#include "message/compression.hpp"
#include "message/envelope.hpp"
#include "message/operations.hpp"
#include "message/packed_content.hpp"

namespace folkmoot {

// The public enumerations repeat the wire's numbers.
static_assert(static_cast<int>(Outcome::kept) == static_cast<int>(PublishOutcome::kept));
static_assert(static_cast<int>(CopyState::cancelled) == static_cast<int>(ReceiptState::cancelled));

std::string_view name(Outcome outcome) { return name(static_cast<PublishOutcome>(outcome)); }
std::string_view name(CopyState state) { return name(static_cast<ReceiptState>(state)); }

namespace codec {
namespace {

// The frame that `append(out, 0, arguments...)` builds.
template <class Append, class... Arguments>
std::string built(Append append, const Arguments&... arguments) {
  std::string out;
  append(out, 0, arguments...);
  return out;
}

// The same of what may fail.
template <class Append, class... Arguments>
Result<std::string> tried(Append append, const Arguments&... arguments) {
  std::string out;
  if (auto done = append(out, 0, arguments...); !done) return std::unexpected(std::move(done.error()));
  return out;
}

std::uint64_t ms(Milliseconds value) { return static_cast<std::uint64_t>(std::max<std::int64_t>(value.count(), 0)); }

Result<PublishReceipt> public_receipt(Result<Confirm> confirm) {
  if (!confirm) return std::unexpected(std::move(confirm.error()));
  PublishReceipt receipt{
      confirm->id, confirm->count, static_cast<Outcome>(confirm->outcome), {}, static_cast<CopyState>(confirm->state)};
  const bool is_event = receipt.outcome == Outcome::sent || receipt.outcome == Outcome::kept;
  const bool was_read = confirm->age_ms != kNeverRead && !is_event;
  if (was_read) receipt.last_read_age = Milliseconds(confirm->age_ms);
  return receipt;
}

// A UUID of version 4 (RFC 9562, section 5.4).
std::string random_key() {
  Uuid id;
  if (::getrandom(id.bytes.data(), id.bytes.size(), 0) != static_cast<ssize_t>(id.bytes.size())) {
    std::random_device device;
    for (auto& byte : id.bytes) byte = static_cast<std::uint8_t>(device());
  }
  id.bytes[6] = (id.bytes[6] & 0x0f) | 0x40;
  id.bytes[8] = (id.bytes[8] & 0x3f) | 0x80;
  return id.text();
}

}  // namespace

void prepare(Message& message, const ClientOptions& options, std::size_t reference_above) {
  if (message.mode == DeliveryMode::exactly_once && message.key.empty()) message.key = random_key();
  if (options.compress_above == 0 || message.content.size() < options.compress_above) return;
  pack_content(message, options.compression == Compression::gzip ? kGzip : kZstd, reference_above);
}

void unpack(Delivery& delivery, std::size_t content_bytes_max) {
  if (auto unpacked = unpack_content(delivery.message, content_bytes_max); !unpacked)
    delivery.content_error = std::move(unpacked.error());
}

void set_request(std::string& frame, std::uint32_t request) {
  store(frame.data() + offsetof(FrameHeader, request), request);
}

std::string hello(const ClientOptions& options) {
  return built(append_hello, HelloRequest{options.agent, options.token, options.software});
}

Result<std::string> publish(const Message& message, bool quiet) { return tried(append_publish, message, quiet); }

Result<std::string> publish_batch(const std::vector<Message>& messages, const BatchOptions& options) {
  return tried(append_publish_batch, messages, options.atomic ? kFlagAtomic : std::uint8_t{0});
}

Result<std::string> request(const Message& message, Milliseconds timeout, bool stream) {
  return tried(append_request, message, static_cast<std::uint32_t>(std::min<std::uint64_t>(ms(timeout), UINT32_MAX)),
               stream ? kFlagStream : std::uint8_t{0});
}

Result<std::string> complete(std::uint64_t lease, const std::vector<Message>& outputs) {
  return tried(append_complete, lease, outputs);
}

std::string subscribe(std::string_view pattern, const SubscribeOptions& options) {
  return built(append_subscribe, SubscribeRequest{pattern, options.credit, options.echo, options.filter});
}

std::string filter(std::uint32_t target, std::string_view filter) { return built(append_filter, target, filter); }

std::string consume(std::string_view mailbox, const ConsumeOptions& options) {
  return built(append_consume, mailbox, options.credit);
}

std::string credit(std::uint32_t target, std::uint32_t amount) { return built(append_credit, target, amount); }

std::string receive(std::string_view mailbox, const ReceiveOptions& options) {
  return built(append_receive, ReceiveRequest{mailbox, options.max, ms(options.wait), ms(options.lease)});
}

std::string ack(std::span<const std::uint64_t> leases, bool quiet) { return built(append_ack, leases, quiet); }

std::string nack(std::span<const std::uint64_t> leases, const NackOptions& options, bool quiet) {
  const auto delay = options.delay ? std::optional(ms(*options.delay)) : std::nullopt;
  return built(append_nack, leases, delay, options.reason, quiet);
}

std::string reject(std::span<const std::uint64_t> leases, std::string_view reason) {
  return built(append_reject, leases, reason, false);
}

std::string extend(std::span<const std::uint64_t> leases, Milliseconds lease) {
  return built(append_extend, leases, ms(lease), false);
}

std::string receipt(std::span<const Uuid> ids) { return built(append_receipt, ids); }

std::string wait(std::string_view mailbox, Milliseconds timeout) { return built(append_wait, mailbox, ms(timeout)); }

std::string stats(std::string_view mailbox) { return built(append_stats, mailbox); }

std::string ping() { return built(append_ping); }

std::string mailbox(std::string_view name, const MailboxOptions& options) {
  MailboxRequest request;
  request.name = name;
  request.drop_oldest = options.drop_oldest;
  if (options.max_messages > 0) request.max_messages = options.max_messages;
  if (options.default_ttl.count() > 0) request.default_ttl_ms = ms(options.default_ttl);
  if (options.max_deliveries > 0) request.max_deliveries = options.max_deliveries;
  request.retry = options.retry;
  return built(append_mailbox, request);
}

std::string call(std::string_view name, std::string_view arguments, bool packed) {
  return built(append_call, name, arguments, packed);
}

Result<StreamPage> read_stream_page(Bytes body) {
  struct Event {
    std::uint64_t sequence = 0;
    std::int64_t at = 0;
    std::uint32_t delivery = 0, bytes = 0;
  };
  constexpr std::size_t kHeadBytes = 28;
  static_assert(sizeof(Event) == 24);
  const auto broken = [] { return failure(ErrorCode::malformed, "a page of a stream breaks off"); };
  if (body.size() < kHeadBytes) return broken();
  const auto number = [&](std::size_t at) { return load<std::uint64_t>(body.data() + at); };
  StreamPage page{.events = {}, .next = number(0), .first = number(8), .end = number(16)};
  const auto count = load<std::uint32_t>(body.data() + 24);
  body = body.subspan(kHeadBytes);
  page.events.reserve(std::min<std::size_t>(count, body.size() / sizeof(Event)));
  for (auto left = count; left > 0; --left) {
    if (body.size() < sizeof(Event)) return broken();
    const auto event = load<Event>(body.data());
    body = body.subspan(sizeof event);
    if (body.size() < event.bytes) return broken();
    auto& one = page.events.emplace_back();
    one.sequence = event.sequence;
    one.at_ms = event.at;
    one.delivery = event.delivery;
    if (auto read = decode_message(body.first(event.bytes), one.message); !read)
      return std::unexpected(std::move(read.error()));
    body = body.subspan(event.bytes);
  }
  if (!body.empty()) return broken();
  return page;
}

Result<PublishReceipt> read_confirm(Bytes body) { return public_receipt(folkmoot::read_confirm(body)); }

Result<std::vector<Result<PublishReceipt>>> read_batch(Bytes body, std::size_t count) {
  auto results = read_batch_results(body);
  if (!results) return std::unexpected(std::move(results.error()));
  if (results->size() != count) {
    return failure(ErrorCode::malformed,
                   fmt::format("the server answered {} of a batch's {} messages", results->size(), count));
  }
  std::vector<Result<PublishReceipt>> out;
  out.reserve(count);
  for (auto& result : *results) out.push_back(public_receipt(std::move(result)));
  return out;
}

Result<void> read_delivery(const Frame& frame, Delivery& delivery) {
  const auto read = read_delivery_head(frame);
  if (!read) return std::unexpected(read.error());
  const auto& [head, message] = *read;
  delivery.lease = head.lease;
  delivery.delivery = head.delivery;
  delivery.redelivered = head.redelivered;
  return decode_message(message, delivery.message);
}

Result<void> read_settled(Bytes body) {
  const auto read = folkmoot::read_settled(body);
  if (!read) return std::unexpected(read.error());
  if (read->refused.empty()) return {};
  return failure(ErrorCode::lease_lost, fmt::format("{} of {} leases were not held any more", read->refused.size(),
                                                    read->settled + read->refused.size()));
}

Result<std::vector<folkmoot::Receipt>> read_receipts(Bytes body) {
  auto read = folkmoot::read_receipts(body);
  if (!read) return std::unexpected(std::move(read.error()));
  std::vector<folkmoot::Receipt> out;
  out.reserve(read->size());
  for (auto& [id, recipient, state, deliveries, at, reason, holder, held_since] : *read) {
    out.push_back({id, std::move(recipient), static_cast<CopyState>(state), static_cast<std::uint32_t>(deliveries), at,
                   std::move(reason), std::move(holder), held_since});
  }
  return out;
}

Result<MailboxReady> read_ready(Bytes body) {
  const auto ready = read_u32(body), first = read_u32(body, 4);
  if (!ready || !first) return std::unexpected(ready ? first.error() : ready.error());
  return MailboxReady{*ready, static_cast<Priority>(*first)};
}

}  // namespace codec
}  // namespace folkmoot
