// The client's frames and the answers to them in the terms of the public API, over message/operations.hpp.
// What builds a frame leaves its request number 0: set_request() puts it in when the frame is sent.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "folkmoot/delivery.hpp"
#include "folkmoot/operation/stream.hpp"
#include "folkmoot/options.hpp"
#include "message/frame.hpp"

namespace folkmoot::codec {

void set_request(std::string& frame, std::uint32_t request);

/// What goes out for `message`: an exactly_once message has a key, a large content is compressed if `options` want it.
/// A content of more than `reference_above` bytes goes by reference, as it is, unless compression makes it that small.
void prepare(Message& message, const ClientOptions& options, std::size_t reference_above);
/// Undoes the compression, or leaves the content and says in content_error why.
void unpack(Delivery& delivery, std::size_t content_bytes_max);

std::string hello(const ClientOptions& options);
/// PUBLISH. Errors: as encode_envelope.
Result<std::string> publish(const Message& message, bool quiet);
/// Errors: as encode_envelope with the message's index; out_of_range for none or too many.
Result<std::string> publish_batch(const std::vector<Message>& messages, const BatchOptions& options);
/// `stream`: messages of type status may come before the answer.
Result<std::string> request(const Message& message, Milliseconds timeout, bool stream);
/// Errors: as publish_batch, but none is fine.
Result<std::string> complete(std::uint64_t lease, const std::vector<Message>& outputs);
std::string subscribe(std::string_view pattern, const SubscribeOptions& options);
std::string filter(std::uint32_t target, std::string_view filter);
std::string consume(std::string_view mailbox, const ConsumeOptions& options);
std::string credit(std::uint32_t target, std::uint32_t amount);
std::string receive(std::string_view mailbox, const ReceiveOptions& options);
std::string ack(std::span<const std::uint64_t> leases, bool quiet);
std::string nack(std::span<const std::uint64_t> leases, const NackOptions& options, bool quiet);
std::string reject(std::span<const std::uint64_t> leases, std::string_view reason);
std::string extend(std::span<const std::uint64_t> leases, Milliseconds lease);
std::string receipt(std::span<const Uuid> ids);
std::string wait(std::string_view mailbox, Milliseconds timeout);
std::string stats(std::string_view mailbox);
std::string ping();
std::string mailbox(std::string_view name, const MailboxOptions& options);
std::string call(std::string_view name, std::string_view arguments, bool packed = false);

/// Errors of all of these: malformed.
Result<PublishReceipt> read_confirm(Bytes body);
Result<std::vector<Result<PublishReceipt>>> read_batch(Bytes body, std::size_t count);
/// Into one that is fresh: moving a message costs as much as reading it.
Result<void> read_delivery(const Frame& frame, Delivery& delivery);
/// Errors: also lease_lost.
Result<void> read_settled(Bytes body);
Result<std::vector<Receipt>> read_receipts(Bytes body);
Result<MailboxReady> read_ready(Bytes body);
/// As kStreamPagePacked says.
Result<StreamPage> read_stream_page(Bytes body);

}  // namespace folkmoot::codec
