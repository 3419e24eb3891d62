#include "client/codec.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "message/operations.hpp"

namespace folkmoot {

// The public enumerations repeat the wire's numbers.
static_assert(static_cast<int>(Outcome::sent) == static_cast<int>(PublishOutcome::sent));
static_assert(static_cast<int>(CopyState::scheduled) == static_cast<int>(ReceiptState::scheduled));

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
  PublishReceipt receipt{confirm->id, confirm->count, static_cast<Outcome>(confirm->outcome), {}};
  const bool was_read = confirm->age_ms != kNeverRead && receipt.outcome != Outcome::sent;
  if (was_read) receipt.last_read_age = Milliseconds(confirm->age_ms);
  return receipt;
}

}  // namespace

void set_request(std::string& frame, std::uint32_t request) {
  store(frame.data() + offsetof(FrameHeader, request), request);
}

std::string hello(const ClientOptions& options) {
  return built(append_hello, HelloRequest{options.agent, options.token, options.software});
}

Result<std::string> publish(const Message& message, bool quiet) { return tried(append_publish, message, quiet); }

Result<std::string> publish_batch(const std::vector<Message>& messages) {
  return tried(append_publish_batch, messages, false);
}

Result<std::string> request(const Message& message, Milliseconds timeout) {
  return tried(append_request, message, static_cast<std::uint32_t>(std::min<std::uint64_t>(ms(timeout), UINT32_MAX)));
}

std::string subscribe(std::string_view pattern, const SubscribeOptions& options) {
  return built(append_subscribe, SubscribeRequest{pattern, options.credit, options.echo});
}

std::string consume(std::string_view mailbox, const ConsumeOptions& options) {
  return built(append_consume, mailbox, options.credit);
}

std::string credit(std::uint32_t target, std::uint32_t amount) { return built(append_credit, target, amount); }

std::string receive(std::string_view mailbox, const ReceiveOptions& options) {
  return built(append_receive, ReceiveRequest{mailbox, options.max, ms(options.wait), ms(options.lease)});
}

std::string ack(std::span<const std::uint64_t> leases, bool quiet) { return built(append_ack, leases, quiet); }

std::string nack(std::span<const std::uint64_t> leases, const NackOptions& options, bool quiet) {
  return built(append_nack, leases, ms(options.delay), options.reason, quiet);
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
  return built(append_mailbox, request);
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

Result<Delivery> read_delivery(const Frame& frame) {
  auto read = folkmoot::read_delivery(frame);
  if (!read) return std::unexpected(std::move(read.error()));
  return Delivery{std::move(read->message), read->lease, read->delivery, read->redelivered};
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
  for (auto& [id, recipient, state, deliveries, at, reason] : *read) {
    out.push_back({id, std::move(recipient), static_cast<CopyState>(state), static_cast<std::uint32_t>(deliveries), at,
                   std::move(reason)});
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
