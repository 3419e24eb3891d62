// The answers of the protocol as JSON, in the same words at the HTTP and the WebSocket door (docs/protocol.md, sections
// 11, 13).
#pragma once

#include <map>
#include <span>
#include <string_view>

#include "message/json_writer.hpp"
#include "message/operations.hpp"
#include "operation/operations.hpp"

namespace folkmoot {

/// The fields of a CONFIRM: id, unread (for a topic: subscriptions), outcome, state (of a duplicate's first),
/// last_read_age_ms (null: never), status.
void append_confirm_fields(JsonWriter& out, const Confirm& confirm);
/// A CONFIRM in the words of message stores, as store_status().
std::string_view store_status(const Confirm& confirm);
/// Messages of a batch that were refused at the door, by their places in it, and went to nobody.
using RefusedHere = std::map<std::size_t, Error>;
RefusedHere refused_here(std::span<const Result<Message>> messages);
/// The results of a batch, or of a completion's outputs: an array of confirmations and errors, those of `refused` in
/// their places. `all_done` becomes false for an error. Errors: malformed.
Result<void> append_batch_results(JsonWriter& out, Bytes body, bool& all_done, const RefusedHere& refused = {});

/// The OK of a CALL as JSON text, messages in it made readable. Errors: malformed.
Result<std::string> call_result(const OperationInfo& operation, Bytes body);

/// code, error.
void append_error_fields(JsonWriter& out, const Error& error);
/// id, recipient, state, status, deliveries, at, reason.
void append_receipt_fields(JsonWriter& out, const CopyReceipt& receipt);
/// lease (absent if there is none), delivery, redelivered.
void append_delivery_fields(JsonWriter& out, const Delivered& delivered);

/// A state in the words of message stores: pending, delivered, processed, failed, expired; `unknown` for unknown.
std::string_view store_status(ReceiptState state, std::string_view reason);

}  // namespace folkmoot
