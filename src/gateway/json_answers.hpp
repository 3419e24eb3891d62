// The answers of the protocol as JSON, in the same words at the HTTP and the WebSocket door (docs/protocol.md, sections 11, 13).
#pragma once

#include <string_view>

#include "message/json_writer.hpp"
#include "message/operations.hpp"

namespace folkmoot {

/// The fields of a CONFIRM: id, unread (for a topic: subscriptions), outcome, last_read_age_ms (null: never).
void append_confirm_fields(JsonWriter& out, const Confirm& confirm);
/// code, error.
void append_error_fields(JsonWriter& out, const Error& error);
/// id, recipient, state, status, deliveries, at, reason.
void append_receipt_fields(JsonWriter& out, const CopyReceipt& receipt);
/// lease (absent if there is none), delivery, redelivered.
void append_delivery_fields(JsonWriter& out, const Delivered& delivered);

/// A state in the words of message stores: pending, delivered, processed, failed, expired; `unknown` for unknown.
std::string_view store_status(ReceiptState state, std::string_view reason);

}  // namespace folkmoot
